"""Prompts of real CLIP text towers: prefixes are run once, and what is found is what whole texts would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import open_clip
import pytest
import torch

from catalens.core.protocols import PrefixEncoder
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.registry import load_encoder
from catalens.tasks.interrogation import Plan, Tables, Vocabulary, build_vocabulary, interrogate, load_tables
from tests.support.tiny_encoders import Tiny

CAPTION = "a photo of a cat on a sofa"
PLAN = Plan(candidates=40, min_flavors=2, max_flavors=8, token_limit=40)


class Whole:
    """open_clip itself, every text padded to 77 tokens."""

    def __init__(self, folder: str) -> None:
        self._model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
        self._tokenize = open_clip.get_tokenizer("ViT-B-32")

    def cosines(self, texts: Sequence[str], vector: Vectors) -> np.ndarray:
        with torch.inference_mode():
            return self._model.encode_text(self._tokenize(list(texts)), normalize=True).numpy() @ vector

    def count(self, text: str) -> int:
        return int((self._tokenize([text]) != 0).sum())


@pytest.fixture(scope="module")
def encoder(tiny: Tiny) -> PrefixEncoder:
    found = load_encoder(str(tiny("open_clip ViT")), runtime="torch", device="cpu")
    assert isinstance(found, PrefixEncoder)
    return found


@pytest.fixture(scope="module")
def whole(tiny: Tiny) -> Whole:
    return Whole(str(tiny("open_clip ViT")))


@pytest.fixture(scope="module")
def vocabulary(encoder: PrefixEncoder) -> Vocabulary:
    shipped = load_tables()
    few = Tables(
        artists=shipped.artists[:20],
        flavors=shipped.flavors[::9],
        mediums=shipped.mediums[:20],
        movements=shipped.movements[:20],
        sites=[],
        negative=shipped.negative[:9],
    )
    return build_vocabulary(encoder, few)


def honest_chain(whole: Whole, vector: Vectors, start: str, phrases: Sequence[str], sign: float = 1.0) -> str:
    """The search as it is described: every remaining phrase, every text whole."""
    left = list(phrases)
    best = now = start
    [best_score] = [now_score] = sign * whole.cosines([start], vector)
    for count in range(PLAN.most):
        texts = [f"{now}, {phrase}" for phrase in left]
        scores = sign * whole.cosines(texts, vector)
        scores[[whole.count(text) > 40 for text in texts]] = -np.inf
        top = int(np.argmax(scores))
        if np.isneginf(scores[top]):
            break
        if scores[top] > best_score:
            best, best_score = texts[top], scores[top]
        if scores[top] <= now_score and count >= PLAN.min_flavors:
            break
        now, now_score = texts[top], scores[top]
        left.pop(top)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_best_is_as_near_as_what_whole_texts_give(
    encoder: PrefixEncoder, whole: Whole, vocabulary: Vocabulary, seed: int
) -> None:
    vector = unit_rows(np.random.default_rng(seed).standard_normal((1, encoder.dim)))
    terms = [term for kind in ("artist", "flavor", "medium", "movement") for term in vocabulary.banks[kind].terms]
    ranked = [terms[at] for at in np.argsort(-whole.cosines(terms, vector[0]), kind="stable")[: PLAN.candidates]]
    wanted = honest_chain(whole, vector[0], CAPTION, ranked)
    [found] = interrogate(encoder, vocabulary, vector, [CAPTION], PLAN)
    [reached, honest] = whole.cosines([found.text, wanted], vector[0])
    assert found.text == wanted or reached > honest + 1e-6
    assert found.cosine == pytest.approx(reached, abs=1e-5)
    assert found.tokens == whole.count(found.text) <= 40


@pytest.mark.parametrize("seed", range(6))
def test_negative_is_what_whole_texts_give(
    encoder: PrefixEncoder, whole: Whole, vocabulary: Vocabulary, seed: int
) -> None:
    vector = unit_rows(np.random.default_rng([1, seed]).standard_normal((1, encoder.dim)))
    flavors = vocabulary.banks["flavor"].terms
    far = [flavors[at] for at in np.argsort(whole.cosines(flavors, vector[0]), kind="stable")[: PLAN.candidates]]
    terms = list(dict.fromkeys([*far, *vocabulary.banks["negative"].terms]))
    start, *rest = [terms[at] for at in np.argsort(whole.cosines(terms, vector[0]), kind="stable")]
    plan = Plan(mode="negative", candidates=PLAN.candidates, min_flavors=2, max_flavors=8, token_limit=40)
    [found] = interrogate(encoder, vocabulary, vector, [""], plan)
    assert found.text == honest_chain(whole, vector[0], start, rest, sign=-1.0)
