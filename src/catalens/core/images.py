"""The one door through which a picture comes in: any source to an upright RGB picture, within limits.

It knows files, bytes, base64, data addresses, Pillow images and arrays; it knows no network.
`core.image_structure` bounds what parsing costs, and `core.pixels` turns decoded pixels into upright RGB.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import warnings
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalens.core.content import Limits, read_content
from catalens.core.errors import ImageError
from catalens.core.files import IS_POINTER, LFS_POINTER
from catalens.core.folders import decodes
from catalens.core.image_structure import bounded_structure, jpeg_coefficients
from catalens.core.libtiff import silence_libtiff
from catalens.core.memory import ByteBudget, return_freed_memory
from catalens.core.pixels import array_to_image, missing_rows, reduced, swaps_sides, to_rgb

__all__ = ["ACCEPTED", "DEFAULT_LIMITS", "Limits", "Source", "picture_format", "read_image"]

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]
"""A path, the content of a file, base64 text, a `data:` address, a Pillow image, or an array (see `array_to_image`)."""

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, JPEG 2000, AVIF or HEIC"

_OTHER_TIFF = (
    "begins as TIFF, but its header is broken or cut short, or its pixels are of a kind that is not read (16- or "
    "64-bit floats, colours as floats, more than four channels, a camera's raw format); save it as 8- or 16-bit grey "
    "or RGB"
)
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"\xff\x0a", "JXL"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_MISSING_PLUGIN = {
    "HEIF": 'pip install "catalens[heif]"',
    "AVIF": 'pip install "pillow>=11.3"',
    "JXL": "pip install pillow-jxl-plugin",
    "JPEG2000": "a Pillow with OpenJPEG",
}
_JPEGS = ("JPEG", "MPO")

DEFAULT_LIMITS = Limits()

_DECODING_BYTES = 640_000_000
"""What all threads together may use to decode: large pictures take their turns, small ones do not wait."""
_BYTES_PER_PIXEL = {"WEBP": 16, "JPEG": 8, "MPO": 8}
"""Peak memory of decoding, by format, as measured with Pillow 13; an image of it alone takes 4."""
_OTHER_BYTES_PER_PIXEL = 12
_SHARE_OF_PIXELS = {"JPEG": 4, "WEBP": 0.8}
"""Pixels that a format may have, as a share of the limit: a JPEG is decoded at half its size, a WebP takes the most."""
_LARGE_BYTES = 200_000_000
"""Cost of decoding from which freed memory is returned to the system at once; a 24-megapixel JPEG stays below."""

_budget = ByteBudget(_DECODING_BYTES)
_log = logging.getLogger(__name__)


def read_image(
    source: Source,
    *,
    at_least: tuple[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    name: str | None = None,
) -> Image.Image:
    """Read a picture from any source as upright RGB on white.

    The first frame of an animation is read; pictures of more than 8 bits are scaled, not clipped; the orientation
    that Exif (or the container, for AVIF and HEIC) states is applied once. The result carries no metadata, so reading
    it again changes nothing. A JPEG that is cut short is read as far as it goes, with a warning in the log. Safe in
    threads.

    Args:
        source: a path, the content of a file, base64 text, a `data:` address, a Pillow image or an array.
        at_least: (width, height) that is enough. The picture of a file may then come back smaller, a JPEG
            several times sooner too, but never smaller than this on either side unless it was.
        limits: bytes, pixels and aspect ratio allowed. A JPEG of up to four times the pixels is decoded at a half of
            its size or less; a WebP may have four fifths of them, for its decoder needs the most memory.
        name: what messages call a picture that is given as bytes; paths name themselves.

    Raises:
        ImageError: not a picture, a broken one, over the limits, or not there; the message names it.
    """
    with _quiet:
        if isinstance(source, Image.Image):
            name = name or "the picture given as a Pillow image"
            _check_size(source.size, name, limits, limits.max_pixels)
            return _decode(source, name)
        if isinstance(source, np.ndarray):
            return array_to_image(source, name or "the picture given as an array", max_pixels=limits.max_pixels)
        content, found = read_content(source, max_bytes=limits.max_bytes)
        return _read_content(content, at_least, limits, name or found)


def picture_format(head: bytes) -> str | None:
    """Return Pillow's name of the format from the first bytes; None if it is not a picture read here.

    Args:
        head: 12 bytes are enough, 32 also tell an AVIF that names itself a plain HEIF container.

    >>> picture_format(b"GIF89a...")
    'GIF'
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = {head[i : i + 4] for i in range(8, len(head), 4)}
        return "AVIF" if brands & {b"avif", b"avis"} else "HEIF" if head[8:12] in _HEIF_BRANDS else None
    return next((name for signature, name in _SIGNATURES if head.startswith(signature)), None)


