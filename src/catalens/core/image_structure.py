"""Bound what parsing an encoded image costs: its chunks, segments, scans and directories.

Pillow's parsers walk these in Python, keep what they find, and have no limit on most of them. A few kilobytes can
so cost minutes or gigabytes before the first pixel is decoded. This module looks at the structure only, in one pass;
it decodes nothing, and what is merely malformed it leaves for the decoder to report.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from catalens.core.errors import ImageError

MAX_SEGMENTS = 5_000
"""Segments before the first scan of a JPEG; a file of 64 MB with metadata in full segments has about 1,000."""
MAX_SCANS = 100
"""Scans of a JPEG; encoders write about 10."""
MAX_SCAN_PIXELS = 1_500_000_000
"""Scans times pixels: every scan of a progressive JPEG visits the whole image."""
MAX_CHUNKS = 100_000
"""Chunks of a PNG, and sub-blocks before the first frame of a GIF."""
MAX_TILES = 300_000
"""Strips or tiles of a TIFF: 50 megapixels in tiles of 16 × 16 are 195,000."""
MAX_TEXT_BYTES = 2**20
"""Decompressed size of PNG text that may hold an orientation."""
MAX_QUICK_BYTES, MAX_QUICK_PIXELS = 2**18, 2**22
"""Size and pixels up to which a JPEG of one scan takes some milliseconds to decode."""

_JUNK_BYTES = 2**16
_PNG_KEPT = frozenset({b"tRNS", b"eXIf"})
_PNG_TEXTS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
_WITH_LENGTH = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xFF)})
"""Markers of JPEG that a segment's length follows, without a few rare ones."""
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7](?=..)", re.DOTALL)
"""A marker with a length behind it. What fills the space before it is not matched: every place in it would be tried."""
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_TILES = frozenset({273, 324})


def bounded_structure(content: bytes, kind: str, name: str) -> bytes:
    """Return the content without what costs much and is not needed, after checking the rest.

    Text, colour profiles and further frames of a PNG, and comments of a GIF, are left out, however large they are.

    Args:
        content: the encoded image.
        kind: Pillow's name of the format.
        name: what to call the image in a message.

    Raises:
        ImageError: more scans, segments, chunks or tiles than any encoder writes, or a directory whose values overlap.
    """
    try:
        if kind == "PNG":
            return _trimmed_png(content, name)
        if kind == "GIF":
            return _trimmed_gif(content, name)
        if kind == "JPEG":
            _check_jpeg(content, name)
        elif kind == "TIFF":
            _check_directory(content, name)
    except (struct.error, IndexError):  # cut short; the decoder says so with more detail
        pass
    return content


def jpeg_coefficients(content: bytes) -> int:
    """Return how many coefficients the decoder must hold: one per sample if there are several scans, else 0."""
    try:
        frame = _jpeg_frame(content, "")
    except (ImageError, struct.error, IndexError):
        return 0
    return frame.width * frame.height * frame.components if frame.several_scans else 0


def is_quick(content: bytes) -> bool:
    """Return whether decoding is sure to take some milliseconds at most: for a small JPEG of one scan."""
    if len(content) > MAX_QUICK_BYTES or not content.startswith(b"\xff\xd8\xff"):
        return False
    try:
        frame = _jpeg_frame(content, "")
    except (ImageError, struct.error, IndexError):
        return False
    return not frame.several_scans and 0 < frame.width * frame.height <= MAX_QUICK_PIXELS


def _trimmed_png(content: bytes, name: str) -> bytes:
    kept, at, chunks = [content[:8]], 8, 0
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if chunks >= MAX_CHUNKS:
            raise ImageError(f"{name}: a PNG of more than {MAX_CHUNKS:,} chunks; save it again")
        if kind[:1].isupper() or kind in _PNG_KEPT or _may_hold_orientation(content, kind, at + 8, length):
            kept.append(content[at:end])
        at, chunks = end, chunks + 1
        if kind == b"IEND":
            break
    return content if sum(map(len, kept)) == len(content) else b"".join(kept)


def _may_hold_orientation(content: bytes, kind: bytes, at: int, length: int) -> bool:
    """Return whether a chunk is XMP or Exif written as text, and within `MAX_TEXT_BYTES` once decompressed."""
    if kind not in (b"iTXt", b"zTXt", b"tEXt") or not content.startswith(_PNG_TEXTS, at):
        return False
    body = content[at : at + length]
    if kind == b"tEXt" or (kind == b"iTXt" and body[len(_PNG_TEXTS[0]) :][:1] == b"\0"):
        return length <= MAX_TEXT_BYTES
    start = body.find(b"\x78", body.index(b"\0"))  # the first byte of a zlib stream, behind the keyword
    try:
        return len(zlib.decompressobj().decompress(body[start:], MAX_TEXT_BYTES + 1)) <= MAX_TEXT_BYTES
    except zlib.error:
        return False


