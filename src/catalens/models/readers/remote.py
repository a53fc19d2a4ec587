"""A reader behind a chat completions server that takes images: vLLM, Ollama, a gateway, a provider.

The image travels as a data URI, first in the conversation, so that a server with a prefix cache reads it once.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import string
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from PIL.Image import Image

from catalens.core.errors import BatchError, CatalensError, InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.models.readers.checks import FOREIGN, check_answers, check_decoding, check_questions
from catalens.models.remote.chat import ChatClient
from catalens.models.remote.replies import plain_reply

MAX_SCORED = 20
"""Number of answers scored per request: servers return the log-probabilities of that many tokens."""

_DESCRIBE = "Describe this picture in one sentence."
_MAX_SIDE = 2048
_CONCURRENCY = 8
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _DataUris:
    """Images as data URIs: a server keeps nothing between requests."""

    uris: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.uris)


class RemoteReader:
    """A captioner and answerer over one model of one server."""

    input_size_wh: tuple[int, int] | None = None
    keeps_history = True

    def __init__(self, client: ChatClient) -> None:
        self.name = client.name
        self._client = client
        self._kept: dict[bytes, Any] = {}
        """Answers of a batch in which others failed: trying again without those asks for nothing twice."""

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Write each image as a data URI, at most 2048 pixels wide or high."""
        return _DataUris(tuple(_data_uri(image) for image in images))

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions per image, in the server's order.

        A prompt is asked for in words; where the model starts otherwise, the prompt is put before its text.

        Raises:
            InputError: the decoding is invalid, has beams, or asks for several captions without a temperature.
            BatchError: some of several images failed.
            ModelError: the server cannot be reached, or returned nothing of use.
        """
        check_decoding(decoding, count)
        if count > 1 and decoding.temperature is None:
            raise InputError(f"{count} captions of a server need a temperature, such as 0.7; without, all are the same")
        begin = f' Begin with these words exactly: "{prompt}"' if prompt else ""
        asked = [[[_asked(f"{_DESCRIBE}{begin}", uri)]] for uri in self._own(encoded)]
        return [[_holding(prompt, text) for text in group] for (group,) in self._texts(asked, decoding, count)]

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Return, per image, an answer to each question; each is a request of its own, several at a time.

        Raises:
            InputError: a question is empty, or the decoding is invalid or has beams.
            BatchError: some of several images failed.
            ModelError: the server cannot be reached, or returned nothing of use.
        """
        check_decoding(decoding)
        check_questions(questions)
        asked = [[_conversation(uri, question, history) for question in questions] for uri in self._own(encoded)]
        return [[text for (text,) in group] for group in self._texts(asked, decoding, 1)]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n, m) log-probabilities with which the model chooses each answer from a lettered list.

        Chat completions return no likelihood of a given text, so this is the likelihood of the answer's letter; one
        that the server does not list gets the least that it lists.

        Raises:
            InputError: the question or an answer is empty, or there are more than `MAX_SCORED` answers.
            BatchError: some of several images failed.
            ModelError: the server cannot be reached, or returns no log-probabilities.
        """
        check_questions([question])
        check_answers(answers)
        if len(answers) > MAX_SCORED:
            raise InputError(f"{len(answers)} answers; a server can score at most {MAX_SCORED} at a time")
        letters = string.ascii_uppercase[: len(answers)]
        choices = "\n".join(f"{letter}. {answer}" for letter, answer in zip(letters, answers, strict=True))
        wording = f"{question}\n{choices}\nReply with the letter of the right answer and nothing else."
        asked = [[_conversation(uri, wording, history)] for uri in self._own(encoded)] if answers else []
        rows = [row for (row,) in self._each(lambda messages: self._letters(messages, letters), asked, letters)]
        return np.array(rows, dtype=np.float32).reshape(len(encoded), len(answers))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _each(
        self, ask: Callable[[list[Any]], list[Found]], asked: Sequence[Sequence[list[Any]]], settings: object
    ) -> list[list[list[Found]]]:
        """Ask about each image, several at a time; what was answered beside failures is not asked for again.

        Args:
            ask: returns texts or numbers for the messages of a conversation.
            asked: the conversations about each image.
            settings: what else decides an answer.

        Raises:
            BatchError: some of several images failed; of a single image its own error is raised.
        """

        def one(messages: list[Any]) -> list[Found] | CatalensError:
            key = hashlib.sha256(repr((messages, settings)).encode("utf-8", "surrogatepass")).digest()
            try:
                return found if (found := self._kept.pop(key, None)) is not None else keep(key, ask(messages))
            except CatalensError as error:
                return error

        def keep(key: bytes, found: list[Found]) -> list[Found]:
            answered[key] = found
            return found

        answered: dict[bytes, list[Found]] = {}
        with ThreadPoolExecutor(max_workers=_CONCURRENCY) as pool:
            futures = [[pool.submit(one, messages) for messages in group] for group in asked]
            results = [[each.result() for each in group] for group in futures]
        failed = [(at, each) for at, group in enumerate(results) for each in group if isinstance(each, CatalensError)]
        errors = dict(reversed(failed))  # of several errors of an image the first
        self._kept = dict(answered) if errors else {}
        if errors:
            raise errors[0] if len(asked) == 1 else BatchError(dict(sorted(errors.items())), len(asked))
        return [[each for each in group if not isinstance(each, CatalensError)] for group in results]

    def _texts(self, asked: Sequence[Sequence[list[Any]]], decoding: Decoding, count: int) -> list[list[list[str]]]:
        """Return `count` texts for each conversation about each image."""
        settings, limit = _settings(decoding), decoding.max_tokens

        def ask(messages: list[Any]) -> list[str]:
            texts = self._client.texts(messages, count=count, max_tokens=limit, settings=settings)
            return [plain_reply(text) for text in texts]

        return self._each(ask, asked, (settings, limit, count))

    def _letters(self, messages: list[Any], letters: str) -> list[float]:
        """Return the log-probability of each letter as the first token of the answer."""
        body = {"messages": messages, "temperature": 0, "logprobs": True, "top_logprobs": MAX_SCORED}
        choice = self._client.choices(body, 1)[0]
        try:
            listed = choice.logprobs["content"][0]["top_logprobs"]
            found = [(str(each["token"]).strip().upper(), float(each["logprob"])) for each in listed]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self.name} returns no log-probabilities, so answers cannot be scored; ask without a list of "
                "answers, or use a server that returns them, such as vLLM"
            ) from error
        least = min((value for _, value in found), default=math.log(1e-9))
        shares = {letter: sum(math.exp(value) for token, value in found if token == letter) for letter in letters}
        return [math.log(share) if share > 0 else least for share in shares.values()]

    def _own(self, encoded: EncodedImages) -> tuple[str, ...]:
        if not isinstance(encoded, _DataUris):
            raise InputError(FOREIGN.format(kind=type(encoded).__name__, name=self.name))
        return encoded.uris


def _data_uri(image: Image) -> str:
    picture = image.convert("RGB")
    picture.thumbnail((_MAX_SIDE, _MAX_SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _asked(text: str, uri: str | None = None) -> dict[str, Any]:
    picture = [{"type": "image_url", "image_url": {"url": uri}}] if uri else []
    return {"role": "user", "content": [*picture, {"type": "text", "text": text}]}


def _conversation(uri: str, question: str, history: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return a conversation whose first question comes with the image."""
    questions = [turn.question for turn in history] + [question]
    messages = [_asked(questions[0], uri)]
    for turn, follow_up in zip(history, questions[1:], strict=True):
        messages += [{"role": "assistant", "content": turn.answer}, _asked(follow_up)]
    return messages


def _settings(decoding: Decoding) -> dict[str, Any]:
    """Return a decoding as request fields; what few servers support is sent only if it is set.

    Raises:
        InputError: it has beams.
    """
    if decoding.beams > 1:
        raise InputError(f"{decoding.beams} beams: chat completions servers have no beam search; leave the width at 1")
    settings: dict[str, Any] = {"temperature": decoding.temperature or 0}
    if decoding.temperature is not None:
        settings |= {"top_p": decoding.top_p, "seed": decoding.seed}
    if decoding.min_tokens:
        settings["min_tokens"] = decoding.min_tokens
    if decoding.repetition_penalty != 1.0:
        settings["repetition_penalty"] = decoding.repetition_penalty
    return settings


def _holding(prompt: str, text: str) -> str:
    return text if text.startswith(prompt) else f"{prompt} {text}"
