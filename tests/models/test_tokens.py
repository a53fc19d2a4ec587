"""Where a text that is too long is cut, and that it is said."""

from __future__ import annotations

import logging

import pytest
from tokenizers import decoders

from catalens.models.tokens import Tokens
from tests.support.tiny import END, tokenizer


def tokens(most: int = 12, pad_id: int | None = None) -> Tokens:
    return Tokens(tokenizer(), max_tokens=most, pad_id=pad_id, end_id=END)


def read(text: str, most: int = 12) -> str:
    """Return what is read of a text, one letter a token."""
    [ids] = tokens(most).read([text])
    assert ids[-1] == END
    assert len(ids) <= most
    letters: str = decoders.ByteLevel().decode([str(tokenizer().id_to_token(each)) for each in ids[:-1]])
    return letters


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("red shirt", "red shirt"),
        ("red shirt x", "red shirt x"),
        ("red shirt and a hat", "red shirt"),
        ("red shirts and a hat", "red shirts"),
        ("red t-shirts and a hat", "red"),
        ("red t-shirt and", "red t-shirt"),
        ("a\tb\ncdefghijklmnop", "a\tb"),
        ("  redredredredred", "  redredred"),
        ("onewordthatistoolong", "onewordthat"),
        ("été été été été", "été été"),
    ],
)
def test_a_long_text_is_cut_at_a_word(text: str, kept: str) -> None:
    assert read(text).rstrip() == kept
    has, is_read = tokens().count(text)
    assert has == len(text.encode()) + 1
    assert is_read == len(tokens().read([text])[0])
    assert (has == is_read) == (kept == text)


def test_cutting_is_said_once_a_call_and_only_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="catalens")
    tokens().read(["short", "also short"])
    assert caplog.messages == []
    tokens().read(["short", "one two three four", "five six seven eight"])
    assert caplog.messages == [
        "2 of 3 texts are longer than 12 tokens and were truncated, such as 'one two three four'"
    ]


def test_padding_fills_what_is_left() -> None:
    padded = tokens(pad_id=7).read(["red", "one two three four"])
    assert [len(ids) for ids in padded] == [12, 12]
    assert padded[0][4:] == [7] * 8
    assert padded[1].index(END) == 7
