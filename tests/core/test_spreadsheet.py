"""Cells: no formula comes out, and what went in comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.core.spreadsheet import guard_formula, unguard_formula


@pytest.mark.parametrize("text", ['=cmd|"/C calc"!A0', "+1+1", "-a shirt", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert guard_formula(text) == "'" + text
    assert unguard_formula(guard_formula(text)) == text


@pytest.mark.parametrize("text", ["-12", "+3.5", "-1e-5", "a shirt", "", "'quoted'", " =1", "a\n=1"])
def test_numbers_and_other_text_stay(text: str) -> None:
    assert guard_formula(text) == text


@given(st.text(st.sampled_from("=+-@'\t a1"), max_size=6))
def test_text_without_a_guard_of_its_own_comes_back(text: str) -> None:
    if guard_formula(text.removeprefix("'")) != text:
        assert unguard_formula(guard_formula(text)) == text
