"""From whatever a decoder or a caller holds to upright 8-bit RGB on white."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from catalens.core.errors import ImageError
from catalens.core.image_structure import orientation_in

_EXIF_ORIENTATION = 0x0112
_TIFF_PHOTOMETRIC = 262
_TIFF_SAMPLE_FORMAT = 339
_ORDINARY, _FAR_BRIGHTER = 0.99, 100
"""Share of the pixels that decide what white is, where the brightest is a hundred times as bright."""
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')

_KEPT_PIXELS = 4_000_000
"""Pixels that may wait, decoded, for an encoder of the usual size: 16 MB."""
_INTERMEDIATE_PIXELS = 16_000_000
"""Pixels of a picture between two steps of resizing: a photograph of 50 megapixels at 256 columns stays below."""
_BLOCK_PIXELS = 4096
"""Pixels averaged at once: beyond, the 32-bit arithmetic of Pillow's `reduce` loses more than a tenth of a level."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ARRAYS = "(height, width), (height, width, 1), (height, width, 3) or (height, width, 4)"


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an upright RGB picture, alpha flattened on white.

    An image of Pillow's that was made in memory stays as it is; one that is read from a file may be used up.

    Raises:
        Exception: whatever Pillow's decoder raises over broken bytes; the caller translates.
    """
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    rgb = _flatten(_eight_bit(image))
    if turn is not None:
        rgb = rgb.transpose(turn)
    elif rgb is image and not isinstance(image, ImageFile.ImageFile):
        rgb = image.copy()
    rgb.info = {}
    return rgb


def reduced(image: Image.Image, at_least: tuple[int, int]) -> Image.Image:
    """Average blocks of pixels of a picture many times too large, so that many of them fit in memory.

    At least twice what is wanted stays on both sides, so that the resizing that follows decides how it looks. A picture
    so long and thin that millions of pixels would stay has them averaged along its longer side too.
    """
    wanted_w, wanted_h = (max(1, side) for side in at_least)
    factor = max(1, min(image.width // (2 * wanted_w), image.height // (2 * wanted_h)))
    if factor > 1:
        image = image.reduce(factor)
    kept = max(_KEPT_PIXELS, 4 * wanted_w * wanted_h)
    if (pixels := image.width * image.height) > kept:
        both = max(1, min(image.width // wanted_w, image.height // wanted_h, math.ceil(math.sqrt(pixels / kept))))
        along = math.ceil(pixels / both**2 / kept)
        image = image.reduce((both * along, both) if image.width > image.height else (both, both * along))
    return image


def missing_rows(image: Image.Image) -> int:
    """Return how many rows at the bottom a decoder may have filled in: those that equal the last one, if several do."""
    pixels = np.asarray(image)
    differ = np.flatnonzero((pixels != pixels[-1]).any(axis=(1, 2)))
    equal = image.height - 1 - int(differ[-1]) if differ.size else image.height
    return equal if equal > 1 else 0


def plan_resize(
    image: Image.Image, size_wh: tuple[int, int], resample: Image.Resampling, *, reducing_gap: float | None = None
) -> Image.Image:
    """Resize; where Pillow's intermediate picture would be out of proportion, average blocks of pixels first.

    Pillow resizes the width before the height, so a picture of 1 × 1,000,000 pixels passes through one of
    224 × 1,000,000. Below `_INTERMEDIATE_PIXELS` the result is Pillow's own, to the bit.
    """
    if size_wh[0] * image.height > _INTERMEDIATE_PIXELS:
        while (factors := _block(image.size, size_wh)) != (1, 1):
            image = image.reduce(factors)
    return image if image.size == size_wh else image.resize(size_wh, resample, reducing_gap=reducing_gap)


def crop_resized(
    image: Image.Image,
    size_wh: tuple[int, int],
    box: tuple[int, int, int, int],
    resample: Image.Resampling,
    *,
    reducing_gap: float | None = None,
) -> Image.Image:
    """Return a box (left, top, right, bottom) of the image resized to `size_wh`, without making all of it.

    Below `_INTERMEDIATE_PIXELS` the whole is made: Pillow's result to the bit. Above, the part of the source
    that the box shows is resized alone, which differs by rounding only.
    """
    width, height = size_wh
    if max(width * height, width * image.height) <= _INTERMEDIATE_PIXELS:
        return plan_resize(image, size_wh, resample, reducing_gap=reducing_gap).crop(box)
    across, down = image.width / width, image.height / height
    left, top, right, bottom = box
    source = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
    return image.resize((right - left, bottom - top), resample, box=source, reducing_gap=reducing_gap)


def _block(size_wh: tuple[int, int], wanted_wh: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of blocks that leave at least twice what is wanted, within Pillow's precision."""
    across, down = (max(1, side // (2 * wanted)) for side, wanted in zip(size_wh, wanted_wh, strict=True))
    across = min(across, _BLOCK_PIXELS)
    return across, min(down, max(1, _BLOCK_PIXELS // across))


def array_to_image(array: NDArray[Any], name: str, *, max_pixels: int) -> Image.Image:
    """Make an RGB picture of an array: grey, RGB or RGBA; bool, uint8, uint16, or float in 0 … 1.

    Args:
        array: (height, width), (height, width, 1), (height, width, 3) or (height, width, 4).
        name: what to call it in a message.
        max_pixels: height times width allowed.

    Raises:
        ImageError: another shape, type or range, no pixels or too many.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"{name}: its shape is {array.shape}; accepted are {_ARRAYS}")
    if not 1 <= array.shape[0] * array.shape[1] <= max_pixels:
        raise ImageError(f"{name}: its shape is {array.shape}; accepted are 1 to {max_pixels:,} pixels")
    if array.dtype == np.bool_:
        full = 1
    elif array.dtype in (np.uint8, np.uint16):
        full = int(np.iinfo(array.dtype).max)
    elif np.issubdtype(array.dtype, np.floating):
        full = 1
        if not (array.min() >= 0 and array.max() <= 1):  # also true of NaN
            raise ImageError(f"{name}: floats run from {array.min():.4g} to {array.max():.4g}; they must be in 0 … 1")
    else:
        raise ImageError(f"{name}: its type is {array.dtype}; accepted are bool, uint8, uint16 and floats in 0 … 1")
    values = array if array.dtype == np.uint8 else _scaled(array, full)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    return _flatten(Image.fromarray(np.ascontiguousarray(values)))


def swaps_sides(image: Image.Image) -> bool:
    """Return whether making the picture upright swaps its width and its height."""
    return _orientation(image) in (5, 6, 7, 8)


def _orientation(image: Image.Image) -> int:
    """Return the orientation, 1 … 8, that Exif or, but for AVIF, XMP states; broken metadata states none."""
    try:
        if image.format == "TIFF":
            return int(image.getexif().get(_EXIF_ORIENTATION, 1))
        stated = orientation_in(_exif(image))
        if stated is not None or image.format == "AVIF":  # Pillow puts the container's rotation of an AVIF there
            return stated or 1
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or ""
        found = _XMP_ORIENTATION.search(xmp if isinstance(xmp, bytes) else str(xmp).encode())
        return int(found[1]) if found else 1
    except Exception:  # noqa: BLE001 - the parser promises no kind of error; a picture is not lost for its metadata
        return 1


def _exif(image: Image.Image) -> bytes:
    if isinstance(exif := image.info.get("exif"), bytes):
        return exif
    # ImageMagick writes Exif as text into a PNG: a name, a length, then hexadecimal digits.
    text = image.info.get("Raw profile type exif")
    return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else b""


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale grey pictures of more than 8 bits; Pillow itself would clip them."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    array = np.asarray(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # 8, 10 and 12 bits in a 16-bit TIFF, as cameras of microscopes write, would come out black.
        few = [full for full in (255, 1023, 4095) if image.format == "TIFF" and 1 < array.max() <= full]
        grey = _scaled(array, few[0] if few else 65535)
        return Image.fromarray(255 - grey if _is_negative(image) else grey)
    if image.mode == "I" and _is_unsigned(image):
        array = array.view(np.uint32)
    # Nothing in such a file states what white is: 1 and 255 are usual, beyond them it is the brightest pixel, but
    # for a few that are far brighter than all others: defects of a sensor, or marks for "no data".
    finite = array[np.isfinite(array)]
    if finite.size and finite.min() < finite.max() <= 0:  # depths, logarithms: nothing but black otherwise
        array, finite = array - finite.min(), finite - finite.min()
    brightest = float(finite.max(initial=0))
    if brightest > 255 and 0 < (most := float(np.quantile(finite, _ORDINARY))) < brightest / _FAR_BRIGHTER:
        brightest = most
    return Image.fromarray(_scaled(array, next((full for full in (1, 255) if brightest <= full), brightest)))


def _is_negative(image: Image.Image) -> bool:
    """Return whether zero means white in a TIFF; Pillow inverts only those of 8 bits."""
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == 0


def _is_unsigned(image: Image.Image) -> bool:
    """Return whether the 32-bit samples of a TIFF have no sign; Pillow gives them as if they had one."""
    if image.format != "TIFF":
        return False
    sample_format = getattr(image, "tag_v2", {}).get(_TIFF_SAMPLE_FORMAT, (1,))
    return bool(sample_format in (1, (1,)))


def _scaled(array: NDArray[Any], full: float) -> NDArray[np.uint8]:
    values = np.nan_to_num(array.astype(np.float32) / np.float32(full), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5, dtype=np.float32).astype(np.uint8)


def _flatten(image: Image.Image) -> Image.Image:
    """Return an RGB image, which is the one given if that is RGB without transparency."""
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.mode == "La":  # Pillow unmultiplies it only step by step
        image = image.convert("LA")
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba)
    return white
