"""How much the encoder counts among a reader's closed answers is what makes right answers likeliest."""

from __future__ import annotations

import numpy as np
import pytest

from catalens.training.answer_calibration import COSINES, Asked, choose_by


def asked(n: int, *, told_by_reader: float, told_by_encoder: float, seed: int) -> Asked:
    """Make up a kind of question with five answers, of which the right one is a little likelier and nearer."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, n)
    right = np.eye(5)[truth]
    scores = 3.0 * rng.standard_normal((n, 5)) + told_by_reader * right
    cosines = 0.1 * rng.standard_normal((n, 5)) + told_by_encoder * right
    return Asked(scores.astype(np.float32), cosines.astype(np.float32), truth)


def right(each: Asked, cosine: float, temperature: float) -> float:
    return float((each.chances(cosine, temperature).argmax(axis=1) == each.truth).mean())


def test_an_encoder_that_knows_counts_and_one_that_does_not_is_left_out() -> None:
    knows = {kind: asked(600, told_by_reader=3.0, told_by_encoder=0.2, seed=seed) for seed, kind in enumerate("ab")}
    cosine, temperature = choose_by(knows)
    assert cosine >= 12.0
    assert cosine in COSINES
    for each in knows.values():
        assert right(each, cosine, temperature) > right(each, 0.0, temperature) + 0.05
    guesses = {kind: asked(600, told_by_reader=9.0, told_by_encoder=0.0, seed=seed) for seed, kind in enumerate("ab")}
    assert choose_by(guesses)[0] == 0.0


def test_the_temperature_makes_the_answers_honest() -> None:
    sure = {"a": asked(4000, told_by_reader=2.0, told_by_encoder=0.0, seed=5)}
    cosine, temperature = choose_by(sure)
    assert temperature > 1.5
    best = sure["a"].chances(cosine, temperature).max(axis=1)
    assert best.mean() == pytest.approx(right(sure["a"], cosine, temperature), abs=0.03)
