"""Reads SentencePiece's `spiece.model` into a `tokenizers.Tokenizer`, without the sentencepiece library."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from catalens.core.errors import ModelError
from catalens.models.protobuf import fields, message

_SPACE = "▁"
_UNKNOWN, _CONTROL, _BYTE = 2, 3, 6
"""Types of a piece; 1 is a normal one."""
_UNIGRAM = 1


@dataclass(frozen=True, slots=True)
class Pieces:
    """Contents of the file.

    Attributes:
        scored: (piece, log-probability) by id.
        kinds: of each piece.
        letters: compiled character normalisation; empty for none.
    """

    scored: tuple[tuple[str, float], ...]
    kinds: tuple[int, ...]
    letters: bytes

    def id_of(self, piece: str) -> int:
        """Return a piece's id."""
        return next(at for at, (each, _) in enumerate(self.scored) if each == piece)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer, without begin and end tokens."""
        unknown = self.kinds.index(_UNKNOWN)
        made = Tokenizer(models.Unigram(list(self.scored), unk_id=unknown, byte_fallback=_BYTE in self.kinds))
        marks = [
            piece for (piece, _), kind in zip(self.scored, self.kinds, strict=True) if kind in (_UNKNOWN, _CONTROL)
        ]
        # Spaces around a special token in a text belong to it.
        made.add_special_tokens([AddedToken(each, normalized=False, lstrip=True, rstrip=True) for each in marks])
        letters = [normalizers.Precompiled(self.letters)] if self.letters else []
        made.normalizer = normalizers.Sequence(
            [*letters, normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip(left=False)]
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
        return made


def read_pieces(file: Path) -> Pieces:
    """Read a SentencePiece unigram model.

    Raises:
        ModelError: the file is damaged, or another type of model.

    Source:
        `sentencepiece_model.proto` of SentencePiece: pieces are field 1 (text 1, score 2, kind 3), the trainer's
        settings field 2 (kind of model 3), the normaliser's field 3 (compiled table 2).
    """
    scored, kinds, letters, model = [], [], b"", _UNIGRAM
    try:
        for number, value in fields(file.read_bytes()):
            if number == 1:
                piece = dict(fields(message(value)))
                scored.append(
                    (bytes(message(piece[1])).decode(), struct.unpack("<f", message(piece.get(2, b"\0" * 4)))[0])
                )
                kinds.append(_number(piece.get(3, 1)))
            elif number == 2:
                model = _number(dict(fields(message(value))).get(3, _UNIGRAM))
            elif number == 3:
                letters = bytes(message(dict(fields(message(value))).get(2, b"")))
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise ModelError(f"{file} is not a SentencePiece model: {error!r}") from error
    if model != _UNIGRAM or not scored or _UNKNOWN not in kinds:
        raise ModelError(f"{file} is not a SentencePiece unigram model, as SigLIP's tokenizer is")
    return Pieces(tuple(scored), tuple(kinds), letters)


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number belongs")
    return value
