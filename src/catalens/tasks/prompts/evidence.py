"""What an encoder must find in an image before a term is said of it, measured once and kept beside its weights.

A small encoder's nearest terms are near by chance: half of a large vocabulary it does not know at all. Here each term
that it was found to know has a threshold, for the cosine with its text or for the share of the classes that it names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalens.core.classes import ClassSets
from catalens.core.errors import ModelError
from catalens.core.files import write_text_atomically
from catalens.core.json_text import parse_json
from catalens.core.types import Scores, Vectors
from catalens.tasks.class_words import classes_by_stems, plain
from catalens.tasks.prompts.tables import Kind, Tables, load_tables

NOTHING_KNOWN = "a picture"
"""The prompt where there is no caption and no term has enough evidence."""
BY_TEXT = ""
"""Of a claim that is judged by the cosine of its text, not by classes."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A term that an encoder knows.

    Attributes:
        text: the term.
        kind: its table.
        least: the cosine, or the share of its classes, that it needs.
        classes: the set of classes that has some of this name; `BY_TEXT` for none.
    """

    text: str
    kind: Kind
    least: float
    classes: str = BY_TEXT


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The terms that an encoder knows.

    Attributes:
        encoder_name: whose thresholds they are.
        claims: term → what it needs.
        sets: the encoder's classes.
        scale: of its cosines with classes.
    """

    encoder_name: str
    claims: Mapping[str, Claim]
    sets: ClassSets
    scale: float

    def tables(self) -> Tables:
        """Return the terms as tables; no artists, movements or sites, of which such an encoder knows nothing."""

        def of(kind: Kind) -> list[str]:
            return [each.text for each in self.claims.values() if each.kind == kind]

        return Tables(
            artists=(),
            flavors=of("flavor"),
            mediums=of("medium"),
            movements=(),
            sites=(),
            negative=load_tables().negative,
        )

    def shares(self, vectors: Vectors) -> Mapping[str, Scores]:
        """Return, for each term that is judged by classes, their share in each of n images: (n,)."""
        found: dict[str, Scores] = {}
        for name in {each.classes for each in self.claims.values()} - {BY_TEXT}:
            terms = [each.text for each in self.claims.values() if each.classes == name]
            found |= class_shares(vectors, terms, name, self.sets, self.scale)
        return found

    def holds(self, term: str, cosine: float, shares: Mapping[str, Scores], at: int) -> bool:
        """Return whether there is enough evidence for a term.

        Args:
            term: one of the claims.
            cosine: of its text with the image.
            shares: of the classes, for all images.
            at: which image.
        """
        claim = self.claims[term]
        return (cosine if claim.classes == BY_TEXT else float(shares[term][at])) >= claim.least


def class_shares(vectors: Vectors, terms: Sequence[str], name: str, sets: ClassSets, scale: float) -> dict[str, Scores]:
    """Return, for each term, the share (n,) that the classes of its name have of a set, in each of n images."""
    places = class_places(sets, name, terms)
    logits = np.float32(scale) * (vectors @ sets[name].vectors.T)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return {term: shares[:, some].sum(axis=1) for term, some in places.items()}


def class_places(sets: ClassSets, name: str, terms: Sequence[str]) -> dict[str, list[int]]:
    """Return, for each term, the classes of its name in a set.

    Raises:
        LookupError: there is no such set, or a term is no name in it.
    """
    named = classes_by_stems(sets[name])
    return {term: list(named[plain(term)]) for term in terms}


def save_evidence(file: Path, encoder_name: str, claims: Sequence[Claim]) -> None:
    """Write the terms that an encoder knows: table → set of classes → term → threshold."""
    terms: dict[str, dict[str, dict[str, float]]] = {}
    for each in claims:
        terms.setdefault(each.kind, {}).setdefault(each.classes, {})[each.text] = each.least
    write_text_atomically(file, json.dumps({"encoder": encoder_name, "terms": terms}, indent=1) + "\n")


def load_evidence(file: Path, encoder_name: str, sets: ClassSets, scale: float) -> Evidence:
    """Read the terms that an encoder knows.

    Raises:
        ModelError: the file is damaged, or was made with another encoder.
    """
    try:
        body = parse_json(file.read_text(encoding="utf-8"))
        owner = str(body["encoder"])
        claims = [
            Claim(str(text), kind, float(least), str(classes))
            for kind, by in body["terms"].items()
            for classes, terms in by.items()
            for text, least in terms.items()
        ]
        found = Evidence(owner, {each.text: each for each in claims}, sets, scale)
        for name in {each.classes for each in claims} - {BY_TEXT}:
            class_places(sets, name, [each.text for each in claims if each.classes == name])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} cannot be used: {error!r}") from error
    if owner != encoder_name:
        raise ModelError(f"{file} was learned with {owner}, not {encoder_name}")
    return found
