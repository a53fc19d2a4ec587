"""The reader that runs on torch: encodes, captions, answers and scores with any family of models.

A family prefills the decoder; generating and scoring are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from PIL.Image import Image

from catalens.core.errors import AnswerError, CatalensError, InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.models.hub.files import first_line
from catalens.models.readers.checks import FOREIGN, check_answers, check_decoding, check_questions
from catalens.models.readers.generate import generate
from catalens.models.readers.kv_cache import CachedState, Prefill, pad_right
from catalens.models.readers.tokens import decode_ids, plain_ids
from catalens.models.remote.replies import without_reasoning

_ROWS = 64
"""Answers scored in one batch: more would cost memory and gain no speed."""


@dataclass(slots=True)
class TorchImages:
    """Encoded images of a torch reader.

    Attributes:
        features: per image, output of the vision tower, or the embeddings that the language model takes.
        prefix: the language model's state after reading the images, once it was needed.
    """

    features: Any
    prefix: CachedState | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.features)


class Family(Protocol):
    """What differs between families of models. Rows are ordered by image, then by question."""

    @property
    def name(self) -> str:
        """Model and revision."""

    @property
    def tokenizer(self) -> Any:
        """A tokenizer of transformers."""

    @property
    def end_ids(self) -> Sequence[int]:
        """End-of-text tokens."""

    @property
    def keeps_history(self) -> bool:
        """Whether a question may follow earlier turns."""

    @property
    def answer_prefix(self) -> str:
        """What the model writes before an answer, such as a space."""

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower over images."""

    def prefill_captions(self, encoded: TorchImages, prompt: str) -> list[Prefill]:
        """Start one caption per image, after the prompt."""

    def prefill_answers(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Prefill]:
        """Start the answer to each question about each image."""


class TorchReader:
    """A captioner and answerer over a family of models; images are encoded once, however much is asked."""

    input_size_wh: tuple[int, int] | None = None
    """Families prepare images in their own ways, some at more than one size: they take the whole image."""

    def __init__(self, family: Family) -> None:
        self._family: Family | None = family
        self._name, self.keeps_history = family.name, family.keeps_history

    @property
    def name(self) -> str:
        """Model and revision."""
        return self._name

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Run the vision tower over n RGB images, once.

        Raises:
            ModelError: it failed.
        """
        with self._running("encode the images"):
            return self._open.encode_images(images) if images else TorchImages([])

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions per image, best first.

        Args:
            encoded: n images, encoded by this reader.
            prompt: start of each caption, included in it.
            count: captions per image; without a temperature there are at least as many beams.
            decoding: how tokens are chosen.

        Raises:
            InputError: the decoding makes no sense, or the prompt is too long.
            ModelError: the model gives no captions.
        """
        check_decoding(decoding, count)
        family, images = self._open, self._own(encoded)
        if not len(images):
            return []
        with self._running("caption"):
            prefills = family.prefill_captions(images, prompt)
            texts = [text for prefill in prefills for text in generate(prefill, decoding, family.end_ids, count)]
        prompt_ids = plain_ids(family.tokenizer, prompt)
        return [[self._decoded([*prompt_ids, *ids]) for ids in group] for group in texts]

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Return, per image, an answer to each question.

        Args:
            encoded: n images, encoded by this reader.
            questions: in natural language.
            history: earlier turns, oldest first.
            decoding: how tokens are chosen.

        Raises:
            InputError: a question is empty or too long, or the decoding makes no sense.
            ModelError: the model answers no questions, or keeps no conversation.
        """
        check_decoding(decoding)
        check_questions(questions)
        family, images = self._open, self._own(encoded)
        if not len(images) or not questions:
            return [[] for _ in range(len(images))]
        with self._running("answer"):
            prefills = family.prefill_answers(images, questions, history)
            generated = [ids for prefill in prefills for (ids,) in generate(prefill, decoding, family.end_ids)]
        texts = [self._decoded(ids) for ids in generated]
        return [texts[at : at + len(questions)] for at in range(0, len(texts), len(questions))]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n images, m answers) log-likelihoods of each complete answer, its end token included.

        The image and the question are read once for all answers.

        Raises:
            InputError: the question or an answer is empty or too long.
            ModelError: the model answers no questions, or keeps no conversation.
        """
        check_questions([question])
        check_answers(answers)
        family, images = self._open, self._own(encoded)
        if not len(images) or not answers:
            return np.zeros((len(images), len(answers)), dtype=np.float32)
        ids = [plain_ids(family.tokenizer, f"{family.answer_prefix}{answer}") for answer in answers]
        with self._running("score answers"):
            prefills = family.prefill_answers(images, [question], history)
            return np.concatenate([score_answers(prefill, ids, family.end_ids) for prefill in prefills])

    def close(self) -> None:
        """Free the weights; the reader cannot be used any more."""
        self._family = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decoded(self, ids: Sequence[int]) -> str:
        """Return the text of generated tokens, without reasoning.

        Raises:
            AnswerError: there is nothing but reasoning.
        """
        raw = decode_ids(self._open.tokenizer, ids)
        text = without_reasoning(raw)
        if raw and not text:
            raise AnswerError(f"{self._name} was cut off within its reasoning; allow more tokens, or use another model")
        return text

    @contextmanager
    def _running(self, task: str) -> Iterator[None]:
        """Run the model in inference mode; what torch and transformers raise becomes a `ModelError`."""
        try:
            with torch.inference_mode():
                yield
        except CatalensError:
            raise
        except Exception as error:  # each library has its own kinds for files that do not fit together
            raise ModelError(
                f"{self._name} could not {task} ({first_line(error)}); if memory was left, its files may be of "
                "different models"
            ) from error

    def _own(self, encoded: EncodedImages) -> TorchImages:
        if not isinstance(encoded, TorchImages):
            raise InputError(FOREIGN.format(kind=type(encoded).__name__, name=self._name))
        return encoded

    @property
    def _open(self) -> Family:
        if self._family is None:
            raise ModelError(f"{self._name} is closed; load it again")
        return self._family


