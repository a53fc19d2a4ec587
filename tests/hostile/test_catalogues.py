"""Damaged catalogues: the right answer, or an error that names the catalogue; never another answer or a crash."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from catalens.demo.drawn import draw_catalogue
from tests.hostile.conftest import Amounts
from tests.support.drive import Drive


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for product in draw_catalogue(40):
        product.picture.resize((60, 80)).save(folder / f"{product.id}.png")
    return folder


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with bytes flipped, zeroed or cut off, as disks and copies do it."""
    broken = bytearray(content)
    way = rng.randrange(4)
    at = rng.randrange(len(broken))
    if way == 0:
        for _ in range(rng.choice((1, 4, 64))):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    elif way == 1:
        broken[at : at + 512] = bytes(len(broken[at : at + 512]))
    elif way == 2:
        broken[at : at + 4096] = rng.randbytes(len(broken[at : at + 4096]))
    else:
        del broken[at:]
    return bytes(broken)


def test_damage_is_noticed(catalens: Drive, photos: Path, tmp_path: Path, amounts: Amounts) -> None:
    if catalens("index", "check", "--help").code != 0:
        pytest.skip("this version keeps no checksums: there is no `catalens index check`")
    whole = tmp_path / "whole.catalens"
    catalens("index", "add", whole, photos).check(0)
    right = catalens("search", whole, "a red dress", "-k", 5, "--json").check(0).rows
    rng, content, path = random.Random(17), whole.read_bytes(), tmp_path / "damaged.catalens"
    noticed = 0
    for _ in range(amounts.catalogues):
        for left in tmp_path.glob("damaged*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        path.write_bytes(damaged(content, rng))
        ran = catalens("search", path, "a red dress", "-k", 5, "--json").check(0, 2, 3)
        if ran.code == 0:
            assert ran.rows == right
        else:
            noticed += 1
            assert b"damaged.catalens" in ran.stderr
    assert noticed
