"""Reads a `spiece.model` file, as SentencePiece writes it, into a `tokenizers.Tokenizer`; needs neither its library."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from catalens.core.errors import ModelError

_SPACE = "▁"
_UNKNOWN, _CONTROL, _BYTE = 2, 3, 6
"""Kinds of a piece, as the file numbers them; 1 is a usual one."""
_UNIGRAM = 1


@dataclass(frozen=True, slots=True)
class Pieces:
    """What the file says.

    Attributes:
        scored: (piece, log-probability) by id.
        kinds: of each piece.
        letters: the compiled table of how letters are normalised; empty for none.
    """

    scored: tuple[tuple[str, float], ...]
    kinds: tuple[int, ...]
    letters: bytes

    def id_of(self, piece: str) -> int:
        """Return a piece's id."""
        return next(at for at, (each, _) in enumerate(self.scored) if each == piece)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer, without marks of begin and end."""
        unknown = self.kinds.index(_UNKNOWN)
        made = Tokenizer(models.Unigram(list(self.scored), unk_id=unknown, byte_fallback=_BYTE in self.kinds))
        marks = [
            piece for (piece, _), kind in zip(self.scored, self.kinds, strict=True) if kind in (_UNKNOWN, _CONTROL)
        ]
        # Around a mark that is written out in a text, spaces belong to it.
        made.add_special_tokens([AddedToken(each, normalized=False, lstrip=True, rstrip=True) for each in marks])
        letters = [normalizers.Precompiled(self.letters)] if self.letters else []
        made.normalizer = normalizers.Sequence(
            [*letters, normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip(left=False)]
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
        return made


def read_pieces(file: Path) -> Pieces:
    """Read a file that SentencePiece wrote for its unigram model.

    Raises:
        ModelError: the file is damaged, or of another kind of model.

    Source:
        `sentencepiece_model.proto` of SentencePiece: pieces are field 1 (text 1, score 2, kind 3), the trainer's
        settings field 2 (kind of model 3), the normaliser's field 3 (compiled table 2).
    """
    scored, kinds, letters, model = [], [], b"", _UNIGRAM
    try:
        for number, value in _fields(file.read_bytes()):
            if number == 1:
                piece = dict(_fields(_message(value)))
                scored.append((_message(piece[1]).decode(), struct.unpack("<f", _message(piece.get(2, b"\0" * 4)))[0]))
                kinds.append(int(piece.get(3, 1)))
            elif number == 2:
                model = int(dict(_fields(_message(value))).get(3, _UNIGRAM))
            elif number == 3:
                letters = _message(dict(_fields(_message(value))).get(2, b""))
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise ModelError(f"{file} is no model of SentencePiece: {error!r}") from error
    if model != _UNIGRAM or not scored or _UNKNOWN not in kinds:
        raise ModelError(f"{file} is no unigram model of SentencePiece, which SigLIP's tokenizer is")
    return Pieces(tuple(scored), tuple(kinds), letters)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk a message of Protocol Buffers: (number, whole number or bytes) of each field."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(data, at)
        else:
            size, at = {1: (8, at), 5: (4, at)}.get(wire) or _varint(data, at)
            value, at = data[at : at + size], at + size
            if at > len(data) or wire not in (1, 2, 5):
                raise ValueError(f"broken at byte {at}")
        yield key >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message is due")
    return value
