"""The starter's two towers: MobileNetV2 for pictures, a small causal transformer for texts.

The text tower is causal, as CLIP's is, so that what follows the end token changes nothing and a shared
beginning of many texts can be computed once. The end token has the highest id of the vocabulary, and
its position is found by argmax, which keeps the exported graph to a single input.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from catalens.core.errors import InputError
from catalens.training.backbones import mobilenet, running_statistics
from catalens.training.tracing import to_openvino

FROZEN_BLOCKS = 3
"""MobileNetV2's stem and first three blocks stay as ImageNet left them: most of the work, little of the meaning."""

HEADS = 4
"""Attention heads of the text tower."""

POOLED = 32 + 64 + 1280
"""Channels after the frozen stem (stride 8), the middle (stride 16) and the end (stride 32)."""


class ImageTower(nn.Module):
    """Pictures (n, 3, height, width) in [-1, 1] to unit rows (n, dim)."""

    def __init__(self, dim: int = 256) -> None:
        super().__init__()
        net = mobilenet()
        self.stem = nn.Sequential(net.conv_stem, net.bn1, *net.blocks[:FROZEN_BLOCKS])
        self.ways: tuple[Callable[[Tensor], Tensor], ...] = ()
        """Faster ways for what `parts` are, while training; never part of the exported graph."""
        self.fine = nn.Sequential(*net.blocks[FROZEN_BLOCKS:4])  # stride 16, 64 channels
        self.coarse = nn.Sequential(*net.blocks[4:], net.conv_head, net.bn2)  # stride 32, 1280 channels
        self.norm = nn.BatchNorm1d(POOLED)
        self.project = nn.Linear(POOLED, dim)
        self.stem.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> ImageTower:  # noqa: FBT001, FBT002 - torch's own signature
        """As usual, but the stem never leaves evaluation mode."""
        super().train(mode)
        self.stem.eval()
        return self

    @property
    def parts(self) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential, nn.Sequential]:
        """The stem, the middle, and the end up to its last map but one and from there on."""
        return self.stem, self.fine, self.coarse[:-2], self.coarse[-2:]

    def trunk(self, pixels_nchw: Tensor) -> Tensor:
        """Return pooled features (n, 1376): what is there, and beside it the finer maps' colours and textures."""
        return self.seen(pixels_nchw)[1]

    def seen(self, pixels_nchw: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cells (n, height × width / 32², 320) of the last map but one, and pooled features (n, 1376)."""
        see_low, see_fine, see_cells, see_coarse = self.ways or self.parts
        low = see_low(pixels_nchw)
        fine = see_fine(low)
        cells = see_cells(fine)
        coarse = see_coarse(cells)
        pooled = torch.cat([part.float().mean((2, 3)) for part in (low, fine, coarse)], dim=1)
        return cells.flatten(2).transpose(1, 2), pooled

    def forward(self, pixels_nchw: Tensor) -> Tensor:
        """Encode a batch."""
        return functional.normalize(self.project(self.norm(self.trunk(pixels_nchw))).float(), dim=-1)

    def load_imagenet(self, file: Path) -> None:
        """Start from ImageNet weights in timm's names for `mobilenetv2_100` (batch norms folded).

        Raises:
            InputError: the file holds something else.
        """
        net = mobilenet()
        found = net.load_state_dict(load_file(file), strict=False)
        missing = [name for name in found.missing_keys if not name.endswith("num_batches_tracked")]
        if missing:
            raise InputError(f"{file} does not hold timm's mobilenetv2_100: {missing[0]} is missing, of {len(missing)}")
        self.stem.load_state_dict(nn.Sequential(net.conv_stem, net.bn1, *net.blocks[:FROZEN_BLOCKS]).state_dict())
        self.fine.load_state_dict(nn.Sequential(*net.blocks[FROZEN_BLOCKS:4]).state_dict())
        self.coarse.load_state_dict(nn.Sequential(*net.blocks[4:], net.conv_head, net.bn2).state_dict())


@torch.no_grad()
def recalibrate(tower: ImageTower, batches: list[Tensor]) -> None:
    """Unfold the batch norms of the trainable part so that training mode starts as the same function.

    The file's norms hold folded biases (mean 0, variance 1). Each layer's input mean and variance
    are measured on some batches; scale and shift are set to undo exactly what normalising by them does.
    """
    tower.eval()
    layers = [
        layer for part in (tower.fine, tower.coarse) for layer in part.modules() if isinstance(layer, nn.BatchNorm2d)
    ]
    seen: dict[nn.Module, list[Tensor]] = {layer: [] for layer in layers}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].float()
        seen[layer].append(torch.stack([x.mean((0, 2, 3)), x.pow(2).mean((0, 2, 3))]))

    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    for batch in batches:
        tower.trunk(batch)
    for handle in handles:
        handle.remove()
    for layer in layers:
        mean, square = torch.stack(seen[layer]).mean(0)
        spread = (square - mean**2).clamp_min(1e-6)
        running_mean, running_var = running_statistics(layer)
        factor = layer.weight / (running_var + layer.eps).sqrt()
        layer.bias.add_(factor * (mean - running_mean))
        layer.weight.copy_(factor * (spread + layer.eps).sqrt())
        running_mean.copy_(mean)
        running_var.copy_(spread)


def compiled_stem(tower: ImageTower) -> Callable[[Tensor], Tensor]:
    """Run the frozen stem on OpenVINO in its fastest type: seven times torch's speed on an AVX-512 machine."""
    import openvino

    graph = to_openvino(tower.stem, torch.zeros(1, 3, 160, 120))
    compiled: dict[tuple[int, ...], openvino.CompiledModel] = {}

    def run(pixels_nchw: Tensor) -> Tensor:
        shape = tuple(pixels_nchw.shape)
        if shape not in compiled:
            graph.reshape(list(shape))
            compiled[shape] = openvino.Core().compile_model(graph, "CPU")
        result = compiled[shape](pixels_nchw.contiguous().numpy())[0]
        return torch.from_numpy(result.copy()).contiguous(memory_format=torch.channels_last)

    return run


class Block(nn.Module):
    """One pre-norm transformer block with causal attention."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.drop = heads, nn.Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width) to the same."""
        q, k, v = self._heads(x)
        return self._rest(x, functional.scaled_dot_product_attention(q, k, v, is_causal=True))

    def after(self, x: Tensor, past: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Go on from the keys and values (2, heads, before, width / heads) that stand before all rows alike.

        The mask (n, 1, length, before + length) says what each token sees.

        Returns:
            The same as without a past, and row 0's keys and values with the past before them.
        """
        q, k, v = self._heads(x)
        keys, values = (
            torch.cat([old.expand(x.shape[0], -1, -1, -1), new], dim=2) for old, new in zip(past, (k, v), strict=True)
        )
        seen = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return self._rest(x, seen), torch.stack([keys[0], values[0]])

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (n, heads, length, width / heads)."""
        n, length, width = x.shape
        parts = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        return q, k, v

    def _rest(self, x: Tensor, seen: Tensor) -> Tensor:
        n, length, width = x.shape
        x = x + self.drop(self.out(seen.transpose(1, 2).reshape(n, length, width)))
        out: Tensor = x + self.drop(self.down(functional.gelu(self.up(self.norm2(x)))))
        return out


class Table(Protocol):
    """What looks up tokens, ids (...) to states (..., width): an embedding, or what stands in for one."""

    @property
    def weight(self) -> Tensor:
        """Return the rows (vocabulary, width)."""

    def __call__(self, input_ids: Tensor, /) -> Tensor:
        """Look up ids."""


class PackedTower(Protocol):
    """A causal text tower that encodes packed texts as `TextTower` does."""

    def after(self, input_ids: Tensor, sees: Tensor, ends: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode packed texts after what was seen before."""

    def nothing(self) -> Tensor:
        """Return the past of no tokens."""


class TextTower(nn.Module):
    """Token ids (n, length) to unit rows (n, dim); the last id of a text is the vocabulary's highest.

    With a branch, a first half of the vector is read from further blocks, and how long it is before normalising says
    how much of the text lies there; the second half is what the tower gives without them.
    """

    token: Table

    def __init__(
        self,
        vocabulary: int,
        dim: int = 256,
        *,
        width: int = 256,
        depth: int = 3,
        max_tokens: int = 64,
        dropout: float = 0.0,
        branch: int = 0,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(max_tokens, width)
        self.blocks = nn.Sequential(*[Block(width, HEADS, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, dim, bias=False)
        self.branch = nn.Sequential(*[Block(width, HEADS, dropout) for _ in range(branch)])
        self.branch_norm = nn.LayerNorm(width) if branch else None
        self.branch_project = nn.Linear(width, dim, bias=False) if branch else None
        for table in (self.token, self.position):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Encode a batch; what stands after the end token is ignored."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.blocks(self.token(input_ids) + self.position(places))
        rows, ends = torch.arange(input_ids.shape[0], device=input_ids.device), input_ids.argmax(dim=1)
        return self._vectors(x[rows, ends], self.branch(x)[rows, ends])

    def after(self, input_ids: Tensor, sees: Tensor, ends: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode packed texts (see `catalens.models.packing`) whose beginning, the same for all, was seen before.

        Args:
            input_ids: (n, length).
            sees: (n, length, length) bool, whether a token sees another of its row.
            ends: (m,), where the end token of each text is, in row-major order.
            past: (layers, 2, heads, before, width / heads).

        Returns:
            (m, dim) unit rows, and the past with row 0's keys and values after it.
        """
        x = self.token(input_ids) + self.position(sees.sum(dim=2) - 1 + past.shape[3])
        mask = torch.cat([sees.new_ones(*sees.shape[:2], past.shape[3]), sees], dim=2)[:, None]
        states, presents = [], []
        for blocks, olds in ((self.blocks, past[: len(self.blocks)]), (self.branch, past[len(self.blocks) :])):
            for block, old in zip(blocks, olds, strict=True):
                assert isinstance(block, Block)
                x, present = block.after(x, old, mask)
                presents.append(present)
            states.append(x.flatten(0, 1)[ends])
        return self._vectors(*states), torch.stack(presents)

    def nothing(self) -> Tensor:
        """Return the past of no tokens: (layers, 2, heads, 0, width / heads)."""
        width = self.token.weight.shape[1]
        return self.token.weight.new_empty(len(self.blocks) + len(self.branch), 2, HEADS, 0, width // HEADS)

    def _vectors(self, x: Tensor, further: Tensor) -> Tensor:
        """Unit rows from the states (n, width) of end tokens, without the branch's blocks and with them."""
        parts = [self.project(self.norm(x))]
        if self.branch_norm is not None and self.branch_project is not None:
            parts.insert(0, self.branch_project(self.branch_norm(further)))
        return functional.normalize(torch.cat(parts, dim=1).float(), dim=-1)
