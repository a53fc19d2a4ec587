"""eval captions: one table or two, of any kind, and what becomes of rows that lack something."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from catalens.tasks.caption_metrics import bleu, cider, rouge_l
from tests.support.ran import Run

CAPTIONS = {"1": "a dog runs", "2": "two cats; one sleeps", "3": "a red car"}
PEOPLE = {"1": ["a dog is running", "the dog runs"], "2": ["two cats sleep"], "3": ["a car", "a red car stands"]}


def scores(ids: str) -> dict[str, float]:
    candidates, references = [CAPTIONS[id] for id in ids], [PEOPLE[id] for id in ids]
    named = {f"bleu{n}": score for n, score in enumerate(bleu(candidates, references), start=1)}
    named |= {"cider": cider(candidates, references), "rouge_l": rouge_l(candidates, references)}
    return {"captions": len(ids)} | {name: round(score, 4) for name, score in named.items()}


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.mark.parametrize("kind", ["csv", "csv with JSON", "jsonl"])
def test_one_table_holds_both(run: Run, tmp_path: Path, kind: str) -> None:
    rows: list[dict[str, object]] = []
    for id, texts in PEOPLE.items():
        cells = {"csv": "; ".join(texts), "csv with JSON": json.dumps(texts), "jsonl": texts}
        rows.append({"id": id, "caption": CAPTIONS[id], "references": cells[kind]})
    ran = run("eval", "captions", write(tmp_path / f"table.{kind[:5].split()[0]}", rows))
    assert (ran.code, ran.rows) == (0, [scores("123")])


def test_two_tables_are_joined_by_id_in_any_order(run: Run, tmp_path: Path) -> None:
    ours = write(tmp_path / "ours.jsonl", [{"id": id, "captions": [text, "other"]} for id, text in CAPTIONS.items()])
    theirs = write(tmp_path / "theirs.csv", [{"id": id, "said": text} for id in "321" for text in PEOPLE[id]])
    ran = run("eval", "captions", ours, "--references", theirs, "--reference-column", "said")
    assert (ran.code, ran.rows) == (0, [scores("123")])


def test_numbers_and_texts_are_the_same_id(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"id": [1, 2, 3], "captions": list(PEOPLE.values()), "image": [{"bytes": b"x", "path": "x"}] * 3}
    parquet.write_table(pa.table(table), tmp_path / "people.parquet")
    ours = write(tmp_path / "ours.csv", [{"id": id, "caption": text} for id, text in CAPTIONS.items()])
    ran = run("eval", "captions", ours, "--references", tmp_path / "people.parquet")
    assert (ran.code, ran.rows) == (0, [scores("123")])


def test_rows_that_lack_something_are_named_and_the_others_count(run: Run, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "1", "caption": CAPTIONS["1"]},
        {"id": "2", "error": "the picture is broken"},
        {"id": "9", "caption": "a bird"},
        {"id": "3", "caption": CAPTIONS["3"]},
    ]
    people: list[dict[str, object]] = [{"id": id, "references": texts} for id, texts in PEOPLE.items()]
    people[1]["references"] = []
    ours, theirs = write(tmp_path / "ours.jsonl", rows), write(tmp_path / "people.jsonl", people)
    ran = run("eval", "captions", ours, "--references", theirs)
    assert ran.code == 1
    assert [row.get("id") for row in ran.rows] == ["2", "9", None]
    assert "no column caption or captions" in ran.rows[0]["error"]
    assert "says nothing of the id '9'" in ran.rows[1]["error"]
    assert ran.rows[2] == scores("13")


def test_what_caption_writes_is_joined_by_its_pictures(run: Run, tmp_path: Path) -> None:
    ours = write(tmp_path / "ours.csv", [{"image": f"{id}.png", "caption": text} for id, text in CAPTIONS.items()])
    rows: list[dict[str, object]] = [{"image": f"{id}.png", "references": "; ".join(PEOPLE[id])} for id in "312"]
    ran = run("eval", "captions", ours, "--references", write(tmp_path / "people.csv", rows))
    assert (ran.code, ran.rows) == (0, [scores("123")])


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([{"id": "1", "text": "a dog"}], "there is no column references or captions, only id, text"),
        ([{"references": ["a dog"]}], "there is no column id or image"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused(
    run: Run, tmp_path: Path, people: list[dict[str, object]], message: str
) -> None:
    ours = write(tmp_path / "ours.jsonl", [{"id": "1", "caption": "a dog"}])
    ran = run("eval", "captions", ours, "--references", write(tmp_path / "people.jsonl", people))
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_table_of_an_unknown_kind_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a dog\n")
    ran = run("eval", "captions", tmp_path / "captions.txt")
    assert ran.code == 2
    assert "accepted are .csv" in ran.err
