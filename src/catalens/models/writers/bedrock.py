"""Models of Amazon Bedrock, by the Converse operation: one request format for every family of models."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)

from catalens.core.errors import AnswerError, ModelError, UnavailableError
from catalens.core.redaction import redact
from catalens.models.remote.replies import without_reasoning
from catalens.models.remote.retry import BusyError, with_retry

_BUSY = frozenset(
    {"ThrottlingException", "ModelNotReadyException", "ServiceUnavailableException", "TooManyRequestsException"}
)
_NEXT_STEP: Mapping[str, str] = {
    "AccessDeniedException": "allow bedrock:InvokeModel and ask for access to the model in the Bedrock console",
    "ResourceNotFoundException": "check the model's id and the region",
    "ValidationException": "check the model's id; many models need an inference profile's id, such as eu.… or us.…",
    "ModelTimeoutException": "the model took too long; ask for a shorter text, or try again",
    "UnrecognizedClientException": "the credentials are not valid; run `aws configure`",
    "ExpiredTokenException": "the credentials have expired; sign in again",
}
_STOPPED: Mapping[str, str] = {
    "max_tokens": "was cut off after {max_tokens} tokens; ask for a shorter text",
    "model_context_window_exceeded": "ran out of its context window; give fewer facts, or use a larger model",
    "guardrail_intervened": "was withheld by a guardrail; check the facts, or the guardrail's policy",
    "content_filtered": "was withheld by the provider's filter; check the facts",
    "malformed_model_output": "returned an answer that Bedrock could not read; try again, or use another model",
    "malformed_tool_use": "tried to use a tool that it was not given; use another model",
    "tool_use": "tried to use a tool that it was not given; use another model",
}


class Client(Protocol):
    """The part of boto3's `bedrock-runtime` client that is used."""

    def close(self) -> None:
        """Close the connections."""

    @property
    def converse(self) -> Callable[..., Mapping[str, Any]]:
        """Send one conversation."""


class BedrockWriter:
    """A `Writer` over one model; the client is boto3's `bedrock-runtime`."""

    def __init__(self, client: Client, model: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = f"bedrock:{model}"
        self._client, self._model, self._sleep = client, model, sleep

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:
        """Return the model's text, without reasoning.

        Raises:
            AnswerError: the model refused, was cut off, or returned no text.
            ModelError: the model is not available: access, address, credentials, too busy, too slow.
        """
        # No temperature: some of the newest models refuse requests that set one.
        request = {
            "modelId": self._model,
            "system": [{"text": system}],
            "messages": [{"role": "user", "content": [{"text": instruction}]}],
            "inferenceConfig": {"maxTokens": max_tokens},
        }
        answer = with_retry(lambda: self._converse(request), what=self.name, sleep=self._sleep)
        reason = answer.get("stopReason", "")
        if reason in _STOPPED:
            raise AnswerError(f"{self.name} {_STOPPED[reason].format(max_tokens=max_tokens)}")
        content = answer.get("output", {}).get("message", {}).get("content", [])
        text = without_reasoning("".join(block.get("text", "") for block in content))
        if not text:
            raise AnswerError(f"{self.name} returned no text (stop reason {reason or 'none'!r}); use another model")
        return text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _converse(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._client.converse(**request)
        except ClientError as error:
            code, message = (error.response.get("Error", {}).get(key, "") for key in ("Code", "Message"))
            if code in _BUSY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 429:
                raise BusyError(f"{code}: {redact(message)}") from error
            step = _NEXT_STEP.get(code, "see the Bedrock documentation on this error")
            raise ModelError(f"{self.name} failed with {code}: {redact(message)}; {step}") from error
        except (ReadTimeoutError, ConnectTimeoutError) as error:
            message = f"{self.name} did not answer in time; allow more seconds, or ask for less"
            raise UnavailableError(message) from error
        except NoCredentialsError as error:
            raise ModelError(f"{self.name} needs AWS credentials and found none; run `aws configure`") from error
        except EndpointConnectionError as error:
            raise UnavailableError(
                f"{self.name} cannot be reached: {redact(str(error))}; check the region and the network"
            ) from error
        except BotoCoreError as error:
            raise ModelError(f"{self.name} could not be asked: {redact(str(error))}") from error


def load_bedrock(model: str, *, timeout_s: float) -> BedrockWriter:
    """Make a writer with the credentials and the region that AWS tools use.

    Raises:
        ModelError: no region is known.
    """
    # The pauses are `with_retry`'s: botocore's own tries would multiply with them.
    config = Config(read_timeout=timeout_s, connect_timeout=min(timeout_s, 10.0), retries={"total_max_attempts": 1})
    try:
        client = boto3.Session().client("bedrock-runtime", config=config)
    except NoRegionError as error:
        raise ModelError(f"bedrock:{model} needs a region: set AWS_REGION, or run `aws configure`") from error
    except BotoCoreError as error:
        raise ModelError(f"bedrock:{model} cannot be set up: {redact(str(error))}") from error
    return BedrockWriter(client, model)
