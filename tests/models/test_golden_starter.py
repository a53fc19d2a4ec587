"""The shipped starter's numbers: drawn pictures against texts, as they were when its revision was released.

They say nothing of how good it is, only that neither a runtime nor a change of ours moves what it gives. For a new
revision, write them again and look at the difference: `python tests/models/test_golden_starter.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.models.bundle import load_bundle
from catalens.models.facts import FACTS, read_facts
from catalens.models.registry import shipped

GOLDEN = Path(__file__).with_name("golden_starter.json")
REWRITE = f"if that is meant, write them again with: python tests/models/{Path(__file__).name}"
TEXTS = ["a red dress", "a blue dress", "a black handbag", "women", "none of these"]
TOLERANCE = 2e-4
"""Rounding to four digits, and another order of float32 sums on another processor."""


def pictures() -> dict[str, Image.Image]:
    """A red dress and a black handbag on white, by plain arithmetic, so that no drawing library has a say."""
    y, x = np.mgrid[0:320, 0:240]
    from_middle = abs(x - 120)
    dress = ((y >= 40) & (y < 150) & (from_middle < 38)) | ((y >= 150) & (y < 290) & (from_middle < y / 2 - 37))
    neck = (y < 65) & (from_middle < 14)
    handle = np.hypot(x - 120, y - 150)
    bag = ((y >= 150) & (y < 260) & (from_middle < 80)) | ((y < 150) & (handle > 44) & (handle < 54))
    return {
        "red dress": _painted(dress & ~neck, (200, 20, 40)),
        "black handbag": _painted(bag, (35, 30, 30)),
    }


def _painted(shape: np.ndarray[Any, Any], colour: tuple[int, int, int]) -> Image.Image:
    pixels = np.full((*shape.shape, 3), 255, dtype=np.uint8)
    pixels[shape] = colour
    return Image.fromarray(pixels)


def measured() -> dict[str, Any]:
    """The bundle's revision, and each picture's cosine with each text."""
    encoder = load_bundle(shipped("starter"), runtime="onnxruntime", threads=1)
    drawn = pictures()
    cosines = encoder.encode_images(list(drawn.values())) @ encoder.encode_texts(TEXTS).T
    return {
        "revision": read_facts(shipped("starter")).revision,
        "cosines": {
            name: {text: round(float(each), 4) for text, each in zip(TEXTS, row, strict=True)}
            for name, row in zip(drawn, cosines, strict=True)
        },
    }


@pytest.mark.skipif(not (shipped("starter") / FACTS).is_file(), reason="no starter bundle is shipped yet")
def test_the_starter_gives_what_it_gave_when_it_was_released() -> None:
    golden, now = json.loads(GOLDEN.read_text(encoding="utf-8")), measured()
    assert now["revision"] == golden["revision"], f"{GOLDEN.name} is of another revision of the starter; {REWRITE}"
    assert now["cosines"].keys() == golden["cosines"].keys(), f"{GOLDEN.name} is of other pictures; {REWRITE}"
    for name, cosines in now["cosines"].items():
        assert cosines == pytest.approx(golden["cosines"][name], abs=TOLERANCE), f"{name} has moved; {REWRITE}"


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(measured(), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"written: {GOLDEN}\n")
