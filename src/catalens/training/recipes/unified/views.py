"""Augmentations that imitate photographs taken outside the shop: framing, light, blur, compression, backgrounds."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from PIL.Image import Image as Picture
from scipy import ndimage

from catalens.training.augment import background

Rng = np.random.Generator


def opened(data: bytes) -> Picture:
    """Decode a picture to RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def squashed(picture: Picture, side: int) -> NDArray[np.uint8]:
    """Resize to a square as the bundle does: (side, side, 3)."""
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))


def varied(picture: Picture, rng: Rng, *, least_area: float = 0.45) -> Picture:
    """Return the picture as somebody else might have taken and sent it."""
    for change, share in _CHANGES:
        if rng.random() < share:
            picture = change(picture, rng)
    return cropped(picture, rng, least_area)


def cropped(picture: Picture, rng: Rng, least_area: float) -> Picture:
    """Cut out a part with between `least_area` of the picture and all of it, in another shape; mirror half of them."""
    area, shape = rng.uniform(least_area, 1.0), np.exp(rng.uniform(-0.3, 0.3))
    width = min(1.0, float(np.sqrt(area * shape)))
    height = min(1.0, float(np.sqrt(area / shape)))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    box = (left * picture.width, top * picture.height, (left + width) * picture.width, (top + height) * picture.height)
    part = picture.crop(
        (int(box[0]), int(box[1]), max(int(box[2]), int(box[0]) + 2), max(int(box[3]), int(box[1]) + 2))
    )
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


def _light(picture: Picture, rng: Rng) -> Picture:
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = kind(picture).enhance(float(np.exp(rng.uniform(-0.35, 0.35))))
    return picture


def _warmth(picture: Picture, rng: Rng) -> Picture:
    tint = np.exp(rng.uniform(-0.12, 0.12, 3))
    return Image.fromarray(np.clip(np.asarray(picture) * tint, 0, 255).astype(np.uint8))


def _blur(picture: Picture, rng: Rng) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.0) * max(picture.size) / 150)))


def _small(picture: Picture, rng: Rng) -> Picture:
    scale = min(1.0, rng.uniform(40, 130) / max(picture.size))
    size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _turned(picture: Picture, rng: Rng) -> Picture:
    fill = tuple(int(v) for v in np.asarray(picture.resize((1, 1))).reshape(3))
    return picture.rotate(float(rng.uniform(-12, 12)), Image.Resampling.BILINEAR, fillcolor=fill)


def _compressed(picture: Picture, rng: Rng) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(rng.integers(15, 70)))
    return opened(buffer.getvalue())


def _framed(picture: Picture, rng: Rng) -> Picture:
    """Put a border around the picture, so that it fills less of the square."""
    wide, high = (round(side * (1 + rng.uniform(0, 0.5))) for side in picture.size)
    out = Image.new("RGB", (wide, high), "white" if rng.random() < 0.6 else _colour(rng))
    out.paste(
        picture, (int(rng.integers(0, wide - picture.width + 1)), int(rng.integers(0, high - picture.height + 1)))
    )
    return out


def _occluded(picture: Picture, rng: Rng) -> Picture:
    """Hide a part, as a hand, a hanger or another thing does."""
    out = picture.copy()
    size = [max(1, int(side * rng.uniform(0.08, 0.3))) for side in picture.size]
    place = [int(rng.integers(0, side - part + 1)) for side, part in zip(picture.size, size, strict=True)]
    out.paste(_colour(rng), (place[0], place[1], place[0] + size[0], place[1] + size[1]))
    return out


def _colour(rng: Rng) -> tuple[int, int, int]:
    red, green, blue = (int(each) for each in rng.integers(20, 256, 3))
    return red, green, blue


_CHANGES: tuple[tuple[Callable[[Picture, Rng], Picture], float], ...] = (
    (_light, 0.6),
    (_warmth, 0.3),
    (_turned, 0.25),
    (_framed, 0.2),
    (_occluded, 0.15),
    (_blur, 0.15),
    (_small, 0.2),
    (_compressed, 0.25),
)
"""Changes in the order in which they are made, and the share of pictures that each is made to."""


def pasted(product: Picture, behind: Picture, rng: Rng) -> Picture | None:
    """Put a product before a part of another picture; None where its background cannot be distinguished from it.

    Args:
        product: on white.
        behind: the picture whose part becomes the background; it is blurred, so that it names nothing by itself.
        rng: source of randomness.
    """
    pixels = np.asarray(product)
    mask = background(pixels)
    if mask is None:
        return None
    opaque = 1 - ndimage.uniform_filter(mask.astype(np.float32), 3)
    size = 192
    scale = rng.uniform(0.55, 1.0) * size / max(product.size)
    shape = (max(8, round(product.width * scale)), max(8, round(product.height * scale)))
    scene = cropped(behind, rng, 0.1).resize((size, size), Image.Resampling.BICUBIC)
    scene = scene.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 4))))
    cut = Image.fromarray((opaque * 255).astype(np.uint8)).resize(shape, Image.Resampling.BICUBIC)
    turn = float(rng.uniform(-20, 20))
    front = product.resize(shape, Image.Resampling.BICUBIC).rotate(turn, Image.Resampling.BILINEAR, fillcolor="white")
    place = (int(rng.integers(0, size - shape[0] + 1)), int(rng.integers(0, size - shape[1] + 1)))
    scene.paste(front, place, cut.rotate(turn, Image.Resampling.BILINEAR))
    return scene
