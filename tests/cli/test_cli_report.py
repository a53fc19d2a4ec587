"""Rows for people and for programs, from the same values."""

from __future__ import annotations

import json

import pytest

from catalens.cli import output

ROWS = [
    {"group": "colour", "rows": 3, "top_1": 0.666666, "labels": [{"label": "red", "precision": 0.123456}]},
    {"group": "type", "rows": 2, "top_1": None, "labels": []},
]


def test_json_lines_hold_every_value_rounded_also_of_listed_rows(capsys: pytest.CaptureFixture[str]) -> None:
    output.report(ROWS, as_json=True)
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {**ROWS[0], "top_1": 0.6667, "labels": [{"label": "red", "precision": 0.1235}]}
    assert second == ROWS[1]


def test_a_table_names_its_columns_for_people_and_shows_numbers_to_the_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.report(
        [{k: v for k, v in row.items() if k != "labels"} for row in ROWS], as_json=False, heads={"group": "attribute"}
    )
    heading, *_, first, second = (line for line in capsys.readouterr().out.splitlines() if line.strip())
    assert heading.split() == ["attribute", "rows", "top", "1"]
    assert first.split() == ["colour", "3", "0.667"]
    assert second.split() == ["type", "2"]
    assert first.index("3") == heading.index("rows") + len("rows") - 1


def test_no_rows_are_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output.report([], as_json=False)
    assert capsys.readouterr().out == ""
