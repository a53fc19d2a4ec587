"""What every painter promises, and what a request may hold."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Painter
from catalens.core.types import PaintRequest
from catalens.models.painters.loading import load_painter

PICTURE = Image.radial_gradient("L").convert("RGB").resize((40, 30))


@pytest.fixture
def painter() -> Painter:
    return load_painter("fake")


def test_a_painting_is_an_rgb_picture_and_the_request_is_left_alone(painter: Painter) -> None:
    before = PICTURE.tobytes()
    painted = painter.paint(PaintRequest(image=PICTURE, prompt="a boat"))
    assert (painted.mode, painted.size) == ("RGB", PICTURE.size)
    assert PICTURE.tobytes() == before
    assert painter.name
    painter.close()
    painter.close()  # twice is harmless


def test_the_same_request_gives_the_same_picture_and_any_other_another(painter: Painter) -> None:
    asked: dict[str, Any] = {"image": PICTURE, "prompt": "a boat", "strength": 0.5}
    first = painter.paint(PaintRequest(**asked)).tobytes()
    assert painter.paint(PaintRequest(**asked)).tobytes() == first
    changes: list[dict[str, Any]] = [
        *({"prompt": "a cat"}, {"seed": 1}, {"negative_prompt": "x"}, {"strength": 0.9}, {"steps": 3}, {"guidance": 2})
    ]
    for change in changes:
        assert painter.paint(PaintRequest(**asked | change)).tobytes() != first, change


def test_no_strength_keeps_the_picture(painter: Painter) -> None:
    assert painter.paint(PaintRequest(image=PICTURE, prompt="a boat", strength=0)).tobytes() == PICTURE.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": " "}, "there is no prompt"),
        ({"strength": 1.1}, "strength is 1.1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"steps": 0}, "steps is 0"),
        ({"guidance": -1.0}, "guidance is -1.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"image": PICTURE, "prompt": "a boat"}
    with pytest.raises(InputError, match=message):
        PaintRequest(**asked | change)


@pytest.mark.parametrize("name", ["", "fakes", "/no/such/folder"])
def test_a_name_that_is_none_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(ModelError, match=r"bedrock:MODEL-ID .* or fake"):
        load_painter(name)
