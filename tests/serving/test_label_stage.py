"""Labels at /invocations: they stand for the classes that an encoder was taught, as they do everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from catalens.core.classes import THINGS, Classes
from catalens.core.errors import CatalensError
from catalens.core.types import Record, Vectors
from catalens.core.vectors import softmax
from catalens.models.routing import Router, SingleEncoder
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture
from catalens.serving.stages import PROBABILITIES, LabelStage
from tests.support.word_encoder import WordEncoder


class Looking(WordEncoder):
    """Every image shows a tabby, somewhat like a dog."""

    def __init__(self) -> None:
        super().__init__("cats dogs tabby", scale=10.0, unknown_texts=("nothing",))
        self.classes = {THINGS: Classes(self.encode_texts(["tabby"]), {"cat": (0,)})}

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        return np.repeat(self.picture(tabby=1.0, dogs=0.5), len(images), axis=0)


class OneEncoder(Session):
    def router(self, name: str | None = None) -> Router:
        return SingleEncoder(Looking())


def test_sentences_of_labels_stand_for_classes_and_share_all_probability() -> None:
    step = LabelStage(("a photo of cats", "dogs", "dogs")).load(OneEncoder())
    (values,) = step.run([Picture(Record("a", "a"), Image.new("RGB", (8, 8)))])
    assert not isinstance(values, CatalensError)
    seen = Looking().picture(tabby=1.0, dogs=0.5)
    texts = 10.0 * (seen @ Looking().encode_texts(["a photo of cats", "dogs", "dogs"]).T)[0]
    logits = [np.logaddexp(texts[0], 10.0 * seen[0, 2]), *texts[1:]]
    assert values[PROBABILITIES] == pytest.approx(softmax(np.array(logits)).tolist(), abs=1e-5)
    assert values[PROBABILITIES][0] > 0.95
