"""Real weights against published numbers: run by hand, where a hub can be reached, with CATALENS_WEIGHTS=1."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from catalens.core.images import read_image
from catalens.models.registry import load_encoder

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(os.environ.get("CATALENS_WEIGHTS") != "1", reason="needs the hub: set CATALENS_WEIGHTS=1"),
]
NAME = "openai/clip-vit-base-patch32"
BOOK = "https://raw.githubusercontent.com/HandsOnLLM/Hands-On-Large-Language-Models/main/chapter09/images/"
CATS = "http://images.cocodataset.org/val2017/000000039769.jpg"
TITLES = {
    "puppy": "a puppy playing in the snow",
    "cat": "a pixelated image of a cute cat",
    "car": "A supercar on the road \nwith the sunset in the background",
}


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("runtime", ["torch", "auto"])
def test_the_books_three_pictures_and_captions(runtime: str, tmp_path: Path) -> None:
    encoder = load_encoder(NAME, runtime=runtime, cache=tmp_path)
    pictures = encoder.encode_images([read_image(fetched(f"{BOOK}{name}.png")) for name in TITLES])
    cosines = pictures @ encoder.encode_texts(list(TITLES.values())).T
    assert np.abs(np.diag(cosines) - [0.33, 0.35, 0.31]).max() < 0.01
    assert (cosines.argmax(axis=1) == [0, 1, 2]).all()


def test_two_cats(tmp_path: Path) -> None:
    encoder = load_encoder(NAME, runtime="torch", cache=tmp_path)
    picture = encoder.encode_images([read_image(fetched(CATS))])
    logits = encoder.logit_scale * picture @ encoder.encode_texts(["a photo of a cat", "a photo of a dog"]).T
    assert np.abs(logits[0] - [24.5701, 19.3049]).max() < 0.05
