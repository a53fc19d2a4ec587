"""Read the encoded bytes of a picture from wherever they are, never more than allowed.

It knows files, bytes, base64 text and `data:` addresses; it decodes no picture and knows no network.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from catalens.core.confinement import check_allowed, shown_path
from catalens.core.errors import ImageError, InputError

_SHORTEST_BASE64 = 40  # a GIF of one pixel is 35 bytes, so 48 letters; shorter texts are mistyped paths
_LONGEST_PATH = 2**15  # of any system; splitting a longer text into the parts of a path takes memory
_WHITE_SPACE = b" \t\r\n\v\f"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may cost; checked before anything is decoded.

    The defaults let the pictures of the largest cameras pass: 50 megapixels in any format, and 100 or 108 as a JPEG,
    which is then decoded at a half of its size or less. Beyond about 179 megapixels Pillow's own ceiling,
    `PIL.Image.MAX_IMAGE_PIXELS`, has to be raised as well.

    Attributes:
        max_bytes: of the file or the encoded content.
        max_pixels: width times height that are decoded.
        max_aspect: the longer side divided by the shorter; what resizes by the shorter side multiplies it.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000
    max_aspect: int = 200

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_pixels, self.max_aspect) < 1:
            raise InputError(
                f"limits must be at least 1, not {self.max_bytes} bytes, {self.max_pixels} pixels, "
                f"aspect {self.max_aspect}"
            )


def read_content(source: object, *, max_bytes: int) -> tuple[bytes, str]:
    """Return the encoded bytes, and what to call the picture in a message.

    A text is a `data:` address if it begins so, else a path if something is there, else base64.

    Args:
        source: a path, bytes, base64 text (either alphabet) or a `data:` address.
        max_bytes: more than this is refused, unread where the size is known before reading.

    Raises:
        ImageError: nothing there, not readable, not a plain file, too large, or of another type.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name = "the picture given as bytes"
        _check_size(memoryview(source).nbytes, name, max_bytes)
        return bytes(source), name
    if isinstance(source, str):
        if not source:
            raise ImageError("an empty text is not a picture; give a path, base64 text or a data: address")
        if source[:5].lower() == "data:":
            return _from_data_address(source, max_bytes)
        name = "the picture given as base64 text"
        if not _exists(source) and (content := _from_base64(source, name, max_bytes)) is not None:
            return content, name
    if isinstance(source, str | os.PathLike) and isinstance(path := os.fspath(source), str):
        return _from_file(path, max_bytes), path
    raise ImageError(
        f"a picture cannot be read from a value of type {type(source).__name__}: "
        "give a path, bytes, base64 text, a data: address, a Pillow image or a numpy array"
    )


def read_stream(stream: BinaryIO, *, max_bytes: int) -> bytes:
    """Return what a stream holds, such as standard input, up to one byte more than allowed.

    That byte makes `read_content` refuse the item as it would a file, so that others go on.
    """
    return stream.read(max_bytes + 1)


def _exists(path: str) -> bool:
    try:
        return len(path) <= _LONGEST_PATH and Path(path).exists()
    except (OSError, ValueError):  # base64 text is longer than a file name may be
        return False


def _from_file(path: str, max_bytes: int) -> bytes:
    shown = shown_path(path)
    if len(path) > _LONGEST_PATH:
        raise ImageError(f"{shown}: no such file, nor is it base64 text or a data: address of a picture")
    try:
        check_allowed(path)
    except InputError as error:
        raise ImageError(str(error)) from error
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            may_be_read = os.access(path, os.R_OK | os.X_OK)
            what = "not a picture; give one of the pictures in it" if may_be_read else "which may not be read; allow it"
            raise ImageError(f"{shown}: a folder, {what}")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{shown}: a pipe, socket or device; give a plain file, or what it holds as bytes")
        _check_size(status.st_size, shown, max_bytes)
        with Path(path).open("rb") as file:
            content = file.read(status.st_size + 1)
            if len(content) > status.st_size:  # it has grown since, or hides its size as /proc does
                content += file.read(max_bytes)
    except FileNotFoundError as error:
        raise ImageError(f"{shown}: no such file, nor is it base64 text or a data: address of a picture") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{shown}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    _check_size(len(content), shown, max_bytes)
    return content


def _from_data_address(address: str, max_bytes: int) -> tuple[bytes, str]:
    name = "the picture given as a data: address"
    comma = address.find(",", 0, _LONGEST_PATH)
    if comma < 0:
        raise ImageError(f"{name}: no comma after its header; it should look like data:image/png;base64,…")
    # A byte takes at most three letters (%41), and base64 four for three bytes, whose line breaks may be escaped too.
    if len(address) - comma > 4 * max_bytes + _LONGEST_PATH:
        raise ImageError(f"{name}: {len(address):,} letters, which hold more than the limit of {max_bytes:,} bytes")
    is_base64, body = address[:comma].lower().endswith(";base64"), address[comma + 1 :]
    content = unquote_to_bytes(body) if "%" in body or not is_base64 else body.encode("utf-8", "replace")
    if not is_base64:
        _check_size(len(content), name, max_bytes)
        return content, name
    decoded = _from_base64(content, name, max_bytes)
    if decoded is None:
        raise ImageError(f"{name}: what follows the comma is not the base64 of a picture")
    return decoded, name


def _from_base64(text: str | bytes, name: str, max_bytes: int) -> bytes | None:
    """Decode either alphabet, line breaks and missing padding allowed; None if it is not base64."""
    if isinstance(text, str):
        if not text.isascii():
            return None
        text = text.encode()
    letters = text.translate(_TO_STANDARD, _WHITE_SPACE).rstrip(b"=")
    if len(letters) < _SHORTEST_BASE64:
        return None
    _check_size(len(letters) * 3 // 4, name, max_bytes)
    try:
        return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _check_size(size: int, name: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise ImageError(f"{name}: {size:,} bytes, over the limit of {max_bytes:,} bytes")
