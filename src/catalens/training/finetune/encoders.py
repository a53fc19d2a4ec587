"""Fine-tunes an encoder on pairs of image and text, and averages the tuned weights with the old ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.training.finetune.contrastive import encode, pair_loss
from catalens.training.finetune.loop import Recipe, State, StepNote, train
from catalens.training.finetune.lora import Lora, attach
from catalens.training.finetune.splits import Split

Sides = Literal["both", "image", "text"]
ALPHAS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the tuned weights that are tried; 0 are the old ones."""
RANKS = (1, 5, 10)
_AT_ONCE = 64
_LINEAR = (("q_proj", "v_proj"), ("c_fc", "c_proj", "qkv", "fc1", "fc2"))
"""Names of linear layers that get adapters: of transformers, and of open_clip and timm."""


@dataclass(frozen=True, slots=True)
class PairRow:
    """An image and its text.

    Attributes:
        id: of the product, for messages.
        content: hash of the image's bytes.
        text: that shall find it.
        group: rows of one group belong together: the same image or the same text.
        bucket: rows of like numbers share a batch; a category makes hard negatives.
    """

    id: str
    content: str
    text: str
    group: int
    bucket: int = 0


Inputs = Callable[[Sequence[PairRow]], Tensor]
"""Rows → (n, ...), what a tower takes."""


@dataclass(frozen=True, slots=True)
class Tower:
    """One side of an encoder: its inputs, and the module that makes (n, dim) of them."""

    module: nn.Module
    inputs: Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderPlan:
    """How to fine-tune an encoder.

    Attributes:
        recipe: hyperparameters; a batch is what rows are told apart in.
        lora: settings of adapters; None trains the whole towers.
        chunk: rows whose activations are kept at a time; None for all of a batch.
        scale: multiplier of cosines.
        bias: None for a softmax, a number for sigmoids.
    """

    scale: float
    bias: float | None
    recipe: Recipe = field(default_factory=Recipe)
    lora: Lora | None = field(default_factory=Lora)
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class TunedEncoder:
    """What fine-tuning gave.

    Attributes:
        state: of the run.
        alpha: share of the tuned weights in the average that was best on validation rows; 0: the old weights stay.
        val: share of the tuned weights → recall at 1, 5 and 10 on validation rows; 0 is the untuned encoder.
        test: the same on test rows, for the untuned, the tuned, and the chosen weights.
    """

    state: State
    alpha: float
    val: Mapping[float, Mapping[int, float]]
    test: Mapping[float, Mapping[int, float]]


class _Pair(nn.Module):
    """Both towers, under names that adapters and checkpoints keep."""

    def __init__(self, image: nn.Module, text: nn.Module) -> None:
        super().__init__()
        self.image, self.text = image, text

    def train(self, mode: bool = True) -> _Pair:  # noqa: FBT001, FBT002 - torch's own signature
        """Switch dropout; statistics of batch norms stay those of the pretrained model."""
        super().train(mode)
        for each in self.modules():
            if isinstance(each, nn.modules.batchnorm._BatchNorm):
                each.eval()
        return self


def known_vectors(vectors: Mapping[str, NDArray[np.floating]], key: Callable[[PairRow], str]) -> Inputs:
    """Return the inputs of a side whose tower is not run again: vectors by key."""
    places = {each: at for at, each in enumerate(vectors)}
    table = torch.from_numpy(np.stack(list(vectors.values())).astype(np.float32))
    return lambda rows: table[[places[key(row)] for row in rows]]


class LinearMap(nn.Module):
    """Multiplies vectors by a matrix that starts as the identity: what can be trained of a bundle.

    Args:
        dim: width of the vectors.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(dim, dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (n, dim) to (n, dim)."""
        return vectors + vectors @ self.change

    def matrix(self) -> Vectors:
        """Return (dim, dim), for vectors on its left."""
        found: NDArray[np.float32] = (torch.eye(len(self.change)) + self.change.detach().cpu()).numpy()
        return found


