"""Closed answers of a reader: the weight of the encoder's cosine, and the temperature of the result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.images import read_image
from catalens.core.types import Scores
from catalens.core.vectors import batched, softmax
from catalens.models.readers.bundled import BundleReader
from catalens.tasks.calibration import fit_temperature
from catalens.training.facts import Fact

COSINES = (0.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0)
"""Weights that are tried."""
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of question put to n pictures with m answers to choose from: what the reader said of each, alone.

    Attributes:
        scores: (n, m) log-likelihoods.
        cosines: (n, m) of pictures with answers.
        truth: (n,) places of the right answers.
    """

    scores: Scores
    cosines: Scores
    truth: NDArray[np.int64]

    def chances(self, cosine: float, temperature: float) -> Scores:
        """Return (n, m) probabilities."""
        return softmax((self.scores + cosine * self.cosines) / temperature)


def ask_all(reader: BundleReader, pictures: Sequence[bytes], facts: Sequence[Sequence[Fact]]) -> dict[str, Asked]:
    """Ask every kind of question of the pictures that have such a fact, with all answers that the kind has."""
    told: dict[str, set[str]] = defaultdict(set)
    for fact in (fact for row in facts for fact in row):
        told[fact.kind].add(fact.answer)
    answers = {kind: sorted(each) for kind, each in told.items()}
    vectors = {kind: reader.encoder.encode_texts(each) for kind, each in answers.items()}
    rows: dict[str, list[tuple[Scores, Scores, int]]] = defaultdict(list)
    for some in batched(list(zip(pictures, facts, strict=True)), 32):
        seen = reader.encode_images([read_image(data, at_least=reader.input_size_wh) for data, _ in some])
        for question, kind in sorted({(fact.asked[0], fact.kind) for _, row in some for fact in row}):
            near = seen.vectors @ vectors[kind].T
            alone = reader.score(seen, question, answers[kind]) * reader.temperature - reader.cosine * near
            for at, (_, row) in enumerate(some):
                for fact in row:
                    if (fact.asked[0], fact.kind) == (question, kind):
                        rows[kind].append((alone[at], near[at], answers[kind].index(fact.answer)))
    return {
        kind: Asked(np.array([r[0] for r in each]), np.array([r[1] for r in each]), np.array([r[2] for r in each]))
        for kind, each in rows.items()
    }


def choose_by(asked: Mapping[str, Asked]) -> tuple[float, float]:
    """Find the cosine weight and temperature that maximise the likelihood of right answers; all kinds count alike."""
    rows = sum(len(each.truth) for each in asked.values())

    def loss_of(cosine: float) -> Callable[[float], float]:
        def loss(temperature: float) -> float:
            lost = [
                -np.log(np.maximum(each.chances(cosine, temperature)[np.arange(len(each.truth)), each.truth], _LEAST))
                for each in asked.values()
            ]
            return float(np.mean([part.mean() for part in lost]))

        return loss

    fitted = {cosine: fit_temperature(loss_of(cosine), rows) for cosine in COSINES}
    best = min(fitted, key=lambda cosine: loss_of(cosine)(fitted[cosine]))
    return best, fitted[best]
