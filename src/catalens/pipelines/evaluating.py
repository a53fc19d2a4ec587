"""Evaluations of an encoder on a labelled table, with what is needed to explain them row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalens.core.errors import InputError
from catalens.core.types import Record, Scores, Vectors
from catalens.pipelines.labelled import LabelledTable
from catalens.tasks.assessment import Judged, judge, read_table
from catalens.tasks.attributes import held_labels
from catalens.tasks.calibration import Calibration, expected_calibration_error
from catalens.tasks.ranking import cosines
from catalens.training.evaluation import Ranks, accuracy_of, rank, retrieval_of

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder
    from catalens.pipelines.session import Session


@dataclass(frozen=True, slots=True)
class GroupEvaluation:
    """One group of a schema.

    Attributes:
        judged: predictions beside the truth.
        ranks: where the true label comes among all labels, (r,); None where several labels may hold, or without rows.
    """

    judged: Judged
    ranks: Ranks | None

    def row(self) -> dict[str, Any]:
        """Return the measures, as `catalens eval tags` prints them; those that cannot be measured are None."""
        report = self.judged.report()
        found = None
        if self.ranks is not None:
            truth = self.judged.part.truth
            found = accuracy_of(self.ranks, truth.argmax(axis=1), truth.shape[1])
        return {
            "group": report.group,
            "rows": report.rows,
            "skipped": report.skipped,
            "labels": found.labels if found else None,
            "top1": found.top1 if found else None,
            "top5": found.top5 if found else None,
            "majority": found.majority if found else None,
            "precision": report.counts.precision,
            "recall": report.counts.recall,
            "ece": report.ece_after,
        }


@dataclass(frozen=True, slots=True)
class TagEvaluation:
    """An encoder's tags on a labelled table; `records` are those whose rows the groups speak of."""

    encoder_name: str
    records: Sequence[Record]
    groups: Sequence[GroupEvaluation]


@dataclass(frozen=True, slots=True)
class SearchEvaluation:
    """An encoder's search of a table's pictures by each row's own text.

    Attributes:
        encoder_name: of the encoder.
        records: n pictures.
        vectors: (n, dim) of the pictures.
        texts: the q queries.
        places: q positions of the pictures that the queries should find.
        queries: (q, dim).
        ranks: of those pictures.
    """

    encoder_name: str
    records: Sequence[Record]
    vectors: Vectors
    texts: Sequence[str]
    places: Sequence[int]
    queries: Vectors
    ranks: Ranks

    def row(self) -> dict[str, Any]:
        """Return the measures, as `catalens eval search` prints them."""
        return asdict(retrieval_of(self.ranks)) | {"pictures": len(self.records)}


def evaluate_tags(table: LabelledTable, calibration: Calibration | None) -> TagEvaluation:
    """Compare what a schema's bank reads from pictures with what their table says.

    Args:
        table: pictures and true values.
        calibration: learned with the same encoder, or None.
    """
    groups = []
    for judged in judge(table.vectors, table.truth, table.bank, calibration=calibration):
        part, ranks = judged.part, None
        if judged.group.kind == "exclusive" and len(part.rows):
            scores = cosines(table.vectors[part.rows], table.bank.banks[judged.group.name].vectors)
            ranks = rank(scores, part.truth.argmax(axis=1))
        groups.append(GroupEvaluation(judged, ranks))
    return TagEvaluation(table.bank.encoder_name, table.records, groups)


def evaluate_answers(table: LabelledTable, answered: Mapping[str, Scores], reader_name: str) -> TagEvaluation:
    """Compare a reader's closed answers with what a table says, as if they were tags.

    Args:
        table: n pictures and true values, of which some can be used.
        answered: group name → (n, m) probabilities; every group of the table is among them, and exclusive.
        reader_name: takes the encoder's place.
    """
    groups = []
    for name, column in table.truth.items():
        group = table.bank.schema.group(name)
        part = read_table(group, column, len(table.records))
        scores = answered[name][part.rows]
        held = held_labels(group, scores, np.zeros(len(scores), dtype=np.float32))
        error = expected_calibration_error(
            scores.max(axis=1), part.truth[np.arange(len(scores)), scores.argmax(axis=1)]
        )
        judged = Judged(group, part, scores, held, np.zeros(scores.shape[1]), 1.0, error)
        groups.append(GroupEvaluation(judged, rank(scores, part.truth.argmax(axis=1))))
    return TagEvaluation(reader_name, table.records, groups)


def evaluate_search(
    records: Sequence[Record], vectors: Vectors, column: str, encoder: Encoder, session: Session
) -> SearchEvaluation:
    """Search n pictures by the texts of a column of their own rows.

    Raises:
        InputError: no record has the column; the message lists those there are.
    """
    from catalens.pipelines.encoding import encode_texts

    found = [(place, str(record.fields[column])) for place, record in enumerate(records) if column in record.fields]
    if not found:
        known = ", ".join(sorted({name for record in records for name in record.fields}))
        raise InputError(f"the table has no column {column!r}; name one of: {known} with --text")
    places, texts = [place for place, _ in found], [text for _, text in found]
    queries = encode_texts(texts, encoder, session)
    ranks = rank(queries @ vectors.T, np.asarray(places))
    return SearchEvaluation(encoder.name, records, vectors, texts, places, queries, ranks)
