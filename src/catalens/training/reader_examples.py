"""Training examples of a reader: image features, captions and facts, also as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from catalens.models.readers.marks import ANSWER, ASK, CAPTION, mark_ids
from catalens.training.facts import Fact
from catalens.training.vocabulary import train_tokenizer

IGNORED = -100
"""Target of a position whose next token is not predicted, as torch's cross-entropy has it."""

TokenPair = tuple[list[int], list[int]]
"""Input ids and, for each, the next token as target."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Features of n images, and what is known of each.

    Attributes:
        cells: (n, views, cells, channels) float16.
        means: (n, views, means) float16.
        captions: per image; an image may have none.
        facts: per image.
    """

    cells: NDArray[np.float16]
    means: NDArray[np.float16]
    captions: Sequence[Sequence[str]]
    facts: Sequence[Sequence[Fact]]

    def __len__(self) -> int:
        return len(self.cells)

    def first(self, n: int) -> Examples:
        """Return the first n."""
        return Examples(self.cells[:n], self.means[:n], self.captions[:n], self.facts[:n])

    def complete(self) -> NDArray[np.int64]:
        """Return the rows that have both captions and facts."""
        return np.array([i for i in range(len(self)) if self.captions[i] and self.facts[i]])

    def texts(self) -> list[str]:
        """Return every text, to learn a vocabulary from."""
        out = [text for texts in self.captions for text in texts]
        out += [text for facts in self.facts for fact in facts for text in (fact.asked[0], fact.answer)]
        return out

    def features(self, rows: NDArray[np.int64] | slice, views: NDArray[np.int64] | int = 0) -> tuple[Tensor, Tensor]:
        """Return cells (k, cells, channels) and means (k, means) of some rows, each in one view."""
        cells, means = (torch.from_numpy(part[rows, views].astype(np.float32)) for part in (self.cells, self.means))
        return cells, means


def reader_tokenizer(texts: Sequence[str], size: int) -> Tokenizer:
    """Train a reader's tokenizer of `size` entries; its special tokens come last, the end token at the very end."""
    tokenizer = train_tokenizer(texts, size - 3)
    tokenizer.add_special_tokens([CAPTION, ASK, ANSWER])
    return tokenizer


class ReaderText:
    """Turns captions and answered questions into input ids and targets.

    Args:
        tokenizer: from `reader_tokenizer`.
        max_tokens: of a caption, a question or an answer; the rest is cut off.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int = 40) -> None:
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.caption_id, self.ask_id, self.answer_id, self.end_id = mark_ids(tokenizer)

    @property
    def marks(self) -> list[int]:
        """Tokens that only begin a text and are never generated."""
        return [self.caption_id, self.ask_id, self.answer_id]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids[: self.max_tokens]

    def caption(self, text: str) -> TokenPair:
        """Encode a caption; every token of it is predicted."""
        return self.caption_of_ids(self._ids(text))

    def caption_of_ids(self, ids: list[int]) -> TokenPair:
        """Return the same for a caption's own ids, without special tokens."""
        return [self.caption_id, *ids], [*ids, self.end_id]

    def answer(self, question: str, answer: str) -> TokenPair:
        """Encode an answered question; only the tokens of the answer are predicted."""
        asked, answered = self._ids(question), self._ids(answer)
        inputs = [self.ask_id, *asked, self.answer_id, *answered]
        return inputs, [IGNORED] * (len(asked) + 1) + [*answered, self.end_id]


def padded(pairs: Sequence[TokenPair]) -> tuple[Tensor, Tensor]:
    """Return input ids (n, longest), padded with 0, and targets (n, longest), padded with `IGNORED`."""
    shape = len(pairs), max(len(ids) for ids, _ in pairs)
    inputs, targets = torch.zeros(shape, dtype=torch.long), torch.full(shape, IGNORED)
    for row, (ids, wanted) in enumerate(pairs):
        inputs[row, : len(ids)], targets[row, : len(wanted)] = torch.tensor(ids), torch.tensor(wanted)
    return inputs, targets
