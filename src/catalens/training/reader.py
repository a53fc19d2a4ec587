"""The small reader: a decoder that looks at what an encoder's image tower saw, and says it in words.

It never sees pixels. What a bundle's image graph gives besides the vector (a map of cells and some means) becomes
keys and values once per picture; every caption, question and answer that follows attends to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

WHOLES = 4
"""Tokens made of the picture's means and vector, beside one for each cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a reader.

    Attributes:
        vocabulary: entries of its tokenizer.
        cells: places of the map, such as 49.
        channels: numbers of a cell.
        means: numbers for the whole picture.
        width: of the decoder.
        depth: its blocks.
        heads: of its attention.
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
    """Pre-norm decoder block: causal attention over the words, attention over the picture, and a wide layer."""

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
        """Keys and values of the picture: (n, tokens, width) → (2, n, heads, tokens, width / heads)."""
        return torch.stack([self._split(part) for part in self.seen(memory).chunk(2, dim=-1)])

    def forward(self, x: Tensor, past: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Take words (rows, length, width) after a past (2, rows, heads, before, width / heads).

        The rows of one picture follow each other, so that its memory is read once for all of them.
        """
        rows, length, width = x.shape
        q, k, v = (self._split(part) for part in self.qkv(self.norm1(x)).chunk(3, dim=-1))
        present = torch.stack([k, v])
        keys, values = torch.cat([past, present], dim=3)
        heard = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        x = x + self.drop(self.out(heard.transpose(1, 2).reshape(rows, length, width)))
        pictures = memory.shape[1]
        asked = self._split(self.ask(self.norm2(x)).reshape(pictures, -1, width))
        told = functional.scaled_dot_product_attention(asked, memory[0], memory[1])
        x = x + self.drop(self.told(told.transpose(1, 2).reshape(rows, length, width)))
        return x + self.drop(self.down(functional.gelu(self.up(self.norm3(x))))), present


class Reader(nn.Module):
    """Words after words, given what a picture's features are."""

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
        """Features of n pictures → (depth, 2, n, heads, cells + 4, width / heads), once per picture."""
        places = self.cell(self.cell_norm(cells)) + self.place.weight
        whole = self.whole(self.mean_norm(means)).unflatten(1, (WHOLES, self.shape.width))
        memory = self.memory_norm(self.drop(torch.cat([places, whole], dim=1)))
        return torch.stack([block.encode_memory(memory) for block in self.blocks])

    def forward(self, ids: Tensor, past: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Read ids (rows, length) after a past (depth, 2, rows, heads, before, width / heads).

        Returns:
            (rows, length, vocabulary) logits of the next word, and the keys and values to be put after the past.
        """
        states, presents = self.states(ids, past, memory)
        return self.next_words(states), presents

    def next_words(self, states: Tensor) -> Tensor:
        """States (..., width) to logits (..., vocabulary) of the next word."""
        return self.norm(states) @ self.token.weight.T

    def states(self, ids: Tensor, past: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` makes its logits of, (rows, length, width), and the keys and values."""
        before, length = past.shape[4], ids.shape[1]
        places = torch.arange(length, device=ids.device) + before
        x = self.drop(self.token(ids) + self.position(places))
        mask = torch.arange(before + length, device=ids.device)[None, :] <= places[:, None]
        presents = []
        for i, block in enumerate(self.blocks):
            x, present = block(x, past[i], memory[i], mask)
            presents.append(present)
        return x, torch.stack(presents)

    def nothing(self, rows: int) -> Tensor:
        """Return the past of texts that have none."""
        shape = self.shape
        return torch.zeros(shape.depth, 2, rows, shape.heads, 0, shape.width // shape.heads)