def score_answers(prefill: Prefill, answers: Sequence[Sequence[int]], end_ids: Sequence[int]) -> Scores:
    """Return (n rows, m answers) log-likelihoods of complete answers, each ended by any of the end tokens.

    Args:
        prefill: n rows that have read their questions.
        answers: m lists of token ids, none of them empty.
        end_ids: end-of-text tokens.

    Raises:
        InputError: an answer is longer than the room left after the question.
    """
    longest = max(map(len, answers))
    if longest > prefill.max_new_tokens:
        raise InputError(
            f"an answer has {longest} tokens; after the question there is room for {prefill.max_new_tokens}"
        )
    n = len(prefill.prompt_ids)
    first = prefill.logits.log_softmax(dim=-1)
    ends = torch.tensor(list(end_ids), device=first.device)
    columns = []
    step = max(1, _ROWS // n)
    for at in range(0, len(answers), step):
        some = answers[at : at + step]
        ids, mask = pad_right(some, first.device)
        m, length = ids.shape
        # No token attends to the padding on its right.
        logits = prefill.state.expand(m).forward(ids.repeat(n, 1)).log_softmax(dim=-1).view(n, m, length, -1)
        later = logits[:, :, :-1].gather(3, ids[None, :, 1:, None].expand(n, -1, -1, 1)).squeeze(3) * mask[:, 1:]
        lasts = (mask.sum(dim=1) - 1)[None, :, None, None].expand(n, -1, 1, logits.shape[3])
        closing = logits.gather(2, lasts).squeeze(2)[..., ends].logsumexp(dim=-1)
        columns.append(first[:, ids[:, 0]] + later.sum(dim=2) + closing)
    return np.asarray(torch.cat(columns, dim=1).cpu().numpy(), dtype=np.float32)
