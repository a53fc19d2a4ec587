"""The special tokens of a bundled reader: they say what a text is, and where it ends."""

from __future__ import annotations

from tokenizers import Tokenizer

from catalens.core.errors import ModelError

CAPTION, ASK, ANSWER, END = "<|caption|>", "<|ask|>", "<|answer|>", "<|end|>"


def mark_ids(tokenizer: Tokenizer) -> tuple[int, int, int, int]:
    """Return a reader's special tokens: before a caption, before a question, before its answer, and at the end.

    Raises:
        ModelError: the tokenizer lacks one.
    """
    found = [tokenizer.token_to_id(mark) for mark in (CAPTION, ASK, ANSWER, END)]
    ids = tuple(each for each in found if each is not None)
    if len(ids) != len(found):
        raise ModelError(f"not a reader's tokenizer: it lacks one of {CAPTION} {ASK} {ANSWER} {END}")
    return ids[0], ids[1], ids[2], ids[3]
