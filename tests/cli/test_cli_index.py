"""index: adding, listing, removing, re-encoding, over a catalogue on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.catalogue.index import EmbeddedIndex
from catalens.models.fakes import FakeEncoder
from tests.support.ran import Run
from tests.support.tiny import seal, tiny_bundle


def test_adding_twice_skips_what_is_unchanged(run: Run, shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "shop.catalens"
    first = run("index", "add", path, shop / "products.csv").rows[-1]
    second = run("index", "add", path, shop / "products.csv").rows[-1]
    assert (first["added"], first["records"]) == (6, 6)
    assert (second["added"], second["unchanged"], second["records"]) == (0, 6, 6)


def test_a_broken_picture_is_left_out_and_the_code_says_so(run: Run, broken: Path) -> None:
    ran = run("index", "add", broken / "some.catalens", broken)
    assert ran.code == 1
    assert ran.rows[-1]["added"] == 2
    assert ran.rows[-1]["failed"] == 1
    assert "1.png" in ran.err


def test_ids_that_another_source_has_too_are_told_and_can_be_kept_apart(
    run: Run, photos: list[Path], tmp_path: Path
) -> None:
    for folder, photo in zip(("a", "b"), photos, strict=False):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(photo.read_bytes())
    path = tmp_path / "both.catalens"
    assert run("index", "add", path, tmp_path / "a").rows[-1]["replaced"] == 0
    ran = run("index", "add", path, tmp_path / "b")
    assert (ran.code, ran.rows[-1]["updated"], ran.rows[-1]["replaced"]) == (0, 1, 1)
    said = " ".join(ran.err.split())
    assert "1 record was replaced by another picture with the same id" in said
    assert f"1.png was {tmp_path}/a/1.png, and is {tmp_path}/b/1.png now" in said
    assert "--id-prefix" in said
    kept = run("index", "add", path, tmp_path / "a", "--id-prefix", "a/")
    assert (kept.rows[-1]["added"], kept.rows[-1]["records"], kept.err) == (1, 2, "")
    assert [row["id"] for row in run("index", "list", path).rows] == ["1.png", "a/1.png"]


def test_pruning_forgets_what_the_source_no_longer_has(
    run: Run, shop: Path, photos: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos[:2]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    path = tmp_path / "few.catalens"
    run("index", "add", path, folder)
    (folder / photos[0].name).unlink()
    assert run("index", "add", path, folder, "--prune").rows[-1]["removed"] == 1
    assert [row["id"] for row in run("index", "list", path).rows] == [photos[1].name]


def test_info_and_list_say_what_there_is(run: Run, catalogue: Path) -> None:
    info = run("index", "info", catalogue).rows[0]
    assert (info["records"], info["encoder"], info["dim"]) == (6, "fake-16", 16)
    assert info["fields"]["price"] == 6
    cheap = run("index", "list", catalogue, "--where", "price < 300").rows
    assert [row["fields"]["price"] for row in cheap] == [0, 100, 200]
    assert len(run("index", "list", catalogue, "-k", 2).rows) == 2


def test_removing_names_what_was_not_there(run: Run, catalogue: Path) -> None:
    known = run("index", "list", catalogue).rows[0]["id"]
    ran = run("index", "remove", catalogue, known, "nobody")
    assert ran.code == 1
    missing, result = ran.rows
    assert missing == {"id": "nobody", "error": f"{catalogue} has no record nobody"}
    assert result == {"catalogue": str(catalogue), "removed": 1, "failed": 1, "records": 5}
    assert "has no record nobody" in ran.err
    assert run("index", "info", catalogue).rows[0]["records"] == 5


def test_the_same_picture_twice_is_a_duplicate(run: Run, catalogue: Path, shop: Path) -> None:
    run("index", "add", catalogue, shop / "photos")
    groups = run("index", "duplicates", catalogue, "--min-score", 0.999).rows
    assert len(groups) == 6
    assert all(len(group["ids"]) == 2 for group in groups)


def test_a_graph_is_built_and_dropped(run: Run, catalogue: Path) -> None:
    before = run("search", catalogue, "hat").rows
    built = run("index", "graph", catalogue)
    assert (built.code, built.rows) == (0, [{"catalogue": str(catalogue), "graph": "built", "records": 6}])
    assert run("search", catalogue, "hat").rows == before
    dropped = run("index", "graph", catalogue, "--drop")
    assert (dropped.code, dropped.rows[0]["graph"]) == (0, "none")
    assert run("search", catalogue, "hat").rows == before


def test_reencoding_with_the_same_encoder_is_refused(run: Run, catalogue: Path) -> None:
    ran = run("index", "reencode", catalogue)
    assert ran.code == 2
    assert "fake-16 already" in ran.err


def test_reencoding_brings_a_catalogue_to_the_encoder_in_use(run: Run, catalogue: Path, shop: Path) -> None:
    ids = [row["id"] for row in run("index", "list", catalogue).rows]
    with EmbeddedIndex.open(catalogue) as index:
        wider = FakeEncoder(24)
        index.reencode(wider.name, wider.dim, [(ids, wider.encode_texts(ids))])
    refused = run("search", catalogue, "hat")
    assert refused.code == 3
    assert "reencode" in refused.err
    ran = run("index", "reencode", catalogue)
    facts = {"encoder": "fake-16", "encoded": 6, "failed": 0, "records": 6}
    assert (ran.code, ran.rows) == (0, [{"catalogue": str(catalogue), **facts}])
    picture = shop / "photos" / f"{ids[0]}.png"
    assert run("search", catalogue, "--image", picture, "-k", 1).rows[0]["score"] == pytest.approx(1, abs=1e-3)


def test_reencoding_keeps_nothing_of_its_own_and_all_that_was_kept(
    run: Run, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_bundle(tmp_path / "tiny")
    assert run("index", "reencode", catalogue, "--model", "tiny").code == 0
    beside = catalogue.with_name(f"{catalogue.name}.old")
    assert not beside.exists()
    assert not catalogue.with_name(f"{catalogue.name}.new").exists()
    assert run("index", "migrate", catalogue, "--encoder", "fake").rows[0]["kept"] == str(beside)
    refused = run("index", "reencode", catalogue, "--model", "tiny")
    assert (refused.code, beside.exists()) == (3, True)
    assert "is kept from an earlier re-encoding; delete it with: catalens index migrate" in refused.err


def test_a_catalogue_is_searched_and_extended_by_the_encoder_that_filled_it(
    run: Run, catalogue: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_bundle(tmp_path / "tiny")
    assert run("index", "reencode", catalogue, "--model", "tiny").code == 0
    refused = run("search", catalogue, "hat")  # the environment names the fake
    assert refused.code == 3
    assert "--model tiny" in refused.err
    monkeypatch.delenv("CATALENS_MODEL")
    assert len(run("search", catalogue, "hat").rows) == 6
    assert run("index", "add", catalogue, shop / "products.csv").rows[-1]["unchanged"] == 6
    assert "tiny@1 already" in run("index", "reencode", catalogue).err
    seal(tmp_path / "tiny", revision="2")
    for arguments in (("search", catalogue, "hat"), ("index", "add", catalogue, shop / "photos")):
        ran = run(*arguments)
        assert ran.code == 3
        assert f"tiny@2; re-encode it with: catalens index reencode {catalogue} --model tiny" in ran.err
    assert run("index", "reencode", catalogue).code == 0
    assert run("index", "info", catalogue).rows[0]["encoder"] == "tiny@2"


def test_a_catalogue_whose_encoder_is_not_here_is_refused_and_nothing_is_fetched(
    run: Run, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [row["id"] for row in run("index", "list", catalogue).rows]
    with EmbeddedIndex.open(catalogue) as index:
        index.reencode("openai/clip-vit-base-patch32@3d74acf", 24, [(ids, FakeEncoder(24).encode_texts(ids))])
    monkeypatch.delenv("CATALENS_MODEL")
    ran = run("search", catalogue, "hat")
    assert ran.code == 3
    assert "use that encoder with --model openai/clip-vit-base-patch32" in ran.err
    assert f"catalens index reencode {catalogue} --model starter" in ran.err


def test_reencoding_keeps_everything_unless_told_to_drop_what_is_gone(
    run: Run, tmp_path: Path, photos: list[Path]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos[:2]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    path = tmp_path / "few.catalens"
    run("index", "add", path, folder)
    with EmbeddedIndex.open(path) as index:
        wider = FakeEncoder(24)
        index.reencode(wider.name, wider.dim, [([photo.name for photo in photos[:2]], wider.encode_texts(["a", "b"]))])
    (folder / photos[0].name).unlink()
    kept = run("index", "reencode", path)
    assert kept.code == 3
    assert run("index", "info", path).rows[0]["encoder"] == "fake-24"
    dropped = run("index", "reencode", path, "--drop")
    assert dropped.code == 1
    assert dropped.rows[0]["id"] == photos[0].name
    assert (dropped.rows[1]["encoded"], dropped.rows[1]["failed"], dropped.rows[1]["records"]) == (1, 1, 1)
    info = run("index", "info", path).rows[0]
    assert (info["encoder"], info["records"]) == ("fake-16", 1)
