"""The small reader of a bundle: captions and answers from ONNX graphs, on the features of the bundle's image tower.

The folder `reader` of an encoder's bundle has `look.onnx`, which projects the image graph's `features` to
cross-attention keys and values once per image; `words.onnx`, the decoder; its own `tokenizer.json`; and `reader.json`.
One run of the image tower serves an image's vector, captions and answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from tokenizers import Tokenizer

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn, Vectors
from catalens.models.bundle import BundleEncoder, Load
from catalens.models.json_files import load_json
from catalens.models.once import Once
from catalens.models.onnx_file import read_onnx
from catalens.models.readers.checks import (
    FOREIGN,
    NO_HISTORY,
    answer_weights,
    check_answers,
    check_decoding,
    check_questions,
)
from catalens.models.readers.generate_numpy import Floats, Generated, Ids, SpecialIds, Step, generate, log_softmax
from catalens.models.readers.marks import mark_ids
from catalens.models.readers.rerank import RerankConfig, Reranker, ScoredCaption
from catalens.models.readers.support_files import load_support
from catalens.models.runtime import Graph, choose_runtime, load_graph
from catalens.models.tokens import Tokens

FOLDER = "reader"
FACTS = "reader.json"
FILES = ("look.onnx", "words.onnx", "tokenizer.json")
DEFAULT_BEAMS = 4
"""Beam width of captions where the caller leaves it open; chosen on `val`."""
MAX_TEXT_TOKENS = 40
"""Tokens of a question, a prompt or a closed answer: the longest that it was trained on."""
MAX_POSITIONS = 64
"""Positions of `words.onnx`: tokens of a whole sequence, special tokens included."""


@dataclass(frozen=True, slots=True)
class BundleImages:
    """n encoded images: their vectors (n, dim), and cross-attention keys and values (depth, 2, n, …)."""

    vectors: Vectors
    memory: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> BundleImages:
        """Return some of the images."""
        return BundleImages(self.vectors[rows], self.memory[:, :, rows])


@dataclass(frozen=True, slots=True)
class ReaderPart:
    """The images of a batch that one bundled reader reads.

    Attributes:
        reader: that reader, with its encoder.
        rows: (m,) positions of the images in the batch.
        encoded: those images.
    """

    reader: BundleReader
    rows: NDArray[np.intp]
    encoded: BundleImages


class BundleReader:
    """A `Captioner` and an `Answerer` over the graphs of a bundle; too small a model to keep a conversation.

    Args:
        encoder: the bundle's.
        projection: loads `look.onnx`; called when the first image is encoded.
        decoder: loads `words.onnx`; called when the first text is generated or scored.
        tokenizer: the reader's own.
        reranker: how captions are ranked and checked by the encoder; None: by likelihood alone.
        temperature: divides the scores of closed answers, which calibrates their probabilities.
        cosine: weight of the encoder's cosine between image and answer beside an answer's log-likelihood: the encoder
            knows words that the reader was never trained on.
    """

    keeps_history = False

    def __init__(
        self,
        encoder: BundleEncoder,
        projection: Load[Graph],
        decoder: Load[Graph],
        tokenizer: Tokenizer,
        reranker: Reranker | None = None,
        *,
        temperature: float = 1.0,
        cosine: float = 0.0,
    ) -> None:
        self.encoder, self.name = encoder, encoder.name
        self.temperature, self.cosine = temperature, cosine
        self.reranker, self.input_size_wh = reranker, encoder.input_size_wh
        self._graphs: tuple[Once[Graph], Once[Graph]] | None = (Once(projection), Once(decoder))
        self._tokenizer = tokenizer
        self._caption_id, self._ask_id, self._answer_id, self._end_id = mark_ids(tokenizer)
        self._tokens = Tokens(tokenizer, max_tokens=MAX_TEXT_TOKENS + 1, pad_id=None, end_id=self._end_id)
        # Every batch of a folder is asked the same; a warning that a question was cut is logged once.
        self._question_ids = lru_cache(64)(self._tokens.open_end)
        self._answer_vectors = lru_cache(64)(encoder.encode_texts)
        self._special = SpecialIds(end=self._end_id, never=(self._caption_id, self._ask_id, self._answer_id))

    def encode_images(self, images: Sequence[Image]) -> BundleImages:
        """Run the image tower over n RGB images, once.

        Raises:
            InputError: an image is not RGB.
            ModelError: a graph failed, or the reader is closed.
        """
        if not images:
            return BundleImages(self.encoder.encode_images([]), np.empty((0, 2, 0, 0, 0, 0), np.float32))
        return self.look(*self.encoder.encode_images_with(images, "features"))

    def look(self, vectors: Vectors, features: Floats) -> BundleImages:
        """Return n images of which the encoder's output is known: vectors (n, dim), and features (n, width)."""
        projection, _ = self._open_graphs
        return BundleImages(vectors, projection().run({"features": features})["memory"])

    def parts(self, encoded: EncodedImages) -> list[ReaderPart]:
        """Return the images with the reader that reads each: this one reads all."""
        own = self._own(encoded)
        return [ReaderPart(self, np.arange(len(own)), own)]

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions per image, best first; each continues the prompt and includes it.

        Where the caller leaves the decoding open, the beam width is `DEFAULT_BEAMS`. With a reranker, the encoder helps
        to choose among beams; without a prompt, captions keep only what the image supports (see `Support`).

        Raises:
            InputError: the images were encoded by another reader, the decoding is invalid, or the prompt has more than
                `MAX_TEXT_TOKENS` tokens.
            ModelError: a graph failed, or the reader is closed.
        """
        encoded = self._own(encoded)
        check_decoding(decoding, count)
        if not len(encoded):
            return []
        if decoding.temperature is None and decoding.beams == 1 and decoding.repetition_penalty == 1.0:
            decoding = replace(decoding, beams=DEFAULT_BEAMS)
        ids = [self._caption_id, *self._whole_ids(prompt)]
        reranker = self.reranker if decoding.temperature is None else None
        generated = self._generate(encoded.memory, ids, max(count, decoding.beams) if reranker else count, decoding)
        captions = [
            [ScoredCaption(self._text([*ids[1:], *text.ids]), text.score) for text in texts] for texts in generated
        ]
        if reranker is None:
            return [[each.text for each in texts] for texts in captions]
        ranked = reranker.rank(captions, encoded.vectors, check=not prompt)
        return [texts[:count] for texts in ranked]

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Return, per image, an answer to each question; each question stands alone.

        A question longer than `MAX_TEXT_TOKENS` is cut, with a warning in the log.

        Raises:
            InputError: the images were encoded by another reader, a question is empty, or the decoding is invalid.
            ModelError: there is a history, a graph failed, or the reader is closed.
        """
        memory = self._own(encoded).memory
        self._refuse(history)
        check_decoding(decoding)
        check_questions(questions)
        if not len(encoded) or not questions:
            return [[] for _ in range(len(encoded))]
        columns = [
            [self._text(texts[0].ids) for texts in self._generate(memory, self._asked_ids(question), 1, decoding)]
            for question in questions
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n, m) scores of m complete answers; the question is read once for all.

        A score is an answer's log-likelihood plus `cosine` times the encoder's cosine, divided by the temperature.

        Raises:
            InputError: the images were encoded by another reader, the question or an answer is empty, or an answer is
                too long.
            ModelError: there is a history, a graph failed, or the reader is closed.
        """
        encoded = self._own(encoded)
        memory = encoded.memory
        self._refuse(history)
        check_questions([question])
        check_answers(answers)
        n, out = len(encoded), np.empty((len(encoded), len(answers)), dtype=np.float32)
        if not n or not answers:
            return out
        asked = self._asked_ids(question)
        texts = [[*self._whole_ids(answer, MAX_POSITIONS - len(asked)), self._end_id] for answer in answers]
        logits, past = self._run(memory, np.tile(np.array(asked, np.int64), (n, 1)), self._empty_past(n))
        first = log_softmax(logits[:, -1])
        for length in sorted({len(text) for text in texts}):
            places = [i for i, text in enumerate(texts) if len(text) == length]
            same_length = np.array([texts[i] for i in places], dtype=np.int64)
            rows = np.tile(same_length, (n, 1))
            later, _ = self._run(memory, rows[:, :-1], past.repeat(len(places), axis=2))
            rest = np.take_along_axis(log_softmax(later), rows[:, 1:, None], 2)[:, :, 0].sum(axis=1)
            out[:, places] = first[:, same_length[:, 0]] + rest.reshape(n, len(places))
        if self.cosine:
            out += np.float32(self.cosine) * encoded.vectors @ self._answer_vectors(tuple(answers)).T
        return out / np.float32(self.temperature)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Free the graphs; the encoder belongs to whoever loaded it."""
        self._graphs = None

    @property
    def _open_graphs(self) -> tuple[Once[Graph], Once[Graph]]:
        if self._graphs is None:
            raise ModelError(f"{self.name} is closed; load it again")
        return self._graphs

    def _generate(self, memory: Floats, prompt: list[int], count: int, decoding: Decoding) -> list[list[Generated]]:
        n, room = memory.shape[2], MAX_POSITIONS - len(prompt)
        if decoding.min_tokens > room:
            raise InputError(f"min_tokens is {decoding.min_tokens}; after the prompt there is room for {room} tokens")
        decoding = replace(decoding, max_tokens=min(decoding.max_tokens, room))

        def step(ids: Ids, past: Floats) -> tuple[Floats, Floats]:
            logits, new = self._run(memory, ids, past)
            return logits[:, -1], new

        run: Step = step
        rows = np.tile(np.array(prompt, np.int64), (n, 1))
        return generate(run, rows, self._empty_past(n), count=count, decoding=decoding, special=self._special)

    def _run(self, memory: Floats, ids: Ids, past: Floats) -> tuple[Floats, Floats]:
        _, decoder = self._open_graphs
        found = decoder().run({"ids": ids, "past": np.ascontiguousarray(past), "memory": memory})
        return found["logits"], found["present"]

    def _empty_past(self, rows: int) -> Floats:
        _, decoder = self._open_graphs
        depth, two, _, heads, _, width = (size or 0 for size in decoder().inputs["past"])
        return np.empty((depth, two, rows, heads, 0, width), dtype=np.float32)

    def _whole_ids(self, text: str, room: int = MAX_TEXT_TOKENS) -> list[int]:
        """Return the ids of a text that must not be cut."""
        count, most = self._tokens.count(text)[0] - 1, min(room, MAX_TEXT_TOKENS)
        if count > most:
            raise InputError(f"{text[:60]!r} … has {count} tokens; {self.name} reads at most {most} here; shorten it")
        return self._tokens.open_end(text)

    def _asked_ids(self, question: str) -> list[int]:
        return [self._ask_id, *self._question_ids(question.strip()), self._answer_id]

    def _refuse(self, history: Sequence[Turn]) -> None:
        if history:
            raise ModelError(NO_HISTORY.format(name=self.name))

    def _text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids)).strip()

    def _own(self, encoded: EncodedImages) -> BundleImages:
        if not isinstance(encoded, BundleImages):
            raise InputError(FOREIGN.format(kind=type(encoded).__name__, name=self.name))
        return encoded


