"""The small reader: a decoder over the features of an encoder's image tower.

It never sees pixels. What a bundle's image graph returns besides the vector (a map of cells, and pooled means) becomes
keys and values once per image; every caption, question and answer attends to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

WHOLES = 4
"""Memory tokens made of the image's means, beside one for each cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a reader.

    Attributes:
        vocabulary: entries of its tokenizer.
        cells: positions of the feature map, such as 49.
        channels: of a cell.
        means: pooled features of the whole image.
        width: of the decoder.
        depth: decoder blocks.
        heads: attention heads.
        max_tokens: of a text, question and answer together.
    """

    vocabulary: int
    cells: int
    channels: int
    means: int
    width: int = 256
    depth: int = 3
    heads: int = 4
    max_tokens: int = 64


class ReaderBlock(nn.Module):
    """Pre-norm decoder block: causal self-attention, cross-attention to the image, and an MLP."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        width, self.heads, self.drop = shape.width, shape.heads, nn.Dropout(dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ask, self.seen, self.told = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def _split(self, x: Tensor) -> Tensor:
        """(n, length, width) → (n, heads, length, width / heads)."""
        n, length, width = x.shape
        return x.view(n, length, self.heads, width // self.heads).transpose(1, 2)

    def encode_memory(self, memory: Tensor) -> Tensor:
        """Return the image's keys and values: (n, tokens, width) → (2, n, heads, tokens, width / heads)."""
        return torch.stack([self._split(part) for part in self.seen(memory).chunk(2, dim=-1)])

    def forward(self, x: Tensor, past: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Run tokens (rows, length, width) after a past (2, rows, heads, before, width / heads).

        The rows of one image follow each other, so that its memory is read once for all of them.
        """
        rows, length, width = x.shape
        q, k, v = (self._split(part) for part in self.qkv(self.norm1(x)).chunk(3, dim=-1))
        present = torch.stack([k, v])
        keys, values = torch.cat([past, present], dim=3)
        attended = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        x = x + self.drop(self.out(attended.transpose(1, 2).reshape(rows, length, width)))
        images = memory.shape[1]
        queries = self._split(self.ask(self.norm2(x)).reshape(images, -1, width))
        read = functional.scaled_dot_product_attention(queries, memory[0], memory[1])
        x = x + self.drop(self.told(read.transpose(1, 2).reshape(rows, length, width)))
        return x + self.drop(self.down(functional.gelu(self.up(self.norm3(x))))), present


class Reader(nn.Module):
    """A causal decoder with cross-attention to an image's features."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape, self.drop = shape, nn.Dropout(dropout)
        self.cell, self.place = nn.Linear(shape.channels, shape.width), nn.Embedding(shape.cells, shape.width)
        self.whole = nn.Linear(shape.means, WHOLES * shape.width)
        self.cell_norm, self.mean_norm = nn.LayerNorm(shape.channels), nn.LayerNorm(shape.means)
        self.memory_norm = nn.LayerNorm(shape.width)
        self.token = nn.Embedding(shape.vocabulary, shape.width)
        self.position = nn.Embedding(shape.max_tokens, shape.width)
        self.blocks = nn.ModuleList(ReaderBlock(shape, dropout) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width)
        for table in (self.token, self.position, self.place):
            nn.init.normal_(table.weight, std=0.02)

    def encode_memory(self, cells: Tensor, means: Tensor) -> Tensor:
        """Return the keys and values of n images: (depth, 2, n, heads, cells + 4, width / heads)."""
        places = self.cell(self.cell_norm(cells)) + self.place.weight
        whole = self.whole(self.mean_norm(means)).unflatten(1, (WHOLES, self.shape.width))
        memory = self.memory_norm(self.drop(torch.cat([places, whole], dim=1)))
        remembered = []
        for block in self.blocks:
            assert isinstance(block, ReaderBlock)
            remembered.append(block.encode_memory(memory))
        return torch.stack(remembered)

    def forward(self, ids: Tensor, past: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Run ids (rows, length) after a past (depth, 2, rows, heads, before, width / heads).

        Returns:
            Logits of the next token (rows, length, vocabulary), and the keys and values to append to the past.
        """
        states, presents = self.states(ids, past, memory)
        return self.logits(states), presents

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (..., vocabulary) of the next token from states (..., width)."""
        logits: Tensor = self.norm(states) @ self.token.weight.T
        return logits

    def states(self, ids: Tensor, past: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last hidden states (rows, length, width), and the new keys and values."""
        before, length = past.shape[4], ids.shape[1]
        places = torch.arange(length, device=ids.device) + before
        x = self.drop(self.token(ids) + self.position(places))
        mask = torch.arange(before + length, device=ids.device)[None, :] <= places[:, None]
        presents = []
        for i, block in enumerate(self.blocks):
            x, present = block(x, past[i], memory[i], mask)
            presents.append(present)
        return x, torch.stack(presents)

    def no_past(self, rows: int) -> Tensor:
        """Return an empty past for texts that begin here."""
        shape = self.shape
        return torch.zeros(shape.depth, 2, rows, shape.heads, 0, shape.width // shape.heads)
