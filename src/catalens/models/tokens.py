"""From texts to the token ids that a text tower reads; every encoder with a tokenizer shares it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from catalens.core.errors import InputError
from catalens.core.vectors import batched

TEXTS_AT_ONCE = 256
"""Texts of one length that go through a text tower together; bounds memory, not meaning."""

_FEW = 4
_SHOWN = 60
"""Letters of a text that a warning shows."""
_log = logging.getLogger(__name__)


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
        """Return the ids that the tower reads of each text.

        One too long is cut at the last word that fits, keeps its end mark, and is never cut silently: a warning goes
        to the log, which Python shows on standard error where nobody set it up otherwise.

        Raises:
            InputError: a text is not a str, or holds half a character.
        """
        whole = self._whole(texts)
        cut = [text for text, (ids, _) in zip(texts, whole, strict=True) if len(ids) > self._max_tokens]
        if cut:
            start = cut[0] if len(cut[0]) <= _SHOWN else f"{cut[0][:_SHOWN]}…"
            _log.warning(
                "%d of %d texts are longer than %d tokens; only their beginning is read, such as of %r",
                *(len(cut), len(texts), self._max_tokens, start),
            )
        return [self._padded(self._cut(text, *each)) for text, each in zip(texts, whole, strict=True)]

    def open_end(self, text: str) -> list[int]:
        """Return the ids of a text that goes on: as `read`, without the mark of its end.

        Raises:
            InputError: as `read`.
        """
        [ids] = self.read([text])
        return ids[:-1] if ids[-1:] == [self._end_id] else ids

    def count(self, text: str) -> tuple[int, int]:
        """Return how many tokens a text has, its marks included, and how many are read.

        Raises:
            InputError: as `read`.
        """
        [(ids, encoding)] = self._whole([text])
        return len(ids), len(self._cut(text, ids, encoding))

    def _whole(self, texts: Sequence[str]) -> list[tuple[list[int], Encoding]]:
        for text in texts:
            if not isinstance(text, str):
                raise InputError(f"a text to encode must be a str, not {type(text).__name__}: {text!r}")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"a text to encode holds half a character at place {error.start}: {text!r}") from error
        # A batch goes to threads, which costs more than a few texts do.
        few = len(texts) <= _FEW
        encodings = map(self._tokenizer.encode, texts) if few else self._tokenizer.encode_batch(list(texts))
        found = [(encoding.ids, encoding) for encoding in encodings]
        # The state at the first end mark is the text's vector: a causal tower has not seen what follows.
        end = self._end_id
        return [(ids[: ids.index(end) + 1] if end in ids else ids, encoding) for ids, encoding in found]

    def _cut(self, text: str, ids: list[int], encoding: Encoding) -> list[int]:
        """Keep whole words and the end mark; a single word that is too long is cut within."""
        room = self._max_tokens - 1
        if len(ids) <= room + 1:
            return ids
        starts = [start for start, _ in encoding.offsets[: room + 1]]
        words = (at for at in range(room, 0, -1) if _begins_word(text, starts[at - 1], starts[at]))
        return [*ids[: next(words, room)], ids[-1]]

    def _padded(self, ids: list[int]) -> list[int]:
        return ids if self._pad_id is None else ids + [self._pad_id] * (self._max_tokens - len(ids))


def _begins_word(text: str, before: int, at: int) -> bool:
    """Say whether a token begins a word that is not the first, or is the space before one.

    Args:
        text: the whole text.
        before: where the token before it starts.
        at: where the token starts.

    >>> [_begins_word("a red", at - 1, at) for at in range(1, 5)]
    [True, False, False, False]
    >>> _begins_word("a red", 0, 2)
    True
    """
    begins = text[at].isspace() or (text[at - 1].isspace() and not text[before].isspace())
    return begins and bool(text[:at].strip())


def alike(keys: Iterable[object], size: int = TEXTS_AT_ONCE) -> Iterator[list[int]]:
    """Return the places of equal keys together, at most `size` at once.

    >>> list(alike("abab"))
    [[0, 2], [1, 3]]
    """
    places: dict[object, list[int]] = {}
    for at, key in enumerate(keys):
        places.setdefault(key, []).append(at)
    for each in places.values():
        yield from batched(each, size)


def rows_of(ids: Sequence[Sequence[int]], places: Sequence[int]) -> NDArray[np.int64]:
    """Return (n, length) ids of texts of one length."""
    return np.array([ids[at] for at in places], dtype=np.int64)
