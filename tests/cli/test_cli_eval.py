"""eval and tag learn, over a labelled table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.ran import Run


def test_thresholds_are_learned_and_used(run: Run, shop: Path, photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "learned.json"
    ran = run("tag", "learn", shop / "products.csv", "--out", out)
    assert ran.code == 0
    assert {row["group"] for row in ran.rows} == {"type", "colour"}
    assert all(row["rows"] == 6 for row in ran.rows)
    assert json.loads(out.read_text())["encoder"] == "fake-16"
    assert run("attributes", photos[0], "--calibration", out).code == 0


def test_columns_of_another_name_are_paired_with_groups(run: Run, shop: Path, tmp_path: Path) -> None:
    ran = run("eval", "tags", shop / "products.csv", "--column", "gender=colour")
    assert {row["group"] for row in ran.rows} == {"type", "colour", "gender"}
    wrong = run("eval", "tags", shop / "products.csv", "--column", "gender=sex")
    assert wrong.code == 2
    assert "title" in wrong.err


def test_a_table_without_any_known_column_is_refused(run: Run, shop: Path) -> None:
    ran = run("eval", "tags", shop / "photos")
    assert ran.code == 2
    assert "no column for any group" in ran.err


def test_a_table_without_any_known_value_is_refused(run: Run, shop: Path) -> None:
    table = shop / "foreign.csv"
    table.write_text("file,colour\n" + "".join(f"photos/{each.name},Blau\n" for each in (shop / "photos").iterdir()))
    for command in (("eval", "tags", table), ("tag", "learn", table, "--out", shop / "learned.json")):
        ran = run(*command)
        assert ran.code == 2
        assert "no value of colour is a label of schema" in ran.err
        assert "colour has 'Blau', colour is '" in ran.err
    assert not (shop / "learned.json").exists()


def test_eval_tags_gives_accuracy_beside_the_commonest_label(run: Run, shop: Path) -> None:
    rows = {row["group"]: row for row in run("eval", "tags", shop / "products.csv").rows}
    assert rows["type"]["rows"] == 6
    assert rows["type"]["majority"] == pytest.approx(1 / 6, abs=1e-4)
    assert 0 <= rows["type"]["top1"] <= rows["type"]["top5"] <= 1


def test_eval_search_ranks_each_row_s_own_picture(run: Run, shop: Path) -> None:
    (row,) = run("eval", "search", shop / "products.csv", "--text", "title").rows
    assert (row["queries"], row["pictures"], row["recall_at_10"]) == (6, 6, 1.0)
    wrong = run("eval", "search", shop / "products.csv", "--text", "titel")
    assert wrong.code == 2
    assert "title" in wrong.err
