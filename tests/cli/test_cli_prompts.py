"""prompt: words for pictures, printed, beside them or in a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.cli.prompt import _show
from catalens.core.images import read_image
from catalens.core.types import Record
from catalens.models.fakes import FakeEncoder
from tests.support.drawings import drawn
from tests.support.ran import Run

SHORT = ("--candidates", 12, "--max-flavors", 3, "--min-flavors", 1)


@pytest.fixture(autouse=True)
def _fake_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALENS_READER", "fake")


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    """A vocabulary whose shipped tables are silenced."""
    folder = tmp_path / "terms"
    folder.mkdir()
    tables = {"flavors": "red\nblue\nsoft light\ngrainy\n", "mediums": "a photo\n", "negative": "blurry\n"}
    for name in ("artists", "flavors", "mediums", "movements", "sites", "negative"):
        (folder / f"{name}.txt").write_text(tables.get(name, ""), encoding="utf-8")
    return folder


def test_a_prompt_begins_with_the_caption_and_every_part_has_its_cosine(run: Run, photos: list[Path]) -> None:
    ran = run("prompt", photos[0], *SHORT, "--runners-up", 1)
    [row] = ran.rows
    assert row["caption"]
    assert row["prompt"].startswith(row["caption"])
    encoder = FakeEncoder()
    [picture] = encoder.encode_images([read_image(photos[0])])
    [whole] = encoder.encode_texts([row["prompt"]]) @ picture
    assert row["cosine"] == pytest.approx(whole, abs=1e-4)
    for term in row["terms"]:
        [cosine] = encoder.encode_texts([term["term"]]) @ picture
        assert term["cosine"] == pytest.approx(cosine, abs=1e-4)
    kinds = [term["kind"] for term in row["runners_up"]]
    assert kinds == ["artist", "flavor", "medium", "movement", "site"]


def test_fast_is_the_caption_and_the_nearest_terms_of_ones_own_tables(
    run: Run, photos: list[Path], terms: Path
) -> None:
    ran = run("prompt", photos[0], "--mode", "fast", "--caption", "a dress", "--vocabulary", terms)
    encoder = FakeEncoder()
    [picture] = encoder.encode_images([read_image(photos[0])])
    words = ["red", "blue", "soft light", "grainy", "a photo"]
    ranked = [words[at] for at in np.argsort(-(encoder.encode_texts(words) @ picture))]
    assert ran.rows[0]["prompt"] == ", ".join(["a dress", *ranked])


def test_a_caption_may_be_a_column_of_a_table(run: Run, shop: Path, tmp_path: Path, terms: Path) -> None:
    table = tmp_path / "prompts.jsonl"
    ran = run(
        "prompt", shop / "products.csv", "--caption", "{title}", "--mode", "fast", "--vocabulary", terms, "-o", table,
    )  # fmt: skip
    assert ran.code == 0
    with (shop / "products.csv").open(encoding="utf-8") as file:
        titles = [row["title"] for row in csv.DictReader(file)]
    rows = [json.loads(line) for line in table.read_text("utf-8").splitlines()]
    assert [row["prompt"].startswith(title) for row, title in zip(rows, titles, strict=True)] == [True] * len(titles)
    missing = run("prompt", shop / "products.csv", "--caption", "{weather}", "--mode", "fast", "--vocabulary", terms)
    assert missing.code == 1
    assert "{weather}" in missing.err


def test_a_table_of_prompts_is_kept_and_a_second_run_has_nothing_to_do(
    run: Run, shop: Path, tmp_path: Path, terms: Path
) -> None:
    table = tmp_path / "prompts.csv"
    command = ("prompt", shop / "photos", *SHORT, "--vocabulary", terms, "--output", table)
    assert run(*command, "--memory-limit", "4GB").code == 0
    content = table.read_text("utf-8")
    assert content.splitlines()[0] == "image,prompt"
    again = run(*command)
    assert "6 pictures had one already" in again.err
    assert table.read_text("utf-8") == content


def test_sidecars_are_appended_to(run: Run, shop: Path, tmp_path: Path, terms: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(sorted((shop / "photos").iterdir())[0].read_bytes())
    photo.with_suffix(".txt").write_text("sks style\n", encoding="utf-8")
    ran = run(
        "prompt", photo, "--caption", "a dress", *SHORT, "--vocabulary", terms, "--sidecar", ".txt",
        "--if-exists", "append",
    )  # fmt: skip
    assert ran.code == 0
    assert photo.with_suffix(".txt").read_text("utf-8").startswith("sks style, a dress")


def test_a_broken_picture_is_named_and_the_others_go_on(run: Run, broken: Path, terms: Path) -> None:
    ran = run("prompt", broken, "--no-caption", *SHORT, "--vocabulary", terms)
    assert ran.code == 1
    assert sorted("error" in row for row in ran.rows) == [False, False, True]


def test_negative_says_what_the_picture_is_not(run: Run, photos: list[Path], terms: Path) -> None:
    [row] = run("prompt", photos[0], "--mode", "negative", *SHORT, "--vocabulary", terms).rows
    assert row["cosine"] == min(row["cosine"], *(term["cosine"] for term in row["terms"]))
    assert not row["caption"]


def test_what_the_lazy_search_lost_is_measured(run: Run, photos: list[Path], terms: Path) -> None:
    ran = run("prompt", photos[0], "--no-caption", *SHORT, "--vocabulary", terms, "--search", "lazy", "--check")
    [row] = ran.rows
    assert row["loss"] == pytest.approx(row["exact_cosine"] - row["cosine"], abs=1e-4)
    assert "the lazy search lost" in ran.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--caption", "a dress", "--no-caption"), "exclude each other"),
        (("--check",), "--search lazy"),
        (("--vocabulary", "nowhere"), "there is no vocabulary"),
        (("--caption", "a dress", "--like", "clip-interrogator"), "does not count tokens"),
    ],
)
def test_flags_that_cannot_be_followed_are_explained(
    run: Run, photos: list[Path], flags: tuple[str, ...], words: str
) -> None:
    ran = run("prompt", photos[0], *flags)
    assert ran.code in (1, 2)
    assert words in ran.err


def test_a_vocabulary_that_cannot_be_read_is_an_error_of_the_job(run: Run, shop: Path, tmp_path: Path) -> None:
    for vocabulary in ("nowhere", tmp_path):
        ran = run("prompt", shop / "photos", "--no-caption", "--vocabulary", vocabulary)
        assert (ran.code, ran.out) == (2, "")


def test_a_person_sees_the_prompt_its_terms_and_what_came_next(capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "prompt": "a dress, red",
        "cosine": 0.3,
        "tokens": 6,
        "encoder": "fake-16",
        "terms": [{"term": "red", "kind": "flavor", "cosine": 0.25}],
        "left_out": ["[blue]"],
        "runners_up": [{"term": "soft light", "kind": "flavor", "cosine": 0.2}],
    }
    _show(Record("a.png", "a.png"), values)
    shown = capsys.readouterr().out
    for words in ("a.png", "prompt, 6 tokens, by fake-16", "0.300", "0.250", "next flavor", "[blue]", "no room"):
        assert words in shown


def test_without_a_model_each_picture_gets_the_encoder_that_knows_its_world(
    run: Run, tmp_path: Path, terms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CATALENS_MODEL", raising=False)
    skimage = pytest.importorskip("skimage", reason="scikit-image, whose wheel has photographs, is not installed")
    product = drawn(1)[0]
    product.picture.save(tmp_path / "product.png")
    cat = Path(skimage.__file__).parent / "data" / "chelsea.png"
    rows = run("prompt", tmp_path / "product.png", cat, *SHORT, "--vocabulary", terms, "--caption", "a photo").rows
    assert [row["encoder"].partition("@")[0] for row in rows] == ["starter", "everyday"]
    assert all(row["prompt"].startswith("a photo") for row in rows)


def test_the_bundled_encoders_say_the_terms_that_they_know(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CATALENS_MODEL", raising=False)
    skimage = pytest.importorskip("skimage", reason="scikit-image, whose wheel has photographs, is not installed")
    drawn(1)[0].picture.save(tmp_path / "product.png")
    Image.new("RGB", (200, 200), (90, 120, 90)).save(tmp_path / "nothing.png")
    cat = Path(skimage.__file__).parent / "data" / "chelsea.png"
    shown = (tmp_path / "product.png", cat, tmp_path / "nothing.png")
    product, photo, nothing = run("prompt", *shown, "--no-caption").rows
    assert product["prompt"] == "t-shirt"
    assert {"cat", "animal"} & {*photo["prompt"].split(", ")}
    assert nothing["prompt"] == "a picture"
    # A vocabulary that is named is searched whole, as that of any other encoder.
    named = run("prompt", cat, "--no-caption", "--vocabulary", "fashion", "--mode", "fast").rows[0]
    assert len(named["terms"]) > 10
