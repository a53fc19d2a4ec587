"""From texts to the token ids that a text tower reads; every encoder with a tokenizer shares it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from catalens.core.errors import InputError
from catalens.core.vectors import batched

TEXTS_AT_ONCE = 256
"""Texts of one length that go through a text tower together; bounds memory, not meaning."""


class Tokens:
    """A tokenizer with what a text tower wants of it: where a text is cut, and whether it is padded.

    Args:
        tokenizer: gives a text's ids with its marks; its own padding and cutting are turned off.
        max_tokens: more are not read.
        pad_id: None: a text is read at its true length. A number: it is padded with it to max_tokens.
        end_id: the mark of a text's end; nothing after the first one is read.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, pad_id: int | None, end_id: int) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._max_tokens, self._pad_id, self._end_id = max_tokens, pad_id, end_id

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids that the tower reads of each text; one too long keeps its beginning and its end mark.

        Raises:
            InputError: a text is not a str, or holds half a character.
        """
        return [self._fit(ids) for ids in self._whole(texts)]

    def open_end(self, text: str) -> list[int]:
        """Give the ids of a text that goes on: as `read`, without the mark of its end.

        Raises:
            InputError: as `read`.
        """
        [ids] = self.read([text])
        return ids[:-1] if ids[-1:] == [self._end_id] else ids

    def count(self, text: str) -> tuple[int, int]:
        """Give how many tokens a text has, its marks included, and how many are read.

        Raises:
            InputError: as `read`.
        """
        [ids] = self._whole([text])
        return len(ids), min(len(ids), self._max_tokens)

    def _whole(self, texts: Sequence[str]) -> list[list[int]]:
        for text in texts:
            if not isinstance(text, str):
                raise InputError(f"a text to encode must be a str, not {type(text).__name__}: {text!r}")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"a text to encode holds half a character at place {error.start}: {text!r}") from error
        found = (encoding.ids for encoding in self._tokenizer.encode_batch(list(texts)))
        # The state at the first end mark is the text's vector: a causal tower has not seen what follows.
        return [ids[: ids.index(self._end_id) + 1] if self._end_id in ids else ids for ids in found]

    def _fit(self, ids: list[int]) -> list[int]:
        most = self._max_tokens
        if len(ids) > most:
            return [*ids[: most - 1], ids[-1]]
        return ids if self._pad_id is None else ids + [self._pad_id] * (most - len(ids))


def alike(keys: Iterable[object], size: int = TEXTS_AT_ONCE) -> Iterator[list[int]]:
    """Give the places of equal keys together, at most `size` at once.

    >>> list(alike("abab"))
    [[0, 2], [1, 3]]
    """
    places: dict[object, list[int]] = {}
    for at, key in enumerate(keys):
        places.setdefault(key, []).append(at)
    for each in places.values():
        yield from batched(each, size)


def rows_of(ids: Sequence[Sequence[int]], places: Sequence[int]) -> NDArray[np.int64]:
    """Give (n, length) ids of texts of one length."""
    return np.array([ids[at] for at in places], dtype=np.int64)
