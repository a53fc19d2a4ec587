"""Resizes an image to a tower's input size, pixel for pixel as the model's own library does with Pillow.

Normalisation is part of the tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Picture

from catalens.core.errors import InputError
from catalens.core.pixels import crop_resized, plan_resize
from catalens.core.side_by_side import side_by_side
from catalens.models.parts import Preprocess
from catalens.models.processor import usable_cores

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


REDUCING_GAP = 2.0
"""Pillow first reduces an image by an integer factor while it stays this many times larger than the target: half the
time for a photograph of 900 × 1200, at a mean difference of a third of a level (of 255)."""


def fit(image: Picture, preprocess: Preprocess, *, exact: bool = True) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8 pixels of an RGB image of any size.

    Args:
        image: in mode RGB.
        preprocess: the size, how to reach it, and Pillow's filter; mean and std are not used.
        exact: as the model's own library does; False: large images with `REDUCING_GAP`, as "pad" always does.

    Raises:
        InputError: the picture is not RGB.

    Source:
        "crop" is `center_crop` of transformers 5, which goes half a pixel up and left; "crop_even" is that of
        torchvision 0.29, which open_clip uses and which goes to the even pixel; both resize the shorter side to the
        tower's and cut the longer one to a whole pixel.
    """
    if image.mode != "RGB":
        raise InputError(f"an image to encode must be RGB, not {image.mode}; read_image returns one")
    resample, gap = _FILTERS[preprocess.resample], None if exact else REDUCING_GAP
    if preprocess.resize == "squash":
        return np.asarray(plan_resize(image, preprocess.size_wh, resample, reducing_gap=gap))
    if preprocess.resize == "pad":
        return _padded(image, preprocess.size_wh, resample)
    return _cropped(image, preprocess.size_wh, resample, gap, even=preprocess.resize == "crop_even")


def fit_all(
    images: Sequence[Picture], preprocess: Preprocess, pool: Executor, *, exact: bool = True
) -> NDArray[np.uint8]:
    """Return (n, height, width, 3) uint8 pixels of n RGB images, resized in the pool's threads; `exact` as for `fit`.

    Raises:
        InputError: an image is not RGB.
    """
    width, height = preprocess.size_wh
    pixels = np.empty((len(images), height, width, 3), dtype=np.uint8)

    def work(at: int) -> None:
        pixels[at] = fit(images[at], preprocess, exact=exact)

    side_by_side(work, range(len(images)), pool, usable_cores())  # Pillow releases the GIL while it resizes
    return pixels


def _cropped(
    image: Picture, size_wh: tuple[int, int], resample: Image.Resampling, gap: float | None, *, even: bool
) -> NDArray[np.uint8]:
    width, height = size_wh
    if width != height:
        raise InputError(f"images are cropped to squares; {width} by {height} is not square")
    shorter = min(image.size)
    larger = (int(width * image.width / shorter), int(width * image.height / shorter))
    spare = [(side - width) / 2 for side in larger]
    left, top = (round(each) if even else int(each) for each in spare)
    box = (left, top, left + width, top + width)
    return np.asarray(crop_resized(image, larger, box, resample, reducing_gap=gap))


def _padded(image: Picture, size_wh: tuple[int, int], resample: Image.Resampling) -> NDArray[np.uint8]:
    """Fit the whole image and pad it with white."""
    width, height = size_wh
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = plan_resize(image, size, resample, reducing_gap=REDUCING_GAP)
    if size == size_wh:
        return np.asarray(small)
    canvas = Image.new("RGB", size_wh, "white")
    canvas.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(canvas)
