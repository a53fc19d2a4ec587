"""Bedrock's painters against botocore's own model of the service: what is sent, and every kind of answer."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from catalens.core.errors import ModelError
from catalens.core.images import read_image
from catalens.core.types import PaintRequest
from catalens.models.painters.bedrock import BedrockPainter
from catalens.models.painters.loading import load_painter

boto3 = pytest.importorskip("boto3", reason='Bedrock needs boto3: pip install "catalens[aws]"')
from botocore.response import StreamingBody  # noqa: E402 - only where boto3 is
from botocore.stub import Stubber  # noqa: E402

SD3 = "stability.sd3-5-large-v1:0"
STRUCTURE = "us.stability.stable-image-control-structure-v1:0"
PICTURE = Image.new("RGB", (96, 80), (200, 30, 60))


def png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def answer(content: object) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"body": StreamingBody(io.BytesIO(raw), len(raw)), "contentType": "application/json"}


class Service:
    """A client whose answers are queued, and what was asked of it."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "bedrock-runtime", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self.client)
        self.bodies: list[dict[str, Any]] = []
        self.client.meta.events.register("provide-client-params.bedrock-runtime.InvokeModel", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.bodies.append(json.loads(params["body"]))

    def paint(self, request: PaintRequest, model_id: str = SD3) -> Image.Image:
        return BedrockPainter(model_id, self.client).paint(request)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.stub:
        yield made
        made.stub.assert_no_pending_responses()


GOOD = {"seeds": [7], "finish_reasons": [None], "images": [png(Image.new("RGB", (64, 48), (1, 2, 3)))]}


def test_a_picture_is_asked_for_in_the_form_of_stable_diffusion(service: Service) -> None:
    service.stub.add_response("invoke_model", answer(GOOD))
    request = PaintRequest(image=PICTURE, prompt="a boat", negative_prompt="blur", strength=0.7, seed=7, guidance=4.5)
    painted = service.paint(request)
    assert (painted.mode, painted.size, painted.getpixel((0, 0))) == ("RGB", (64, 48), (1, 2, 3))
    (body,) = service.bodies
    sent = read_image(base64.b64decode(body.pop("image")))
    assert sent.tobytes() == PICTURE.tobytes()
    assert body == {
        "mode": "image-to-image",
        "prompt": "a boat",
        "negative_prompt": "blur",
        "strength": 0.7,
        "seed": 7,
        "cfg_scale": 4.5,
        "output_format": "png",
    }


def test_control_models_take_what_the_strength_leaves(service: Service) -> None:
    service.stub.add_response("invoke_model", answer(GOOD))
    service.paint(PaintRequest(image=PICTURE, prompt="a boat", strength=0.7, seed=7), STRUCTURE)
    (body,) = service.bodies
    del body["image"]
    assert body == {"prompt": "a boat", "control_strength": 0.3, "seed": 7, "output_format": "png"}


def test_seed_0_is_one_picture_too_and_not_chance(service: Service) -> None:
    service.stub.add_response("invoke_model", answer(GOOD))
    service.paint(PaintRequest(image=PICTURE, prompt="a boat"))
    assert service.bodies[0]["seed"] == 4_294_967_294


@pytest.mark.parametrize(
    ("size_wh", "sent_wh"), [((3000, 1500), (1448, 724)), ((20, 40), (64, 128)), ((640, 480), (640, 480))]
)
def test_pictures_are_brought_within_the_limits(
    service: Service, size_wh: tuple[int, int], sent_wh: tuple[int, int]
) -> None:
    service.stub.add_response("invoke_model", answer(GOOD))
    service.paint(PaintRequest(image=PICTURE.resize(size_wh), prompt="a boat"))
    assert read_image(base64.b64decode(service.bodies[0]["image"])).size == sent_wh


@pytest.mark.parametrize(
    "reason", ["Filter reason: prompt", "Filter reason: output image", "Filter reason: input image"]
)
@pytest.mark.parametrize(
    "blank", [{}, {"images": [png(Image.new("RGB", (8, 8)))], "seeds": [1]}], ids=["none", "blank"]
)
def test_a_filtered_result_is_an_error_and_no_picture(service: Service, reason: str, blank: dict[str, object]) -> None:
    service.stub.add_response("invoke_model", answer({"finish_reasons": [reason], **blank}))
    with pytest.raises(ModelError, match=rf"withheld the image \({reason}\)"):
        service.paint(PaintRequest(image=PICTURE, prompt="a boat"))


def test_an_inference_error_is_not_called_a_filter(service: Service) -> None:
    service.stub.add_response("invoke_model", answer({"finish_reasons": ["Inference error"]}))
    with pytest.raises(ModelError, match="failed: Inference error; try again"):
        service.paint(PaintRequest(image=PICTURE, prompt="a boat"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "did not return a JSON object"),
        ([], "did not return a JSON object"),
        ({}, "no readable image"),
        ({"finish_reasons": [None], "images": []}, "no readable image"),
        ({"finish_reasons": [None], "images": {"a": "b"}}, "no readable image"),
        ({"finish_reasons": [None], "images": ["%%%"]}, "no readable image"),
        ({"finish_reasons": [None], "images": [base64.b64encode(b"no picture at all").decode()]}, "no readable image"),
    ],
)
def test_a_malformed_answer_is_said_to_be_one(service: Service, content: object, message: str) -> None:
    service.stub.add_response("invoke_model", answer(content))
    with pytest.raises(ModelError, match=message):
        service.paint(PaintRequest(image=PICTURE, prompt="a boat"))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ThrottlingException", "too many requests"),
        ("ModelTimeoutException", "took too long"),
        ("AccessDeniedException", "ask for it under Model access"),
        ("ValidationException", "ValidationException: as the service said"),
    ],
)
def test_a_refusal_says_what_to_do(service: Service, code: str, message: str) -> None:
    service.stub.add_client_error("invoke_model", code, "as the service said", 400)
    with pytest.raises(ModelError, match=message) as refused:
        service.paint(PaintRequest(image=PICTURE, prompt="a boat"))
    assert "as the service said" in str(refused.value)


@pytest.mark.parametrize(
    ("request_", "model_id", "message"),
    [
        (PaintRequest(image=PICTURE, prompt="a", steps=9), SD3, "has no number of steps"),
        (PaintRequest(image=PICTURE, prompt="a", guidance=3), STRUCTURE, "has no guidance scale"),
        (PaintRequest(image=PICTURE, prompt="a" * 10_001), SD3, "10,000 characters, not 10,001"),
    ],
)
def test_what_the_model_does_not_take_is_not_sent(
    service: Service, request_: PaintRequest, model_id: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        service.paint(request_, model_id)
    assert service.bodies == []


def test_no_answer_from_the_network_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_MAX_ATTEMPTS", "1")):
        monkeypatch.setenv(name, value)
    client = boto3.client("bedrock-runtime", region_name="us-west-2", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(ModelError, match=f"bedrock:{SD3} cannot be reached"):
        BedrockPainter(SD3, client).paint(PaintRequest(image=PICTURE, prompt="a boat"))


def test_a_painter_is_loaded_by_model_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert load_painter(f"bedrock:{SD3}", region="us-west-2").name == f"bedrock:{SD3}"
    with pytest.raises(ModelError, match="no AWS region is known"):
        load_painter(f"bedrock:{SD3}")
    with pytest.raises(ModelError, match="is not an image-to-image model"):
        load_painter("bedrock:stability.stable-image-core-v1:1", region="us-west-2")
