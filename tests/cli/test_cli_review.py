"""`catalens review`: fill, decide, status and export, and what learns from it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from catalens.catalogue.review import Review
from catalens.catalogue.review_tables import Item
from tests.support.ran import Run
from tests.support.serving import picture

SCHEMA = """
name: shades
groups:
  colour:
    kind: exclusive
    question: what colour is it?
    labels: {red: [red], green: [green], blue: [blue]}
"""


@pytest.fixture
def shop(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CATALENS_MODEL", "fake")
    monkeypatch.setenv("CATALENS_READER", "fake")
    monkeypatch.chdir(tmp_path)
    rows = ["image,colour"]
    for at in range(12):
        colour = ("red", "green", "blue")[at % 3]
        (tmp_path / f"{at}.png").write_bytes(picture(colour, (30, 40)))
        rows.append(f"{at}.png,{'blue' if at == 0 else colour}")
    (tmp_path / "shop.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "shades.yaml").write_text(SCHEMA)
    assert run("index", "add", "shop.catalens", "shop.csv").code == 0
    return tmp_path


def fill(run: Run, *flags: str) -> dict[str, int]:
    ran = run("review", "fill", "shop.catalens", "--schema", "shades.yaml", "--json", *flags)
    assert ran.code == 0, ran.err
    return dict(json.loads(ran.out.splitlines()[-1]))


def decide(reviewer: str, *lines: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "catalens", "review", "decide", "shop.catalens", "--reviewer", reviewer],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stderr


def test_a_queue_is_filled_by_reason_and_only_once(shop: Path, run: Run) -> None:
    filled = fill(run, "--unsure", "3", "--disagreements", "2", "--sample", "4")
    assert filled == {"looked_at": 12, "sample": 4, "disagreement": 2, "unsure": 3, "failed": 0}
    again = fill(run, "--unsure", "3", "--disagreements", "2", "--sample", "4")
    assert (again["sample"], again["disagreement"], again["unsure"]) == (0, 0, 0)
    with Review(shop / "shop.catalens") as review:
        question = review.questions()["colour"]
    assert question.words == "what colour is it?"
    assert question.labels == ("red", "green", "blue")


def test_a_filter_and_a_missing_picture(shop: Path, run: Run) -> None:
    (shop / "1.png").unlink()
    ran = run("review", "fill", "shop.catalens", "--schema", "shades.yaml", "--where", 'colour = "green"', "--json")
    assert ran.code == 1
    assert "1.png" in ran.err
    assert json.loads(ran.out.splitlines()[-1])["looked_at"] == 4
    unknown = run("review", "fill", "shop.catalens", "--schema", "shades.yaml", "--where", 'colr != "pink"')
    assert unknown.code == 2
    assert "no record has a field 'colr'; there are: colour" in unknown.err
    nothing = run("review", "fill", "shop.catalens", "--schema", "shades.yaml", "--where", 'colour = "pink"')
    assert nothing.code == 2
    assert "no record passes" in nothing.err


def test_decisions_by_key_undo_skip_and_a_written_value(shop: Path, run: Run) -> None:
    fill(run, "--unsure", "0", "--disagreements", "0", "--sample", "5", "--no-answers")
    said = decide("ana", "y", "GREEN", "b", "blue", "s", "u", "pink", "q")
    assert "'pink' is no label of colour" in said
    assert "3 of 5 questions decided" in said
    with Review(shop / "shop.catalens") as review:
        verdicts = [each.verdict for each in review.decisions(withdrawn=True)]
        kept = [(each.reviewer, each.verdict) for each in review.decisions()]
    assert len(verdicts) == 5
    assert verdicts[3:] == ["skipped", "unknown"]
    assert [reviewer for reviewer, _ in kept] == ["ana"] * 3
    assert "3 of 5" in decide("ben", "q")
    status = json.loads(run("review", "status", "shop.catalens", "--json").out)
    assert (status["total"], status["decided"], status["reviewers"]) == (5, 3, {"ana": 3})


def test_what_was_decided_is_read_by_what_learns(shop: Path, run: Run) -> None:
    fill(run, "--unsure", "0", "--disagreements", "0", "--sample", "12", "--no-answers")
    with Review(shop / "shop.catalens") as review:
        while (item := review.take("ana")) is not None:
            at = int(item.id.split(".")[0]) if item.id.split(".")[0].isdecimal() else 0
            truth = ("red", "green", "blue")[at % 3]
            review.decide("ana", item.number, "corrected", truth, token=item.id)
    exported = run("review", "export", "shop.catalens", "--labelled", "labelled.csv", "--pairs", "pairs.jsonl")
    assert exported.code == 0, exported.err
    rows = list(csv.DictReader((shop / "labelled.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert {row["colour"] for row in rows} == {"red", "green", "blue"}
    pairs = [json.loads(line) for line in (shop / "pairs.jsonl").read_text().splitlines()]
    assert pairs[0]["question"] == "what colour is it?"
    corrected = [each for each in pairs if "rejected" in each]
    assert all(each["answer"] != each["rejected"] for each in corrected)
    learned = run("tag", "learn", "labelled.csv", "--schema", "shades.yaml", "--out", "learned.json")
    assert learned.code == 0, learned.err
    measured = run("eval", "tags", "labelled.csv", "--schema", "shades.yaml", "--calibration", "learned.json")
    assert measured.code == 0, measured.err
    prepared = run("finetune", "prepare", "pairs.jsonl", "--out", "pairs.parquet")
    assert prepared.code == 0, prepared.err


def test_an_export_of_nothing_says_what_to_do(shop: Path, run: Run) -> None:
    fill(run, "--sample", "2", "--no-answers")
    ran = run("review", "export", "shop.catalens", "--labelled", "labelled.csv")
    assert ran.code == 2
    assert "catalens review decide" in ran.err


def asked(shop: Path, run: Run) -> list[Item]:
    """Return what a fresh review asks because of disagreement."""
    (shop / "shop.catalens").unlink()
    assert run("index", "add", "shop.catalens", "shop.csv").code == 0
    fill(run, "--unsure", "0", "--disagreements", "12", "--sample", "0", "--no-answers")
    with Review(shop / "shop.catalens") as review:
        items = iter(lambda: review.take("ana"), None)
        return [review.decide("ana", each.number, "accepted", None, token=each.id).item for each in items]


def test_a_field_that_spells_a_label_otherwise_does_not_disagree(shop: Path, run: Run) -> None:
    (shop / "shades.yaml").write_text(SCHEMA.replace("[blue]", "[blue, navy]"))
    plain = asked(shop, run)
    table = (shop / "shop.csv").read_text()
    for label, spelled in (("red", "RED"), ("green", "Green"), ("blue", "navy")):
        table = table.replace(f",{label}\n", f",{spelled}\n")
    (shop / "shop.csv").write_text(table)
    assert 0 < len(plain) < 12
    assert asked(shop, run) == plain


@pytest.mark.parametrize("command", ["fill", "decide", "status", "export"])
def test_a_catalogue_on_a_server_is_refused_with_the_cure(run: Run, command: str) -> None:
    ran = run("review", command, "postgresql://me:secret@db/shop?table=shoes")
    assert ran.code == 2
    message = " ".join(ran.err.split())
    assert "review a copy: catalens index migrate postgresql://db/shop?table=shoes copy.catalens" in message


def test_a_copy_is_reviewed_like_its_original(run: Run, shop: Path) -> None:
    assert run("index", "migrate", "shop.catalens", "copy.catalens").code == 0
    (shop / "shop.catalens").unlink()
    (shop / "copy.catalens").rename(shop / "shop.catalens")
    assert fill(run, "--sample", "4", "--unsure", "0", "--disagreements", "0")["sample"] == 4
    decide("ana", "y", "q")
    assert run("review", "export", "shop.catalens", "--labelled", "labelled.csv").code == 0
    with Path("labelled.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert Path(row["image"]).is_file()
