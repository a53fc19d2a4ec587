"""describe, attributes from two sources, and eval attributes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from catalens.models.known_readers import KNOWN_READERS
from catalens.models.readers.registry import SHIPPED
from tests.support.ran import Run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text(
        "id,image,type,colour,material,Sleeve Length\n"
        "1,a.jpg,Tshirts,Navy Blue,Cotton,Short Sleeves\n"
        "2,b.jpg,Jeans,Red,,\n"
        "3,c.jpg,,,unknown,\n"
        "4,d.jpg,Shirts,White,Linen,Long Sleeves\n"
    )
    return path


def test_a_row_becomes_sentences_that_are_traced_and_an_empty_one_is_named(run: Run, table: Path) -> None:
    ran = run("describe", "--table", table)
    assert ran.code == 1
    first, second, empty, last = ran.rows
    assert (first["id"], second["id"], last["id"]) == ("1", "2", "4")
    assert "navy blue" in first["description"]
    assert first["description"] == " ".join(each["text"] for each in first["sentences"])
    assert {name for each in first["sentences"] for name in each["facts"]} == {
        *("type", "colour", "material", "Sleeve Length")
    }
    assert first["facts"]["material"] == {"value": "Cotton"}
    assert (first["writer"], first["language"]) == ("template", "English")
    assert "pair of" in second["description"]
    assert empty["id"] == "3"
    assert "3: there are no facts" in ran.err


def test_the_seed_changes_the_words_and_repeats_them(run: Run, table: Path) -> None:
    by_seed = [run("describe", "--table", table, "--seed", seed).out for seed in (0, 0, 1, 2)]
    assert by_seed[0] == by_seed[1]
    assert len(set(by_seed)) == 3


def test_pictures_are_described_by_what_is_read_from_them(run: Run, photos: list[Path]) -> None:
    read = run("attributes", photos[0]).rows[0]["attributes"]
    known = {name: each["value"] for name, each in read.items() if each["value"] != "unknown"}
    ran = run("describe", photos[0])
    if not known:
        assert "there are no facts" in ran.err
        return
    assert {name: each["value"] for name, each in ran.rows[0]["facts"].items()} == known
    assert all("confidence" in each for each in ran.rows[0]["facts"].values())


def test_what_attributes_prints_can_be_described(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "attributes.jsonl"
    values = {"type": {"value": "Tshirts", "confidence": 0.9, "source": "tags"}, "colour": {"value": "unknown"}}
    lines = [{"id": "a", "source": "a.jpg", "attributes": values}, {"id": "b", "error": "broken"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    ran = run("describe", "--table", file)
    assert ran.rows[0]["facts"] == {"type": {"value": "Tshirts", "confidence": 0.9}}
    assert ran.rows[0]["source"] == "a.jpg"
    assert "b: there are no attributes: broken" in ran.err


def test_columns_are_chosen_and_renamed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "shop.tsv"
    file.write_text("sku\tbaseColour\tkind\tprice\nx\tRed\tShirts\t12\n")
    ran = run(
        "describe", "--table", file, "--only", "type,colour", "--column", "type=kind", "--column", "colour=baseColour"
    )
    assert set(ran.rows[0]["facts"]) == {"type", "colour"}
    assert "12" not in ran.rows[0]["description"]
    assert "no column 'size'" in run("describe", "--table", file, "--only", "size").err


def test_a_writer_is_checked_and_what_was_wrong_is_said(run: Run, table: Path) -> None:
    ran = run("describe", "--table", table, "--writer", "fake", "--only", "type,colour", "--json")
    assert ran.rows[0]["writer"] == "fake"
    assert ran.rows[0]["description"] == "The type is t-shirt. The colour is navy blue."
    wanted = run("describe", "--table", table, "--writer", "fake", "--keywords", "gift, denim shirt").rows[0]
    assert wanted["writer"] == "template"
    assert wanted["problems"] == [["the search words 'gift' are missing"]] * 2
    assert wanted["keywords_left_out"] == ["denim shirt"]
    assert wanted["sentences"][-1]["keywords"] == ["gift"]


def test_a_writer_that_is_not_there_ends_the_command(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("httpx", reason='a server needs httpx: pip install "catalens[remote]"')
    file = tmp_path / "many.jsonl"
    file.write_text("\n".join(json.dumps({"id": str(place), "colour": "red"}) for place in range(20)))
    ran = run("describe", "--table", file, "--writer", "http://127.0.0.1:9/v1#m")
    assert ran.code == 3
    assert len(ran.rows) == 4, "a few failures may be the items' own"
    assert "is the server running" in ran.err


def test_rows_without_facts_between_do_not_hide_that_a_writer_is_not_there(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("httpx", reason='a server needs httpx: pip install "catalens[remote]"')
    file = tmp_path / "gaps.jsonl"
    rows = ({"id": str(place)} | ({"colour": "red"} if place % 2 else {"colour": ""}) for place in range(40))
    file.write_text("\n".join(map(json.dumps, rows)))
    ran = run("describe", "--table", file, "--writer", "http://127.0.0.1:9/v1#m")
    assert ran.code == 3
    assert len(ran.rows) == 9, "four that the writer failed at, five that were empty"


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_column_that_is_not_there_is_one_error_before_the_work(run: Run, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"shop{ending}"
    rows = [{"id": "1", "kind": "Shirts"}, {"id": "2", "kind": "Jeans", "colour": "Red"}]
    if ending == ".csv":
        file.write_text("id,kind,colour\n1,Shirts,\n2,Jeans,Red\n")
    elif ending == ".jsonl":
        file.write_text("\n".join(json.dumps({"id": row.pop("id"), "attributes": row}) for row in rows))
    else:
        arrow = pytest.importorskip("pyarrow", reason='parquet needs pyarrow: pip install "catalens[parquet]"')
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table({name: [row.get(name) for row in rows] for name in rows[1]}), file)
    for flags in (["--column", "size=nosuch"], ["--only", "nosuch"], ["--only", "size", "--column", "size=nosuch"]):
        ran = run("describe", "--table", file, *flags)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.count("nosuch'") == 1
        assert "has no column 'nosuch'; it has: " in ran.err
        assert "kind, colour" in " ".join(ran.err.split())
    assert set(run("describe", "--table", file, "--only", "type", "--column", "type=kind").rows[1]["facts"]) == {"type"}


@pytest.mark.parametrize(("name", "content"), [("a.csv", "id,type\n"), ("b.jsonl", "\n")])
def test_a_table_without_rows_is_said_to_have_none(run: Run, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    for more in ([], ["--only", "type"]):
        ran = run("describe", "--table", tmp_path / name, *more)
        assert (ran.code, ran.out) == (2, "")
        assert f"{name} has no rows" in "".join(ran.err.split("\n"))


def test_a_table_among_the_pictures_brings_a_word_about_table(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_text("id,type\n1,Shirts\n")
    ran = run("describe", file)
    assert ran.code == 2
    assert "--table" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the two"),
        (["--table", "{table}", "{table}"], "one of the two"),
        (["--table", "{table}", "--language", "German"], "the template writes English"),
        (["--table", "{table}", "--tone", "rude"], "no tone 'rude'"),
        (["--table", "{table}", "--writer", "gpt"], "no writer 'gpt'"),
        (["--table", "{table}", "--column", "colour"], "give NAME=COLUMN"),
        (["--table", "missing.csv"], "there is no missing.csv"),
        (["--table", "{table}", "--instruction", "{table}"], "has no {facts}; write it where the facts go"),
        (["--table", "{folder}"], "is not a table"),
    ],
)
def test_flags_that_make_no_sense_are_refused(run: Run, table: Path, arguments: list[str], message: str) -> None:
    ran = run("describe", *(each.format(table=table, folder=table.parent) for each in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_the_examples_name_readers_that_there_are(run: Run) -> None:
    readers = re.findall(r"catalens eval .* --reader ([\w-]+)", run("eval", "attributes", "--help").out)
    assert set(readers) <= {*SHIPPED, *(known.name for known in KNOWN_READERS)}
    assert readers


def test_tags_and_answers_are_measured_and_the_better_one_is_used(run: Run, shop: Path, tmp_path: Path) -> None:
    kept = tmp_path / "sources.json"
    ran = run("eval", "attributes", shop / "products.csv", "--reader", "fake", "--save", kept)
    assert ran.code == 0, ran.err
    assert [row["group"] for row in ran.rows] == ["type", "colour"]
    assert all(0 <= row[name] <= 1 for row in ran.rows for name in ("tags", "answers", "majority"))
    assert {row["source"] for row in ran.rows} == {"tags"}
    assert "tags are kept where fewer than 20 rows were measured: type (6), colour (6)" in " ".join(ran.err.split())
    body = json.loads(kept.read_text())
    for group in body["groups"].values():
        group["source"] = "answers"
    kept.write_text(json.dumps(body))
    answers = run("attributes", shop / "photos", "--sources", kept).rows
    assert {answers[0]["attributes"][name]["source"] for name in ("type", "colour")} == {"answers"}
    assert answers[0]["attributes"]["gender"]["source"] == "tags"
    plain = run("attributes", shop / "photos").rows
    assert {each["source"] for each in plain[0]["attributes"].values()} == {"tags"}
    body["encoder_name"] = "other@1"
    kept.write_text(json.dumps(body))
    assert "measured with 'other@1'" in run("attributes", shop / "photos", "--sources", kept).err


def test_attributes_may_come_from_a_pipe(run: Run) -> None:
    lines = [
        {"id": "a", "source": "a.png", "attributes": {"type": "Shirts", "colour": "White"}},
        {"id": "b", "error": "not a picture"},
    ]
    piped = "\n".join(map(json.dumps, lines)).encode()
    for arguments in (["describe"], ["describe", "--table", "-"], ["describe", "--only", "type,colour"]):
        ran = run(*arguments, stdin=piped)
        assert ran.code == 1
        described, failed = ran.rows
        assert described["id"] == "a"
        assert "white" in described["description"]
        assert described["facts"]["type"] == {"value": "Shirts"}
        assert "not a picture" in failed["error"]
    assert run("describe", stdin=b"").code == 2


@pytest.mark.parametrize("columns", ["sku,colour,kind", "Photo,colour,kind", "n,colour,kind"])
def test_a_table_is_described_in_place(run: Run, tmp_path: Path, columns: str) -> None:
    path = tmp_path / "products.csv"
    path.write_text(f"{columns}\n1,Red,Mug\n2,Blue,Cup\n")
    assert run("describe", "--table", path, "-o", path).code == 0
    header, *rows = path.read_text().splitlines()
    assert header.startswith(columns)
    assert header.endswith(",description")
    assert [row.split(",")[:3] for row in rows] == [["1", "Red", "Mug"], ["2", "Blue", "Cup"]]
    assert ["red" in rows[0].lower().split(",", 3)[3], "blue" in rows[1].lower().split(",", 3)[3]] == [True, True]
