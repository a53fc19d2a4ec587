"""Chat completions over real HTTP: what is sent, and every kind of answer."""

from __future__ import annotations

from typing import Any

import pytest

from catalens.core.errors import AnswerError, InputError, ModelError, UnavailableError
from catalens.models.writers import load_writer
from tests.support.http_double import Reply, Server

httpx = pytest.importorskip("httpx", reason='a server needs httpx: pip install "catalens[remote]"')
from catalens.models.remote.chat import ChatClient  # noqa: E402 - only where httpx is
from catalens.models.writers.chat import ChatWriter  # noqa: E402


def completion(content: object, reason: str = "stop", **message: object) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": reason}]}


def test_the_request_holds_system_instruction_limit_and_key(server: Server) -> None:
    server.replies.append(Reply(200, completion(" A red tee.\n")))
    writer = load_writer(f"openai:{server.address}/v1#some/model", api_key="secret")
    assert writer.write("be brief", "describe", max_tokens=50) == "A red tee."
    [(path, body, headers)] = server.asked
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "some/model",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "describe"}],
        "max_tokens": 50,
    }
    assert headers["authorization"] == "Bearer secret"
    assert "secret" not in writer.name


def test_the_whole_address_may_be_given_and_without_a_key_none_is_sent(server: Server) -> None:
    server.replies.append(Reply(200, completion([{"type": "text", "text": "A tee."}, {"type": "other"}])))
    assert load_writer(f"{server.address}/v1/chat/completions#m").write("s", "i") == "A tee."
    assert server.asked[0][0] == "/v1/chat/completions"
    assert "authorization" not in server.asked[0][2]


def test_a_server_that_knows_the_limit_by_its_newer_name_is_asked_so_from_then_on(server: Server) -> None:
    refusal = {"error": {"message": "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens' instead."}}
    server.replies += [Reply(400, refusal), Reply(200, completion("One.")), Reply(200, completion("Two."))]
    writer = load_writer(f"{server.address}/v1#m")
    assert [writer.write("s", "i", max_tokens=9) for _ in range(2)] == ["One.", "Two."]
    assert [("max_tokens" in body, body.get("max_completion_tokens")) for _, body, _ in server.asked] == [
        *((True, None), (False, 9), (False, 9))
    ]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says_or_after_growing_pauses(server: Server, status: int) -> None:
    server.replies += [Reply(status, {}, {"Retry-After": "7"}), Reply(status, {}), Reply(200, completion("At last."))]
    pauses: list[float] = []
    writer = ChatWriter(ChatClient(httpx.Client(), f"{server.address}/v1", "m", sleep=pauses.append))
    assert writer.write("s", "i") == "At last."
    assert pauses == [7, 2]
    server.replies += [Reply(status, {})] * 5
    with pytest.raises(ModelError, match="too busy 5 times in a row"):
        writer.write("s", "i")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (completion("A re", "content_filter"), "refused"),
        (completion(None, refusal="I cannot help with that."), "refused: I cannot help with that."),
        (completion(""), "returned no text"),
        (completion(None, "tool_calls"), "returned no text"),
        ({"choices": []}, "no chat completion"),
        ({"error": "x"}, "no chat completion but: 'x'"),
        ([], "no chat completion"),
        ({"choices": [None]}, "no chat completion"),
        (b"<html>hello</html>", "no JSON"),
        (b"", "no JSON"),
    ],
)
def test_answers_of_no_use_say_why(server: Server, body: object, message: str) -> None:
    server.replies.append(Reply(200, body))
    with pytest.raises(AnswerError, match=message):
        load_writer(f"{server.address}/v1#m").write("s", "i")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "HTTP 401.*give the key"),
        (404, "HTTP 404.*ends in /v1"),
        (400, "HTTP 400: .*wrong"),
        (418, "server's log"),
    ],
)
def test_errors_of_the_server_say_what_to_do_next(server: Server, status: int, message: str) -> None:
    server.replies.append(Reply(status, {"error": "wrong"}))
    with pytest.raises(ModelError, match=message) as caught:
        load_writer(f"{server.address}/v1#m").write("s", "i")
    assert not isinstance(caught.value, AnswerError)


def test_a_slow_server_is_given_up_and_one_that_is_not_there_is_named(server: Server) -> None:
    server.replies.append(Reply(200, completion("x"), delay_s=1.0))
    with pytest.raises(UnavailableError, match=r"did not answer in time \(0.2 seconds\); allow more seconds"):
        load_writer(f"{server.address}/v1#m", timeout_s=0.2).write("s", "i")
    with pytest.raises(UnavailableError, match=r"cannot be reached: .*is the server running"):
        load_writer("http://127.0.0.1:9/v1#m").write("s", "i")


@pytest.mark.parametrize(
    "name", ["openai:http://host/v1", "openai:host/v1#m", "ftp://host#m", "http://#m", "http://host:x/#m"]
)
def test_what_is_no_address_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        load_writer(name)
