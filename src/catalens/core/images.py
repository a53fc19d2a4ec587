"""The one door through which a picture comes in: any source to an upright RGB picture, within limits.

It knows files, bytes, base64, data addresses, Pillow pictures and arrays; it knows no network.
What a decoded picture must go through to become RGB is `core.pixels`.
"""

from __future__ import annotations

import os
import threading
import warnings
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalens.core.content import Limits, read_content
from catalens.core.errors import ImageError
from catalens.core.pixels import array_to_image, lies_on_its_side, to_rgb

__all__ = ["ACCEPTED", "DEFAULT_LIMITS", "Limits", "Source", "picture_format", "read_image"]

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]
"""A path, a file's content, base64 text, a `data:` address, a Pillow picture, or an array (see `array_to_image`)."""

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"

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
)
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_MISSING_PLUGIN = {"HEIF": 'pip install "catalens[heif]"', "AVIF": 'pip install "pillow>=11.3"'}

DEFAULT_LIMITS = Limits()


def read_image(
    source: Source,
    *,
    at_least: tuple[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    name: str | None = None,
) -> Image.Image:
    """Read a picture from any source as upright RGB on white.

    The first frame of an animation is read; 16-bit pictures are scaled, not clipped; what Exif (or
    the container, for AVIF and HEIC) says of orientation is applied once. The result carries no
    metadata, so reading it again changes nothing. Safe in threads.

    Args:
        source: a path, a file's content, base64 text, a `data:` address, a Pillow picture or an array.
        at_least: (width, height) that is enough. A file's picture may then come back smaller, a JPEG
            several times sooner too, but never smaller than this on either side unless it was.
        limits: bytes and pixels allowed.
        name: what messages call a picture that is given as bytes; paths name themselves.

    Raises:
        ImageError: not a picture, a broken one, over the limits, or not there; the message names it.
    """
    with _quiet:
        if isinstance(source, Image.Image):
            name = name or "the picture given as a Pillow image"
            _check_pixels(source.size, name, limits)
            return _decode(source, name)
        if isinstance(source, np.ndarray):
            return array_to_image(source, name or "the picture given as an array", max_pixels=limits.max_pixels)
        content, found = read_content(source, max_bytes=limits.max_bytes)
        name = name or found
        image = _open(content, name, limits)
        if at_least is not None and image.format in ("JPEG", "MPO"):
            _decode_smaller(image, at_least)
        decoded = _decode(image, name)
        return decoded if at_least is None else _shrunk(decoded, at_least)


def picture_format(head: bytes) -> str | None:
    """Tell Pillow's name of the format from the first bytes; None if it is no picture read here.

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


def _open(content: bytes, name: str, limits: Limits) -> Image.Image:
    """Read the header only, and refuse what is too large before a pixel is decoded."""
    if not content:
        raise ImageError(f"{name}: empty (0 bytes); a picture is {ACCEPTED}")
    kind = picture_format(content[:32])
    if kind is None:
        raise ImageError(f"{name}: not a picture; a picture is {ACCEPTED}")
    _require_plugin(kind, name)
    try:
        image = Image.open(BytesIO(content), formats=[kind])
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: over the limit of {limits.max_pixels:,} pixels ({error})") from error
    except Exception as error:  # Pillow's parsers promise no kind of error over broken bytes
        raise ImageError(f"{name}: begins as {kind}, but its header is broken or cut short") from error
    _check_pixels(image.size, name, limits)
    return image


def _require_plugin(kind: str, name: str) -> None:
    if kind == "HEIF" and kind not in Image.OPEN:
        try:
            import pillow_heif
        except ImportError:
            pass
        else:
            pillow_heif.register_heif_opener()
    if kind in _MISSING_PLUGIN and kind not in Image.OPEN:
        Image.init()
        if kind not in Image.OPEN:
            raise ImageError(f"{name}: {kind} pictures need a plug-in here: {_MISSING_PLUGIN[kind]}")


def _decode_smaller(image: Image.Image, at_least: tuple[int, int]) -> None:
    """Let the JPEG decoder skip the frequencies that a picture of this size does not show."""
    width, height = (max(1, side) for side in at_least)
    image.draft(None, (height, width) if lies_on_its_side(image) else (width, height))


def _shrunk(image: Image.Image, at_least: tuple[int, int]) -> Image.Image:
    """Average blocks of pixels of a picture many times too large, so that many of them fit in memory.

    At least twice what is wanted stays, so that the resizing that follows decides how it looks.
    """
    factor = min(side // (2 * max(1, wanted)) for side, wanted in zip(image.size, at_least, strict=True))
    return image.reduce(factor) if factor > 1 else image


def _decode(image: Image.Image, name: str) -> Image.Image:
    try:
        return to_rgb(image)
    except Exception as error:  # Pillow's decoders promise no kind of error over broken bytes
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name}: the picture is broken or cut short ({reason}); save it again") from error


def _check_pixels(size_wh: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size_wh
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} × {height} has no pixels")
    if width * height > limits.max_pixels:
        raise ImageError(f"{name}: {width} × {height} pixels, over the limit of {limits.max_pixels:,} pixels")


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
