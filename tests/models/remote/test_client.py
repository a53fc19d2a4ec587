"""Servers that think, that drip, that send too much and that echo what they were sent, over real sockets."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from catalens.core.errors import AnswerError, BatchError, CatalensError, InputError, ModelError
from catalens.core.types import Decoding
from catalens.models.readers import load_reader
from catalens.models.writers import load_writer
from catalens.pipelines.halving import each_half
from tests.support.http_double import Reply, Server, serving
from tests.support.reader_contract import pictures

httpx = pytest.importorskip("httpx", reason='a server needs httpx: pip install "catalens[remote]"')
from catalens.models.remote.chat import ChatClient, connect  # noqa: E402 - only where httpx is
from catalens.models.remote.replies import plain_reply, read_choice, without_reasoning  # noqa: E402
from catalens.models.remote.retry import retry_after_s  # noqa: E402


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def completion(content: object, reason: str = "stop", **message: object) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": reason}]}


def captioned(server: Server, *bodies: dict[str, Any], max_tokens: int = 40) -> str:
    server.replies += [Reply(200, body) for body in bodies]
    with load_reader(f"{server.address}/v1#m") as reader:
        ((text,),) = reader.caption(reader.encode_images(pictures(1)), decoding=Decoding(max_tokens=max_tokens))
    return text


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ("<think>The user wants…\nA cat?</think>\n\nA cat on a sofa.", {}),
        ("The user wants a caption.</think>A cat on a sofa.", {}),
        ("A cat on a sofa.", {"reasoning_content": "The user wants a caption."}),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A cat on a sofa."}], {}),
        (["A cat ", {"type": "output_text", "text": "on a sofa."}], {}),
        ("Sure! Here is a caption:\n\n**A cat on a sofa.**", {}),
        ('Caption: "A cat on a sofa."', {}),
        ("Here's a one-sentence description of the image: A cat on a *sofa*.", {}),
        ("```\nA cat on a sofa.\n```", {}),
        ("# A cat on a sofa.", {}),
        ("◁think▷The user wants…◁/think▷A cat on a sofa.", {}),
        ("[THINK]A cat?[/THINK]A cat on a sofa.", {}),
        ("<seed:think>A cat?</seed:think>A cat on a sofa.", {}),
        ("<|channel|>analysis<|message|>A cat?<|end|><|channel|>final<|message|>A cat on a sofa.", {}),
        ("<|channel>thought\nA cat?<channel|>A cat on a sofa.", {}),
        ("analysisThe user wants a caption.assistantfinalA cat on a sofa.", {}),
        ("<answer>\nA cat on a sofa.\n</answer>", {}),
        ("## Caption\n\nA cat on a sofa.", {}),
        ("**Caption**\nA cat on a sofa.", {}),
        ("A cat on a sofa.\n\nLet me know if you need anything else!", {}),
        ("Here are two options:\n\n1. A cat on a sofa.\n2. A sofa with a cat.", {}),
    ],
)
def test_a_caption_is_the_caption_alone(server: Server, content: object, more: dict[str, object]) -> None:
    assert captioned(server, completion(content, "stop", **more)) == "A cat on a sofa."


@pytest.mark.parametrize(
    "text",
    [
        "a cat that is sure: yes",
        "Sure.",
        "blue_and_white shoes",
        "5 * 3 * 2",
        "here, a cat",
        "Feel free to enter",
        "<b>SALE</b>",
        "analysis of a blood sample",
    ],
)
def test_a_plain_text_stays_as_it_is(text: str) -> None:
    assert plain_reply(text) == text


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        ("<think>The user wants a", "length"),
        ("A cat on a so", "length"),
        ("", "length"),
        ("A cat on a so", "max_tokens"),
        ("<think>The user wants a", "stop"),
        ("<|channel|>analysis<|message|>The user", "stop"),
    ],
)
def test_a_text_that_was_cut_is_asked_for_once_more_with_more_tokens(server: Server, cut: str, reason: str) -> None:
    assert captioned(server, completion(cut, reason), completion("A cat on a sofa.")) == "A cat on a sofa."
    assert [body["max_tokens"] for _, body, _ in server.asked] == [40, 1024]


@pytest.mark.parametrize(
    ("cut", "message"),
    [("<think>The user", "after 1024 tokens, within its reasoning"), ("A cat on", "after 1024 tokens, at 'A cat on'")],
)
def test_a_text_that_is_cut_again_is_refused(server: Server, cut: str, message: str) -> None:
    with pytest.raises(AnswerError, match=message):
        captioned(server, *[completion(cut, "length")] * 2)
    server.replies += [Reply(200, completion(cut, "length"))] * 2
    with pytest.raises(AnswerError, match="cut off after 1600 tokens"):
        load_writer(f"{server.address}/v1#m").write("s", "i", max_tokens=400)


@pytest.mark.parametrize(
    "refusal",
    [
        "I'm sorry, but I can't assist with that.",
        "I cannot help with this request.",
        "I'm unable to view images.",
        "As an AI model, I can't describe people.",
        "Sorry, I can't tell who is in the picture.",
    ],
)
def test_a_refusal_is_a_failure_with_its_text(server: Server, refusal: str) -> None:
    with pytest.raises(AnswerError, match="refused") as caught:
        captioned(server, completion(refusal))
    assert refusal in str(caught.value)


@pytest.mark.parametrize("text", ["I see a cat.", "It can't be read.", "Sorry state of a shoe", "I can read 'help'."])
def test_an_answer_is_not_taken_for_a_refusal(text: str) -> None:
    assert read_choice({"message": {"content": text}}).refusal is None


def test_reasoning_alone_is_no_answer(server: Server) -> None:
    with pytest.raises(AnswerError, match=r"returned no text \(finish reason 'stop'\)"):
        captioned(server, completion("", reasoning_content="hm"))
    assert without_reasoning("<thinking>a</thinking>b<think>c") == "b"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "model 'm' not found", "type": "x"}},
        {"error": "model 'm' not found"},
        {"detail": "model 'm' not found"},
        {"object": "error", "message": "model 'm' not found"},
        {"errors": [{"message": "model 'm' not found"}]},
    ],
)
def test_the_server_s_own_message_is_kept(server: Server, body: dict[str, Any]) -> None:
    for status in (200, 400, 404):
        server.replies.append(Reply(status, body))
        with pytest.raises(ModelError, match="model 'm' not found"):
            load_writer(f"{server.address}/v1#m").write("s", "i")


def test_a_server_that_fails_is_not_called_busy(server: Server) -> None:
    server.replies += [Reply(500, {"error": {"message": "out of memory"}})] * 5
    client = ChatClient(httpx.Client(), f"{server.address}/v1", "m", sleep=lambda _: None)
    with pytest.raises(ModelError, match=r"failed 5 times in a row \(HTTP 500: 'out of memory'\)") as caught:
        client.texts([], max_tokens=9, settings={})
    assert "busy" not in str(caught.value)


@pytest.mark.parametrize("header", ["nan", "inf", "-inf", "-7", "soon", "", "1e999"])
def test_a_pause_that_makes_no_sense_is_left_out(header: str) -> None:
    assert retry_after_s(header) is None


def test_a_pause_may_be_a_date_and_one_of_a_year_is_not_waited_for(server: Server) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after_s(format_datetime(now + timedelta(seconds=9), usegmt=True), now) == 9.0
    assert retry_after_s(format_datetime(now - timedelta(seconds=9), usegmt=True), now) == 0.0
    pauses: list[float] = []
    client = ChatClient(httpx.Client(), f"{server.address}/v1", "m", sleep=pauses.append)
    server.replies.append(Reply(429, {}, {"Retry-After": "31536000"}))
    with pytest.raises(ModelError, match="asks to wait 31536000 seconds"):
        client.texts([], max_tokens=9, settings={})
    assert pauses == []


@contextmanager
def raw(*parts: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """Serve each connection by sending parts of bytes, with pauses, over and over the last one."""
    listening = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(1 << 16)
                    for part in parts:
                        connection.sendall(part)
                    while pause_s and not done.wait(pause_s):
                        connection.sendall(parts[-1])
                    while connection.recv(1 << 16):
                        pass  # until the caller has read enough: closing sooner would reset the connection
                except OSError:
                    pass  # the caller had enough

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    done.set()
    listening.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that accepts
    listening.close()
    thread.join(5)


BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "parts",
    [(BEGIN + b"Content-Length: 99999\r\n\r\n", b" "), (BEGIN, b"X-Slow: 1\r\n")],
    ids=["a body", "headers"],
)
def test_a_drip_of_bytes_ends_with_the_deadline(parts: tuple[bytes, ...]) -> None:
    with raw(*parts, pause_s=0.02) as address:
        client = connect(f"{address}/v1#m", timeout_s=0.3)
        started_s = time.monotonic()
        with pytest.raises(ModelError, match="did not answer in time"):
            client.texts([], max_tokens=9, settings={})
        assert time.monotonic() - started_s < 30, "it ends at all"


def test_bodies_are_limited_before_and_after_decompression() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    plain = (BEGIN + b"Content-Length: 999999999\r\n\r\n", b" " * (9 << 20))
    zipped = (BEGIN + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode(), bomb)
    for parts in (plain, zipped):
        with raw(*parts) as address, pytest.raises(AnswerError, match="more than 8 MiB"):
            connect(f"{address}/v1#m", timeout_s=60).texts([], max_tokens=9, settings={})


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip"])
def test_an_encoding_that_was_not_asked_for_or_is_broken_is_refused(encoding: str) -> None:
    body = f"Content-Encoding: {encoding}\r\nContent-Length: 3\r\n\r\nabc".encode()
    with raw(BEGIN + body) as address, pytest.raises(ModelError, match=encoding):
        connect(f"{address}/v1#m", timeout_s=60).texts([], max_tokens=9, settings={})


def test_compressed_replies_are_read(server: Server) -> None:
    body = gzip.compress(b'{"choices": [{"message": {"content": "A cat."}}]}')
    server.replies.append(Reply(200, body, {"Content-Encoding": "gzip"}))
    assert load_writer(f"{server.address}/v1#m").write("s", "i") == "A cat."


def test_a_key_is_never_shown(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    key = "a-very'secret\\key"
    echo = {"error": {"message": f"wrong header Authorization: Bearer {key} ({key!r}) and ?token=in-the-address"}}
    shown = []
    with caplog.at_level(logging.DEBUG, logger="httpx"):
        for status, body in ((401, echo), (500, echo), (200, echo), (200, completion(f"I cannot help with {key}."))):
            server.replies += [Reply(status, body)] * (5 if status == 500 else 1)
            client = connect(f"{server.address}/v1?token=in-the-address#m", api_key=key)
            client._sleep = lambda _: None
            with pytest.raises(ModelError) as caught:
                client.texts([], max_tokens=9, settings={})
            shown.append(str(caught.value))
    assert all("[redacted]" in each for each in shown), shown
    for text in (*shown, caplog.text):
        assert "very" not in text
        assert "in-the-address" not in text
    assert server.asked[0][0] == "/v1/chat/completions?token=in-the-address"
    assert server.asked[0][2]["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("key", ["a secret\nkey", "schlüssel", "key\x00"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(InputError, match="the API key has characters") as caught:
        connect("http://localhost/v1#m", api_key=key)
    assert key not in str(caught.value)


def test_a_picture_that_fails_costs_no_request_of_another(server: Server) -> None:
    failing = {at for at in range(8) if at % 3 == 1}
    with load_reader(f"{server.address}/v1#m") as reader:
        images = pictures(8)
        uris = {uri: at for at, uri in enumerate(reader.encode_images(images).uris)}  # type: ignore[attr-defined]

        def answer(body: Any) -> Reply:
            at = uris[body["messages"][0]["content"][0]["image_url"]["url"]]
            return Reply(400, {"error": f"no {at}"}) if at in failing else Reply(200, completion(f"picture {at}"))

        server.answer = answer
        failed: list[tuple[int, str]] = []

        def step(some: Any) -> list[str]:
            return [text for (text,) in reader.caption(reader.encode_images([images[at] for at in some]))]

        found = each_half(step, range(8), Exception, lambda at, error: failed.append((at, str(error))))
        assert found == [f"picture {at}" for at in range(8) if at not in failing]
        assert [at for at, _ in failed] == sorted(failing)
        assert all(f"no {at}" in error for at, error in failed)
        assert len(server.asked) == 8, "neither those that failed nor those beside them were asked for again"
        with pytest.raises(BatchError, match=r"3 of 8 failed, the first one because: .*no 1"):
            reader.caption(reader.encode_images(images))


def test_a_server_that_hangs_is_asked_once_for_each_picture(server: Server) -> None:
    server.answer = lambda _: Reply(200, {}, delay_s=1.0)
    failed: list[CatalensError] = []
    with load_reader(f"{server.address}/v1#m", timeout_s=0.3) as reader:
        encoded = reader.encode_images(pictures(3))
        step = lambda _: reader.caption(encoded)  # noqa: E731 - a step of three pictures
        assert each_half(step, [0, 1, 2], Exception, lambda _, error: failed.append(error)) == []  # type: ignore[arg-type]
    assert len(failed) == len(server.asked) == 3
