"""The reader behind a server, against a real one that speaks chat completions over a local socket."""

from __future__ import annotations

import base64
import io
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from catalens.core.errors import AnswerError, InputError, ModelError, UnavailableError
from catalens.core.types import Decoding, Turn
from catalens.models.readers import Reader, load_reader
from catalens.models.readers.remote import MAX_SCORED, RemoteReader
from catalens.models.remote.chat import ChatClient
from tests.support.reader_contract import AnswererContract, CaptionerContract, pictures

Reply = tuple[int, dict[str, str], bytes]
COLOURS = {"red": (200, 30, 30), "blue": (30, 60, 200), "green": (30, 150, 50)}


class Server:
    """A model that knows three colours; `script` holds replies that come first."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "s")
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.script: list[Reply | Callable[[], object]] = []
        self.logprobs = True
        self.most = 9
        self._lock = threading.Lock()

    def reply(self, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.asked.append(body)
            if self.script:
                planned = self.script.pop(0)
                if not callable(planned):
                    return planned
                planned()
        return 200, {}, json.dumps(self._completion(body)).encode()

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        colour = _colour_of(body["messages"][0]["content"][0]["image_url"]["url"])
        words = body["messages"][-1]["content"]
        said = words if isinstance(words, str) else words[-1]["text"]
        turns = len(body["messages"])
        if "logprobs" in body:
            return {"choices": [self._letters(said, colour, turns)]}
        drawn = body.get("seed", 0) if body["temperature"] else 0
        texts = [
            f" {colour} {said.split()[0].lower()} {turns} {drawn + at}\n"
            for at in range(min(body.get("n", 1), self.most))
        ]
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in texts]}

    def _letters(self, said: str, colour: str, turns: int) -> dict[str, Any]:
        choices = [line.partition(". ") for line in said.splitlines()[1:-1]]
        top = [
            {"token": f" {letter}", "logprob": (-0.1 if answer == colour else -3.0 - len(answer)) - 0.01 * turns}
            for letter, _, answer in choices
        ]
        return {
            "message": {"content": "A"},
            "logprobs": {"content": [{"top_logprobs": top}]} if self.logprobs else None,
        }


def _colour_of(uri: str) -> str:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        pixel = picture.resize((1, 1)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(pixel, COLOURS[name], strict=True)))


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("s"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.headers.append({key.lower(): value for key, value in self.headers.items()} | {"path": self.path})
            status, headers, content = served.reply(body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *_: Any) -> None: ...

    class Threads(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
        request_queue_size = 64

    with Threads(served.path, Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        listening.shutdown()
        thread.join()


def over(server: Server) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=server.path))


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def reader(server: Server, pauses: list[float]) -> Iterator[Reader]:
    transport = httpx.HTTPTransport(uds=server.path)
    client = httpx.Client(transport=transport, timeout=5.0, headers={"Authorization": "Bearer secret"})
    with RemoteReader(ChatClient(client, "http://models.test/v1/", "tiny", sleep=pauses.append)) as made:
        yield made


class TestRemote(CaptionerContract, AnswererContract):
    has_beams = False


def refused(status: int, text: str = "no", **headers: str) -> Reply:
    return status, headers, text.encode()


def test_a_request_is_what_the_protocol_says(reader: Reader, server: Server) -> None:
    decoding = Decoding(max_tokens=7, temperature=0.5, top_p=0.9, seed=3, min_tokens=2, repetition_penalty=1.2)
    assert reader.caption(reader.encode_images(pictures(1)), count=2, decoding=decoding) == [
        ["red describe 1 3", "red describe 1 4"]
    ]
    (asked,) = server.asked
    content = asked.pop("messages")[0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert asked == {
        "model": "tiny",
        "n": 2,
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "min_tokens": 2,
        "repetition_penalty": 1.2,
    }
    assert server.headers[0]["path"] == "/v1/chat/completions"
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert reader.name == "http://models.test/v1#tiny"


def test_a_conversation_begins_with_the_picture(reader: Reader, server: Server) -> None:
    history = [Turn("What is it?", "a shirt"), Turn("Whose?", "mine")]
    reader.answer(reader.encode_images(pictures(1)), ["Which colour?"], history=history)
    messages = server.asked[0]["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [len(each["content"]) for each in messages[::2]] == [2, 1, 1]
    assert messages[3]["content"] == "mine"
    assert "min_tokens" not in server.asked[0]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(reader: Reader, server: Server, pauses: list[float], status: int) -> None:
    server.script = [refused(status), refused(status, **{"Retry-After": "7"})]
    assert reader.answer(reader.encode_images(pictures(1)), ["What?"]) == [["red what? 1 0"]]
    assert pauses == [1.0, 7.0]


def test_a_server_that_stays_busy_is_given_up(reader: Reader, server: Server, pauses: list[float]) -> None:
    server.script = [refused(503)] * 9
    with pytest.raises(UnavailableError, match=r"models.test/v1#tiny was too busy 5 times.*503"):
        reader.answer(reader.encode_images(pictures(1)), ["What?"])
    assert len(pauses) == 4


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (refused(401, "bad key"), ModelError, "HTTP 401: 'bad key'; give the key"),
        (refused(404), ModelError, "HTTP 404.*/v1"),
        (refused(400, "too long"), ModelError, "HTTP 400: 'too long'"),
        (refused(200, "<html>"), AnswerError, "no JSON"),
        (refused(200, "[1]"), AnswerError, "no chat completion"),
        (refused(200, '{"choices": []}'), AnswerError, "no chat completion"),
        (refused(200, '{"choices": [{}]}'), AnswerError, "no chat completion with a message"),
        (refused(200, '{"choices": [{"message": {"content": " "}}]}'), AnswerError, "returned no text"),
        (refused(200, '{"choices": [{"message": {"content": null, "refusal": "No."}}]}'), AnswerError, "refused: No."),
        (
            refused(200, '{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}'),
            AnswerError,
            "refused",
        ),
    ],
    ids=lambda value: value[2].decode()[:20] if isinstance(value, tuple) else None,
)
def test_what_is_of_no_use_is_named(
    reader: Reader, server: Server, reply: Reply, kind: type[ModelError], message: str
) -> None:
    server.script = [reply]
    with pytest.raises(kind, match=message):
        reader.answer(reader.encode_images(pictures(1)), ["What?"])


def test_a_server_that_ignores_how_many_is_asked_again_with_another_seed(reader: Reader, server: Server) -> None:
    server.most = 1
    encoded = reader.encode_images(pictures(2))
    texts = reader.caption(encoded, count=3, decoding=Decoding(temperature=1.0, seed=5))
    assert texts == [[f"{colour} describe 1 {5 + at}" for at in range(3)] for colour in ("red", "blue")]
    assert sorted((asked["n"], asked["seed"]) for asked in server.asked) == [(1, 7)] * 2 + [(2, 6)] * 2 + [(3, 5)] * 2
    server.most = 9
    assert [len(group) for group in reader.caption(encoded, count=2, decoding=Decoding(temperature=1.0))] == [2, 2]


def test_more_texts_than_were_asked_for_are_left_out(reader: Reader, server: Server) -> None:
    choices = [{"message": {"content": word}} for word in ("one", "two", "three")]
    server.script = [refused(200, json.dumps({"choices": choices}))]
    assert reader.caption(reader.encode_images(pictures(1)), count=2, decoding=Decoding(temperature=1.0)) == [
        ["one", "two"]
    ]


def test_several_captions_need_a_temperature(reader: Reader) -> None:
    with pytest.raises(InputError, match="temperature"):
        reader.caption(reader.encode_images(pictures(1)), count=2)


def test_nobody_there_is_named() -> None:
    with load_reader("http://models.test/v1#m") as reader, pytest.raises(ModelError, match="is the server"):
        reader.answer(reader.encode_images(pictures(1)), ["What?"])


def test_a_server_too_slow_is_named(server: Server) -> None:
    done = threading.Event()
    server.script = [lambda: done.wait(5)]
    chat = ChatClient(over(server), "http://models.test/v1", "m", timeout_s=0.05)
    with RemoteReader(chat) as reader, pytest.raises(UnavailableError, match="in time"):
        reader.answer(reader.encode_images(pictures(1)), ["What?"])
    done.set()


def test_scores_are_those_of_the_letters(reader: Reader, server: Server) -> None:
    scores = reader.score(reader.encode_images(pictures(2)), "Colour?", ["red", "blue"])
    assert scores.argmax(axis=1).tolist() == [0, 1]
    assert scores[0].tolist() == pytest.approx([-0.11, -7.01])
    asked = server.asked[0]
    assert (asked["max_tokens"], asked["logprobs"], asked["top_logprobs"]) == (1, True, MAX_SCORED)
    assert "A. red\nB. blue\n" in asked["messages"][0]["content"][1]["text"]


def test_a_letter_that_is_not_listed_gets_the_least(reader: Reader, server: Server) -> None:
    top = [{"token": "B", "logprob": -0.5}, {"token": " b", "logprob": -2.0}, {"token": "the", "logprob": -4.0}]
    choice = {"message": {"content": "B"}, "logprobs": {"content": [{"top_logprobs": top}]}}
    server.script = [refused(200, json.dumps({"choices": [choice]}))]
    scores = reader.score(reader.encode_images(pictures(1)), "Colour?", ["red", "blue"])
    assert scores[0].tolist() == pytest.approx([-4.0, -0.2986], abs=1e-3)


def test_without_log_probabilities_nothing_is_made_up(reader: Reader, server: Server) -> None:
    server.logprobs = False
    with pytest.raises(ModelError, match=r"no log-probabilities.*vLLM"):
        reader.score(reader.encode_images(pictures(1)), "Colour?", ["red", "blue"])
    with pytest.raises(InputError, match="at most 20"):
        reader.score(reader.encode_images(pictures(1)), "Colour?", [str(at) for at in range(21)])


def test_large_pictures_are_made_smaller_to_travel(reader: Reader, server: Server) -> None:
    reader.answer(reader.encode_images([Image.new("RGBA", (4100, 1000), (200, 30, 30, 255))]), ["What?"])
    uri = server.asked[0]["messages"][0]["content"][0]["image_url"]["url"]
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        assert picture.size == (2048, 500)


def test_an_address_names_a_model() -> None:
    with load_reader("remote:http://localhost:8000/v1#qwen", api_key="k") as reader:
        assert reader.name == "http://localhost:8000/v1#qwen"
    for wrong in ("http://localhost:8000/v1", "https://#m", "http://h:port/v1#m"):
        with pytest.raises(InputError, match="address"):
            load_reader(wrong)


def test_what_only_the_server_may_know_is_sent_and_never_shown(server: Server) -> None:
    with RemoteReader(ChatClient(over(server), "http://user:secret@models.test/v1", "tiny")) as reader:
        assert reader.name == "http://models.test/v1#tiny"
        reader.answer(reader.encode_images(pictures(1)), ["What?"])
        assert server.headers[0]["authorization"] == f"Basic {base64.b64encode(b'user:secret').decode()}"
        server.script = [refused(401)]
        with pytest.raises(ModelError, match=r"^http://models\.test/v1#tiny answered HTTP 401"):
            reader.answer(reader.encode_images(pictures(1)), ["What?"])
    for wrong in ("http://user:secret@models.test/v1", "http://user:secret@h:port/v1#m"):
        with pytest.raises(InputError) as caught:
            load_reader(wrong)
        assert "secret" not in str(caught.value)
