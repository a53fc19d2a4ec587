"""A reader behind any server that speaks chat completions and sees: vLLM, Ollama, a gateway, a provider.

The picture travels as a data URI, first in the conversation, so that a server with a prefix cache reads it once.
"""

from __future__ import annotations

import base64
import io
import math
import string
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL.Image import Image

from catalens.core.errors import AnswerError, InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.models.addresses import shown
from catalens.models.readers.checks import check_answers, check_decoding, check_questions
from catalens.models.writers.retry import BusyError, with_retry

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 120.0
"""How long one answer may take."""
MOST_SCORED = 20
"""Answers that can be scored at once: servers give the log-probabilities of so many tokens."""

_DESCRIBE = "Describe this picture in one sentence."
_LONGEST_SIDE = 2048
_AT_ONCE = 8
_NEXT_STEP: Mapping[int, str] = {
    401: "give the key that the server asks for",
    403: "the key is not allowed to use this model",
    404: "check the address, which usually ends in /v1, and the model's name",
    413: "the picture is too large for the server",
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """Pictures as data URIs: a server keeps nothing for us."""

    uris: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.uris)


class RemoteReader:
    """A captioner and answerer over one model of one server.

    Args:
        client: with the headers and the timeout that the server needs.
        address: such as "http://localhost:8000/v1".
        model: as the server calls it.
        sleep: waits between tries.
    """

    input_size_wh: tuple[int, int] | None = None
    keeps_history = True

    def __init__(
        self, client: httpx.Client, address: str, model: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._model, self._sleep = client, model, sleep
        self._address = f"{address.rstrip('/').removesuffix('/chat/completions')}/chat/completions"
        self.name = f"{shown(address).rstrip('/')}#{model}"

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Write each picture as a data URI, at most 2048 pixels wide or high."""
        return _Seen(tuple(_data_uri(image) for image in images))

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions of each picture, in the server's order.

        A prompt is asked for in words; where the model begins otherwise, the prompt is put before what it said.

        Raises:
            InputError: the decoding makes no sense, has beams, or asks for several captions without a temperature.
            ModelError: the server cannot be had, or gave nothing of use.
        """
        check_decoding(decoding, count)
        if count > 1 and decoding.temperature is None:
            raise InputError(f"{count} captions of a server need a temperature, such as 0.7; without, all are the same")
        begin = f' Begin with these words exactly: "{prompt}"' if prompt else ""
        asked = [[_asked(f"{_DESCRIBE}{begin}", uri)] for uri in _own(encoded)]
        texts = self._each(lambda messages: self._texts(messages, decoding, count), asked)
        return [[_holding(prompt, text) for text in group] for group in texts]

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Give, for each picture, an answer to each question; each is a request of its own, several at a time.

        Raises:
            InputError: a question is empty, or the decoding makes no sense or has beams.
            ModelError: the server cannot be had, or gave nothing of use.
        """
        check_decoding(decoding)
        check_questions(questions)
        asked = [_conversation(uri, question, history) for uri in _own(encoded) for question in questions]
        texts = [group[0] for group in self._each(lambda messages: self._texts(messages, decoding, 1), asked)]
        return [texts[at * len(questions) : (at + 1) * len(questions)] for at in range(len(encoded))]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Return (n, m) log-probabilities with which the model chooses each answer from a lettered list.

        Chat completions tell no likelihood of a given text, so this is the likelihood of the answer's letter; one
        that the server does not list gets the least that it lists.

        Raises:
            InputError: the question or an answer is empty, or there are more than `MOST_SCORED` answers.
            ModelError: the server cannot be had, or gives no log-probabilities.
        """
        check_questions([question])
        check_answers(answers)
        if len(answers) > MOST_SCORED:
            raise InputError(f"{len(answers)} answers; a server can score at most {MOST_SCORED} at a time")
        letters = string.ascii_uppercase[: len(answers)]
        choices = "\n".join(f"{letter}. {answer}" for letter, answer in zip(letters, answers, strict=True))
        wording = f"{question}\n{choices}\nReply with the letter of the right answer and nothing else."
        asked = [_conversation(uri, wording, history) for uri in _own(encoded)] if answers else []
        rows = self._each(lambda messages: self._letters(messages, letters), asked)
        return np.array(rows, dtype=np.float32).reshape(len(encoded), len(answers))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _each(self, ask: Callable[[list[Any]], list[Any]], conversations: Sequence[list[Any]]) -> list[list[Any]]:
        """Ask several at a time; the first failure is raised once all are done."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return list(pool.map(ask, conversations))

    def _texts(self, messages: list[Any], decoding: Decoding, count: int) -> list[str]:
        """Ask until there are enough: many servers ignore `n` and give one text, whatever it says."""
        settings, texts = _settings(decoding), list[str]()
        while (missing := count - len(texts)) > 0:
            # Another seed, or what comes would be the same again.
            again = {"seed": decoding.seed + len(texts)} if texts and "seed" in settings else {}
            choices = self._choices({"messages": messages, "n": missing, **settings, **again})
            texts += [_text(self.name, choice) for choice in choices]
        return texts[:count]

    def _letters(self, messages: list[Any], letters: str) -> list[float]:
        """Return the log-probability of each letter as the first token of the answer."""
        body = {"messages": messages, "max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": MOST_SCORED}
        choice = self._choices(body)[0]
        try:
            listed = choice["logprobs"]["content"][0]["top_logprobs"]
            found = [(str(each["token"]).strip().upper(), float(each["logprob"])) for each in listed]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self.name} gives no log-probabilities, so answers cannot be scored; ask without a list of answers, "
                "or name a server that gives them, such as vLLM"
            ) from error
        least = min((value for _, value in found), default=math.log(1e-9))
        shares = {letter: sum(math.exp(value) for token, value in found if token == letter) for letter in letters}
        return [math.log(share) if share > 0 else least for share in shares.values()]

    def _choices(self, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        answer = with_retry(lambda: self._post({"model": self._model, **body}), what=self.name, sleep=self._sleep)
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not choices:
            raise AnswerError(f"{self.name} gave no chat completion; is this the address of such a server?")
        return choices

    def _post(self, body: Mapping[str, Any]) -> object:
        import httpx

        try:
            answer = self._client.post(self._address, json=body)
        except httpx.TimeoutException as error:
            raise ModelError(f"{self.name} did not answer in time") from error
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client was closed
            raise ModelError(f"{self.name} cannot be reached: {error}; is the server running?") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise BusyError(f"HTTP {answer.status_code}", _pause_s(answer.headers.get("retry-after")))
        if answer.status_code != 200:
            step = _NEXT_STEP.get(answer.status_code, "the server's log may say more")
            raise ModelError(f"{self.name} answered HTTP {answer.status_code}: {answer.text[:200].strip()!r}; {step}")
        try:
            read: object = answer.json()
        except ValueError as error:
            raise AnswerError(f"{self.name} gave what is no JSON; is this the address of such a server?") from error
        return read


def connect(address: str, *, api_key: str | None = None, timeout_s: float = TIMEOUT_S) -> RemoteReader:
    """Make a reader for `http(s)://…/v1#MODEL`; nothing is sent yet.

    Raises:
        InputError: the address is none, or names no model.
        ModelError: httpx is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        raise ModelError('readers behind a server need httpx: pip install "catalens[remote]"') from error
    url, _, model = address.partition("#")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"{shown(url)!r} is no address: {error}") from error
    if not parsed.host or not model:
        raise InputError(
            f"{shown(address)!r} should be an address and a model, such as http://localhost:8000/v1#qwen2-vl"
        )
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return RemoteReader(httpx.Client(timeout=timeout_s, headers=headers), url, model)


