"""Every source and format to upright RGB, and everything hostile to an ImageError."""

from __future__ import annotations

import base64
import io
import os
import random
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
from PIL import Image, features

from catalens.core.errors import ImageError, InputError
from catalens.core.folders import decodes
from catalens.core.images import Limits, picture_format, read_image
from tests.support.hostile_images import scene

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"]


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16)).mean())


def png(width: int, height: int, *, body: bytes = b"") -> bytes:
    """A PNG whose header claims any size; it holds no such pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


class TestSources:
    def test_every_source_gives_the_same_picture(self, tmp_path: Path) -> None:
        image = scene()
        content = encode(image, "PNG")
        path = tmp_path / "scene.of.any.name"
        path.write_bytes(content)
        text = base64.b64encode(content).decode()
        sources: list[Any] = [
            path,
            str(path),
            content,
            bytearray(content),
            memoryview(content),
            text,
            "\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
            base64.urlsafe_b64encode(content).decode().rstrip("="),
            f"data:image/png;base64,{text}",
            f"DATA:image/png;charset=x;base64,{text}",
            f"data:image/png,{quote_from_bytes(content)}",
            image,
            np.asarray(image),
        ]
        for source in sources:
            result = read_image(source)
            assert result.mode == "RGB"
            assert result.tobytes() == image.tobytes()

    @pytest.mark.parametrize("kind", FORMATS)
    def test_every_format(self, kind: str) -> None:
        content = encode(scene(), kind)
        assert picture_format(content[:32]) == kind
        result = read_image(content)
        assert (result.mode, result.size) == ("RGB", (96, 64))
        assert difference(result, scene()) < 8

    def test_an_existing_file_wins_over_base64(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        name = "A" * 48
        Path(name).write_bytes(encode(scene(), "PNG"))
        assert read_image(name).size == (96, 64)

    def test_the_given_picture_is_left_alone(self) -> None:
        image = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
        image.info["exif"] = exif(6)
        result = read_image(image)
        assert (image.mode, image.info["exif"]) == ("RGBA", exif(6))
        result.putpixel((0, 0), (1, 2, 3))
        assert image.getpixel((0, 0)) == (255, 0, 0, 128)

    def test_reading_twice_changes_nothing(self) -> None:
        once = read_image(encode(scene(), "JPEG", exif=exif(6)))
        assert once.size == (64, 96)
        assert read_image(once).tobytes() == once.tobytes()


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_exif_is_applied_once(self, kind: str, orientation: int) -> None:
        # What undoes each orientation, as in the Exif standard's table of where row 0 and column 0 lie.
        stored = {
            1: lambda p: p,
            2: lambda p: p[:, ::-1],
            3: lambda p: p[::-1, ::-1],
            4: lambda p: p[::-1],
            5: lambda p: p.transpose(1, 0, 2),
            6: lambda p: np.rot90(p, 1),
            7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
            8: lambda p: np.rot90(p, -1),
        }[orientation](np.asarray(scene()))
        content = encode(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif(orientation))
        assert difference(read_image(content), scene()) < 4

    @pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
    def test_a_container_that_turns_the_picture_turns_it_once(self, kind: str) -> None:
        lying = scene().transpose(Image.Transpose.ROTATE_90)
        content = encode(lying, kind, exif=exif(6))  # both encoders write the turn into the container
        assert difference(read_image(content), scene()) < 4

    def test_xmp_does_not_turn_an_avif(self) -> None:
        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
        assert read_image(encode(scene(), "AVIF", xmp=xmp)).size == (96, 64)

    def test_broken_exif_costs_no_picture(self) -> None:
        content = encode(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 20)
        assert read_image(content).size == (96, 64)


class TestModes:
    @pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
    def test_alpha_is_flattened_on_white(self, mode: str) -> None:
        image = Image.new("LA" if mode in ("LA", "La") else "PA" if mode == "PA" else "RGBA", (2, 1))
        if mode == "PA":  # Pillow loses the alpha when it makes one from LA
            image.putpalette([0, 0, 0])
        image.putdata([(0, 0), (0, 128)] if image.mode in ("LA", "PA") else [(0, 0, 0, 0), (0, 0, 0, 128)])
        result = read_image(image if mode == image.mode else image.convert(mode))
        assert result.getpixel((0, 0)) == (255, 255, 255)
        assert result.getpixel((1, 0)) == pytest.approx((127, 127, 127), abs=1)

    def test_transparency_of_a_palette_and_of_a_key_colour(self) -> None:
        palette = Image.new("P", (2, 1))
        palette.putpalette([10, 20, 30, 200, 0, 0])
        palette.putdata([0, 1])
        for content in (encode(palette, "PNG", transparency=0), encode(palette, "GIF", transparency=0)):
            result = read_image(content)
            assert result.getpixel((0, 0)) == (255, 255, 255)
            assert result.getpixel((1, 0)) == (200, 0, 0)
        keyed = Image.new("RGB", (1, 1), (0, 255, 0))
        assert read_image(encode(keyed, "PNG", transparency=(0, 255, 0))).getpixel((0, 0)) == (255, 255, 255)

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_16_bit_grey_is_scaled(self, kind: str) -> None:
        grey = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
        result = read_image(encode(grey, kind))
        assert [result.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]

    @pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 1e6])
    def test_floats_are_scaled_to_the_range_that_holds_them(self, top: float) -> None:
        result = read_image(Image.fromarray(np.array([[0, top / 2, top, -top, np.nan]], dtype=np.float32)))
        assert [pixel for pixel, *_ in np.asarray(result)[0].tolist()] == pytest.approx([0, 128, 255, 0, 0], abs=1)

    def test_depths_below_zero_are_not_all_black(self) -> None:
        depths = Image.fromarray(np.array([[-300, -172.5, -45, np.nan]], dtype=np.float32))
        assert np.asarray(read_image(encode(depths, "TIFF")))[0, :3, 0].tolist() == [0, 128, 255]

    @pytest.mark.parametrize(
        ("white", "shown"), [(1023, 255), (4095, 255), (4096, 16), (65535, 255), (200, 200), (1, 0)]
    )
    def test_a_tiff_of_few_bits_is_not_black(self, white: int, shown: int) -> None:
        grey = Image.fromarray(np.array([[0, white]], dtype=np.uint16))
        assert np.asarray(read_image(encode(grey, "TIFF")))[0, :, 0].tolist() == [0, shown]

    def test_a_16_bit_tiff_in_which_zero_is_white(self) -> None:
        content = bytearray(encode(Image.fromarray(np.array([[0, 65535]], dtype=np.uint16)), "TIFF"))
        content[content.index(struct.pack("<HHI", 262, 3, 1)) + 8] = 0
        assert np.asarray(read_image(bytes(content)))[0, :, 0].tolist() == [255, 0]

    def test_a_few_far_brighter_pixels_leave_the_others_visible(self) -> None:
        values = np.tile(np.linspace(0, 3000, 100, dtype=np.float32), (100, 1))
        values[0, 0] = 3.4e38
        shown = np.asarray(read_image(encode(Image.fromarray(values), "TIFF")))[:, :, 0]
        assert (shown[0, 0], shown[50, 0], shown[50, 99]) == (255, 0, 255)
        assert 120 < shown[50, 50] < 136

    def test_a_tiff_of_another_kind_is_named(self) -> None:
        content = bytearray(encode(Image.fromarray(np.zeros((2, 2), dtype=np.float32)), "TIFF"))
        content[content.index(struct.pack("<HHI", 258, 3, 1)) + 8] = 64  # bits of a pixel
        with pytest.raises(ImageError, match=r"16- or 64-bit floats.*save it as 8- or 16-bit grey or RGB"):
            read_image(bytes(content))

    def test_jpeg_2000_is_read(self) -> None:
        colours = Image.new("RGB", (40, 30), (200, 30, 60))
        assert np.abs(np.asarray(read_image(encode(colours, "JPEG2000"))).astype(int) - (200, 30, 60)).max() <= 2

    def test_jpeg_xl_names_its_plug_in(self) -> None:
        if decodes("jxl"):
            pytest.skip("the plug-in is installed")
        with pytest.raises(ImageError, match="JXL pictures need a plug-in here: pip install pillow-jxl-plugin"):
            read_image(b"\xff\x0a" + bytes(90))

    def test_a_pointer_of_git_lfs_is_named(self) -> None:
        with pytest.raises(ImageError, match="is a Git LFS pointer and not the file itself; run `git lfs pull`"):
            read_image(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")

    @pytest.mark.parametrize("white", [1, 255, 3000, 65535, 10**6, 2**31 - 1])
    def test_32_bit_grey_is_scaled_to_the_range_that_holds_it(self, white: int) -> None:
        grey = Image.fromarray(np.array([[0, white, -white]], dtype=np.int32))
        for source in (grey, encode(grey, "TIFF")):
            assert np.asarray(read_image(source))[0].tolist() == [[0] * 3, [255] * 3, [0] * 3]

    def test_32_bit_grey_without_a_sign(self) -> None:
        content = bytearray(encode(Image.fromarray(np.array([[0, -1, 2**31 - 1]], dtype=np.int32)), "TIFF"))
        sample_format = content.index(struct.pack("<HHI", 339, 3, 1))
        content[sample_format + 8] = 1  # unsigned: the second pixel is 2 ** 32 - 1
        assert [pixel[0] for pixel in np.asarray(read_image(bytes(content)))[0].tolist()] == [0, 255, 128]

    @pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
    def test_other_modes(self, mode: str) -> None:
        assert (
            difference(read_image(Image.new("RGB", (8, 8), "white").convert(mode)), Image.new("RGB", (8, 8), "white"))
            < 2
        )

    def test_cmyk_jpeg(self) -> None:
        content = encode(Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK"), "JPEG", quality=95)
        assert read_image(content).getpixel((8, 8)) == pytest.approx((200, 30, 30), abs=4)

    def test_first_frame_of_an_animation(self) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
        for kind in ("GIF", "WEBP", "PNG", "TIFF"):
            content = encode(frames[0], kind, save_all=True, append_images=frames[1:])
            assert read_image(content).getpixel((4, 4)) == pytest.approx((255, 0, 0), abs=4), kind


class TestArrays:
    @pytest.mark.parametrize(
        ("array", "pixel"),
        [
            (np.ones((2, 3), np.bool_), (255, 255, 255)),
            (np.full((2, 3), 7, np.uint8), (7, 7, 7)),
            (np.full((2, 3, 1), 65535, np.uint16), (255, 255, 255)),
            (np.full((2, 3, 3), 0.5, np.float64), (128, 128, 128)),
            (np.full((2, 3, 3), 257, np.uint16), (1, 1, 1)),
            (np.array([[[0, 0, 0, 0]] * 3] * 2, np.uint8), (255, 255, 255)),
            (np.full((4, 6, 3), 9, np.uint8)[::2, ::2], (9, 9, 9)),
        ],
    )
    def test_accepted(self, array: np.ndarray, pixel: tuple[int, int, int]) -> None:
        result = read_image(array)
        assert (result.mode, result.size, result.getpixel((0, 0))) == ("RGB", (3, 2), pixel)

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros(5),
            np.zeros((2, 2, 2)),
            np.zeros((0, 4)),
            np.zeros((1, 2, 2, 3)),
            np.full((2, 2), 255.0),
            np.full((2, 2), np.nan),
            np.zeros((2, 2), np.int64),
            np.array([["a"]]),
        ],
    )
    def test_refused_with_what_is_accepted(self, array: np.ndarray) -> None:
        with pytest.raises(ImageError, match=r"the picture given as an array: .*(accepted|must be)"):
            read_image(array)


class TestSmaller:
    @pytest.mark.parametrize("orientation", [1, 6])
    @pytest.mark.parametrize("at_least", [(112, 112), (100, 160), (37, 11)])
    def test_a_jpeg_is_decoded_smaller_and_looks_the_same(self, orientation: int, at_least: tuple[int, int]) -> None:
        content = encode(scene(1201, 799), "JPEG", quality=95, exif=exif(orientation))
        full, small = read_image(content), read_image(content, at_least=at_least)
        assert small.width < full.width / 3
        assert small.width >= at_least[0]
        assert small.height >= at_least[1]
        box = Image.Resampling.BOX
        assert difference(small.resize(at_least, box), full.resize(at_least, box)) < 2

    def test_never_smaller_than_asked_on_either_side(self) -> None:
        rng = random.Random(5)
        for _ in range(40):
            size = rng.randint(1, 300), rng.randint(1, 300)
            at_least = rng.randint(0, 200), rng.randint(0, 200)
            small = read_image(encode(Image.new("RGB", size), "JPEG", exif=exif(rng.randint(1, 8))), at_least=at_least)
            full_w, full_h = read_image(encode(Image.new("RGB", size), "JPEG")).size
            if small.width / small.height != pytest.approx(full_w / full_h, rel=0.5):
                full_w, full_h = full_h, full_w
            assert small.width >= min(at_least[0], full_w, full_h)
            assert small.height >= min(at_least[1], full_w, full_h)

    def test_other_formats_keep_twice_what_is_asked(self) -> None:
        assert read_image(encode(scene(), "PNG"), at_least=(8, 8)).size == (24, 16)
        assert read_image(encode(scene(), "PNG"), at_least=(40, 40)).size == (96, 64)

    def test_a_long_thin_picture_keeps_few_pixels(self) -> None:
        small = read_image(encode(Image.new("RGB", (300, 45_000), "navy"), "PNG"), at_least=(224, 224))
        assert small.width * small.height <= 4_000_000
        assert small.width == 300
        assert small.getpixel((150, 5_000)) == (0, 0, 128)

    def test_a_large_picture_for_a_reader_keeps_its_shape(self) -> None:
        small = read_image(encode(Image.new("RGB", (6000, 4000)), "PNG"), at_least=(1024, 1024))
        assert small.size == (2000, 1334)

    def test_a_jpeg_over_the_limit_is_decoded_at_half_its_size(self) -> None:
        content = encode(scene(400, 200), "JPEG", quality=95)
        half = read_image(content, limits=Limits(max_pixels=20_000))
        assert half.size == (200, 100)
        assert difference(half, scene(400, 200).resize((200, 100), Image.Resampling.BOX)) < 3
        with pytest.raises(ImageError, match="400 × 200 pixels, over the limit of 79,996 pixels"):
            read_image(content, limits=Limits(max_pixels=19_999))
        with pytest.raises(ImageError, match="400 × 200 pixels, over the limit of 79,999 pixels"):
            read_image(encode(scene(400, 200), "PNG"), limits=Limits(max_pixels=79_999))

    def test_a_hundred_megapixels_of_a_camera_pass(self) -> None:
        side = read_image(encode(Image.new("L", (12_000, 9_000)), "JPEG"))
        assert side.size == (6_000, 4_500)


class TestCutShort:
    """A JPEG whose end is missing is read as far as it goes."""

    def test_most_of_it_is_there(self, caplog: pytest.LogCaptureFixture) -> None:
        content = encode(scene(256, 256), "JPEG", quality=95)
        result = read_image(content[: len(content) * 9 // 10], name="upload.jpg")
        assert difference(result.crop((0, 0, 256, 200)), scene(256, 256).crop((0, 0, 256, 200))) < 2
        assert [record.getMessage() for record in caplog.records] == [
            f"upload.jpg: the file is cut short; at most {caplog.records[0].args[1]} % of its rows are missing"  # type: ignore[index]
        ]
        assert 5 <= caplog.records[0].args[1] <= 20  # type: ignore[index, operator]

    def test_a_progressive_one_may_lack_details_only(self, caplog: pytest.LogCaptureFixture) -> None:
        content = encode(scene(256, 256), "JPEG", quality=95, progressive=True)
        assert difference(read_image(content[: len(content) * 8 // 10], name="a.jpg"), scene(256, 256)) < 9
        assert caplog.messages == ["a.jpg: the file is cut short; the picture may lack details"]

    def test_less_than_half_of_it_is_refused(self, caplog: pytest.LogCaptureFixture) -> None:
        content = encode(scene(256, 256), "JPEG", quality=95)
        with pytest.raises(ImageError, match=r"upload\.jpg: the picture is cut short: more than half"):
            read_image(content[: len(content) * 4 // 10], name="upload.jpg")
        assert not caplog.records

    def test_only_the_end_mark_is_missing(self) -> None:
        content = encode(scene(), "JPEG")
        assert read_image(content[:-2]).tobytes() == read_image(content).tobytes()


class TestRefusals:
    def check(self, source: object, *words: str, limits: Limits | None = None) -> None:
        with pytest.raises(ImageError) as caught:
            read_image(source, limits=limits or Limits())  # type: ignore[arg-type]
        for word in words:
            assert word in str(caught.value)

    def test_things_that_are_no_file(self, tmp_path: Path) -> None:
        self.check(tmp_path / "none.jpg", "none.jpg", "no such file")
        self.check("photo", "photo", "no such file", "base64")
        self.check("x" * 5000 + "!", "xxx", "…")
        self.check("nul\0byte", "cannot be read")
        self.check(tmp_path, str(tmp_path), "a folder, not a picture; give one of the pictures in it")
        self.check("", "an empty text", "give a path, base64 text or a data: address")
        (tmp_path / "file").touch()
        self.check(tmp_path / "file" / "x.jpg", "cannot be read")
        os.mkfifo(tmp_path / "pipe.jpg")
        self.check(tmp_path / "pipe.jpg", "pipe.jpg", "give a plain file, or what it holds as bytes")
        self.check("/dev/zero", "device")
        (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
        self.check(tmp_path / "loop.jpg", "loop.jpg", "cannot be read")

    def test_a_file_that_hides_its_size_is_read_whole(self) -> None:
        if not Path("/proc/version").exists():
            pytest.skip("no /proc here")
        assert Path("/proc/version").stat().st_size == 0
        self.check("/proc/version", "/proc/version", "not a picture")
        self.check("/proc/version", "/proc/version", "over the limit", limits=Limits(max_bytes=8))

    def test_a_missing_plugin_is_named_with_its_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = encode(scene(), "HEIF")
        monkeypatch.delitem(Image.OPEN, "HEIF")
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        self.check(content, "HEIF", 'pip install "catalens[heif]"')

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path: Path) -> None:
        (tmp_path / "mine.png").write_bytes(encode(scene(), "PNG"))
        (tmp_path / "mine.png").chmod(0)
        self.check(tmp_path / "mine.png", "mine.png", "ermission")

    def test_things_that_are_no_picture(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").touch()
        self.check(tmp_path / "empty.jpg", "empty.jpg", "0 bytes", "JPEG")
        (tmp_path / "text.png").write_text("not a picture at all")
        self.check(tmp_path / "text.png", "text.png", "not a picture", "PNG")
        self.check(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "given as bytes", "not a picture")
        self.check(base64.b64encode(b"plain words, " * 9).decode(), "given as base64", "not a picture")
        self.check("data:image/png;base64", "comma")
        self.check("data:image/png;base64,????", "base64")
        self.check("data:image/png,hello", "data: address", "not a picture")
        for wrong in (None, 3, ["a.jpg"], io.BytesIO(), b"a.jpg".__class__):
            self.check(wrong, type(wrong).__name__, "path", "numpy")

    @pytest.mark.parametrize("kind", FORMATS)
    def test_cut_short(self, kind: str, tmp_path: Path) -> None:
        content = encode(scene(), kind)
        for kept in (17, 40, len(content) // 2):
            path = tmp_path / f"cut-{kept}"
            path.write_bytes(content[:kept])
            self.check(path, path.name, "cut short")
        for kept in range(17):
            self.check(content[:kept], "given as bytes")

    def test_limits(self, tmp_path: Path) -> None:
        content = encode(scene(), "PNG")
        (tmp_path / "big.png").write_bytes(content)
        small = Limits(max_bytes=len(content) - 1)
        text = base64.b64encode(content).decode()
        for source in (
            tmp_path / "big.png",
            content,
            text,
            f"data:;base64,{text}",
            f"data:,{quote_from_bytes(content)}",
        ):
            self.check(source, f"{len(content) - 1:,} bytes", limits=small)
        assert read_image(content, limits=Limits(max_bytes=len(content), max_pixels=96 * 64)).size == (96, 64)
        for given in (content, scene(), np.asarray(scene())):
            self.check(given, "6,143 pixels", limits=Limits(max_pixels=96 * 64 - 1))
        with pytest.raises(InputError, match="at least 1"):
            Limits(max_pixels=0)

    def test_a_large_file_is_refused_unread(self, tmp_path: Path) -> None:
        with (tmp_path / "sparse.jpg").open("wb") as file:
            file.truncate(2**40)
        self.check(tmp_path / "sparse.jpg", "sparse.jpg", "1,099,511,627,776 bytes")

    @pytest.mark.parametrize("side", [11_000, 13_400, 40_000, 2**31 - 1])
    def test_bombs_are_refused_from_the_header(self, side: int) -> None:
        self.check(png(side, side), "limit of 50,000,000 pixels")

    def test_pillow_does_not_warn_where_our_limit_allows(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # 98 megapixels: Pillow warns from 89
            self.check(png(9_900, 9_900), "cut short", limits=Limits(max_pixels=100_000_000))
        assert caught == []

    def test_too_long_and_thin(self) -> None:
        assert read_image(Image.new("RGB", (200, 1))).size == (200, 1)
        for size in ((201, 1), (1, 201)):
            self.check(Image.new("RGB", size), f"{size[0]} × {size[1]} pixels", "at most 200 times the shorter")
        self.check(Image.new("RGB", (9, 4)), "at most 2 times", limits=Limits(max_aspect=2))

    def test_libtiff_writes_nothing_itself(self, capfd: pytest.CaptureFixture[str]) -> None:
        content = bytearray(encode(scene(), "TIFF", compression="tiff_adobe_deflate"))
        content[12:400] = bytes(388)
        self.check(bytes(content), "broken or cut short")
        lzw = bytearray(encode(scene(), "TIFF", compression="tiff_lzw"))
        lzw[20:400] = b"\xff" * 380
        self.check(bytes(lzw), "broken or cut short")
        assert capfd.readouterr().err == ""

    def test_no_pixels(self) -> None:
        self.check(Image.new("RGB", (0, 5)), "no pixels")

    def test_a_closed_picture(self) -> None:
        image = Image.open(io.BytesIO(encode(scene(), "PNG")))
        image.close()
        self.check(image, "given as a Pillow image")


@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_pictures_give_a_picture_or_an_image_error(kind: str) -> None:
    rng = random.Random(kind)
    content = encode(scene(40, 30), kind)
    read = refused = 0
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(rng.choice((1, 2, 8, 40))):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.3:
            del broken[rng.randrange(len(broken)) :]
        if rng.random() < 0.2:
            at = rng.randrange(len(broken) + 1)
            broken[at:at] = rng.randbytes(rng.randint(1, 30))
        try:
            result = read_image(bytes(broken), at_least=(9, 9), limits=Limits(max_pixels=10**6))
        except ImageError:
            refused += 1
        else:
            assert result.mode == "RGB"
            assert result.width * result.height <= 10**6
            read += 1
    assert refused > 10
    assert read + refused == 150


def test_random_bytes_behind_every_signature() -> None:
    rng = random.Random(1)
    heads = [encode(scene(8, 8), kind)[:n] for kind in FORMATS for n in (4, 12, 33)]
    for head in heads:
        for _ in range(10):
            try:
                read_image(head + rng.randbytes(200), limits=Limits(max_pixels=10**6))
            except ImageError:
                continue


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    content = encode(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 20)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = {image.size for image in pool.map(read_image, [content] * 200)}
    assert sizes == {(96, 64)}
    assert warnings.filters == before
