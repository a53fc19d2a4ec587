"""Full disks and kills: what was there stays, and a second run ends what the first began."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from catalens.demo.drawn import draw_catalogue
from tests.hostile.conftest import Amounts
from tests.support.drive import Drive


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for product in draw_catalogue(8):
        product.picture.save(folder / f"{product.id}.png")
    return folder


@pytest.fixture(scope="module")
def catalogue(catalens: Drive, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "shop.catalens"
    catalens("index", "add", path, photos).check(0)
    return path


OUTPUTS = {
    "embed": ("out.npz", 60, ["embed", "PHOTOS", "--out", "OUT"]),
    "captions": ("out.csv", 60, ["caption", "PHOTOS", "--output", "OUT"]),
    "json-captions": ("out.jsonl", 60, ["caption", "PHOTOS", "--output", "OUT"]),
    # SQLite maps a file of 32 kB beside the catalogue; the sheet is larger.
    "sheet": ("out.png", 40_000, ["search", "CATALOGUE", "a dress", "-k", "8", "--sheet", "OUT", "--min-score", "-1"]),
    "plot": ("out.png", 60, ["similarity", "PHOTOS", "--texts", "a red dress, a blue shirt", "--plot", "OUT"]),
}


def arguments(name: str, out: Path, photos: Path, catalogue: Path) -> list[str]:
    places = {"OUT": out, "PHOTOS": photos, "CATALOGUE": catalogue}
    return [str(places.get(each, each)) for each in OUTPUTS[name][2]]


class TestFullDisk:
    @pytest.mark.parametrize(
        "name",
        ["captions", "json-captions", *(pytest.param(each) for each in ("embed", "sheet", "plot"))],
    )
    def test_an_old_file_stays(self, name: str, catalens: Drive, photos: Path, catalogue: Path, tmp_path: Path) -> None:
        out = tmp_path / OUTPUTS[name][0]
        command = arguments(name, out, photos, catalogue)
        catalens(*command).check(0)  # with room it can be written, and the cache is warm
        old = out.read_bytes()
        again = [*command, "--if-exists", "overwrite"] if "captions" in name else command
        ran = catalens(*again, largest_file=OUTPUTS[name][1]).check(1, 2, 3)
        assert out.read_bytes() == old
        assert out.name.encode() in ran.stderr

    @pytest.mark.parametrize("command", ["tag", "embed", "caption"])
    def test_standard_output_is_full(self, command: str, catalens: Drive, photos: Path) -> None:
        ran = catalens(command, photos, stdout=Path("/dev/full")).check(1, 2, 3)
        assert b"standard output cannot be written: no space left on device" in ran.stderr

    def test_a_catalogue_stays(self, catalens: Drive, photos: Path, catalogue: Path, tmp_path: Path) -> None:
        more = tmp_path / "more"
        more.mkdir()
        for place, path in enumerate(sorted(photos.iterdir())):
            (more / f"more-{place}.png").write_bytes(path.read_bytes())
        before = catalens("search", catalogue, "a red dress", "--json").check(0).rows
        catalens("index", "add", catalogue, more, largest_file=1024).check(1, 2, 3)
        assert catalens("search", catalogue, "a red dress", "--json").check(0).rows == before
        catalens("index", "add", catalogue, more).check(0)

    def test_a_cache_is_a_convenience(self, catalens: Drive, photos: Path, tmp_path: Path) -> None:
        variables = {"CATALENS_CACHE": str(tmp_path / "cold")}
        ran = catalens("tag", photos, "--labels", "red, blue", largest_file=0, environment=variables)
        ran.check(0, 1, 2, 3)


class TestKills:
    def test_index_add_goes_on(self, catalens: Drive, photos: Path, tmp_path: Path, amounts: Amounts) -> None:
        rng, whole_s = random.Random(15), catalens("index", "add", tmp_path / "timed.catalens", photos).elapsed_s
        for place in range(amounts.kills - amounts.kills * 2 // 5):
            path = tmp_path / f"{place}.catalens"
            catalens("index", "add", path, photos, kill_after_s=rng.uniform(0.5, 1.0) * whole_s)
            ran = catalens("index", "add", path, photos, "--json").check(0)
            assert ran.rows[-1]["records"] == 8
            with sqlite3.connect(path) as connection:
                assert connection.execute("pragma integrity_check").fetchone() == ("ok",)

    def test_captions_go_on(self, catalens: Drive, photos: Path, tmp_path: Path, amounts: Amounts) -> None:
        rng, out = random.Random(16), tmp_path / "whole.jsonl"
        whole_s = catalens("caption", photos, "--output", out).check(0).elapsed_s
        for place in range(amounts.kills * 2 // 5):
            path = tmp_path / f"{place}.jsonl"
            catalens("caption", photos, "--output", path, kill_after_s=rng.uniform(0.5, 1.0) * whole_s)
            catalens("caption", photos, "--output", path).check(0)
            assert path.read_bytes() == out.read_bytes()
            assert not list(tmp_path.glob("*.part"))
