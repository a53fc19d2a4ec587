"""Tables of results: whole or not at all, and what is there already is kept or changed as asked."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalens.catalogue.sources import Item, open_source
from catalens.core.errors import InputError
from catalens.core.files import write_atomically
from catalens.core.types import Outcome, Record
from catalens.pipelines.destination import Destination
from catalens.pipelines.events import Callbacks, Event
from catalens.pipelines.output import OutputRow
from catalens.pipelines.ray_engine import _RayJob
from catalens.pipelines.result_table import Table
from catalens.pipelines.sidecars import IfExists

COLUMNS = {"image": "image", "caption": "caption"}


@pytest.fixture
def picture(tmp_path: Path) -> Record:
    path = tmp_path / "photos" / "shirt.front.jpg"
    path.parent.mkdir()
    path.write_bytes(b"")
    return Record("shirt.front.jpg", str(path))


def caused(number: int) -> InputError:
    """Return what an output makes of a system's error."""
    error = InputError("cannot be written")
    error.__cause__ = OSError(number, "as the system says")
    return error


def caption(text: str) -> Mapping[str, Any]:
    return {"caption": text}


def test_a_writing_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half(file: Any) -> None:
        file.write(b"ne")
        raise OSError("disk full")

    with pytest.raises(InputError, match=r"a\.txt cannot be written: disk full"):
        write_atomically(path, half)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


# Tables


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    text = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_names_the_picture_from_its_own_folder_and_is_a_source_again(picture: Record, ending: str) -> None:
    path = Path(picture.source).parents[1] / f"captions{ending}"
    table = Table(path, "caption", columns={"image": "image", "prompt": "caption", "tags": "tags"})
    table.write([OutputRow(picture, {"caption": 'a "red", blue\tshirt', "tags": ["red", "blue"]})])
    assert not path.exists()
    table.finish()
    tags = "red; blue" if ending in (".csv", ".tsv") else ["red", "blue"]
    assert rows_of(path) == [{"image": "photos/shirt.front.jpg", "prompt": 'a "red", blue\tshirt', "tags": tags}]
    (item,) = open_source(path)
    assert getattr(item, "source", item) == picture.source


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("if_exists", "text"),
    [("skip", "old"), ("overwrite", "new"), ("append", "old, new"), ("prepend", "new, old")],
)
def test_a_row_that_is_there_is_treated_as_asked(picture: Record, ending: str, if_exists: IfExists, text: str) -> None:
    path = Path(picture.source).parents[1] / f"captions{ending}"
    first = Table(path, "caption", columns=COLUMNS)
    first.write([OutputRow(picture, caption("old"))])
    first.write([OutputRow(Record("other", "elsewhere#1"), caption("other"))])
    first.finish()
    table = Table(path, "caption", columns=COLUMNS, if_exists=if_exists)
    assert table.holds(picture) == (if_exists == "skip")
    for _ in range(2):  # a job that goes on may give a result twice
        table.write([OutputRow(picture, caption("new"))])
    table.finish()
    assert [row["caption"] for row in rows_of(path)] == [text, "other"]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("columns", [COLUMNS | {"all": "captions"}, {"image": "image", "all": "captions"}], ids=str)
def test_several_texts_stay_apart_and_further_ones_are_added_once(
    picture: Record, ending: str, columns: dict[str, str]
) -> None:
    path = Path(picture.source).parents[1] / f"captions{ending}"

    def run(said: list[str], if_exists: IfExists) -> list[str]:
        table = Table(path, "caption", several="captions", columns=columns, if_exists=if_exists)
        for _ in range(2):  # a job that goes on may give a result twice
            table.write([OutputRow(picture, {"caption": said[0], "captions": said})])
        table.finish()
        (row,) = rows_of(path)
        assert set(row) == set(columns)
        found: list[str] = json.loads(row["all"]) if ending in (".csv", ".tsv") else row["all"]
        return found

    first, others = ["a shirt; red", 'a "red" shirt, [folded]'], ["shirt", "one shirt"]
    assert run(first, "skip") == first
    assert Table(path, "caption", several="captions", columns=columns).holds(picture)
    assert run(others, "append") == [*first, *others]
    assert run(first, "prepend") == [*first, *others], "it begins with them already"
    assert run(["cap"], "prepend") == ["cap", *first, *others]
    assert run(others, "overwrite") == others


