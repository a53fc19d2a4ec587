"""Files that are cheap to send and dear to parse: read within bounds, or refused by name."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import ImageError
from catalens.core.image_structure import (
    MAX_QUICK_BYTES,
    bounded_structure,
    is_quick,
    jpeg_coefficients,
    orientation_in,
)
from catalens.core.images import read_image
from tests.support.hostile_images import (
    CUT_EXIF,
    encoded,
    exif_of_shared_values,
    gif_of_comments,
    jpeg_of_exif,
    jpeg_of_fill,
    jpeg_of_junk,
    jpeg_of_scans,
    jpeg_of_segments,
    png_chunk,
    png_of_large_text,
    png_of_many_chunks,
    png_with,
    scene,
    tiff_of_strips,
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: png_of_many_chunks(100_001), "a.x: a PNG of more than 100,000 chunks"),
        (lambda: jpeg_of_scans(120, side=64), "a.x: a progressive JPEG of 64 × 64 pixels in 101 scans or more"),
        (
            lambda: jpeg_of_exif(CUT_EXIF, jpeg_of_scans(120, side=64)),
            "a.x: a progressive JPEG of 64 × 64 pixels in 101",
        ),
        (lambda: jpeg_of_scans(60, side=6000), "a.x: a progressive JPEG of 6000 × 6000 pixels in 42 scans or more"),
        (lambda: jpeg_of_segments(5_001), "a.x: a JPEG of more than 5,000 segments"),
        (lambda: jpeg_of_junk(200_000), "a.x: a JPEG of more than 5,000 segments, or with junk"),
        (lambda: gif_of_comments(200_010, block=1), "a.x: a GIF of more than 100,000 blocks"),
        (lambda: tiff_of_strips(300_001), "a.x: a TIFF of 300,001 strips"),
        (lambda: exif_of_shared_values(300, 100_000), "a.x: the values of its metadata overlap"),
        (lambda: jpeg_of_exif(exif_of_shared_values(300, 100_000)), "a.x: the values of its metadata overlap"),
    ],
)
def test_refused_by_name(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(make(), name="a.x")
    assert message in str(caught.value)


def test_scans_in_a_thumbnail_or_behind_the_image_do_not_count() -> None:
    video = b"\xff\xda\x00\x08" * 200  # a motion photograph has one behind its end
    assert read_image(encoded(scene(), "JPEG", progressive=True) + video).size == (96, 64)
    assert read_image(jpeg_of_scans(20)).size == (2000, 2000)


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_text_and_profiles_of_a_png_are_left_out_whatever_their_size(size: int) -> None:
    assert read_image(png_of_large_text(size)).tobytes() == scene().tobytes()


def test_a_comment_of_megabytes_is_left_out_of_a_gif() -> None:
    content = gif_of_comments(3_000_000)
    assert len(bounded_structure(content, "GIF", "a")) < len(content) - 2_900_000
    assert read_image(content).size == (96, 64)


def test_a_gif_keeps_its_transparency_behind_a_comment() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    content = encoded(image, "GIF", transparency=0, comment=b"a comment")
    assert bounded_structure(content, "GIF", "a") != content
    assert [read_image(content).getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (255, 0, 0)]


def test_only_the_first_frame_of_an_animated_png_stays() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert b"fdAT" in content
    assert b"fdAT" not in bounded_structure(content, "PNG", "a")
    assert read_image(content).getpixel((4, 4)) == (255, 0, 0)


def test_an_ordinary_png_is_not_copied() -> None:
    content = encoded(scene(), "PNG")
    assert bounded_structure(content, "PNG", "a") is content


class TestOrientation:
    EXIF = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"

    def test_in_text_of_a_png(self) -> None:
        digits = f"\nexif\n{len(self.EXIF) + 6}\n{(b'Exif' + bytes(2) + self.EXIF).hex()}\n".encode()
        xmp = b'<x tiff:Orientation="6"/>'
        for chunk in (
            png_chunk(b"tEXt", b"Raw profile type exif\0" + digits),
            png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(digits)),
            png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
            png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
            png_chunk(b"eXIf", self.EXIF),
        ):
            assert read_image(png_with(chunk)).size == (64, 96), chunk[4:40]

    def test_agrees_with_pillow(self) -> None:
        for orientation in range(1, 9):
            tags = Image.Exif()
            tags[0x010F], tags[0x0112], tags[0x8769] = "a maker with a name", orientation, {0x9003: "2026"}
            assert orientation_in(tags.tobytes()) == orientation

    @pytest.mark.parametrize(
        "broken", [b"", b"MM", b"MM\0*\xff\xff\xff\xff", EXIF[:20], EXIF.replace(b"\x06", b"\x63")]
    )
    def test_broken_exif_states_none(self, broken: bytes) -> None:
        assert orientation_in(broken) is None


def test_the_coefficients_of_a_progressive_jpeg_are_counted() -> None:
    assert jpeg_coefficients(encoded(scene(), "JPEG")) == 0
    assert jpeg_coefficients(encoded(scene(), "JPEG", progressive=True)) == 96 * 64 * 3
    assert jpeg_coefficients(jpeg_of_exif(CUT_EXIF, encoded(scene(), "JPEG", progressive=True))) == 96 * 64 * 3
    assert jpeg_coefficients(b"\xff\xd8\xff") == 0


def test_only_a_small_jpeg_of_one_scan_is_quick() -> None:
    quick = encoded(scene(), "JPEG")
    assert is_quick(quick)
    assert is_quick(quick + b"\0" * (MAX_QUICK_BYTES - len(quick)))
    assert not is_quick(quick + b"\0" * (MAX_QUICK_BYTES - len(quick) + 1))
    assert not is_quick(encoded(scene(), "JPEG", progressive=True))
    assert not is_quick(encoded(scene(), "PNG"))
    assert is_quick(encoded(Image.new("L", (2048, 2048)), "JPEG"))
    assert not is_quick(encoded(Image.new("L", (2048, 2049)), "JPEG"))
    for broken in (b"", b"\xff\xd8\xff", quick[:30], jpeg_of_segments(6000)):
        assert not is_quick(broken)


@pytest.mark.parametrize("marker", [b"\xff\xd8", b"\xff\x01", b"\xff\xfe\x00\x02"])
def test_every_marker_counts_before_and_between_scans(marker: bytes) -> None:
    plain, progressive = (encoded(scene(), "JPEG", progressive=how) for how in (False, True))
    assert not is_quick(plain[:2] + marker * 6000 + plain[2:])
    last = progressive.rindex(b"\xff\xda")
    between = progressive[:last] + marker * 6000 + progressive[last:]
    for content in (plain[:2] + marker * 6000 + plain[2:], between):
        with pytest.raises(ImageError, match="5,000 segments"):
            bounded_structure(content, "JPEG", "a.jpg")


def test_fill_is_passed_over_once() -> None:
    began_s = time.perf_counter()
    assert is_quick(jpeg_of_fill(20_000))
    assert time.perf_counter() - began_s < 0.5


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "TIFF"])
def test_what_is_cut_short_is_left_to_the_decoder(kind: str) -> None:
    content = encoded(scene(), kind)
    for kept in range(len(content) // 3):
        assert len(bounded_structure(content[:kept], kind, "a")) <= kept


def test_pixels_are_the_same_with_and_without_trimming() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (40, 30, 4), dtype=np.uint8), "RGBA")
    plain = encoded(image, "PNG")
    noisy = plain[:33] + png_chunk(b"tEXt", b"a\0b") + plain[33:]
    assert read_image(noisy).tobytes() == read_image(plain).tobytes()
