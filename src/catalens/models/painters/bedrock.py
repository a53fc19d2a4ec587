"""Image generation with Stability AI's models on Amazon Bedrock.

Source:
    Amazon Bedrock user guide, "Stability.ai Stable Diffusion 3.5 Large" and "Stable Image services" (request fields,
    the answer's `images`, `seeds` and `finish_reasons`).
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from typing import Any, Protocol

from PIL import Image

from catalens.core.errors import AnswerError, ImageError, ModelError
from catalens.core.images import read_image
from catalens.core.json_text import parse_json
from catalens.core.redaction import redact
from catalens.core.types import PaintRequest
from catalens.models.painters.sizes import fit_limits

INSTALL = 'pip install "catalens[aws]"'
_TIMEOUT_S = 300
_SHORTEST = 64
_MAX_PIXELS = 1024 * 1024
"""Output size of these models; a larger input would only take longer to send."""
_MAX_PROMPT = 10_000
_LAST_SEED = 4_294_967_294
_CONTROLS = ("control-structure", "control-sketch")
_HINTS = {
    "AccessDeniedException": "this account may not use the model; ask for it under Model access, or change the region",
    "ResourceNotFoundException": "there is no such model in this region",
    "ThrottlingException": "too many requests; wait, or ask for a higher quota",
    "ServiceQuotaExceededException": "the account's quota is used up",
    "ModelTimeoutException": "the model took too long; try again",
    "ModelNotReadyException": "the model is not ready yet; try again",
    "ServiceUnavailableException": "the service is not available; try again",
}


class Client(Protocol):
    """The part of boto3's `bedrock-runtime` client that is used."""

    def invoke_model(self, **request: str | bytes) -> Mapping[str, Any]:
        """Send a request; return the response, whose body is a stream."""

    def close(self) -> None:
        """Close the connections."""


def load_bedrock_painter(model_id: str, *, region: str | None) -> BedrockPainter:
    """Make a painter with the AWS credentials of this machine; nothing is sent yet.

    Args:
        model_id: such as stability.sd3-5-large-v1:0, or an inference profile.
        region: such as us-west-2; None for the environment's.

    Raises:
        ModelError: boto3 is missing, no region is configured, or the model is not image-to-image.
    """
    try:
        import boto3
        import botocore.config
        import botocore.exceptions
    except ImportError as error:
        raise ModelError(f"Bedrock needs boto3: {INSTALL}") from error
    # A request may take minutes; with the default timeout of one, it would be sent and paid for again.
    config = botocore.config.Config(read_timeout=_TIMEOUT_S, retries={"mode": "standard", "max_attempts": 3})
    try:
        client = boto3.client("bedrock-runtime", region_name=region, config=config)
    except botocore.exceptions.NoRegionError as error:
        raise ModelError("no AWS region is known: give one, such as us-west-2, or set AWS_REGION") from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise ModelError(f"Bedrock cannot be reached: {error}") from error
    return BedrockPainter(model_id, client)


class BedrockPainter:
    """A `Painter` over InvokeModel: Stable Diffusion 3 and 3.5, or Stable Image control by structure or sketch."""

    def __init__(self, model_id: str, client: Client) -> None:
        """Check that the model is image-to-image.

        Args:
            model_id: as in Bedrock.
            client: with its region and credentials.

        Raises:
            ModelError: it does not.
        """
        if not (_is_diffusion(model_id) or _is_control(model_id)):
            raise ModelError(
                f"{model_id} is not an image-to-image model; stability.sd3-5-large-v1:0 does, and "
                "us.stability.stable-image-control-structure-v1:0"
            )
        self.name = f"bedrock:{model_id}"
        self._model_id, self._client = model_id, client

    def paint(self, request: PaintRequest) -> Image.Image:
        """Return an RGB image.

        In Bedrock a seed of 0 means a random one; the last seed takes its place, so that every seed is reproducible.
        The control models have no steps, and take 1 - strength as the weight of the image.

        Raises:
            AnswerError: a filter withheld the result, or the response has no readable image.
            ModelError: the model does not support a setting of the request, or the service refused or failed.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        body = json.dumps(self._body(request)).encode()
        try:
            answer = self._client.invoke_model(
                modelId=self._model_id, body=body, contentType="application/json", accept="application/json"
            )
            content = answer["body"].read()
        except ClientError as error:
            raise ModelError(f"{self.name}: {_refusal(error.response)}") from error
        except BotoCoreError as error:  # no credentials, no network, no answer in time
            raise ModelError(f"{self.name} cannot be reached: {redact(str(error))}") from error
        return self._picture(content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _body(self, request: PaintRequest) -> dict[str, Any]:
        """Build the request body of this family of models."""
        if request.steps is not None:
            raise ModelError(f"{self.name} has no number of steps; leave it out")
        for text in (request.prompt, request.negative_prompt):
            if len(text) > _MAX_PROMPT:
                raise ModelError(f"{self.name} takes prompts of at most {_MAX_PROMPT:,} characters, not {len(text):,}")
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "image": _encoded(request.image),
            "seed": request.seed or _LAST_SEED,
            "output_format": "png",
        }
        if request.negative_prompt:
            body["negative_prompt"] = request.negative_prompt
        if _is_control(self._model_id):
            if request.guidance is not None:
                raise ModelError(f"{self.name} has no guidance scale; leave it out")
            return body | {"control_strength": round(1 - request.strength, 4)}
        if request.guidance is not None:
            body["cfg_scale"] = request.guidance
        return body | {"mode": "image-to-image", "strength": request.strength}

    def _picture(self, content: bytes) -> Image.Image:
        """Read the response; with a finish reason there is no usable image, whatever else it contains."""
        try:
            answer = parse_json(content)
            reasons = [reason for reason in answer.get("finish_reasons") or () if reason is not None]
            images: Any = answer.get("images") or ()
        except (ValueError, AttributeError, TypeError) as error:
            raise AnswerError(f"{self.name} did not return a JSON object: {content[:80]!r}") from error
        if "Inference error" in reasons:
            raise ModelError(f"{self.name} failed: {', '.join(map(str, reasons))}; try again")
        if reasons:
            raise AnswerError(
                f"{self.name} withheld the image ({', '.join(map(str, reasons))}): change the prompt or the image"
            )
        try:
            return read_image(base64.b64decode(images[0], validate=True))
        except (IndexError, KeyError, TypeError, binascii.Error, ValueError, ImageError) as error:
            raise AnswerError(f"{self.name} returned no readable image ({error})") from error


def _is_diffusion(model_id: str) -> bool:
    return "stability.sd3" in model_id


def _is_control(model_id: str) -> bool:
    return "stability." in model_id and any(kind in model_id for kind in _CONTROLS)


def _encoded(image: Image.Image) -> str:
    size_wh = fit_limits(image.size, shortest=_SHORTEST, max_pixels=_MAX_PIXELS)
    if size_wh != image.size:
        image = image.resize(size_wh, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _refusal(response: Mapping[str, Any]) -> str:
    """Return the service's message, with what to do about it."""
    error = response.get("Error", {})
    code, message = error.get("Code", "unknown error"), error.get("Message", "")
    return ": ".join(part for part in (_HINTS.get(code, code), redact(message)) if part)