def _read_content(content: bytes, at_least: tuple[int, int] | None, limits: Limits, name: str) -> Image.Image:
    try:
        return _read_file(content, at_least, limits, name)
    except _CutShortError:
        # An end marker makes libjpeg fill in what is missing; Pillow's own switch for it is global.
        image = _read_file(content + b"\xff\xd9", at_least, limits, name)
    missing = missing_rows(image)
    if missing > image.height // 2:
        raise ImageError(f"{name}: the picture is cut short: more than half of its rows are missing; save it again")
    if percent := 100 * missing // image.height:
        _log.warning("%s: the file is cut short; at most %d %% of its rows are missing", name, percent)
    else:  # a progressive JPEG has every row early, and its details late
        _log.warning("%s: the file is cut short; the picture may lack details", name)
    return image


def _read_file(content: bytes, at_least: tuple[int, int] | None, limits: Limits, name: str) -> Image.Image:
    image = _open(content, name, limits)
    coefficients = 0
    if image.format in _JPEGS:
        coefficients = jpeg_coefficients(content)
        _decode_smaller(image, at_least or image.size, limits)
    per_pixel = _BYTES_PER_PIXEL.get(str(image.format), _OTHER_BYTES_PER_PIXEL)
    cost_bytes = image.width * image.height * per_pixel + 2 * coefficients
    with _budget.reserve(cost_bytes):
        decoded = _decode(image, name)
        del image  # the decoder's own copy goes before the next large picture begins
        result = decoded if at_least is None else reduced(decoded, at_least)
        del decoded
        if cost_bytes >= _LARGE_BYTES:
            return_freed_memory()
        return result


def _open(content: bytes, name: str, limits: Limits) -> Image.Image:
    """Read the header only, and refuse what is too large before a pixel is decoded."""
    if not content:
        raise ImageError(f"{name}: empty (0 bytes); a picture is {ACCEPTED}")
    kind = picture_format(content[:32])
    if kind is None and content.startswith(LFS_POINTER):
        raise ImageError(f"{name} {IS_POINTER}")
    if kind is None:
        raise ImageError(f"{name}: not a picture; a picture is {ACCEPTED}")
    _require_plugin(kind, name)
    content = bounded_structure(content, kind, name)
    try:
        image = Image.open(BytesIO(content), formats=[kind])
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: over the limit of {limits.max_pixels:,} pixels ({error})") from error
    except Exception as error:  # Pillow's parsers promise no kind of error over broken bytes
        if kind == "TIFF":
            raise ImageError(f"{name}: {_OTHER_TIFF}") from error
        raise ImageError(f"{name}: begins as {kind}, but its header is broken or cut short") from error
    _check_size(image.size, name, limits, int(limits.max_pixels * _SHARE_OF_PIXELS.get(kind, 1)))
    return image


def _require_plugin(kind: str, name: str) -> None:
    if kind == "TIFF":
        silence_libtiff()
    if kind == "HEIF" and kind not in Image.OPEN:
        try:
            import pillow_heif
        except ImportError:
            pass
        else:
            pillow_heif.register_heif_opener()
    if kind == "JXL" and kind not in Image.OPEN:
        with suppress(ImportError):
            import_module("pillow_jxl")  # registers itself
    if kind in _MISSING_PLUGIN and kind not in Image.OPEN:
        Image.init()
        if kind not in Image.OPEN or (kind == "JPEG2000" and not decodes("jpeg2000")):
            raise ImageError(f"{name}: {kind} pictures need a plug-in here: {_MISSING_PLUGIN[kind]}")


def _decode_smaller(image: Image.Image, at_least: tuple[int, int], limits: Limits) -> None:
    """Let the JPEG decoder skip the frequencies that a picture of this size, or within the limit, does not show."""
    wanted = at_least[::-1] if swaps_sides(image) else at_least
    enough = min(side // max(1, least) for side, least in zip(image.size, wanted, strict=True))
    needed = math.ceil(math.sqrt(image.width * image.height / limits.max_pixels))
    scale = max(max(each for each in (1, 2, 4, 8) if each <= max(1, enough)), 1 << (needed - 1).bit_length())
    if scale > 1:
        image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))


class _CutShortError(ImageError):
    """The pixels of a JPEG end before the picture does."""


def _decode(image: Image.Image, name: str) -> Image.Image:
    try:
        return to_rgb(image)
    except Exception as error:  # Pillow's decoders promise no kind of error over broken bytes
        reason = str(error) or type(error).__name__
        kind = _CutShortError if image.format in _JPEGS and "truncated" in reason else ImageError
        raise kind(f"{name}: the picture is broken or cut short ({reason}); save it again") from error


def _check_size(size_wh: tuple[int, int], name: str, limits: Limits, max_pixels: int) -> None:
    width, height = size_wh
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} × {height} has no pixels")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width} × {height} pixels, over the limit of {max_pixels:,} pixels; save it smaller, "
            "or raise the limit"
        )
    if max(size_wh) > limits.max_aspect * min(size_wh):
        raise ImageError(
            f"{name}: {width} × {height} pixels; the longer side may be at most {limits.max_aspect} times the shorter"
        )


class _QuietPillow:
    """Keeps Pillow's warnings about odd files from the caller while any thread reads a picture.

    `warnings.catch_warnings` belongs to the process: threads that overlap would restore each
    other's filters. So the first thread in sets the filter and the last one out takes it away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
            self._readers += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._caught.__exit__(None, None, None)


_quiet = _QuietPillow()