def test_a_text_of_another_tool_is_the_first_of_several(picture: Record) -> None:
    path = Path(picture.source).parents[1] / "captions.csv"
    path.write_text("image,captions\nphotos/shirt.front.jpg,a [red] shirt\n")
    columns = {"image": "image", "captions": "captions"}
    table = Table(path, "caption", several="captions", columns=columns, if_exists="append")
    table.write([OutputRow(picture, {"caption": "a shirt", "captions": ["a shirt", "one shirt"]})])
    table.finish()
    assert json.loads(rows_of(path)[0]["captions"]) == ["a [red] shirt", "a shirt", "one shirt"]


def test_a_table_of_somebody_s_own_gets_a_column_and_keeps_everything(picture: Record) -> None:
    path = Path(picture.source).parents[1] / "products.csv"
    path.write_text('sku;image;title\n001;./photos/shirt.front.jpg;"Shirt; red"\n002;photos/gone.jpg;Hat\n;;\n')
    table = Table(path, "caption", columns=COLUMNS)
    assert not table.holds(picture)
    table.write([OutputRow(picture, caption("a shirt"))])
    table.finish()
    assert path.read_text() == (
        'sku;image;title;caption\n001;./photos/shirt.front.jpg;"Shirt; red";a shirt\n002;photos/gone.jpg;Hat;\n;;;\n'
    )


def test_rows_that_share_a_picture_all_stay_and_all_get_its_text(picture: Record) -> None:
    path = Path(picture.source).parents[1] / "products.csv"
    path.write_text("sku,image,caption\n1,photos/shirt.front.jpg,\n2,photos/shirt.front.jpg,known\n3,,\n4,,\n")
    table = Table(path, "caption", columns=COLUMNS)
    assert not table.holds(picture)
    table.write([OutputRow(picture, caption("a shirt"))])
    assert table.holds(picture)
    table.finish()
    assert [(row["sku"], row["caption"]) for row in rows_of(path)] == [
        ("1", "a shirt"),
        ("2", "known"),
        ("3", ""),
        ("4", ""),
    ]


def test_rows_may_be_told_apart_by_id(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"sku": 7, "text": ""}\n{"sku": 8, "text": "known"}\n')
    table = Table(path, "caption", columns={"sku": "id", "text": "caption"})
    assert [table.holds(Record(id, "x")) for id in ("7", "8", "9")] == [False, True, False]
    table.write([OutputRow(Record("7", "x"), caption("new"))])
    table.finish()
    assert rows_of(path) == [{"sku": 7, "text": "new"}, {"sku": 8, "text": "known"}]


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("captions.xlsx", COLUMNS, r"ends in \.csv, \.tsv"),
        ("captions.csv", {"caption": "caption"}, "one for image or id"),
        ("captions.csv", {"image": "image"}, "one for caption"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, name: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Table(tmp_path / name, "caption", columns=columns)


def test_a_damaged_table_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("image,caption\na.jpg,a,b,c\n")
    with pytest.raises(InputError, match="line 2: 4 cells where the header has 2"):
        Table(path, "caption", columns=COLUMNS)


def test_a_name_that_is_no_text_costs_one_row(tmp_path: Path) -> None:
    table = Table(tmp_path / "captions.csv", "caption", columns=COLUMNS)
    with pytest.raises(InputError, match="rename the file"):
        table.write([OutputRow(Record("a", "a\udcff.jpg"), caption("x"))])
    table.write([OutputRow(Record("b", "b.jpg"), caption("x"))])
    table.finish()
    assert [row["image"] for row in rows_of(tmp_path / "captions.csv")] == ["b.jpg"]


def test_parquet_refuses_a_column_of_two_kinds_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"image": ["a.jpg"], "caption": [3]}), path)
    table = Table(path, "caption", columns=COLUMNS)
    table.write([OutputRow(Record("b", "b.jpg"), caption("x"))])
    with pytest.raises(InputError, match="cannot be written as parquet"):
        table.finish()
    assert rows_of(path) == [{"image": "a.jpg", "caption": 3}]


