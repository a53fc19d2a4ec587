"""Hyperparameters of the unified encoder."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = (
    "something else",
    "not a fashion product",
    "a picture of something else",
    "none of these",
    "an unrelated photo",
)
"""Texts that mean "none of these": the starter's, whose half knows no others."""
MOST_WORDS = 4000
"""Everyday words that join the starter's vocabulary; each costs both towers a row or more."""
KEPT_CAPTIONS = 2
"""Captions of each picture in the first stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the result."""

    text_steps: int = 200
    head_steps: int = 500
    joint_steps: int = 150
    head_rate: float = 2e-3
    joint_rate: float = 4e-4
    text_rate: float = 1e-4
    everyday: int = 112
    clothing: int = 64
    grocery: int = 40
    goods: int = 56
    nonsense: int = 16
    names: int = 160
    made: int = 192
    """Made-up features of known classes in a batch."""
    average: float = 0.99
    seed: int = 0
