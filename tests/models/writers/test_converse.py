"""Bedrock's Converse against botocore's own model of the service, and against a server that is busy or slow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from catalens.core.errors import AnswerError, ModelError, UnavailableError
from catalens.models.writers import load_writer
from tests.support.http_double import Reply, Server

boto3 = pytest.importorskip("boto3", reason='Bedrock needs boto3: pip install "catalens[aws]"')
from botocore.stub import Stubber  # noqa: E402 - only where boto3 is

from catalens.models.writers.bedrock import BedrockWriter  # noqa: E402

MODEL = "eu.example.model-v1:0"
ASKED = {
    "modelId": MODEL,
    "system": [{"text": "be brief"}],
    "messages": [{"role": "user", "content": [{"text": "describe"}]}],
    "inferenceConfig": {"maxTokens": 50},
}


def answer(*blocks: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": reason,
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }


class Stubbed:
    """A writer whose client answers from a queue, and the pauses it made."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        client = boto3.client("bedrock-runtime", region_name="eu-west-1", **keys)
        self.stub = Stubber(client)
        self.pauses: list[float] = []
        self.writer = BedrockWriter(client, MODEL, sleep=self.pauses.append)

    def write(self) -> str:
        return self.writer.write("be brief", "describe", max_tokens=50)


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    made = Stubbed()
    with made.stub:
        yield made
    made.stub.assert_no_pending_responses()


def test_the_request_is_what_the_service_takes_and_the_text_comes_without_reasoning(stubbed: Stubbed) -> None:
    reasoning = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    stubbed.stub.add_response("converse", answer(reasoning, {"text": "A red "}, {"text": "tee.\n"}), ASKED)
    assert stubbed.write() == "A red tee."
    assert stubbed.writer.name == f"bedrock:{MODEL}"


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException"])
def test_a_busy_service_is_asked_again_after_growing_pauses(stubbed: Stubbed, code: str) -> None:
    for _ in range(3):
        stubbed.stub.add_client_error("converse", code, "slow down", http_status_code=429)
    stubbed.stub.add_response("converse", answer({"text": "At last."}), ASKED)
    assert stubbed.write() == "At last."
    assert stubbed.pauses == [1, 2, 4]


def test_a_service_that_stays_busy_is_an_error_in_the_end(stubbed: Stubbed) -> None:
    for _ in range(5):
        stubbed.stub.add_client_error("converse", "ThrottlingException", "slow down", http_status_code=429)
    with pytest.raises(ModelError, match=r"too busy 5 times in a row \(ThrottlingException: slow down\)"):
        stubbed.write()
    assert stubbed.pauses == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("max_tokens", "cut off after 50 tokens"),
        ("guardrail_intervened", "withheld by a guardrail"),
        ("content_filtered", "withheld by the provider's filter"),
        ("model_context_window_exceeded", "ran out of its context window"),
        ("malformed_model_output", "could not read"),
        ("tool_use", "tool that it was not given"),
    ],
)
def test_answers_that_stopped_for_a_bad_reason_are_of_no_use(stubbed: Stubbed, reason: str, message: str) -> None:
    stubbed.stub.add_response("converse", answer({"text": "A re"}, reason=reason), ASKED)
    with pytest.raises(AnswerError, match=message):
        stubbed.write()


@pytest.mark.parametrize("blocks", [[], [{"text": "  \n"}], [{"reasoningContent": {"reasoningText": {"text": "hm"}}}]])
def test_an_answer_without_text_is_of_no_use(stubbed: Stubbed, blocks: list[dict[str, Any]]) -> None:
    stubbed.stub.add_response("converse", answer(*blocks), ASKED)
    with pytest.raises(AnswerError, match="returned no text"):
        stubbed.write()


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("AccessDeniedException", "ask for access"),
        ("ValidationException", "inference profile"),
        ("ResourceNotFoundException", "the region"),
        ("ModelTimeoutException", "took too long"),
        ("ModelErrorException", "documentation"),
    ],
)
def test_errors_of_the_service_say_what_to_do_next(stubbed: Stubbed, code: str, step: str) -> None:
    stubbed.stub.add_client_error("converse", code, "so it is", http_status_code=400)
    with pytest.raises(ModelError, match=rf"{code}: so it is; .*{step}") as caught:
        stubbed.write()
    assert not isinstance(caught.value, AnswerError)
    assert stubbed.pauses == []


@pytest.fixture
def at_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.address,
        "AWS_CONFIG_FILE": "none",
        "AWS_SHARED_CREDENTIALS_FILE": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return server


def test_over_http_the_same_words_travel(at_server: Server) -> None:
    at_server.replies.append(Reply(200, answer({"text": "A red tee."})))
    assert load_writer(f"bedrock:{MODEL}").write("be brief", "describe") == "A red tee."
    [(path, body, _)] = at_server.asked
    assert path.startswith("/model/")
    assert body["messages"][0]["content"] == [{"text": "describe"}]


def test_an_answer_that_takes_too_long_is_given_up_and_not_asked_for_again(at_server: Server) -> None:
    at_server.replies.append(Reply(200, {}, delay_s=1.0))
    with pytest.raises(UnavailableError, match="did not answer in time"):
        load_writer(f"bedrock:{MODEL}", timeout_s=0.2).write("be brief", "describe")
    assert len(at_server.asked) == 1


def test_without_credentials_or_region_it_says_so(at_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ModelError, match="needs AWS credentials"):
        load_writer(f"bedrock:{MODEL}").write("be brief", "describe")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ModelError, match="set AWS_REGION"):
        load_writer(f"bedrock:{MODEL}")


def test_the_stub_agrees_with_the_documented_reasons_to_stop() -> None:
    shape = boto3.client("bedrock-runtime", region_name="eu-west-1").meta.service_model.shape_for("StopReason")
    known = {"max_tokens", "guardrail_intervened", "content_filtered", "end_turn", "stop_sequence", "tool_use"}
    assert known <= set(json.loads(json.dumps(shape.enum)))
