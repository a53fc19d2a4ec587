"""The seams: what a model or an index must offer to be used by every task.

A second implementation of each exists (at least a shipped fake), and one suite in
`tests/contracts` runs over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from PIL.Image import Image

from catalens.core.filters import Filter
from catalens.core.types import GREEDY, Decoding, Hit, PaintRequest, Record, Scores, Turn, Vectors


class Encoder(Protocol):
    """Puts pictures and texts into one space where nearness means likeness.

    Both methods take one batch that fits in memory, return exactly one row per item in
    order, and never let a row depend on its batch-mates. Empty in gives `(0, dim)`.
    """

    @property
    def name(self) -> str:
        """Model, revision and adapter: an index and a label bank remember it."""

    @property
    def fingerprint(self) -> str:
        """Changes with anything that changes vectors of texts, also under the same name; caches are keyed by it."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """(width, height) that pictures are brought to; readers need not decode more."""

    @property
    def logit_scale(self) -> float:
        """What a cosine is multiplied by before the softmax or the sigmoid."""

    @property
    def logit_bias(self) -> float | None:
        """None: softmax over labels (CLIP). A number: independent sigmoids (SigLIP)."""

    @property
    def unknown_texts(self) -> Sequence[str]:
        """Texts trained to mean "none of these"; empty for encoders that have none."""

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Return (n, dim) unit rows for n RGB pictures."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit rows for n texts."""


@runtime_checkable
class PrefixEncoder(Encoder, Protocol):
    """An encoder whose text tower is causal: a shared beginning of many texts is computed once."""

    def encode_after(self, prefix: str, endings: Sequence[str]) -> Vectors:
        """Return (n, dim) unit rows for the n texts `prefix + ending`, the same as `encode_texts` gives.

        The keys and values of the last prefix are kept, and grown when the next one begins with it.
        """

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Return how many tokens a text has, its marks of begin and end included, and how many are read."""


class EncodedImages(Protocol):
    """What a reader keeps of n pictures after its one look at them; only the reader that made it can use it."""

    def __len__(self) -> int:
        """Return the number of pictures."""


class Captioner(Protocol):
    """Says what is in a picture. It looks once, however many captions follow.

    Results never depend on batch-mates, and keep the order of the pictures.
    """

    @property
    def name(self) -> str:
        """Model, revision and adapter."""

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Run the vision tower over n RGB pictures, once."""

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Give, for each picture, `count` captions, best first, each going on from the prompt and holding it."""


class Answerer(Protocol):
    """Answers questions about a picture. It looks once, however many questions follow."""

    @property
    def name(self) -> str:
        """Model, revision and adapter."""

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Run the vision tower over n RGB pictures, once."""

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Give, for each picture, an answer to each question; `history` is the conversation before them."""

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n pictures, m answers) log-likelihoods of each whole answer, its end included."""


class Writer(Protocol):
    """A language model that follows an instruction."""

    @property
    def name(self) -> str:
        """Which model, or "template"."""

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:
        """Return the model's text.

        Raises:
            ModelError: it could not be had, refused, was cut off, or gave nothing; the message says which.
        """


class Painter(Protocol):
    """Paints a picture from a picture and a prompt."""

    @property
    def name(self) -> str:
        """Model and revision."""

    def paint(self, request: PaintRequest) -> Image:
        """Return an RGB picture.

        Raises:
            ModelError: it could not be had, or the result was held back by a filter.
        """


class Index(Protocol):
    """Keeps records with their vectors and finds the nearest; all of one encoder.

    Scores are cosines in [-1, 1], higher is better. Equal scores keep the order of `records`, which
    is the order in which they were last added.
    """

    @property
    def encoder_name(self) -> str:
        """The encoder that made the vectors; queries of another make no sense."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def __len__(self) -> int:
        """Return the number of records."""

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store n records with (n, dim) vectors, all or none; those with a known id are replaced."""

    def remove(self, ids: Sequence[str]) -> int:
        """Forget records and give how many there were; unknown ids are no error."""

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None where there is none."""

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Return the hashes that were added, for some ids or for all; what has none is left out."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) vectors of n known ids, in order."""

    def records(self) -> Iterator[Record]:
        """Return every record in the order in which they were last added."""

    def query(self, vector: Vectors, k: int, where: Filter | None = None, min_score: float | None = None) -> list[Hit]:
        """Return the k best for a (dim,) vector, best first; the filter and the minimum come before k."""

    def scores(self, vector: Vectors) -> Scores:
        """Return (n,) cosines of a (dim,) vector with every record, in the order of `records`."""

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words in id or text fields, best first; no text is an error.

        A record with all the words of one of the texts in `without` is left out.
        """
