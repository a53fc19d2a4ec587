"""Wrapping: nothing wider than its room, nothing lost but behind an ellipsis."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalens.render.text import font, wrap


def test_breaks_between_words_and_ends_in_an_ellipsis() -> None:
    face = font(15)
    text = "a red dress with white dots"
    assert wrap(text, face, 1000, max_lines=2) == [text]
    lines = wrap(text, face, 80, max_lines=9)
    assert " ".join(lines) == text
    assert len(lines) > 1
    two = wrap(text, face, 80, max_lines=2)
    assert two[0] == lines[0]
    assert two[1].endswith("…")
    assert wrap("  ", face, 80, max_lines=2) == []


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80), st.floats(20, 200), st.integers(1, 4))
def test_no_line_is_wider_than_its_room(text: str, width_px: float, max_lines: int) -> None:
    face = font(12)
    lines = wrap(text, face, width_px, max_lines=max_lines)
    assert len(lines) <= max_lines
    assert all(face.getlength(line) <= width_px for line in lines if len(line.rstrip("…")) > 1)
    if lines and not lines[-1].endswith("…"):
        assert "".join(lines).replace(" ", "") == "".join(text.split())


def test_a_word_longer_than_a_line_is_broken() -> None:
    lines = wrap("x" * 60, font(15), 100, max_lines=20)
    assert "".join(lines) == "x" * 60
    assert len(lines) == pytest.approx(60 * font(15).getlength("x") / 100, abs=2)
