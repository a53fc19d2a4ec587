"""`encode` and `similarity` as people know them: a mixed list of texts and pictures in, one row each out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalens.core.errors import InputError
from catalens.core.folders import IMAGE_EXTENSIONS
from catalens.core.images import picture_format, read_image
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import batched, unit_rows

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder

Input: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Mapping[str, Any]
"""A text, a picture, or `{"text": …, "image": …}` for both in one vector."""

_KEYS = {"text", "image"}


def encode(encoder: Encoder, inputs: Input | Sequence[Input], *, batch_size: int = 32) -> Vectors:
    """Return a row for each input, whatever it is.

    A str is a picture if it is a path to something that is there, or a `data:image/` address; otherwise it is a text.
    A text that looks like a picture's path is given as `{"text": …}`.
    A dict with both keys gives the mean of the two vectors, made unit length again.

    Args:
        encoder: whose space the rows are in.
        inputs: one input, or several of any kinds.
        batch_size: how many pictures or texts are encoded together; it changes the speed only.

    Returns:
        (n, dim) unit rows in the order of the inputs; (dim,) for one input by itself.

    Raises:
        InputError: an input is of no accepted kind, a web address (nothing is fetched), no picture, or looks like the
            path of one that is not there.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it is at least 1")
    if isinstance(inputs, (str, os.PathLike, bytes, Image.Image, np.ndarray, Mapping)):
        return np.asarray(encode(encoder, [inputs], batch_size=batch_size)[0])
    texts: list[tuple[int, str]] = []
    pictures: list[tuple[int, Any]] = []
    for row, each in enumerate(inputs):
        text, picture = _sorted(each, row)
        if text is not None:
            texts.append((row, text))
        if picture is not None:
            pictures.append((row, picture))
    sums = np.zeros((len(inputs), encoder.dim), dtype=np.float32)
    # Pictures are read batch by batch, so a long list of paths needs the memory of one batch.
    for some in batched(pictures, batch_size):
        sums[[row for row, _ in some]] += encoder.encode_images([read_image(source) for _, source in some])
    for said in batched(texts, batch_size):
        sums[[row for row, _ in said]] += encoder.encode_texts([text for _, text in said])
    return unit_rows(sums)


def similarity(a: NDArray[np.floating], b: NDArray[np.floating]) -> Scores:
    """Return the cosine of every row of one with every row of the other.

    Args:
        a: (n, dim), or (dim,) for one.
        b: (m, dim), or (dim,) for one.

    Returns:
        (n, m) cosines.

    Raises:
        InputError: the rows have different widths.

    >>> similarity(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0], [3.0, 4.0]])).round(2).tolist()
    [[0.9599999785423279, 1.0]]
    """
    left, right = np.atleast_2d(a), np.atleast_2d(b)
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise InputError(f"vectors of shapes {np.shape(a)} and {np.shape(b)} cannot be compared; both are (n, dim)")
    return np.asarray(unit_rows(left) @ unit_rows(right).T, dtype=np.float32)


def _sorted(each: object, row: int) -> tuple[str | None, object | None]:
    """Say what of an input is a text and what is a picture."""
    if isinstance(each, Mapping):
        if not each or not {*each} <= _KEYS:
            raise InputError(f"input {row} has the keys {sorted(map(str, each))}; accepted are text and image")
        text, image = each.get("text"), each.get("image")
        if text is not None and not isinstance(text, str):
            raise InputError(f"input {row}: its text is a {type(text).__name__}, not a str")
        if text is None and image is None:
            raise InputError(f"input {row} has neither a text nor an image")
        if isinstance(image, str):
            _refuse_web(image, row)
        return text, image
    if isinstance(each, str):
        _refuse_web(each, row)
        return (None, each) if _is_picture(each, row) else (each, None)
    if isinstance(each, (os.PathLike, bytes, Image.Image, np.ndarray)):
        return None, each
    raise InputError(
        f"input {row} is a {type(each).__name__}; accepted are texts, paths, bytes, Pillow pictures, arrays, and dicts "
        "of text and image"
    )


def _refuse_web(text: str, row: int) -> None:
    if text.startswith(("http://", "https://")) and " " not in text:
        raise InputError(f"input {row} is the address {text}; nothing is fetched: give the file, its bytes or a path")


def _is_picture(text: str, row: int) -> bool:
    """Say whether a text is meant as a picture; reading it then says what is wrong with what is there."""
    if text.startswith("data:image/"):
        return True
    if not text or len(text) > 1024 or "\n" in text or "\0" in text:
        return False
    path, parted = Path(text), "/" in text or os.sep in text
    if _is_there(path):
        # A single word may be the name of a file by chance.
        return parted or bool(path.suffix) or _begins_as_picture(path)
    if path.suffix.lower() in IMAGE_EXTENSIONS and (parted or " " not in text):
        raise InputError(
            f"input {row} looks like a picture's path, and there is no file {text!r}; if it is meant as a text, give "
            f"{{'text': {text!r}}}"
        )
    return False


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # longer than a name may be
        return False


def _begins_as_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return picture_format(file.read(32)) is not None
    except OSError:
        return False
