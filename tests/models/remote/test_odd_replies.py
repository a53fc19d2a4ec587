"""Replies of servers that are not quite those of chat completions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from catalens.core.errors import AnswerError, ModelError
from catalens.models.readers import load_reader
from tests.support.http_double import Reply, Server, serving
from tests.support.reader_contract import pictures

pytest.importorskip("httpx", reason='a server needs httpx: pip install "catalens[remote]"')


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def caption_by(server: Server) -> str:
    with load_reader(f"{server.address}/v1#m") as reader:
        ((text,),) = reader.caption(reader.encode_images(pictures(1)))
    return text


def test_a_filter_that_leaves_no_text_is_named(server: Server) -> None:
    choice = {"message": {"content": ""}, "finish_reason": "content_filter"}
    server.replies += [Reply(200, {"choices": [choice]})]
    with pytest.raises(AnswerError, match="refused: finish reason 'content_filter'"):
        caption_by(server)


def test_a_stream_that_was_not_asked_for_is_put_together(server: Server) -> None:
    texts: list[dict[str, str]] = [{"role": "assistant"}, {"content": "A cat "}, {"content": "on a sofa."}]
    events: list[dict[str, object]] = [{"choices": [{"index": 0, "delta": text}]} for text in texts]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events += [{"choices": [], "usage": {}}, {"type": "ping"}]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    server.replies += [Reply(200, f": wait\n\n{stream}data: [DONE]\n\n".encode())]
    assert caption_by(server) == "A cat on a sofa."
    server.replies += [Reply(200, b'data: {"error": {"message": "out of memory"}}\n\n')]
    with pytest.raises(AnswerError, match="no chat completion but: 'out of memory'"):
        caption_by(server)


def test_a_page_in_place_of_json_is_named_by_its_title(server: Server) -> None:
    server.replies += [Reply(200, b"<!DOCTYPE html>\n<html><head><title>Sign\nin</title></head></html>")]
    with pytest.raises(AnswerError, match=r"returned no JSON but a page \('Sign in'\)"):
        caption_by(server)
    server.replies += [Reply(404, b"<html><head><title>404 Not Found</title></head></html>")]
    with pytest.raises(ModelError, match="HTTP 404: '404 Not Found'; check the address"):
        caption_by(server)


def test_a_byte_order_mark_is_not_part_of_a_reply(server: Server) -> None:
    server.replies += [Reply(200, b"\xef\xbb\xbf" + b'{"choices": [{"message": {"content": "A cat."}}]}')]
    assert caption_by(server) == "A cat."


def test_an_account_without_credit_is_not_waited_for(server: Server) -> None:
    server.replies += [Reply(429, {"error": {"message": "no credit", "code": "insufficient_quota"}})]
    with pytest.raises(ModelError, match="HTTP 429: 'no credit'; its quota or credit is used up"):
        caption_by(server)
    assert len(server.asked) == 1
