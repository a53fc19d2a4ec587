"""From whatever a decoder or a caller holds to upright 8-bit RGB on white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalens.core.errors import ImageError

_EXIF_ORIENTATION = 0x0112

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
    """Return a new upright RGB picture, alpha flattened on white; the one given stays as it is.

    Raises:
        Exception: whatever Pillow's decoder raises over broken bytes; the caller translates.
    """
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    rgb = _flatten(_eight_bit(image))
    if turn is not None:
        rgb = rgb.transpose(turn)
    rgb.info = {}
    return rgb


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


def lies_on_its_side(image: Image.Image) -> bool:
    """Say whether making the picture upright swaps its width and its height."""
    return _orientation(image) in (5, 6, 7, 8)


def _orientation(image: Image.Image) -> int:
    """Say how the picture lies, 1 … 8; broken metadata says nothing."""
    try:
        if image.format == "AVIF":  # Pillow puts the container's rotation there; XMP must not add a turn to it
            exif = Image.Exif()
            exif.load(image.info.get("exif", b""))
        else:
            exif = image.getexif()
        return int(exif.get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - the parser promises no kind of error; a picture is not lost for its metadata
        return 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale grey pictures of more than 8 bits; Pillow itself would clip them."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    array = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray(_scaled(array, 65535))
    # Nothing in such a file says what white is: take the usual range that holds its brightest point.
    brightest = float(np.nanmax(array, initial=0))
    ranges = (65535,) if image.mode == "I" else (1, 255, 65535)
    return Image.fromarray(_scaled(array, next((full for full in ranges if brightest <= full), brightest)))


def _scaled(array: NDArray[Any], full: float) -> NDArray[np.uint8]:
    values = np.nan_to_num(array.astype(np.float32) / np.float32(full), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5, dtype=np.float32).astype(np.uint8)


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":  # Pillow unmultiplies it only step by step
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white
