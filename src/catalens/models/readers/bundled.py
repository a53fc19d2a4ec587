"""The small reader of a bundle: captions and answers on ONNX graphs, over what the bundle's image tower saw.

In the folder `reader` of an encoder's bundle lie `look.onnx`, which makes keys and values of the image graph's
`features` once per picture; `words.onnx`, which reads words and gives the next one's logits; its own `tokenizer.json`;
and `reader.json`. A picture is looked at once for its vector, its captions and its answers together.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from tokenizers import Tokenizer

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn, Vectors
from catalens.models.bundle import BundleEncoder
from catalens.models.json_files import load_json
from catalens.models.onnx_file import read_onnx
from catalens.models.readers.checks import check_decoding
from catalens.models.readers.generate_numpy import Drawn, Floats, Ids, Marks, Step, draw, log_softmax
from catalens.models.readers.rerank import RerankConfig, Reranker, Said
from catalens.models.runtime import Graph, choose_runtime, load_graph
from catalens.models.tokens import Tokens

FOLDER = "reader"
FACTS = "reader.json"
FILES = ("look.onnx", "words.onnx", "tokenizer.json")
BEAMS = 4
"""How captions are searched where nobody says; chosen on `val`."""
READS = 40
"""Tokens of a question, a prompt or an answer to choose from: more it was never taught to read."""
HOLDS = 64
"""Tokens of a whole text, marks included: so many places `words.onnx` knows."""
CAPTION, ASK, ANSWER, END = "<|caption|>", "<|ask|>", "<|answer|>", "<|end|>"


@dataclass(frozen=True, slots=True)
class BundleImages:
    """One look at n pictures: their vectors (n, dim), and the reader's keys and values of them."""

    vectors: Vectors
    memory: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> BundleImages:
        """Return the look at some of the pictures."""
        return BundleImages(self.vectors[rows], self.memory[:, :, rows])


