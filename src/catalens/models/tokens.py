"""Converts texts to the token ids of a text tower; shared by every encoder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.vectors import batched

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TEXTS_AT_ONCE = 256
"""Texts of equal length per batch; bounds memory, does not change vectors."""

_FEW = 4
_SHOWN = 60
"""Characters of a text shown in a warning."""
_log = logging.getLogger(__name__)


class Tokens:
    """A tokenizer with the truncation and padding that a text tower needs.

    Args:
        tokenizer: returns a text's ids with special tokens; its own padding and truncation are turned off.
        max_tokens: longer texts are truncated.
        pad_id: None: texts keep their true length. A number: they are padded with it to max_tokens.
        end_id: id of the end token; nothing after the first one is used.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, pad_id: int | None, end_id: int) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._max_tokens, self._pad_id, self._end_id = max_tokens, pad_id, end_id

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text.

        A text that is too long is truncated after the last word that fits and keeps its end token; a warning is logged.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
        """
        whole = self._whole(texts)
        cut = [text for text, (ids, _) in zip(texts, whole, strict=True) if len(ids) > self._max_tokens]
        if cut:
            start = cut[0] if len(cut[0]) <= _SHOWN else f"{cut[0][:_SHOWN]}…"
            _log.warning(
                "%d of %d texts are longer than %d tokens and were truncated, such as %r",
                *(len(cut), len(texts), self._max_tokens, start),
            )
        return [self._padded(self._cut(text, *each)) for text, each in zip(texts, whole, strict=True)]

    def open_end(self, text: str) -> list[int]:
        """Return the ids of a text without its end token, for a text that continues.

        Raises:
            InputError: as `read`.
        """
        [ids] = self.read([text])
        return ids[:-1] if ids[-1:] == [self._end_id] else ids

    def count(self, text: str) -> tuple[int, int]:
        """Return the number of tokens of a text, special tokens included, and the number that is encoded.

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
                raise InputError(
                    f"a text to encode contains a lone surrogate at position {error.start}: {text!r}"
                ) from error
        # A batch is tokenised in threads, which do not pay for a few texts.
        few = len(texts) <= _FEW
        encodings = map(self._tokenizer.encode, texts) if few else self._tokenizer.encode_batch(list(texts))
        found = [(encoding.ids, encoding) for encoding in encodings]
        # The state at the first end token is the text's vector; a causal tower does not see what follows.
        end = self._end_id
        return [(ids[: ids.index(end) + 1] if end in ids else ids, encoding) for ids, encoding in found]

    def _cut(self, text: str, ids: list[int], encoding: Encoding) -> list[int]:
        """Keep whole words and the end token; a single word that is too long is cut within."""
        room = self._max_tokens - 1
        if len(ids) <= room + 1:
            return ids
        starts = [start for start, _ in encoding.offsets[: room + 1]]
        words = (at for at in range(room, 0, -1) if _begins_word(text, starts[at - 1], starts[at]))
        return [*ids[: next(words, room)], ids[-1]]

    def _padded(self, ids: list[int]) -> list[int]:
        return ids if self._pad_id is None else ids + [self._pad_id] * (self._max_tokens - len(ids))


def _begins_word(text: str, before: int, at: int) -> bool:
    """Return whether a token starts a word other than the first, or is the space before one.

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


def group_by_key(keys: Iterable[object], size: int = TEXTS_AT_ONCE) -> Iterator[list[int]]:
    """Yield the positions of equal keys together, at most `size` at a time.

    >>> list(group_by_key("abab"))
    [[0, 2], [1, 3]]
    """
    places: dict[object, list[int]] = {}
    for at, key in enumerate(keys):
        places.setdefault(key, []).append(at)
    for each in places.values():
        yield from batched(each, size)


def stack_ids(ids: Sequence[Sequence[int]], places: Sequence[int]) -> NDArray[np.int64]:
    """Return (n, length) ids of texts of equal length."""
    return np.array([ids[at] for at in places], dtype=np.int64)
