"""What a stage lacks of texts: encoded in pieces, each once, and few of them on the spot."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from catalens.core.errors import ModelError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.fakes import FakeEncoder
from catalens.serving.pacing import PacedEncoder, Preparation, UnfinishedError


def paced(encoder: Encoder, preparation: Preparation) -> Encoder:
    return cast("Encoder", PacedEncoder(encoder, lambda: preparation))


def test_many_texts_are_encoded_in_pieces_each_once_and_as_if_they_were_not():
    encoder, preparation = FakeEncoder(), Preparation()
    texts = [f"{'long ' * (at % 7)}text {at}" for at in range(70)]
    with pytest.raises(UnfinishedError):
        paced(encoder, preparation).encode_texts(texts)
    assert encoder.batches == []
    assert [preparation.go_on(0.0) for _ in range(3)] == [False, False, True]
    assert not preparation.is_over
    found = paced(encoder, preparation).encode_texts(texts)
    assert encoder.batches == [32, 32, 6]
    assert (found == FakeEncoder().encode_texts(texts)).all()
    assert preparation.is_over


def test_few_texts_and_those_that_nobody_paces_are_encoded_on_the_spot():
    encoder = FakeEncoder()
    assert paced(encoder, Preparation()).encode_texts(["a"] * 16).shape == (16, 16)
    unpaced = PacedEncoder(encoder, lambda: None)
    assert unpaced.encode_texts(["a"] * 50).shape == (50, 16)
    assert encoder.batches == [16, 50]
    assert (unpaced.name, unpaced.dim) == ("fake-16", 16)


def test_small_groups_of_a_stage_are_encoded_once_and_few_on_the_spot():
    encoder, preparation = FakeEncoder(), Preparation()
    groups = [[f"{group} {at}" for at in range(10)] for group in "ab"]
    with pytest.raises(UnfinishedError):
        [paced(encoder, preparation).encode_texts(group) for group in groups]
    assert preparation.go_on(0.0)
    for group in groups:
        assert (paced(encoder, preparation).encode_texts(group) == FakeEncoder().encode_texts(group)).all()
    assert encoder.batches == [10, 10]
    assert preparation.is_over


def test_vectors_of_a_wrong_shape_are_refused():
    class Short(FakeEncoder):
        def encode_texts(self, texts: Sequence[str]) -> Vectors:
            return np.ones((1, self.dim), dtype=np.float32)

    preparation = Preparation()
    with pytest.raises(UnfinishedError):
        preparation.encode(Short(), [f"word {at}" for at in range(100)])
    with pytest.raises(ModelError, match=r"\(1, 16\) for 32 texts"):
        preparation.go_on(0.0)
