"""search and search learn, over a catalogue on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalens.catalogue.index import EmbeddedIndex
from catalens.core.images import read_image
from catalens.models.fakes import FakeEncoder
from tests.support.ran import Run


def test_a_picture_finds_itself_and_filters_come_before_k(run: Run, catalogue: Path, photos: list[Path]) -> None:
    ran = run("search", catalogue, "--image", photos[3], "-k", 2)
    assert ran.rows[0]["id"] == photos[3].stem
    assert ran.rows[0]["score"] == pytest.approx(1, abs=1e-3)
    assert [row["rank"] for row in ran.rows] == [1, 2]
    dear = run("search", catalogue, "--image", photos[3], "-k", 2, "--where", "price > 300").rows
    assert [row["fields"]["price"] > 300 for row in dear] == [True, True]


def test_weights_and_minus_terms_change_what_is_found(run: Run, catalogue: Path, photos: list[Path]) -> None:
    mostly_picture = run("search", catalogue, "red dress", "--image", f"{photos[2]}:9").rows
    assert mostly_picture[0]["id"] == photos[2].stem
    without = run("search", catalogue, "red dress", "--minus-image", f"{photos[2]}:9").rows
    assert without[-1]["id"] == photos[2].stem
    assert run("search", catalogue, "red dress", "--minus", "floral").rows != run("search", catalogue, "red dress").rows


def test_words_find_titles(run: Run, catalogue: Path) -> None:
    ran = run("search", catalogue, "handbag", "--mode", "keyword")
    assert [row["fields"]["type"] for row in ran.rows] == ["Handbags"]
    assert len(run("search", catalogue, "handbag", "--mode", "hybrid").rows) == 6


def test_the_name_of_a_picture_is_searched_as_text_with_a_notice(run: Run, catalogue: Path) -> None:
    assert "give --image like.jpg" in run("search", catalogue, "like.jpg").err
    assert "--image" not in run("search", catalogue, "like.jpg", "--mode", "keyword").err


def test_nothing_found_is_no_error(run: Run, catalogue: Path) -> None:
    ran = run("search", catalogue, "dress", "--min-score", 1)
    assert (ran.code, ran.out) == (0, "")
    assert "nothing found" in ran.err


def test_a_filter_on_a_field_that_no_record_has_says_which_there_are(run: Run, catalogue: Path) -> None:
    where = ("--where", "Price < 500 and colour exists")
    for ran in (run("search", catalogue, "dress", *where), run("index", "list", catalogue, *where)):
        assert (ran.code, ran.out) == (0, "")
        assert "no record has a field 'Price'; there are: price, " in ran.err
        assert "'colour'" not in ran.err
    for where_text in ("price < 0", 'colour = "red"'):
        assert "no record" not in run("search", catalogue, "dress", "--where", where_text).err
    excluding = ("--where", "Price != 500 and colour != 'red'")
    for ran in (run("search", catalogue, "dress", *excluding), run("index", "list", catalogue, *excluding)):
        assert (ran.code, len(ran.rows)) == (0, 6)
        assert "no record has a field 'Price'; there are: price, " in ran.err
        assert "'colour'" not in ran.err
    refused = run("index", "list", catalogue, "--where", "")
    assert (refused.code, refused.out) == (2, "")
    assert "--where is empty" in refused.err


def test_hits_are_drawn_on_a_sheet(run: Run, catalogue: Path, tmp_path: Path) -> None:
    ran = run("search", catalogue, "dress", "--sheet", tmp_path / "hits.png", "-k", 3)
    assert ran.code == 0
    assert read_image(tmp_path / "hits.png").width > 400


def test_a_sheet_is_never_written_over_a_folder(run: Run, catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "hits.png").mkdir()
    ran = run("search", catalogue, "dress", "--sheet", tmp_path / "hits.png")
    assert (ran.code, ran.out) == (2, "")
    assert "hits.png cannot be written: it is not a file" in ran.err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="whoever may do anything is refused nothing"
)
def test_a_folder_that_takes_no_files_is_named_before_the_work(run: Run, catalogue: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    ran = run("search", catalogue, "dress", "--sheet", closed / "hits.png")
    assert (ran.code, ran.out) == (2, "")
    assert "no permission" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dress", "--where", "price <"], "filter, column"),
        (["dress", "--where", ""], "--where is empty"),
        (["dress", "--where", " "], "--where is empty"),
        (["dress", "--cutoff", ""], "an empty name"),
        (["dress", "--image", "nobody.png"], "there is no nobody.png"),
        ([], "no positive term"),
        ([""], "'' has no term"),
        (["dress", "--minus", " "], "' ' has no term"),
        (["dress:0"], "weight"),
        (["dress", "--cutoff", "auto"], "no cut-off came with fake-16"),
        (["dress", "--sheet", "hits.doc"], "hits.doc cannot be written"),
        (["dress", "--sheet", "nodir/x.png"], "there is no folder nodir, so no nodir/x.png"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(run: Run, catalogue: Path, arguments: list[str], message: str) -> None:
    ran = run("search", catalogue, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_file_that_is_no_catalogue_is_refused_with_3(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "notes.catalens"
    other.write_text("no database at all, but long enough to look like one" * 40)
    ran = run("search", other, "dress")
    assert ran.code == 3
    assert "notes.catalens" in ran.err


def test_a_cutoff_needs_a_catalogue_with_a_background(run: Run, catalogue: Path, tmp_path: Path) -> None:
    judged = tmp_path / "judged.csv"
    judged.write_text("query,id\nhat,1\nnonsense,\n")
    ran = run("search", "learn", catalogue, judged)
    assert ran.code == 2
    assert "too small" in ran.err
    judged.write_text("question,id\nhat,1\n")
    assert "columns query and id" in run("search", "learn", catalogue, judged).err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("query,id\ncafé,1\n".encode("latin-1"), "is not UTF-8 text (byte 0xe9 in line 2)"),
        (b'query,id\n"a hat,1\na tie,2\n', "is a quote left open?"),
    ],
)
def test_judged_queries_that_cannot_be_read_are_refused(
    run: Run, catalogue: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    judged = tmp_path / "judged.csv"
    judged.write_bytes(content)
    ran = run("search", "learn", catalogue, judged)
    assert (ran.code, ran.out) == (2, "")
    assert "judged.csv" in ran.err
    assert message in ran.err


def test_a_cutoff_is_learned_and_used(run: Run, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    path = tmp_path / "many.catalens"
    with EmbeddedIndex.open(path, encoder_name=encoder.name, dim=encoder.dim) as index:
        from catalens.core.types import Record

        names = [f"thing {place}" for place in range(80)]
        index.add([Record(name, "nowhere.png") for name in names], encoder.encode_texts(names))
    judged = tmp_path / "judged.csv"
    judged.write_text("query,id\n" + "".join(f"{name},{name}\n" for name in names[:20]) + "nonsense,\n")
    assert run("search", "learn", path, judged, "--out", tmp_path / "cutoff.json").code == 0
    found = run("search", path, "thing 50", "--cutoff", tmp_path / "cutoff.json").rows
    assert [row["id"] for row in found] == ["thing 50"]
