"""caption: words for pictures, printed, beside them or in a table."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Turn
from catalens.models.readers import load_reader
from catalens.models.readers.fake import FakeReader
from catalens.models.readers.registry import SHIPPED
from catalens.tasks.captions import clean_caption
from tests.support.ran import Run


@pytest.fixture(autouse=True)
def _fake_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALENS_READER", "fake")


def texts(folder: Path, ending: str = ".txt") -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob(f"*{ending}"))}


def test_captions_are_what_the_reader_says_cleaned(run: Run, colours: Path) -> None:
    ran = run("caption", colours, "--count", 2)
    reader = load_reader("fake")
    seen = reader.encode_images([Image.open(colours / "a.png")])
    expected = [clean_caption(each) for each in reader.caption(seen, count=2)[0]]
    assert ran.code == 1
    assert ran.rows[0] == {
        "id": "a.png",
        "source": str(colours / "a.png"),
        "caption": expected[0],
        "captions": expected,
    }
    assert [row["id"] for row in ran.rows] == ["a.png", "b.png", "c.png"]
    assert "error" in ran.rows[1]
    assert "1 of 3 items failed" in ran.err


def test_a_prompt_is_gone_on_from_and_stays(run: Run, colours: Path) -> None:
    ran = run("caption", colours / "a.png", "--prompt", "a photo of", "--max-tokens", 3)
    assert ran.rows[0]["caption"] == "a photo of a picture that"


def test_sidecars_hold_the_caption_and_a_second_run_skips_them(run: Run, colours: Path) -> None:
    ran = run("caption", colours, "--sidecar", ".caption", "--prefix", "sks style,", "--suffix", ", studio")
    assert ran.code == 1
    assert ran.out == ""
    assert texts(colours, ".caption") == {
        "a.caption": "sks style, a picture that is mostly red, studio\n",
        "c.caption": "sks style, a picture that is mostly blue, studio\n",
    }
    assert "2 captions written" in ran.err
    (colours / "b.png").unlink()
    again = run("caption", colours, "--sidecar", ".caption")
    assert again.code == 0
    assert "0 captions written; 2 pictures had one already" in again.err


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("overwrite", "a picture that is mostly red\n"),
        ("append", "1girl, a picture that is mostly red\n"),
        ("prepend", "a picture that is mostly red, 1girl\n"),
    ],
)
def test_texts_of_another_tool_are_treated_as_asked(run: Run, colours: Path, policy: str, text: str) -> None:
    (colours / "a.txt").write_text("1girl")
    run("caption", colours / "a.png", "--sidecar", ".txt", "--if-exists", policy)
    assert texts(colours) == {"a.txt": text}


def test_a_failure_is_not_hidden_by_an_old_sidecar(run: Run, colours: Path) -> None:
    (colours / "b.txt").write_text("old\n")
    ran = run("caption", colours, "--sidecar", ".txt", "--if-exists", "append")
    assert ran.code == 1
    assert "b.png" in ran.err
    assert texts(colours)["b.txt"] == "old\n"


def test_a_table_has_image_and_caption_and_more_if_asked(run: Run, colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run("caption", colours / "a.png", colours / "c.png", "--output", out).code == 0
    assert out.read_text() == (
        "image,caption\ncolours/a.png,a picture that is mostly red\ncolours/c.png,a picture that is mostly blue\n"
    )
    out = tmp_path / "metadata.jsonl"
    columns = "file_name=image,text=caption,captions"
    assert run("caption", colours / "a.png", "-o", out, "--columns", columns, "--count", 2, "--json").rows != []
    assert json.loads(out.read_text()) == {
        "file_name": "colours/a.png",
        "text": "a picture that is mostly red",
        "captions": ["a picture that is mostly red", "mostly red"],
    }
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("columns", [[], ["--columns", "image,captions"]], ids=str)
def test_a_table_holds_every_caption_that_was_asked_for(
    run: Run, colours: Path, tmp_path: Path, columns: list[str]
) -> None:
    out = tmp_path / "out.csv"
    assert run("caption", colours / "a.png", "--count", 3, "--output", out, *columns).code == 0
    (row,) = csv.DictReader(out.read_text("utf-8").splitlines())
    expected = ["a picture that is mostly red", "mostly red", "something red"]
    assert json.loads(row["captions"]) == expected
    assert row.get("caption", expected[0]) == expected[0]
    assert ("caption" in row) == (not columns)


def test_a_table_of_products_gets_its_captions_in_place(run: Run, shop: Path, tmp_path: Path) -> None:
    shutil.copytree(shop, tmp_path / "shop")
    table = tmp_path / "shop" / "products.csv"
    before = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert run("caption", table, "--output", table, "--template", "{title} ({price}): {caption}").code == 0
    after = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert [{name: row[name] for name in before[0]} for row in after] == before
    assert after[1]["caption"].startswith(f"{before[1]['title']} (100): a picture that is mostly")


@pytest.mark.parametrize("limit", [[], ["--memory-limit", "64GB"]])
def test_tags_and_attributes_join_the_caption_with_one_model_at_a_time_or_both(
    run: Run, colours: Path, limit: list[str]
) -> None:
    arguments = ["--labels", "red,a hat,blue", "--threshold", 0, "--template", "{caption}, {tags} ({name})"]
    ran = run("caption", colours / "a.png", *arguments, *limit)
    assert ran.code == 0
    (row,) = ran.rows
    assert sorted(row["tags"]) == ["a hat", "blue", "red"]
    kept = ", ".join(tag for tag in row["tags"] if tag != "red")
    assert row["caption"] == f"a picture that is mostly red, {kept} (a)"


def test_an_attribute_is_put_in_in_everyday_words(run: Run, colours: Path) -> None:
    ran = run("caption", colours / "a.png", "--template", "{type}: {caption}", "--threshold", 0)
    (row,) = ran.rows
    assert row["caption"] == f"{row['attributes']['type']}: a picture that is mostly red"
    assert row["attributes"]["type"] == row["attributes"]["type"].lower()


def test_a_memory_limit_that_cannot_be_kept_is_refused_before_work(run: Run, colours: Path) -> None:
    ran = run("caption", colours / "a.png", "--memory-limit", "1MB")
    assert ran.code == 2
    assert "captions need about" in ran.err
    assert not ran.out


def test_a_prediction_that_was_too_low_is_told(run: Run, colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalens.pipelines.memory_plan.peak_bytes", lambda: 5 * 10**9)
    ran = run("caption", colours / "a.png", "--memory-limit", "4GB")
    assert "peak memory was 5.0 GB, more than 4.0 GB; name a smaller model" in ran.err
    assert ran.code == 0


def test_pictures_from_standard_input_are_captioned(run: Run, colours: Path) -> None:
    ran = run("caption", "-", stdin=(colours / "a.png").read_bytes())
    assert ran.rows[0]["caption"] == "a picture that is mostly red"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--template", "{tags}"], "has no {caption}"),
        (["--template", "{caption"], "cannot be read"),
        (["--labels", "a,b", "--template", "{caption}"], "--labels and --encoder would do nothing"),
        (["--into", "texts"], "--into goes with --sidecar"),
        (["--columns", "image"], "--columns goes with --output"),
        (
            ["--output", "x.csv", "--columns", "image,captoin"],
            "there is no value 'captoin'; there are image, id",
        ),
        (["--output", "x.xlsx"], "ends in .csv"),
        (["--sidecar", "txt"], "looks like .txt"),
        (["--memory-limit", "much"], "'much' is not a size"),
        (["--temperature", "1", "--beams", "3"], "a single beam"),
        (["--top-p", "0.5"], "--top-p goes with --temperature"),
        (["--seed", "7"], "--seed goes with --temperature"),
        (["--min-tokens", "9", "--max-tokens", "4"], "min_tokens is 9; it must be between 0 and max_tokens, 4"),
        (["--repetition-penalty", "0"], "repetition_penalty is 0.0"),
        (["--model", "blip-bse"], "did you mean 'blip-base'"),
    ],
)
def test_flags_that_make_no_sense_are_refused_in_a_sentence(
    run: Run, colours: Path, arguments: list[str], message: str
) -> None:
    ran = run("caption", colours / "a.png", *arguments)
    assert ran.code in (2, 3)
    assert ran.out == ""
    assert message in ran.err
    assert sorted(path.name for path in colours.iterdir()) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("command", [["caption"], ["ask", "What is it?"]], ids=["caption", "ask"])
def test_every_way_of_drawing_words_reaches_the_reader(
    run: Run, colours: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    asked: list[Decoding] = []

    class Remembering(FakeReader):
        def caption(
            self, seen: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
        ) -> list[list[str]]:
            asked.append(decoding)
            return super().caption(seen, prompt=prompt, count=count, decoding=decoding)

        def answer(
            self,
            seen: EncodedImages,
            questions: Sequence[str],
            *,
            history: Sequence[Turn] = (),
            decoding: Decoding = GREEDY,
        ) -> list[list[str]]:
            asked.append(decoding)
            return super().answer(seen, questions, history=history, decoding=decoding)

    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: Remembering())
    name, *questions = command
    by_chance = ["--temperature", 0.7, "--top-p", 0.9, "--seed", 3]
    others = ["--max-tokens", 9, "--min-tokens", 2, "--repetition-penalty", 1.5]
    assert run(name, colours / "a.png", *questions, *by_chance, *others).code == 0
    assert run(name, colours / "a.png", *questions, "--beams", 4).code == 0
    assert asked == [
        Decoding(max_tokens=9, min_tokens=2, temperature=0.7, top_p=0.9, seed=3, repetition_penalty=1.5),
        Decoding(beams=4),
    ]


def test_a_template_that_asks_for_a_column_that_is_not_there_names_those_that_are(run: Run, colours: Path) -> None:
    ran = run("caption", colours / "a.png", "--template", "{titel}: {caption}")
    assert ran.code == 1
    assert "asks for {titel}; there are caption, folder, name" in ran.err
