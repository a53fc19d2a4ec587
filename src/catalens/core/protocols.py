"""The seams: what a model or an index must offer to be used by every task.

A second implementation of each exists (at least a shipped fake), and one suite in
`tests/contracts` runs over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from PIL.Image import Image

from catalens.core.filters import Filter
from catalens.core.types import GREEDY, Decoding, Hit, PaintRequest, Record, Scores, Turn, Vectors


class Encoder(Protocol):
    """Encodes pictures and texts into one vector space, in which similar things are close.

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
    """Encoded state of n images; only the reader that made it can use it."""

    def __len__(self) -> int:
        """Return the number of images."""


class ImageReader(Protocol):
    """What captioners and answerers share: images are encoded once, however many texts follow.

    Results keep the order of the images and never depend on batch-mates. A closed reader raises `ModelError`.
    """

    @property
    def name(self) -> str:
        """Model, revision and adapter."""

    @property
    def input_size_wh(self) -> tuple[int, int] | None:
        """(width, height) that images are brought to, so that decoders need not read more; None: the whole image."""

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Run the vision tower over n RGB images, once."""

    def close(self) -> None:
        """Free weights and connections; closing twice is harmless."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """Close."""


class Captioner(ImageReader, Protocol):
    """Describes images."""

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions per image, best first; each continues the prompt and includes it."""


class Answerer(ImageReader, Protocol):
    """Answers questions about images."""

    @property
    def keeps_history(self) -> bool:
        """Whether a question may follow earlier turns; if not, a history is refused with `ModelError`."""

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Return, per image, an answer to each question; `history` holds the earlier turns, oldest first."""

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n images, m answers) log-likelihoods of each complete answer, its end token included."""


class Writer(Protocol):
    """A language model that follows an instruction."""

    @property
    def name(self) -> str:
        """The model, or "template"."""

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:
        """Return the generated text.

        Raises:
            AnswerError: the model refused, was cut off, or returned no text.
            ModelError: the model is not available, or failed.
        """

    def close(self) -> None:
        """Free weights and connections; closing twice is harmless."""


class Painter(Protocol):
    """Generates an image from an image and a prompt."""

    @property
    def name(self) -> str:
        """Model and revision."""

    def paint(self, request: PaintRequest) -> Image:
        """Return an RGB image.

        Raises:
            AnswerError: a safety filter withheld the result.
            ModelError: the model is not available, or failed.
        """

    def close(self) -> None:
        """Free weights and connections; closing twice is harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an index offers beyond the methods of `Index`, as data; callers ask this and not for a type.

    Attributes:
        exact: `query` compares the query with every record; otherwise it may miss some of the nearest.
        all_scores: the index is a `LocalIndex`, whose `scores` a relevance cut-off needs.
        writable: `add` and `remove` are allowed.
    """

    exact: bool
    all_scores: bool
    writable: bool


class Index(Protocol):
    """Stores records with their vectors and finds the nearest; all vectors are of one encoder.

    This is what every index can do, whether it is a file or a search server. Scores are cosines in
    [-1, 1], higher is better, in every method and for every index. Nothing is promised about the
    order of equal scores, and `records` has a stable order only while nothing is written.
    """

    @property
    def encoder_name(self) -> str:
        """The encoder that made the vectors; a query vector of another encoder is meaningless."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def capabilities(self) -> Capabilities:
        """What this index offers beyond the methods of the protocol."""

    @property
    def notices(self) -> Sequence[str]:
        """Warnings as sentences, such as that a graph cannot be used; few indexes have any."""

    def __len__(self) -> int:
        """Return the number of records."""

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store n records with (n, dim) vectors; those with a known id are replaced.

        Returns once they are durable and can be found. An index that cannot store a batch as one
        transaction may have stored a part of it when it raises; adding the batch again is harmless.
        """

    def remove(self, ids: Sequence[str]) -> int:
        """Delete records and return how many there were; unknown ids are not an error."""

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None for an unknown id."""

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Return the hashes that were added, for some ids or for all; records without one are left out."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) vectors of n known ids, in order."""

    def records(self) -> Iterator[Record]:
        """Return every record, lazily."""

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        """Return, for each of (n, dim) vectors, at most k hits, best first; filter and minimum apply before k."""

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words in id or text fields, best first; any text is allowed.

        A record with all the words of one of the texts in `without` is left out.
        """

    def close(self) -> None:
        """Release the file or the connection; the index cannot be used afterwards."""

    def __enter__(self) -> Self:
        """Return the index, which is closed at the end of the `with` block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the index."""


class LocalIndex(Index, Protocol):
    """An index whose vectors are in this process: it can score every record, and orders what ties.

    `records` gives the order in which records were last added, equal scores keep that order, and
    `add` stores a batch or, if it raises, nothing of it.
    """

    def scores(self, vector: Vectors) -> Scores:
        """Return (n,) cosines of a (dim,) vector with every record, in the order of `records`."""