class BundleReader:
    """A `Captioner` and an `Answerer` over the graphs of a bundle; too small a model to keep a conversation.

    Args:
        encoder: the bundle's.
        look: makes keys and values of the encoder's features.
        words: reads words and gives the next one's logits.
        tokenizer: the reader's own.
        belief: how far its captions are believed; None: as far as they are likely.
        temperature: divides the scores of answers to choose from, so that their probabilities are honest.
        cosine: weight of the encoder's cosine between picture and answer beside an answer's log-likelihood: the encoder
            knows words that the reader was never taught.
    """

    keeps_history = False

    def __init__(
        self,
        encoder: BundleEncoder,
        look: Graph,
        words: Graph,
        tokenizer: Tokenizer,
        belief: RerankConfig | None = None,
        *,
        temperature: float = 1.0,
        cosine: float = 0.0,
    ) -> None:
        self.encoder, self.name = encoder, encoder.name
        self.temperature, self.cosine = temperature, cosine
        self._believer = Reranker(encoder, belief) if belief else None
        self.input_size_wh = encoder.input_size_wh
        self._look, self._words, self._tokenizer = look, words, tokenizer
        self._caption, self._ask, self._answer, self._end = mark_ids(tokenizer)
        self._tokens = Tokens(tokenizer, max_tokens=READS + 1, pad_id=None, end_id=self._end)
        # A folder of pictures is asked the same, batch after batch; what is cut is told once.
        self._question = lru_cache(64)(self._tokens.open_end)
        self._answers = lru_cache(64)(encoder.encode_texts)
        self._marks = Marks(end=self._end, never=(self._caption, self._ask, self._answer))
        depth, two, _, heads, _, width = (size or 0 for size in words.inputs["past"])
        self._past_shape = (depth, two, heads, width)

    def encode_images(self, images: Sequence[Image]) -> BundleImages:
        """Run the image tower over n RGB pictures, once.

        Raises:
            InputError: a picture is not RGB.
            ModelError: a graph failed.
        """
        if not images:
            return BundleImages(self.encoder.encode_images([]), np.empty((0, 2, 0, 0, 0, 0), np.float32))
        vectors, features = self.encoder.encode_images_with(images, "features")
        return BundleImages(vectors, self._look.run({"features": features})["memory"])

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions of each picture, the best first; they go on from the prompt and hold it.

        Where the caller leaves it to the model, it searches with `BEAMS` beams. In bundles that say how, the encoder's
        cosine with the picture helps to choose among what beams find; and without a prompt, a caption that is nowhere
        near the picture gives way to the name of what is, or to "a picture of something unknown".

        Raises:
            InputError: the look was another reader's, the decoding makes no sense, or the prompt has more than `READS`
                tokens.
            ModelError: a graph failed.
        """
        encoded = self._own(encoded)
        check_decoding(decoding, count)
        if not len(encoded):
            return []
        if decoding.temperature is None and decoding.beams == 1 and decoding.repetition_penalty == 1.0:
            decoding = replace(decoding, beams=BEAMS)
        ids = [self._caption, *self._whole(prompt)]
        believer = self._believer if decoding.temperature is None else None
        drawn = self._draw(encoded.memory, ids, max(count, decoding.beams) if believer else count, decoding)
        said = [[Said(self._said([*ids[1:], *text.ids]), text.worth) for text in texts] for texts in drawn]
        if believer is None:
            return [[each.text for each in texts] for texts in said]
        return [texts[:count] for texts in believer.rank(said, encoded.vectors, free=not prompt)]

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Return an answer to each question for each picture; each question stands alone.

        Of a question longer than `READS` tokens the beginning is read, and a warning goes to the log.

        Raises:
            InputError: the look was another reader's, a question is empty, or the decoding makes no sense.
            ModelError: there was a conversation before, or the graph failed.
        """
        memory = self._own(encoded).memory
        self._check_alone(history)
        check_decoding(decoding)
        _check_asked(questions)
        if not len(encoded) or not questions:
            return [[] for _ in range(len(encoded))]
        columns = [
            [self._said(texts[0].ids) for texts in self._draw(memory, self._asked(question), 1, decoding)]
            for question in questions
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n, m) scores of m whole answers; the question is read once for all.

        A score is an answer's log-likelihood and `cosine` times the encoder's cosine, over the temperature.

        Raises:
            InputError: the look was another reader's, the question or an answer is empty, or an answer is too long.
            ModelError: there was a conversation before, or the graph failed.
        """
        encoded = self._own(encoded)
        memory = encoded.memory
        self._check_alone(history)
        _check_asked([question])
        n, out = len(encoded), np.empty((len(encoded), len(answers)), dtype=np.float32)
        if not n or not answers:
            return out
        if not all(answer.strip() for answer in answers):
            raise InputError("an answer to choose from is empty; give the words of each")
        asked = self._asked(question)
        texts = [[*self._whole(answer, HOLDS - len(asked)), self._end] for answer in answers]
        logits, past = self._run(memory, np.tile(np.array(asked, np.int64), (n, 1)), self._nothing(n))
        first = log_softmax(logits[:, -1])
        for length in sorted({len(text) for text in texts}):
            places = [i for i, text in enumerate(texts) if len(text) == length]
            alike = np.array([texts[i] for i in places], dtype=np.int64)
            rows = np.tile(alike, (n, 1))
            later, _ = self._run(memory, rows[:, :-1], past.repeat(len(places), axis=2))
            spoken = np.take_along_axis(log_softmax(later), rows[:, 1:, None], 2)[:, :, 0].sum(axis=1)
            out[:, places] = first[:, alike[:, 0]] + spoken.reshape(n, len(places))
        if self.cosine:
            out += np.float32(self.cosine) * encoded.vectors @ self._answers(tuple(answers)).T
        return out / np.float32(self.temperature)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Nothing is held that the next collection of garbage does not free."""

    def _draw(self, memory: Floats, prompt: list[int], count: int, decoding: Decoding) -> list[list[Drawn]]:
        n, room = memory.shape[2], HOLDS - len(prompt)
        if decoding.min_tokens > room:
            raise InputError(f"min_tokens is {decoding.min_tokens}; after what was read, {self.name} holds {room} more")
        decoding = replace(decoding, max_tokens=min(decoding.max_tokens, room))

        def step(ids: Ids, past: Floats) -> tuple[Floats, Floats]:
            logits, new = self._run(memory, ids, past)
            return logits[:, -1], new

        run: Step = step
        rows = np.tile(np.array(prompt, np.int64), (n, 1))
        return draw(run, rows, self._nothing(n), count=count, decoding=decoding, marks=self._marks)

    def _run(self, memory: Floats, ids: Ids, past: Floats) -> tuple[Floats, Floats]:
        found = self._words.run({"ids": ids, "past": np.ascontiguousarray(past), "memory": memory})
        return found["logits"], found["present"]

    def _nothing(self, rows: int) -> Floats:
        depth, two, heads, width = self._past_shape
        return np.empty((depth, two, rows, heads, 0, width), dtype=np.float32)

    def _whole(self, text: str, room: int = READS) -> list[int]:
        """Return the ids of a text of which nothing may be left out."""
        count, most = self._tokens.count(text)[0] - 1, min(room, READS)
        if count > most:
            raise InputError(f"{text[:60]!r} … has {count} tokens; {self.name} reads at most {most} here; shorten it")
        return self._tokens.open_end(text)

    def _asked(self, question: str) -> list[int]:
        return [self._ask, *self._question(question.strip()), self._answer]

    def _check_alone(self, history: Sequence[Turn]) -> None:
        if history:
            raise ModelError(
                f"{self.name} learned single questions and keeps no conversation; BLIP-2 and chat models do"
            )

    def _said(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids)).strip()

    def _own(self, encoded: EncodedImages) -> BundleImages:
        if not isinstance(encoded, BundleImages):
            raise InputError(f"{type(encoded).__name__} is another reader's look; look with {self.name} first")
        return encoded