def load_bundle_reader(
    folder: Path,
    encoder: BundleEncoder,
    *,
    runtime: str = "auto",
    threads: int | None = None,
    cache: Path | None = None,
) -> BundleReader:
    """Open the reader of a bundle: its files are checked now, and each graph is loaded when it is first needed.

    Args:
        folder: of the bundle; the reader is its subfolder `reader`.
        encoder: the bundle's own, whose image graph has the output `features`.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads; None uses every core.
        cache: the folder for things that can be made again, where compiled graphs are kept; None keeps none.

    Raises:
        ModelError: the bundle has no reader, or a file is missing, damaged, changed or invalid.
    """
    place = folder / FOLDER
    try:
        facts = load_json(place / FACTS)
        sums = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in FILES}
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no reader that can be used: {error}") from error
    if wrong := [name for name in FILES if facts["sha256"].get(name) != sums[name]]:
        raise ModelError(f"{place / wrong[0]} is damaged or not the file this reader was made with")
    for name in FILES[:2]:
        read_onnx(place / name)
    chosen = choose_runtime(runtime)
    projection, decoder = (
        partial(load_graph, place / name, chosen, threads=threads, exact=True, cache=cache) for name in FILES[:2]
    )
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    belief, support = facts.get("belief"), load_support(place, encoder.name, encoder.classes)
    reranker = Reranker(encoder, RerankConfig.read(belief), support) if belief else None
    reader = BundleReader(encoder, projection, decoder, tokenizer, reranker, **answer_weights(facts))
    # A fine-tuned reader has a name of its own, beside an encoder that is as it was.
    reader.name = str(facts.get("name", encoder.name))
    return reader
