"""`catalens finetune prepare`: every row format becomes the same table of pairs, split by product."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from catalens.core.errors import InputError
from catalens.training.finetune.pairs import Pair, load_templates, pairs_from_fields, pairs_from_row
from tests.support.ran import Run

TURNS = {"human": "<image>What colour is it?", "gpt": "red"}
ROWS: dict[str, dict[str, Any]] = {
    "jsonl": {"question": "What colour is it?", "answer": "red"},
    "swift": {
        "messages": [
            {"role": "user", "content": "<image>What colour is it?"},
            {"role": "assistant", "content": "red"},
        ]
    },
    "sharegpt": {"conversations": [{"from": who, "value": said} for who, said in TURNS.items()]},
    "alpaca": {"instruction": "What colour is it?", "input": "", "output": "red"},
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_format_gives_the_same_pair(row: dict[str, Any]) -> None:
    assert pairs_from_row(row) == [Pair("What colour is it?", "red")]


def test_a_chat_s_list_of_parts_is_its_texts() -> None:
    asked = [{"type": "image"}, {"type": "text", "text": "What colour is it?"}]
    said = [{"type": "text", "text": "red"}]
    row = {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
    assert pairs_from_row(row) == [Pair("What colour is it?", "red")]


@pytest.mark.parametrize(
    ("answer", "said"), [(0, "0"), (False, "no"), (True, "yes"), (1.5, "1.5"), (["Cotton", "Wool"], "Cotton; Wool")]
)
def test_an_answer_may_be_a_number_a_truth_or_a_list(answer: object, said: str) -> None:
    assert pairs_from_row({"question": "How many?", "answer": answer}) == [Pair("How many?", said)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "What?", "answer": {"main": "red"}}, "a text is needed"),
        ({"question": "What?", "answer": []}, "has no answer"),
        ({"question": "\ud800", "answer": "x"}, "half a character"),
        ({"instruction": None, "input": None, "output": "x"}, "no question"),
    ],
)
def test_what_is_no_text_is_refused(row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        pairs_from_row(row)


def test_the_articles_questions_ship() -> None:
    templates = {each.attribute: each for each in load_templates()}
    assert {"fabric", "fit", "collar", "pattern", "sleeve_length", "type", "colour", "usage"} == {*templates}
    pairs = pairs_from_fields({"Fit": "Slim Fit", "Neck": "Round Neck", "usage": "NA"}, "7", list(templates.values()))
    assert [(pair.attribute, pair.answer) for pair in pairs] == [("fit", "Slim Fit"), ("collar", "Round Neck")]


def test_a_products_question_does_not_depend_on_the_run() -> None:
    fit = next(each for each in load_templates() if each.attribute == "fit")
    assert {fit.question_for(str(at)) for at in range(50)} == {*fit.questions}
    assert fit.question_for("7") == fit.question_for("7")


@pytest.mark.parametrize("text", ["[]", "fit: {questions: []}", "fit: {columns: 3, questions: [x]}", "fit: x"])
def test_wrong_templates_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "q.yaml").write_text(text)
    with pytest.raises(InputError, match=r"q\.yaml"):
        load_templates(tmp_path / "q.yaml")


def test_a_catalogue_becomes_pairs(run: Run, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.parquet"
    ran = run("finetune", "prepare", shop / "products.csv", "--out", out, "--json")
    assert ran.code == 0
    rows = parquet.read_table(out).to_pylist()
    assert len(rows) == 12  # six products, each with type and colour
    assert {row["attribute"] for row in rows} == {"type", "colour"}
    assert all(Path(row["image"]["path"]).is_file() for row in rows)
    (report,) = ran.rows
    assert sum(report["pairs"].values()) == 12
    assert report["leakage"] == report["bad_rows"] == 0
    sides = {(row["id"], row["split"]) for row in rows}
    assert len(sides) == 6  # both questions of a product are on one side


def test_bad_rows_are_listed_and_stop_nothing(run: Run, shop: Path, tmp_path: Path) -> None:
    photos = sorted((shop / "photos").iterdir())
    rows = [f"{photo.stem},What is it?,thing {at}" for at, photo in enumerate(photos)]
    rows += [rows[0], f"{photos[0].stem},What is it?,another", "nowhere,What is it?,x", f"{photos[1].stem},,x"]
    rows += [f"{photos[2].stem},Why?,"]
    (tmp_path / "q.csv").write_text("\n".join(["Id,Question,Answer", *rows]))
    out = tmp_path / "pairs.parquet"
    ran = run("finetune", "prepare", tmp_path / "q.csv", "--images", shop / "photos", "--out", out, "--json")
    assert ran.code == 1
    (report,) = ran.rows
    assert sum(report["pairs"].values()) == 6
    counts = [report[name] for name in ("duplicates", "conflicts", "missing_images", "bad_rows")]
    assert counts == [1, 1, 1, 3]
    bad = [json.loads(line) for line in (tmp_path / "pairs.bad.jsonl").read_text().splitlines()]
    assert [row["row"] for row in bad] == ["line 10", "line 11", "line 12"]
    assert "nowhere" in bad[0]["error"]


def test_no_row_is_lost_whatever_it_names(run: Run, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    photos = [photo.read_bytes() for photo in sorted((shop / "photos").iterdir())]
    (tmp_path / "images" / "0.png").write_bytes(photos[0])
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    data = "data:image/png;base64," + base64.b64encode(photos[1]).decode()
    asked = {"question": "What?", "answer": "a shirt"}
    rows: list[dict[str, Any]] = [
        {"image": "images\\0.png"} | asked,
        {"image": data} | asked,
        {"image": "images/0.png"},
        {"image": "broken.png"} | asked,
        {"image": "x" * 5000} | asked,
        {"images": []} | asked,
        {"image": "\ud800"} | asked,
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "p.parquet"
    ran = run("finetune", "prepare", tmp_path / "q.jsonl", "--out", out, "--json")
    assert (ran.code, ran.rows[0]["bad_rows"]) == (1, 5)
    kept = parquet.read_table(out).to_pylist()
    assert [row["image"]["bytes"] for row in kept] == [None, photos[1]]
    assert kept[0]["image"]["path"].endswith("images/0.png")
    bad = [json.loads(line) for line in (tmp_path / "p.bad.jsonl").read_text().splitlines()]
    assert [row["row"] for row in bad] == [f"line {at}" for at in (3, 4, 5, 6, 7)]
    assert ("no question" in bad[0]["error"], "is not a picture" in bad[1]["error"]) == (True, True)
    assert all(len(row["error"]) < 500 for row in bad)


def test_what_is_written_is_parquet_by_its_name(run: Run, shop: Path, tmp_path: Path) -> None:
    ran = run("finetune", "prepare", shop / "products.csv", "--out", tmp_path / "pairs.csv")
    assert ran.code == 2
    assert "ends in .parquet" in " ".join(ran.err.split())


def test_one_picture_under_two_ids_stays_on_one_side(run: Run, shop: Path, tmp_path: Path) -> None:
    photo = sorted((shop / "photos").iterdir())[0].read_bytes()
    lines = []
    for at in range(40):
        (tmp_path / f"{at}.png").write_bytes(photo)
        lines.append(json.dumps({"image": f"{at}.png", "question": f"Question {at}?", "answer": "yes"}))
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    run("finetune", "prepare", tmp_path / "q.jsonl", "--out", tmp_path / "p.parquet")
    rows = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    assert len(rows) == 40
    assert len({row["split"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.ndjson", '{"image": "0.png", "question": "What?", "answer": "a shirt"}\n[1]\n'),
        ("q.tab", "image\tquestion\tanswer\n0.png\tWhat?\ta shirt\n"),
        ("q.csv.gz", "image,question,answer\n0.png,What?,a shirt\n"),
    ],
)
def test_questions_are_read_from_every_text_table(run: Run, shop: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "0.png").write_bytes(sorted((shop / "photos").iterdir())[0].read_bytes())
    write = gzip.compress if name.endswith(".gz") else bytes
    (tmp_path / name).write_bytes(write(text.encode()))
    ran = run("finetune", "prepare", tmp_path / name, "--out", tmp_path / "p.parquet", "--json")
    assert sum(ran.rows[0]["pairs"].values()) == 1, ran.err
    assert (ran.code, ran.rows[0]["bad_rows"]) == ((1, 1) if name == "q.ndjson" else (0, 0))


def test_the_kaggle_layout_gives_the_articles_questions(run: Run, shop: Path, tmp_path: Path) -> None:
    root = tmp_path / "kaggle"
    for name in ("images", "styles"):
        (root / name).mkdir(parents=True)
    lines = ["id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"]
    for at, photo in enumerate(sorted((shop / "photos").iterdir()), 1):
        (root / "images" / f"{at}.jpg").write_bytes(photo.read_bytes())
        lines.append(f"{at},Men,Apparel,Topwear,Shirts,Blue,Fall,2012,Formal,Shirt number {at}")
        attributes = {"Fabric": "Cotton", "Fit": "Slim Fit", "Neck": "NA", "Collar": "Button-Down"}
        (root / "styles" / f"{at}.json").write_text(json.dumps({"data": {"articleAttributes": attributes}}))
    (root / "styles.csv").write_text("\n".join(lines))
    ran = run("finetune", "prepare", root, "--out", tmp_path / "p.parquet", "--json")
    assert ran.code == 0, ran.err
    rows = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    said = {(row["attribute"], row["answer"]) for row in rows if row["id"] == "1"}
    assert said >= {("fabric", "Cotton"), ("fit", "Slim Fit"), ("collar", "Button-Down"), ("usage", "Formal")}
    assert said >= {("type", "Shirts"), ("colour", "Blue")}


def test_decisions_of_reviewers_become_pairs(run: Run, shop: Path, tmp_path: Path) -> None:
    photos = sorted((shop / "photos").iterdir())
    given = [
        {"attribute": "colour", "value": "Red", "decision": "accepted"},
        {"attribute": "colour", "value": "Red", "decision": "rejected", "correction": "Maroon"},
        {"attribute": "heel_height", "value": "flat", "decision": "Accepted"},
        {"attribute": "colour", "value": "Red", "decision": "rejected"},
        {"attribute": "colour", "value": "Red", "decision": "perhaps"},
    ]
    rows = [{"image": str(photo), **each} for photo, each in zip(photos, given, strict=False)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ran = run("finetune", "prepare", tmp_path / "d.jsonl", "--out", tmp_path / "p.parquet", "--json")
    assert ran.code == 1
    assert "'perhaps'" in ran.err
    (report,) = ran.rows
    assert (report["rejected"], report["bad_rows"]) == (1, 1)
    found = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    assert [(row["attribute"], row["answer"]) for row in found] == [
        *(("colour", "Red"), ("colour", "Maroon"), ("heel_height", "flat"))
    ]
    assert found[2]["question"] == "What is the heel height?"
    assert "colour" in found[0]["question"]


def test_given_tables_are_val_and_test_and_share_no_product_with_train(run: Run, shop: Path, tmp_path: Path) -> None:
    head, *rows = (shop / "products.csv").read_text(encoding="utf-8").splitlines()
    for name, some in {"val": rows[:1], "test": rows[1:3]}.items():
        (shop / f"{name}.csv").write_text("\n".join([head, *some]), encoding="utf-8")
    out = tmp_path / "pairs.parquet"
    ran = run(
        *("finetune", "prepare", shop / "products.csv", "--out", out, "--json"),
        *("--val", shop / "val.csv", "--test", shop / "test.csv"),
    )
    assert ran.code == 0, ran.err
    (report,) = ran.rows
    assert report["pairs"] == {"train": 6, "val": 2, "test": 4}
    assert report["held_out"] == 6
    assert report["leakage"] == 0
    ids = {
        name: {row["id"] for row in parquet.read_table(out).to_pylist() if row["split"] == name}
        for name in ("val", "test")
    }
    assert {name: len(each) for name, each in ids.items()} == {"val": 1, "test": 2}
    again = run("finetune", "prepare", shop / "val.csv", "--val", shop / "val.csv", "--out", out)
    assert again.code == 2
    assert "all of its products are in the tables for val and test" in " ".join(again.err.split())
