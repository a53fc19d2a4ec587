"""A fact of a picture: the questions about it, and its answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of a picture: the ways to ask for it, and the answer."""

    kind: str
    asked: tuple[str, ...]
    answer: str