def tune_encoder(
    image: Tower,
    text: Tower,
    rows: Mapping[Split, Sequence[PairRow]],
    plan: EncoderPlan,
    folder: Path,
    on_step: Callable[[StepNote], None] = lambda _: None,
) -> TunedEncoder:
    """Train two towers, and leave in them the average with the old weights that is best on validation rows.

    Args:
        image: side of the images.
        text: side of the texts.
        rows: train, val and test.
        plan: how.
        folder: of the checkpoint; a checkpoint in it is gone on from.
        on_step: told of each step.

    Raises:
        ModelError: a loss is not finite, or there is no layer that can be adapted.
    """
    pair = _Pair(image.module, text.module)
    towers = (Tower(pair.image, image.inputs), Tower(pair.text, text.inputs))
    old = {name: each.detach().clone() for name, each in pair.state_dict().items()}
    val, test = {0.0: _recalls(towers, rows["val"])}, {0.0: _recalls(towers, rows["test"])}
    torch.manual_seed(plan.recipe.seed)
    tuned: Any = pair
    if plan.lora is None or not _linear(pair):
        pair.requires_grad_(requires_grad=True)
    else:
        tuned = attach(pair, plan.lora, _linear(pair), frozen=None)

    def loss_of(batch: Sequence[PairRow]) -> tuple[Tensor, int]:
        groups = torch.tensor([row.group for row in batch])
        images, texts = (encode(each.module, each.inputs(batch), chunk=plan.chunk) for each in towers)
        loss = pair_loss(images, texts, groups.to(images.device), scale=plan.scale, bias=plan.bias)
        return loss * len(batch), len(batch)

    state = train(tuned, loss_of, dict(rows.items()), plan.recipe, folder, on_step)
    if tuned is not pair:
        tuned.merge_and_unload()
    pair.requires_grad_(requires_grad=False).eval()
    new = {name: each.detach().clone() for name, each in pair.state_dict().items()}
    for alpha in ALPHAS:
        _average(pair, old, new, alpha)
        val[alpha] = _recalls(towers, rows["val"])
    chosen = max(val, key=lambda alpha: (sum(val[alpha].values()), -alpha))
    for alpha in (1.0, chosen):
        _average(pair, old, new, alpha)
        if alpha not in test:
            test[alpha] = _recalls(towers, rows["test"])
    return TunedEncoder(state, chosen, val, test)


def recalls(images: Vectors, texts: Vectors, groups: Sequence[int]) -> dict[int, float]:
    """Return the share of texts that find an image of their group among the first 1, 5 and 10.

    Args:
        images: (n, dim) unit rows, the images that are searched.
        texts: (n, dim) unit rows, the queries.
        groups: n, equal where an image is right for a text.
    """
    if not len(texts):
        return dict.fromkeys(RANKS, 0.0)
    same = np.asarray(groups)[:, None] == np.asarray(groups)[None, :]
    cosines = texts @ images.T
    best = np.where(same, cosines, -np.inf).max(axis=1)
    # Ties with another product count against the text.
    ahead = ((cosines >= best[:, None]) & ~same).sum(axis=1)
    return {rank: float((ahead < rank).mean()) for rank in RANKS}


def _recalls(towers: tuple[Tower, Tower], rows: Sequence[PairRow]) -> dict[int, float]:
    vectors: list[Vectors] = []
    with torch.inference_mode():
        for tower in towers:
            tower.module.eval()
            blocks = [encode(tower.module, tower.inputs(some), chunk=None) for some in batched(rows, _AT_ONCE)]
            vectors.append(torch.cat(blocks).float().cpu().numpy() if blocks else np.zeros((0, 1), dtype=np.float32))
    return recalls(vectors[0], vectors[1], [row.group for row in rows])


def _average(pair: nn.Module, old: Mapping[str, Tensor], new: Mapping[str, Tensor], alpha: float) -> None:
    """Set the weights to the average of old and new ones.

    Source:
        Wortsman et al. 2022 (WiSE-FT).
    """
    mixed = {
        name: torch.lerp(old[name], each, alpha) if each.is_floating_point() else each for name, each in new.items()
    }
    pair.load_state_dict(mixed)


def _linear(pair: nn.Module) -> tuple[str, ...]:
    """Return the names of the layers that get adapters; none where there is no such layer."""
    names = {name.rpartition(".")[2] for name, each in pair.named_modules() if isinstance(each, nn.Linear)}
    return next((tuple(each for each in some if each in names) for some in _LINEAR if names & {*some}), ())