def _data_uri(image: Image) -> str:
    picture = image.convert("RGB")
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _asked(text: str, uri: str | None = None) -> dict[str, Any]:
    picture = [{"type": "image_url", "image_url": {"url": uri}}] if uri else []
    return {"role": "user", "content": [*picture, {"type": "text", "text": text}]}


def _conversation(uri: str, question: str, history: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return a conversation in which the first question comes with the picture."""
    questions = [turn.question for turn in history] + [question]
    messages = [_asked(questions[0], uri)]
    for turn, follow_up in zip(history, questions[1:], strict=True):
        messages += [{"role": "assistant", "content": turn.answer}, _asked(follow_up)]
    return messages


def _settings(decoding: Decoding) -> dict[str, Any]:
    """Return a decoding in the server's words; what few servers know is sent only where it is asked for.

    Raises:
        InputError: it has beams.
    """
    if decoding.beams > 1:
        raise InputError(f"{decoding.beams} beams: servers of chat completions have none; leave it at 1")
    settings: dict[str, Any] = {"max_tokens": decoding.max_tokens, "temperature": decoding.temperature or 0}
    if decoding.temperature is not None:
        settings |= {"top_p": decoding.top_p, "seed": decoding.seed}
    if decoding.min_tokens:
        settings["min_tokens"] = decoding.min_tokens
    if decoding.repetition_penalty != 1.0:
        settings["repetition_penalty"] = decoding.repetition_penalty
    return settings


def _text(name: str, choice: Mapping[str, Any]) -> str:
    """Return what the model said; a text that was cut at the limit is a text.

    Raises:
        AnswerError: it refused, said nothing, or what came is no message.
    """
    try:
        message = choice["message"]
        refusal, text = message.get("refusal"), message["content"]
    except (KeyError, TypeError, AttributeError) as error:
        raise AnswerError(f"{name} gave no message; is this the address of a server of chat completions?") from error
    if refusal or choice.get("finish_reason") == "content_filter":
        raise AnswerError(f"{name} refused{f': {refusal}' if refusal else ''}")
    if not isinstance(text, str) or not text.strip():
        raise AnswerError(f"{name} said nothing; does the model see pictures?")
    return text.strip()


def _holding(prompt: str, text: str) -> str:
    return text if text.startswith(prompt) else f"{prompt} {text}"


def _own(encoded: EncodedImages) -> tuple[str, ...]:
    if not isinstance(encoded, _Seen):
        raise InputError(f"{type(encoded).__name__} was made by another reader; only the reader that looked can go on")
    return encoded.uris


def _pause_s(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:  # a date, which few servers send; the usual pauses do
        return None
