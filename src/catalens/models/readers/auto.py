"""The two bundled readers behind one name: each image is read by the one that knows its domain.

The product reader encodes first; images that its gate takes for products stay with it, the others go to the everyday
reader. Where no kind of product is likely, the everyday reader's encoder decides (`catalens.models.second_look`).
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
from catalens.models.readers.bundled import BundleImages, BundleReader, ReaderPart
from catalens.models.readers.checks import FOREIGN
from catalens.models.second_look import is_doubtful, shows_goods

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class RoutedBundleImages:
    """n encoded images: which of them are products, and the encoded images of each reader."""

    is_product: NDArray[np.bool_]
    product: BundleImages
    everyday: BundleImages

    def __len__(self) -> int:
        return len(self.is_product)


class AutoReader:
    """A `Captioner` and an `Answerer` that routes each image to the reader of its domain."""

    keeps_history = False

    def __init__(self, product: BundleReader, everyday: BundleReader, gate: Gate) -> None:
        self.product, self.everyday, self.gate = product, everyday, gate
        self.name = f"{product.name}+{everyday.name}"
        sizes = zip(product.input_size_wh, everyday.input_size_wh, strict=True)
        width, height = (max(pair) for pair in sizes)
        self.input_size_wh = (width, height)

    def encode_images(self, images: Sequence[Image]) -> RoutedBundleImages:
        """Run the product tower over n RGB images, and the everyday tower over those that may show no product.

        Raises:
            InputError: an image is not RGB.
            ModelError: a graph failed.
        """
        encoded = self.product.encode_images(images)
        is_product = self.gate.products(encoded.vectors)
        again = is_product & is_doubtful(self.product.encoder, encoded.vectors)
        others = np.flatnonzero(~is_product | again)
        everyday = self.everyday.encode_images([images[int(at)] for at in others])
        is_product[others] = again[others] & shows_goods(self.everyday.encoder, everyday.vectors)
        everyday = everyday.take(np.flatnonzero(~is_product[others]))
        return RoutedBundleImages(is_product, encoded.take(np.flatnonzero(is_product)), everyday)

    def parts(self, encoded: EncodedImages) -> list[ReaderPart]:
        """Return the images of each reader that has some."""
        own = self._own(encoded)
        found = [
            ReaderPart(self.product, np.flatnonzero(own.is_product), own.product),
            ReaderPart(self.everyday, np.flatnonzero(~own.is_product), own.everyday),
        ]
        return [part for part in found if len(part.rows)]

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions per image, as `BundleReader.caption` does."""
        return self._route(
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
        """Return, per image, an answer to each question, as `BundleReader.answer` does."""
        return self._route(
            encoded, lambda reader, part: reader.answer(part, questions, history=history, decoding=decoding)
        )

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n, m) log-likelihoods, as `BundleReader.score` does."""
        rows = self._route(encoded, lambda reader, part: list(reader.score(part, question, answers, history=history)))
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(answers))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close both readers."""
        self.product.close()
        self.everyday.close()

    def _route(self, encoded: EncodedImages, read: Callable[[BundleReader, BundleImages], list[Row]]) -> list[Row]:
        own = self._own(encoded)
        rows = {True: iter(read(self.product, own.product)), False: iter(read(self.everyday, own.everyday))}
        return [next(rows[bool(product)]) for product in own.is_product]

    def _own(self, encoded: EncodedImages) -> RoutedBundleImages:
        if not isinstance(encoded, RoutedBundleImages):
            raise InputError(FOREIGN.format(kind=type(encoded).__name__, name=self.name))
        return encoded