def load_bundle_reader(
    folder: Path, encoder: BundleEncoder, *, runtime: str = "auto", threads: int | None = None
) -> BundleReader:
    """Load the reader of a bundle.

    Args:
        folder: of the bundle; the reader lies in its folder `reader`.
        encoder: the bundle's own, whose image graph gives `features`.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads; None uses every core.

    Raises:
        ModelError: the bundle has no reader, or a file of it is missing, damaged or changed, or its facts are.
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
    look, words = (load_graph(place / name, chosen, threads=threads, exact=True) for name in FILES[:2])
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    belief = RerankConfig.read(facts["belief"]) if facts.get("belief") else None
    return BundleReader(encoder, look, words, tokenizer, belief, **_choosing(facts))


def mark_ids(tokenizer: Tokenizer) -> tuple[int, int, int, int]:
    """Return the ids of a reader's marks: before a caption, before a question, before its answer, and at the end.

    Raises:
        ModelError: the tokenizer is no reader's.
    """
    found = [tokenizer.token_to_id(mark) for mark in (CAPTION, ASK, ANSWER, END)]
    ids = tuple(each for each in found if each is not None)
    if len(ids) != len(found):
        raise ModelError(f"the tokenizer is no reader's: it lacks one of {CAPTION} {ASK} {ANSWER} {END}")
    return ids[0], ids[1], ids[2], ids[3]


def _choosing(facts: Mapping[str, Any]) -> dict[str, float]:
    """Return what decides among closed answers."""
    temperature, cosine = facts.get("temperature", 1.0), facts.get("cosine", 0.0)
    if not isinstance(temperature, int | float) or not 0.0 < temperature < math.inf:
        raise ModelError(f"the reader's temperature is {temperature!r}; it must be a number above 0")
    if not isinstance(cosine, int | float) or not 0.0 <= cosine < math.inf:
        raise ModelError(f"the reader's weight of cosines is {cosine!r}; it must be a number, at least 0")
    return {"temperature": float(temperature), "cosine": float(cosine)}


def _check_asked(questions: Sequence[str]) -> None:
    if not all(question.strip() for question in questions):
        raise InputError("the question is empty; ask something such as 'What colour is it?'")
