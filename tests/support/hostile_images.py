"""Images built to cost much or to break parsers: each function returns the content of one file."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

CUT_EXIF = b"MM\0*\xff\xff\xff\xff"
"""Exif data whose directory is behind their end."""


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A soft gradient with a red corner at the top left: no two sides alike."""
    x, y = np.meshgrid(np.linspace(60, 220, width), np.linspace(60, 220, height))
    pixels = np.stack([x, y, (x + y) / 2], axis=-1)
    pixels[: height // 4, : width // 4] = (230, 20, 20)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    """A sound PNG with more chunks behind its header."""
    content = encoded(image or scene(), "PNG")
    return content[:33] + b"".join(chunks) + content[33:]


def png_of_many_chunks(count: int) -> bytes:
    return png_with(png_chunk(b"tEXt", b"a\0") * count)


def png_of_large_text(size: int) -> bytes:
    """Text, international text and a colour profile that are small in the file and large once decompressed."""
    packed = zlib.compress(b"a" * size, 9)
    return png_with(
        png_chunk(b"zTXt", b"workflow\0\0" + packed),
        png_chunk(b"iTXt", b"prompt\0\1\0\0\0" + packed),
        png_chunk(b"iCCP", b"profile\0\0" + packed),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0" + packed),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
    )


def thin_png(width: int, height: int) -> bytes:
    rows = b"\0" + b"\x80\x20\x20" * width
    body = zlib.compress(rows * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def gif_of_comments(size: int, block: int = 255) -> bytes:
    content = encoded(scene().quantize(16), "GIF")
    head = 13 + (3 << ((content[10] & 7) + 1))
    comment = b"\x21\xfe" + (bytes([block]) + b"c" * block) * (size // block) + b"\0"
    return content[:head] + comment + content[head:]


def jpeg_of_scans(scans: int, side: int = 2000) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = encoded(Image.new("RGB", (side, side), (200, 30, 30)), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * scans + b"\xff\xd9"


def jpeg_of_segments(count: int) -> bytes:
    content = encoded(scene(), "JPEG")
    return content[:2] + b"\xff\xec\x00\x02" * count + content[2:]


def jpeg_of_junk(size: int) -> bytes:
    content = encoded(scene(), "JPEG")
    return content[:2] + b"\xff" * (size // 2) + b"\xec\x00\x02" + b"\x01" * (size // 2) + content[2:]


def jpeg_of_fill(size: int) -> bytes:
    """Bytes that may fill the space before a marker, and none behind them."""
    content = encoded(scene(), "JPEG")
    return content[:2] + b"\xff" * size + b"\0" + content[2:]


def exif_of_shared_values(entries: int, size: int) -> bytes:
    """A directory whose values all lie in the same place, so that reading it takes entries times size bytes."""
    head = b"II*\0" + struct.pack("<IH", 8, entries)
    start = 8 + 2 + 12 * entries + 4
    body = b"".join(struct.pack("<HHII", 0x9000 + tag, 7, size, start) for tag in range(entries))
    return head + body + bytes(4) + b"e" * size


def jpeg_of_exif(exif: bytes, content: bytes = b"") -> bytes:
    """Exif data in as many segments as it takes, in a JPEG; Pillow joins them."""
    content = content or encoded(scene(), "JPEG")
    parts = [exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    segments = (b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts)
    return content[:2] + b"".join(segments) + content[2:]


def tiff_of_strips(count: int) -> bytes:
    """A grey TIFF 1 pixel wide, each row a strip of its own."""
    values = 8 + 2 + 12 * 9 + 4
    entries = [
        (256, 4, 1, 1),
        (257, 4, 1, count),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, count, values),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, count, values + 4 * count),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + struct.pack("<I", 8) * count * 2


def large_webp(width: int, height: int) -> bytes:
    """A WebP of a few bytes: a lossless image of one colour."""
    bits = "".join(
        f"{value:0{length}b}"[::-1]
        for value, length in (
            (0x2F, 8),
            (width - 1, 14),
            (height - 1, 14),
            (0, 1),  # alpha is used
            (0, 3),  # version
            (0, 1),  # no transform
            (0, 1),  # no colour cache
            (0, 1),  # no meta prefix codes
            *(((1, 1), (0, 1), (0, 1), (0, 1)) * 5),  # five simple codes of one symbol, 0
        )
    )
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    body += bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


def costly_images() -> Iterator[tuple[str, bytes]]:
    """Name and content of images that are cheap to send and dear to read."""
    yield "chunks.png", png_of_many_chunks(300_000)
    yield "text.png", png_of_large_text(30_000_000)
    yield "thin.png", thin_png(1, 1_000_000)
    yield "wide.png", thin_png(1_000_000, 1)
    yield "strip.png", thin_png(200, 40_000)
    yield "comments.gif", gif_of_comments(8_000_000)
    yield "tiny-comments.gif", gif_of_comments(500_000, block=1)
    yield "scans.jpg", jpeg_of_scans(3_000)
    yield "segments.jpg", jpeg_of_segments(500_000)
    yield "junk.jpg", jpeg_of_junk(8_000_000)
    yield "fill.jpg", jpeg_of_fill(200_000)
    yield "scans-and-exif.jpg", jpeg_of_exif(CUT_EXIF, jpeg_of_scans(3_000))
    yield "exif.jpg", jpeg_of_exif(exif_of_shared_values(5_000, 1_000_000))
    yield "exif.png", png_with(png_chunk(b"eXIf", exif_of_shared_values(5_000, 1_000_000)))
    yield "shared.tif", exif_of_shared_values(5_000, 1_000_000)
    yield "strips.tif", tiff_of_strips(1_000_000)
    yield "thin.tif", encoded(Image.new("L", (1, 50_000_000)), "TIFF", compression="tiff_deflate")
    for place in range(3):
        yield f"large-{place}.webp", large_webp(16_383, 2_440)
    yield "huge.webp", large_webp(16_383, 16_383)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with some bytes changed, cut off, inserted, doubled or set to extremes."""
    broken = bytearray(content)
    for _ in range(rng.choice((1, 2, 8, 40))):
        broken[rng.randrange(len(broken))] = rng.choice((0, 0xFF, rng.randrange(256)))
    if rng.random() < 0.3:
        del broken[rng.randrange(1, len(broken)) :]
    if rng.random() < 0.2:
        at = rng.randrange(len(broken) + 1)
        broken[at:at] = rng.randbytes(rng.randint(1, 30))
    if rng.random() < 0.1:
        at = rng.randrange(len(broken))
        broken[at:at] = broken[at : at + rng.randint(1, 64)]
    return bytes(broken)
