"""The two shipped readers behind one name: each picture is read by the one that knows its world.

The starter looks first; what its gate takes for a product stays with it, and the rest goes to the everyday reader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from catalens.core.errors import InputError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.models.gate import Gate
from catalens.models.readers.bundled import BundleImages, BundleReader

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class AutoSeen:
    """One look at n pictures: which are products, and what each reader saw of its own."""

    products: NDArray[np.bool_]
    product: BundleImages
    everyday: BundleImages

    def __len__(self) -> int:
        return len(self.products)


class AutoReader:
    """A `Captioner` and an `Answerer` that picks by the picture."""

    keeps_history = False

    def __init__(self, product: BundleReader, everyday: BundleReader, gate: Gate) -> None:
        self.product, self.everyday, self.gate = product, everyday, gate
        self.name = f"{product.name}+{everyday.name}"
        sizes = zip(product.input_size_wh, everyday.input_size_wh, strict=True)
        width, height = (max(pair) for pair in sizes)
        self.input_size_wh = (width, height)

    def encode_images(self, images: Sequence[Image]) -> AutoSeen:
        """Run the starter's tower over n RGB pictures, and the everyday one over those that show no product.

        Raises:
            InputError: a picture is not RGB.
            ModelError: a graph failed.
        """
        encoded = self.product.encode_images(images)
        products = self.gate.products(encoded.vectors)
        others = self.everyday.encode_images([image for image, sold in zip(images, products, strict=True) if not sold])
        return AutoSeen(products, encoded.take(np.flatnonzero(products)), others)

    def read_by(self, encoded: EncodedImages) -> list[str]:
        """Return the name of the bundle that reads each picture."""
        return [self.product.name if sold else self.everyday.name for sold in self._own(encoded).products]

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions of each picture, as `BundleReader.caption` does."""
        return self._each(
            encoded, lambda reader, part: reader.caption(part, prompt=prompt, count=count, decoding=decoding)
        )

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Return an answer to each question for each picture, as `BundleReader.answer` does."""
        return self._each(
            encoded, lambda reader, part: reader.answer(part, questions, history=history, decoding=decoding)
        )

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n, m) log-likelihoods, as `BundleReader.score` does."""
        rows = self._each(encoded, lambda reader, part: list(reader.score(part, question, answers, history=history)))
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(answers))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of both."""
        self.product.close()
        self.everyday.close()

    def _each(self, encoded: EncodedImages, read: Callable[[BundleReader, BundleImages], list[Row]]) -> list[Row]:
        own = self._own(encoded)
        rows = {True: iter(read(self.product, own.product)), False: iter(read(self.everyday, own.everyday))}
        return [next(rows[bool(sold)]) for sold in own.products]

    def _own(self, encoded: EncodedImages) -> AutoSeen:
        if not isinstance(encoded, AutoSeen):
            raise InputError(f"{type(encoded).__name__} is another reader's look; look with {self.name} first")
        return encoded
