"""What may happen to a picture in training: the right sizes and ranges, nothing at strength 0, products kept."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")
pytest.importorskip("scipy", reason="scipy is not installed: make test-train")

import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from catalens.training.augment import background, framed, lit, onto_backgrounds, overlaid
from catalens.training.pixels import STORED_HW, decode, nonsense, stored, tensor

HEIGHT, WIDTH = STORED_HW


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int) -> torch.Tensor:
    return torch.rand(n, 3, 40, 30, generator=chance(1)) * 2 - 1


def on_white(n: int = 1) -> NDArray[np.uint8]:
    """A product with an edge, a pattern and a white hole, in the middle of white."""
    out = np.full((n, HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    out[:, 20:140, 20:100] = np.random.default_rng(0).integers(0, 230, (120, 80, 3))
    out[:, 70:90, 50:70] = 255
    return out


def test_strength_0_only_resizes() -> None:
    pixels = noise(4)
    assert (framed(pixels, (40, 30), chance(), strength=0.0) - pixels).abs().max() < 1e-5
    half = framed(pixels, (20, 15), chance(), strength=0.0)
    assert (half - functional.interpolate(pixels, size=(20, 15), mode="bilinear")).abs().max() < 1e-5
    assert torch.equal(lit(pixels, chance(), strength=0.0), pixels)


def test_framing_moves_pictures_and_puts_white_beyond_their_edge() -> None:
    black = torch.full((64, 3, 40, 30), -1.0)
    out = framed(black, (32, 24), chance(), strength=1.0)
    assert out.shape == (64, 3, 32, 24)
    assert out.min() >= -1.0 - 1e-5
    assert out.max() <= 1.0 + 1e-5
    edges = (out[:, :, [0, -1]] > 0.9).all(dim=1).flatten(1).any(dim=1)
    assert 0.1 < edges.float().mean() < 1.0, "some are zoomed out or shifted so far that white shows, not all"
    assert (out[:, :, 16, 12] < -0.9).all(), "the middle stays in the picture"


def test_half_the_pictures_are_mirrored() -> None:
    pixels = torch.ones(200, 3, 40, 30)
    pixels[..., :15] = -1.0
    out = framed(pixels, (40, 30), chance(), strength=0.05)
    mirrored = out[:, 0, 20, 5] > out[:, 0, 20, 24]
    assert 0.35 < mirrored.float().mean() < 0.65


def test_light_changes_within_the_range() -> None:
    pixels = noise(64)
    out = lit(pixels, chance(), strength=1.0)
    assert out.shape == pixels.shape
    assert out.abs().max() <= 1.0
    change = (out - pixels).abs().mean(dim=(1, 2, 3))
    assert change.min() > 0.0
    assert change.max() < 0.6


def test_chance_comes_from_the_generator() -> None:
    pixels = noise(8)
    for seed, same in ((3, True), (4, False)):
        first, second = (framed(pixels, (40, 30), chance(each), strength=1.0) for each in (3, seed))
        assert torch.equal(first, second) == same
        assert torch.equal(lit(pixels, chance(3), strength=1.0), lit(pixels, chance(seed), strength=1.0)) == same


def test_the_background_is_the_white_that_reaches_the_edge() -> None:
    mask = background(on_white()[0])
    assert mask is not None
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask[:20].all()
    assert not mask[20:140, 20:100].any(), "the product, and the hole in it, are not background"


@pytest.mark.parametrize("value", [0, 255])
def test_a_background_that_cannot_be_told_is_none(value: int) -> None:
    assert background(np.full((HEIGHT, WIDTH, 3), value, dtype=np.uint8)) is None


def test_products_stay_as_they_are_before_other_backgrounds() -> None:
    pictures = on_white(12)
    kept, others = pictures.copy(), np.random.default_rng(1).integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)
    out = onto_backgrounds(pictures, others, np.random.default_rng(2), share=1.0)
    assert np.array_equal(pictures, kept), "the stored pictures are not written to"
    inside = (slice(None), slice(22, 138), slice(22, 98))
    # A weight of almost 0 may round a value down by one.
    assert np.abs(out[inside].astype(int) - pictures[inside]).max() <= 1
    changed = (out[:, :18] != 255).any(axis=(1, 2, 3))
    assert changed.all()
    assert len({picture[2, 2].tobytes() for picture in out}) > 6, "each gets a background of its own"


def test_only_a_share_gets_another_background() -> None:
    pictures, others = on_white(60), on_white(1) // 2
    assert np.array_equal(onto_backgrounds(pictures, others, np.random.default_rng(3), share=0.0), pictures)
    out = onto_backgrounds(pictures, others, np.random.default_rng(3), share=0.3)
    assert 8 <= (out != pictures).any(axis=(1, 2, 3)).sum() <= 28


def test_pictures_of_nothing_come_in_every_kind() -> None:
    made = nonsense(40, np.random.default_rng(5))
    assert made.shape == (40, HEIGHT, WIDTH, 3)
    assert made.dtype == np.uint8
    assert np.array_equal(made, nonsense(40, np.random.default_rng(5)))
    spread = made.reshape(40, -1).std(axis=1)
    blank = made.std(axis=(1, 2)).max(axis=1) == 0
    page = (made[:, :4] == 255).all(axis=(1, 2, 3)) & ~blank
    assert 3 < blank.sum() < 20
    assert 3 < page.sum() < 20
    assert (spread > 30).sum() > 10


def test_bytes_become_minus_one_to_one() -> None:
    pixels = np.array([[[[0, 51, 255]]]], dtype=np.uint8)
    assert tensor(pixels).shape == (1, 3, 1, 1)
    assert tensor(pixels).flatten().tolist() == pytest.approx([-1.0, -0.6, 1.0])


def test_pictures_are_padded_or_stretched_to_one_size() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (100, 50), (200, 30, 30)).save(buffer, "PNG")
    [padded] = decode([buffer.getvalue()], pad=True)
    [stretched] = decode([buffer.getvalue()], pad=False)
    assert (stretched == (200, 30, 30)).all()
    assert (padded[50:110] == (200, 30, 30)).all()
    assert (padded[:50] == 255).all()
    assert (padded[110:] == 255).all()


def test_decoded_pictures_are_kept_beside_the_run(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 80), "navy").save(buffer, "PNG")
    first = stored(tmp_path / "run" / "some.npy", [buffer.getvalue()], pad=False)
    again = stored(tmp_path / "run" / "some.npy", [], pad=False)
    assert np.array_equal(first, again)


def test_pictures_lie_over_others_by_the_shares_that_are_told() -> None:
    pixels = noise(16)
    mixed, shares = overlaid(pixels, 0.4, chance(2), np.random.default_rng(0))
    assert shares.shape == (16, 16)
    assert shares.sum(1).allclose(torch.ones(16))
    assert (shares >= 0).all()
    assert (shares.diagonal() >= 0.5).all(), "a picture is never more another one than itself"
    assert (shares.diagonal() < 0.99).any()
    assert mixed.allclose(torch.einsum("ij,jchw->ichw", shares, pixels), atol=1e-5)
