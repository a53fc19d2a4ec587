"""Closed answers: each has the likelihood that transformers gives it alone, in one pass over everything."""

from __future__ import annotations

import pytest
import torch

from catalens.core.types import Turn
from catalens.models.readers.blip2 import dialogue
from catalens.models.readers.reader import TorchReader
from catalens.models.readers.tokens import plain_ids
from tests.support.reader_contract import pictures
from tests.support.reader_references import likelihood
from tests.support.tiny_readers import ANSWERERS, CHATS, tiny

QUESTION = "What colour is it?"
CHOICES = ["red", "blue", "a green shirt with short sleeves", "white shoes", "red"]


@pytest.mark.parametrize("name", ANSWERERS)
def test_scores_are_the_likelihoods_of_each_alone(name: str) -> None:
    family, images = tiny(name)[1], pictures()
    reader = TorchReader(family)
    history = [Turn("What is it?", "a shirt")] if name in CHATS else []
    scores = reader.score(reader.encode_images(images), QUESTION, CHOICES, history=history)
    ids = [plain_ids(family.tokenizer, f"{family.answer_prefix}{each}") for each in CHOICES]
    worded = dialogue(QUESTION, ()) if name.startswith("blip2") else QUESTION
    alone = [[likelihood(name, image, worded, each, history) for each in ids] for image in images]
    assert torch.tensor(scores).numpy() == pytest.approx(torch.tensor(alone).numpy(), rel=1e-4, abs=1e-3)
    assert scores[:, 0] == pytest.approx(scores[:, 4], abs=1e-4)


@pytest.mark.parametrize("name", ANSWERERS)
def test_many_answers_are_scored_in_parts(name: str) -> None:
    reader, images = TorchReader(tiny(name)[1]), pictures(2)
    encoded = reader.encode_images(images)
    words = [f"red {at}" for at in range(70)]
    assert reader.score(encoded, QUESTION, words)[:, 50:60] == pytest.approx(
        reader.score(encoded, QUESTION, words[50:60]), abs=1e-3
    )
