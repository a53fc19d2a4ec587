"""The relevance cut-off: where a query's hits end and its background begins.

Every record has some cosine with every query, so even a nonsense query has a "top twenty". Hits differ
from background by how far they stand above the scores that the same query gives to the rest of the
catalogue. This also makes text, image and mixed queries comparable: their cosines lie in different
ranges, their lifts do not.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import CatalogueError, InputError
from catalens.core.files import read_text, write_text_atomically
from catalens.core.json_text import parse_json
from catalens.core.protocols import Index, LocalIndex
from catalens.core.types import Scores, Vectors

MIN_BACKGROUND = 50
"""With fewer records the background cannot be estimated, and nothing is cut off."""

_LIFTS = np.linspace(0.0, 1.0, 101)
_DEVIATIONS = np.linspace(0.0, 10.0, 41)


@dataclass(frozen=True, slots=True)
class Cutoff:
    """How far above its background a hit must stand, in both measures.

    Attributes:
        lift: cosine above the median. Nonsense spreads little, and lifts little.
        deviations: the same in standard deviations of the background. A vague query spreads much.
    """

    lift: float
    deviations: float

    def floor(self, scores: Scores) -> float:
        """Return the lowest cosine that counts as relevant, given a query's (n,) cosines with everything.

        >>> background = np.linspace(0.0, 0.1, 99, dtype=np.float32)
        >>> round(Cutoff(lift=0.2, deviations=3.0).floor(background), 2)
        0.25
        """
        if len(scores) < MIN_BACKGROUND:
            return -1.0
        centre, deviation = background_of(scores)
        return centre + max(self.lift, self.deviations * deviation)


@dataclass(frozen=True, slots=True)
class Judged:
    """A query with known relevant records.

    Attributes:
        vector: (dim,) unit vector of the query.
        relevant: ids that should be found; empty for nonsense.
    """

    vector: Vectors
    relevant: frozenset[str]


def background_of(scores: Scores) -> tuple[float, float]:
    """Return the median and the standard deviation of the background in (n,) scores.

    Relevant records sit in the upper tail, even a fifth of all, so the deviation is measured below
    the median only: the distance to the point that 15.9 % of a normal distribution lie under.
    """
    n = len(scores)
    low, middle = int(0.1587 * n), n // 2
    parted = np.partition(scores, (low, middle))
    return float(parted[middle]), float(parted[middle] - parted[low])


def scoring(index: Index) -> LocalIndex:
    """Return the index as one that scores every record, which a cut-off needs.

    Raises:
        CatalogueError: it cannot.
    """
    if not index.capabilities.all_scores:
        raise CatalogueError(
            "a relevance cut-off needs the scores of all records, which a search server does not return; "
            "use a minimum score instead, or a catalogue in a file"
        )
    return cast(LocalIndex, index)


def read_judged(path: Path) -> dict[str, set[str]]:
    """Read judged queries: query → ids of its relevant records, none for a query that should find nothing.

    Args:
        path: CSV with the columns query and id; a row with an empty id is a query without relevant records.

    Raises:
        InputError: it cannot be read, or lacks a column.
    """
    lines = [f"{line}\n" for line in read_text(path).split("\n")]
    answers: dict[str, set[str]] = {}
    try:
        table = csv.DictReader(lines, strict=True)
        if not {"query", "id"} <= set(table.fieldnames or ()):
            raise InputError(
                f"{path} needs the columns query and id; it has {', '.join(table.fieldnames or ()) or 'none'}"
            )
        for row in table:
            relevant = answers.setdefault(row["query"], set())
            relevant |= {row["id"]} if row["id"] else set()
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV ({error}); is a quote left open?") from error
    return answers


def learn_cutoff(index: LocalIndex, judged: Sequence[Judged]) -> Cutoff:
    """Choose the cut-off under which the mean F1 of these queries is highest.

    A query without relevant records scores 1 if nothing is found and 0 otherwise; include some, or the
    cut-off never learns what nonsense looks like.

    Raises:
        InputError: no queries, or a catalogue too small to have a background.
    """
    if not judged:
        raise InputError("no judged queries; a cut-off is learned from queries and their relevant ids")
    ids = [record.id for record in index.records()]
    if len(ids) < MIN_BACKGROUND:
        raise InputError(f"a catalogue of {len(ids)} is too small for a cut-off; it takes {MIN_BACKGROUND} records")
    total = np.zeros((len(_LIFTS), len(_DEVIATIONS)))
    for query in judged:
        total += _f1(index.scores(query.vector), np.array([one in query.relevant for one in ids]))
    # Few queries leave a plateau of equally good choices; its middle is the safest of them.
    plateau = np.argwhere(total >= total.max() - 1e-9)
    lift, deviations = plateau[np.argmin(((plateau - plateau.mean(axis=0)) ** 2).sum(axis=1))]
    return Cutoff(round(float(_LIFTS[lift]), 4), round(float(_DEVIATIONS[deviations]), 4))


def write_cutoff(path: Path, cutoff: Cutoff) -> None:
    """Write a cut-off as JSON.

    Raises:
        InputError: it cannot be written; what was there is unchanged.
    """
    write_text_atomically(path, json.dumps(asdict(cutoff)) + "\n")


def read_cutoff(path: Path) -> Cutoff:
    """Read a cut-off.

    Raises:
        InputError: no such file, or something else in it.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        return Cutoff(float(content["lift"]), float(content["deviations"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no cut-off, which looks like {json.dumps(asdict(Cutoff(0.1, 3.0)))}") from error


def _f1(scores: Scores, relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the F1 of one query under every (lift, deviations) of the grid."""
    centre, deviation = background_of(scores)
    order = np.argsort(scores)
    floors = centre + np.maximum(_LIFTS[:, None], _DEVIATIONS[None, :] * deviation)
    under = np.searchsorted(scores[order], floors.astype(np.float32))  # how many are cut off
    found = len(scores) - under
    if not relevant.any():
        return np.asarray(found == 0, dtype=np.float64)
    relevant_under = np.concatenate([[0], np.cumsum(relevant[order])])
    right = relevant.sum() - relevant_under[under]
    return np.asarray(2 * right / (found + relevant.sum()), dtype=np.float64)