def in_place(path: Path, results: Mapping[str, str], **how: Any) -> Table:
    """Caption the pictures of a table in the table itself, as a command does."""
    (table,) = Destination(text="caption", known=["caption"], table=path, **how).outputs()
    assert isinstance(table, Table)
    entries = [entry for entry in open_source(path) if isinstance(entry, Item)]
    records = {entry.id: Record(entry.id, entry.source) for entry in entries}
    table.write([OutputRow(records[id], caption(text)) for id, text in results.items()])
    table.finish()
    return table


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Photo,n\nshirt.front.jpg,1\n", "Photo,n,caption\nshirt.front.jpg,1,a\n"),
        ("sku,file_name\n7,shirt.front.jpg\n", "sku,file_name,caption\n7,shirt.front.jpg,a\n"),
        ("sku,images\n7,shirt.front.jpg;b.jpg\n", "sku,images,caption\n7,shirt.front.jpg;b.jpg,a\n"),
    ],
)
def test_a_picture_is_found_by_whatever_column_names_it(picture: Record, content: str, expected: str) -> None:
    path = Path(picture.source).with_name("products.csv")
    path.with_name("b.jpg").touch()
    path.write_text(content)
    ids = [entry.id for entry in open_source(path)]
    in_place(path, dict(zip(ids, "ab", strict=False)))
    assert path.read_text() == expected
    in_place(path, {ids[0]: "c"}, if_exists="append", default_columns=["id", "caption"])
    assert [row["caption"] for row in rows_of(path)] == ["a, c"]
    in_place(path, dict(zip(ids, "de", strict=False)), if_exists="overwrite")
    assert [row["caption"] for row in rows_of(path)] == ["d"], "the first of several pictures speaks for its row"


def test_values_of_somebody_s_own_stay_where_results_have_their_names(picture: Record) -> None:
    path = Path(picture.source).with_name("products.csv")
    path.write_text("image,colour,size\nshirt.front.jpg,Navy,\n")
    columns = {"image": "image", "type": "type", "colour": "colour", "size": "size"}
    table = Table(path, "type", columns=columns)
    table.write([OutputRow(picture, {"type": "Shirts", "colour": "Red", "size": "M"})])
    table.finish()
    assert path.read_text() == "image,colour,size,type\nshirt.front.jpg,Navy,M,Shirts\n"


@pytest.mark.parametrize("written", ["{folder}/shirt.front.jpg", "./x/../shirt.front.jpg", ".\\shirt.front.jpg"])
def test_a_picture_is_found_by_any_path_to_it(picture: Record, written: str) -> None:
    path = Path(picture.source).with_name("products.csv")
    cell = written.format(folder=path.parent)
    path.write_text(f"image\n{cell}\n")
    (table,) = Destination(text="caption", known=["caption"], table=path).outputs()
    assert isinstance(table, Table)
    table.write([OutputRow(picture, caption("a"))])
    table.finish()
    assert path.read_text() == f"image,caption\n{cell},a\n"


def test_a_picture_in_a_cell_is_found_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "products.parquet"
    cells = [{"bytes": b"x", "path": None}, {"bytes": b"y", "path": None}]
    pq.write_table(pa.table({"image": cells}), path)
    in_place(path, {"products[1]": "second", "products[0]": "first"})
    assert rows_of(path) == [{"image": cells[0], "caption": "first"}, {"image": cells[1], "caption": "second"}]


class Refusing:
    """An output that refuses one record."""

    def __init__(self, error: Exception) -> None:
        self.error, self.taken = error, list[str]()

    def holds(self, _: Record) -> bool:
        return False

    def write(self, results: Sequence[OutputRow]) -> None:
        if any(each.record.id == "b" for each in results):
            raise self.error
        self.taken += [each.record.id for each in results]

    def finish(self) -> None: ...


@pytest.mark.parametrize(
    "error", [InputError("no place"), FileNotFoundError(errno.ENOENT, "gone"), caused(errno.ENOENT)]
)
def test_a_result_that_is_refused_costs_itself_on_a_cluster_as_here(error: Exception) -> None:
    refusing, failures = Refusing(error), list[Outcome]()
    job = _RayJob([refusing], Callbacks(on_failure=failures.append))
    job.take([(0, [Event(at, Record(id, id), {"caption": id}) for at, id in enumerate("abc")])], 1)
    assert refusing.taken == ["a", "c"]
    assert [(each.id, each.error) for each in failures] == [("b", str(error))]
    assert job.report().done == 2


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), caused(errno.ENOSPC), caused(errno.EROFS)])
def test_a_full_disk_ends_a_job_on_a_cluster_as_here(error: Exception) -> None:
    with pytest.raises(type(error)):
        _RayJob([Refusing(error)], Callbacks()).take([(0, [Event(0, Record("b", "b"), {"caption": "b"})])], 1)
