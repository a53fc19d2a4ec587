"""The reader that runs on torch: looks, captions, answers and scores with any family of models.

A family says how its texts begin; everything after that is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from PIL.Image import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.models.readers.checks import check_answers, check_decoding, check_questions
from catalens.models.readers.generate import write
from catalens.models.readers.kv_cache import CachedReading, Start, right_padded
from catalens.models.readers.tokens import decoded, plain_ids

_ROWS = 64
"""Answers that are scored in one batch: more cost memory and gain no speed."""


@dataclass(slots=True)
class TorchImages:
    """What a torch reader keeps of n pictures.

    Attributes:
        features: of the vision tower, or what the language model takes of it, picture by picture.
        prefix: what the language model has read of the pictures, once it was asked for.
    """

    features: Any
    prefix: CachedReading | None = None

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.features)


class Family(Protocol):
    """What a reader must know of a family of models. Rows are ordered by picture, then by question."""

    @property
    def name(self) -> str:
        """Model and revision."""

    @property
    def tokenizer(self) -> Any:
        """Of transformers, between texts and token ids."""

    @property
    def ends(self) -> Sequence[int]:
        """The tokens that end a text."""

    @property
    def keeps_history(self) -> bool:
        """Whether a question may follow earlier turns."""

    @property
    def lead(self) -> str:
        """What the model writes before an answer, such as a space."""

    def encode_images(self, images: Sequence[Image]) -> TorchImages:
        """Run the vision tower over pictures."""

    def captioning(self, encoded: TorchImages, prompt: str) -> list[Start]:
        """Begin one caption for each picture, after the prompt."""

    def asking(self, encoded: TorchImages, questions: Sequence[str], history: Sequence[Turn]) -> list[Start]:
        """Begin the answer to each question about each picture."""


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
        """Run the vision tower over n RGB pictures, once."""
        with torch.inference_mode():
            return self._open.encode_images(images) if images else TorchImages([])

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions of each picture, best first.

        Args:
            encoded: n pictures, as this reader has looked at them.
            prompt: what each caption begins with, and holds.
            count: captions of a picture. Where there are fewer beams and no temperature, it is the number of beams.
            decoding: how words are chosen.

        Raises:
            InputError: the decoding makes no sense, or the prompt is too long.
            ModelError: the model gives no captions.
        """
        check_decoding(decoding, count)
        family, pictures = self._open, _own(encoded)
        if not len(pictures):
            return []
        with torch.inference_mode():
            starts = family.captioning(pictures, prompt)
            texts = [text for start in starts for text in write(start, decoding, family.ends, count)]
        begin = plain_ids(family.tokenizer, prompt)
        return [[decoded(family.tokenizer, [*begin, *ids]) for ids in group] for group in texts]

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Give, for each picture, an answer to each question.

        Args:
            encoded: n pictures, as this reader has looked at them.
            questions: in natural wording.
            history: the conversation before them, oldest first.
            decoding: how words are chosen.

        Raises:
            InputError: a question is empty or too long, or the decoding makes no sense.
            ModelError: the model answers no questions, or keeps no conversation.
        """
        check_decoding(decoding)
        check_questions(questions)
        family, pictures = self._open, _own(encoded)
        if not len(pictures) or not questions:
            return [[] for _ in range(len(pictures))]
        with torch.inference_mode():
            starts = family.asking(pictures, questions, history)
            written = [ids for start in starts for (ids,) in write(start, decoding, family.ends)]
        texts = [decoded(family.tokenizer, ids) for ids in written]
        return [texts[at : at + len(questions)] for at in range(0, len(texts), len(questions))]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n pictures, m answers) log-likelihoods of each whole answer, its end included.

        The picture and the question are read once for all answers.

        Raises:
            InputError: the question or an answer is empty or too long.
            ModelError: the model answers no questions, or keeps no conversation.
        """
        check_questions([question])
        check_answers(answers)
        family, pictures = self._open, _own(encoded)
        if not len(pictures) or not answers:
            return np.zeros((len(pictures), len(answers)), dtype=np.float32)
        ids = [plain_ids(family.tokenizer, f"{family.lead}{answer}") for answer in answers]
        with torch.inference_mode():
            starts = family.asking(pictures, [question], history)
            return np.concatenate([score_answers(start, ids, family.ends) for start in starts])

    def close(self) -> None:
        """Let go of the weights; the reader cannot be used any more."""
        self._family = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _open(self) -> Family:
        if self._family is None:
            raise ModelError(f"{self._name} is closed; load it again")
        return self._family


def score_answers(start: Start, answers: Sequence[Sequence[int]], ends: Sequence[int]) -> Scores:
    """Return (n rows, m answers) log-likelihoods of whole answers; any of the ends ends one.

    Args:
        start: n rows that have read their questions.
        answers: m lists of token ids, none of them empty.
        ends: the tokens that end a text.

    Raises:
        InputError: an answer is longer than what the model can still hold.
    """
    longest = max(map(len, answers))
    if longest > start.room:
        raise InputError(f"an answer has {longest} tokens, but after the question the model holds {start.room} more")
    n = len(start.said)
    first = start.logits.log_softmax(dim=-1)
    end_ids = torch.tensor(list(ends), device=first.device)
    columns = []
    step = max(1, _ROWS // n)
    for at in range(0, len(answers), step):
        some = answers[at : at + step]
        ids, mask = right_padded(some, first.device)
        m, length = ids.shape
        # Padding on the right is encoded by no token before it.
        logits = start.reading.spread(m).read(ids.repeat(n, 1)).log_softmax(dim=-1).view(n, m, length, -1)
        later = logits[:, :, :-1].gather(3, ids[None, :, 1:, None].expand(n, -1, -1, 1)).squeeze(3) * mask[:, 1:]
        lasts = (mask.sum(dim=1) - 1)[None, :, None, None].expand(n, -1, 1, logits.shape[3])
        closing = logits.gather(2, lasts).squeeze(2)[..., end_ids].logsumexp(dim=-1)
        columns.append(first[:, ids[:, 0]] + later.sum(dim=2) + closing)
    return np.asarray(torch.cat(columns, dim=1).cpu().numpy(), dtype=np.float32)


def _own(encoded: EncodedImages) -> TorchImages:
    if not isinstance(encoded, TorchImages):
        raise InputError(f"{type(encoded).__name__} was made by another reader; only the reader that looked can go on")
    return encoded
