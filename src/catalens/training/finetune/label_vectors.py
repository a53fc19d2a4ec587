"""Learns one vector per label from image vectors: a cosine classifier that starts from the encoder's own text vectors.

It needs numpy alone. The images' vectors stay as they are, so search and every other label do too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.types import Scores, Vectors
from catalens.core.vectors import unit_rows
from catalens.tasks.attributes import Mask

DECAYS = (0.0, 1e-2, 1e-1, 1.0)
"""Strengths of the pull back to the text vectors; more of it helps where labels have few images."""
_STEPS, _RATE = 100, 0.05
_BETA1, _BETA2, _TINY = 0.9, 0.99, 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Images of one group of labels.

    Attributes:
        vectors: (n, dim), unit rows.
        truth: (n, m), which labels hold; at least one per row.
    """

    vectors: Vectors
    truth: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """Label vectors and how they do on validation images.

    Attributes:
        vectors: (m, dim), unit rows; the text vectors themselves where learning did not help.
        before: validation accuracy of the text vectors.
        after: validation accuracy of `vectors`; never below `before`.
    """

    vectors: Vectors
    before: float
    after: float

    @property
    def improved(self) -> bool:
        """Whether learning raised the accuracy on validation images."""
        return self.after > self.before


def accuracy(examples: Examples, labels: Vectors) -> float:
    """Return the share of images whose nearest label holds; 0 without images."""
    if not len(examples.vectors):
        return 0.0
    best = (examples.vectors @ labels.T).argmax(axis=1)
    return float(examples.truth[np.arange(len(best)), best].mean())


def learn_label_vectors(
    train: Examples, val: Examples, texts: Vectors, *, unknown: Vectors, logit_scale: float
) -> Learned:
    """Learn label vectors, and keep those that do best on validation images.

    Args:
        train: to learn from.
        val: to choose the strength of the pull by; never learned from.
        texts: (m, dim), unit text vectors of the labels: where learning starts, and what wins ties.
        unknown: (0 or 1, dim), the vector of "none of these", which stays where it is.
        logit_scale: of the encoder.
    """
    before = accuracy(val, texts)
    best, best_vectors = before, texts
    for decay in reversed(DECAYS):  # of equal candidates the one nearest to the text vectors
        found = fit(train, texts, unknown=unknown, scale=logit_scale, decay=decay)
        score = accuracy(val, found)
        if score > best:
            best, best_vectors = score, found
    return Learned(best_vectors, before, best)


def fit(train: Examples, texts: Vectors, *, unknown: Vectors, scale: float, decay: float) -> Vectors:
    """Return (m, dim) unit vectors that minimise cross entropy over scaled cosines, pulled towards the text vectors.

    Deterministic: Adam over all images at once, with a rate that falls to zero.

    Source:
        Kingma and Ba 2015 (Adam); weights decay towards the starting point as in Li et al. 2018 (L2-SP).
    """
    vectors = texts.astype(np.float32)
    target = (train.truth / np.maximum(train.truth.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    first, second = np.zeros_like(vectors), np.zeros_like(vectors)
    nothing = scale * (train.vectors @ unknown.T)
    for step in range(1, _STEPS + 1):
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / length
        chances = _softmax(np.concatenate([scale * (train.vectors @ unit.T), nothing], axis=1))[:, : len(vectors)]
        by_unit = scale * ((chances - target).T @ train.vectors) / len(train.vectors)
        gradient = (by_unit - (by_unit * unit).sum(axis=1, keepdims=True) * unit) / length
        gradient += decay * (vectors - texts)
        first = _BETA1 * first + (1 - _BETA1) * gradient
        second = _BETA2 * second + (1 - _BETA2) * gradient**2
        size = np.sqrt(second / (1 - _BETA2**step)) + _TINY
        vectors = vectors - _RATE * (1 - step / _STEPS) * (first / (1 - _BETA1**step)) / size
    return unit_rows(vectors)


def _softmax(logits: Scores) -> NDArray[np.floating]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.floating] = raised / raised.sum(axis=1, keepdims=True)
    return shares