def _trimmed_gif(content: bytes, name: str) -> bytes:
    flags = content[10]
    head = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    at, blocks, control = head, 0, b""
    while content[at] == 0x21:  # an extension: a label, then sub-blocks until one of length 0
        start, label = at, content[at + 1]
        at, blocks = at + 2, blocks + 1
        while length := content[at]:
            at, blocks = at + 1 + length, blocks + 1
            if blocks > MAX_CHUNKS:
                raise ImageError(f"{name}: a GIF of more than {MAX_CHUNKS:,} blocks of comments; save it again")
        at += 1
        if label == 0xF9:
            control = content[start:at]
    return content if at == head + len(control) else content[:head] + control + content[at:]


class _Frame(NamedTuple):
    """What is before the first scan of a JPEG; `start` is where that begins."""

    width: int
    height: int
    components: int
    several_scans: bool
    start: int
    exif: bytes


def _check_jpeg(content: bytes, name: str) -> None:
    width, height, _, several, start, exif = _jpeg_frame(content, name)
    scans = 1
    for count, (marker, _, _) in enumerate(_jpeg_segments(content, start) if several else ()):
        if count > MAX_SEGMENTS:
            raise ImageError(f"{name}: a JPEG of more than {MAX_SEGMENTS:,} segments between its scans")
        scans += marker == 0xDA
        if scans > MAX_SCANS or scans * width * height > MAX_SCAN_PIXELS:
            raise ImageError(
                f"{name}: a progressive JPEG of {width} × {height} pixels in {scans} scans or more takes too long to "
                "decode; save it again"
            )
    _check_directory(exif, name)  # the last: a directory that is cut short ends the checks


def _jpeg_frame(content: bytes, name: str) -> _Frame:
    width, height, components, progressive, exif = 0, 0, 0, False, []
    before, count, junk = 2, 0, 0
    for marker, at, length in _jpeg_segments(content, 2):
        count, junk = count + 1, junk + at - 2 - before
        if count > MAX_SEGMENTS or junk > _JUNK_BYTES:
            raise ImageError(f"{name}: a JPEG of more than {MAX_SEGMENTS:,} segments, or with junk between them")
        before = at + length
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">HHB", content, at + 3)
            progressive = marker in (0xC2, 0xC6, 0xCA, 0xCE)
        elif marker == 0xE1 and content.startswith(b"Exif\0\0", at + 2):
            exif.append(content[at + 8 : at + length])
        elif marker == 0xDA:
            several = progressive or content[at + 2] < components
            return _Frame(width, height, components, several, before, b"".join(exif))
    return _Frame(width, height, components, several_scans=False, start=len(content), exif=b"")


def _jpeg_segments(content: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, place of its length, length) until the end of the image; entropy-coded data is passed over.

    A marker that has no length is given the length 0.
    """
    while at + 4 <= len(content):
        if content[at] != 0xFF or content[at + 1] not in _WITH_LENGTH:  # rare, and a search takes as long as the rest
            match = _JPEG_MARKER.search(content, at)
            if match is None:
                return
            at = match.start()
        marker, at = content[at + 1], at + 2
        if marker == 0xD9:
            return
        length = 0 if marker in (0x01, 0xD8) else content[at] << 8 | content[at + 1]
        yield marker, at, length
        at += length


def _check_directory(content: bytes, name: str) -> None:
    """Refuse the first directory of a TIFF, or of Exif data, where reading it costs more than its file.

    Every value is read and kept, so values that share their bytes multiply them.
    """
    total = 0
    for tag, kind, count in directory_entries(content):
        total += _TIFF_SIZES.get(kind, 1) * count if _TIFF_SIZES.get(kind, 1) * count <= len(content) else 0
        if total > 2 * len(content) + 4096:
            raise ImageError(f"{name}: the values of its metadata overlap and add up to more than the file")
        if tag in _TIFF_TILES and count > MAX_TILES:
            raise ImageError(f"{name}: a TIFF of {count:,} strips or tiles, over the limit of {MAX_TILES:,}")


def directory_entries(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (tag, type, count) of the first directory of a TIFF or of Exif data."""
    for at, order, big in _entries(content):
        tag, kind, count = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", content, at)
        yield tag, kind, count


def orientation_in(exif: bytes) -> int | None:
    """Return the orientation, 1 … 8, that Exif data states; None where it states none.

    Pillow's own reader reads every value of the directory, whatever that costs.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    try:
        for at, order, big in _entries(exif):
            tag, kind = struct.unpack_from(f"{order}HH", exif, at)
            if tag == 0x0112 and kind in (3, 4):
                value: int = struct.unpack_from(order + ("H" if kind == 3 else "I"), exif, at + (12 if big else 8))[0]
                return value if 1 <= value <= 8 else None
    except struct.error:
        pass
    return None


def _entries(content: bytes) -> Iterator[tuple[int, str, bool]]:
    """Yield (place, byte order, whether it is a BigTIFF) of each entry of the first directory."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        return
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    offset: int = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)[0]
    count: int = struct.unpack_from(order + ("Q" if big else "H"), content, offset)[0]
    start, step = offset + (8 if big else 2), 20 if big else 12
    for at, following in pairwise(range(start, start + step * (min(count, 2**16) + 1), step)):
        if following > len(content):
            return
        yield at, order, big
