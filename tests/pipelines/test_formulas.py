"""Tables of results that spreadsheet programs may open: no text of ours is a formula, and reading it back is exact."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.result_table import Table

COLUMNS = {"image": "image", "id": "id", "caption": "caption", "score": "score"}


def test_our_cells_are_guarded_and_come_back(tmp_path: Path) -> None:
    (tmp_path / "=a.jpg").touch()
    record, path = Record("=a.jpg", str(tmp_path / "=a.jpg")), tmp_path / "out.csv"
    for if_exists in ("skip", "append", "append"):
        table = Table(path, "caption", columns=COLUMNS, if_exists=if_exists)
        if not table.holds(record):
            table.write([OutputRow(record, {"caption": '=cmd|"/C calc"!A0', "score": -0.5})])
        table.finish()
        (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        assert row == {"image": "./=a.jpg", "id": "'=a.jpg", "caption": '\'=cmd|"/C calc"!A0', "score": "-0.5"}
    assert Table(path, "caption", columns=COLUMNS).holds(record)


def test_columns_that_were_there_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("id,formula\na,=1+1\n", encoding="utf-8")
    table = Table(path, "caption", columns={"id": "id", "caption": "caption"})
    table.write([OutputRow(Record("a", "a.jpg"), {"caption": "@home"})])
    table.finish()
    assert path.read_text(encoding="utf-8") == "id,formula,caption\na,=1+1,'@home\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_table_is_written_back_in_the_form_it_had(tmp_path: Path, encoding: str, line_end: str) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(f"id;title{line_end}a;Kätzchen{line_end}".encode(encoding))
    table = Table(path, "caption", columns={"id": "id", "caption": "caption"})
    table.write([OutputRow(Record("a", "a.jpg"), {"caption": "a cat"})])
    table.finish()
    assert path.read_bytes() == f"id;title;caption{line_end}a;Kätzchen;a cat{line_end}".encode(encoding)
