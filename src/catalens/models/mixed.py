"""`encode` and `similarity` as in sentence-transformers: a mixed list of texts and images in, one vector each out."""

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
"""A text, an image, or `{"text": …, "image": …}` for both in one vector."""

_KEYS = {"text", "image"}


def encode(encoder: Encoder, inputs: Input | Sequence[Input], *, batch_size: int = 32) -> Vectors:
    """Return a vector for each text or image.

    A str is an image if it is an existing path or a `data:image/` URI; otherwise it is a text. Write a text that looks
    like the path of an image as `{"text": …}`. A dict with both keys yields the normalised mean of the two vectors.

    Args:
        encoder: encodes the inputs.
        inputs: one input, or several of any kinds.
        batch_size: images or texts per batch; it changes the speed only.

    Returns:
        (n, dim) unit vectors in the order of the inputs; (dim,) for a single input.

    Raises:
        InputError: an input has an unsupported type, is a URL (nothing is fetched), is not an image, or looks like the
            path of a missing image.
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
    # Images are read batch by batch, so a long list of paths needs the memory of one batch.
    for some in batched(pictures, batch_size):
        sums[[row for row, _ in some]] += encoder.encode_images([read_image(source) for _, source in some])
    for batch in batched(texts, batch_size):
        sums[[row for row, _ in batch]] += encoder.encode_texts([text for _, text in batch])
    return unit_rows(sums)


def similarity(a: NDArray[np.floating], b: NDArray[np.floating]) -> Scores:
    """Return the cosine of each pair of rows.

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
    """Return the text and the image of an input; None for the one that is absent."""
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
        raise InputError(f"input {row} is the URL {text}; nothing is fetched: pass the file, its bytes or a path")


def _is_picture(text: str, row: int) -> bool:
    """Return whether a text is meant as an image; reading it reports what is wrong with the file."""
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
    except OSError:  # name too long
        return False


def _begins_as_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return picture_format(file.read(32)) is not None
    except OSError:
        return False
