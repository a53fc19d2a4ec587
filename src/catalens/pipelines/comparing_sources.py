"""Tags by an encoder or answers by a reader: which is right more often on a labelled table, attribute by attribute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from catalens.catalogue.sources import open_source
from catalens.core.errors import InputError
from catalens.core.types import Record, Scores
from catalens.pipelines.answering import GroupAnswerStage
from catalens.pipelines.engine import run_job
from catalens.pipelines.evaluating import TagEvaluation, evaluate_answers, evaluate_tags
from catalens.pipelines.events import Callbacks
from catalens.pipelines.labelled import LabelledTable
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Values
from catalens.tasks.attribute_sources import FEWEST_ROWS, AttributeSources, measure_sources


@dataclass(frozen=True, slots=True, eq=False)
class SourceComparison:
    """Tags and answers on the same labelled pictures.

    Attributes:
        table: the pictures, with the groups that could be measured.
        answered: group name → (n, m) probabilities of the reader.
        sources: the better source of each group.
    """

    table: LabelledTable
    answered: Mapping[str, Scores]
    sources: AttributeSources

    def rows(self) -> list[dict[str, Any]]:
        """Return the measures of each group, as `catalens eval attributes` prints them."""
        return [{"group": name} | asdict(found) for name, found in self.sources.groups.items()]

    def few(self) -> dict[str, int]:
        """Return the groups that keep the tags because too few pictures have them, and how many do."""
        return {name: each.rows for name, each in self.sources.groups.items() if each.rows < FEWEST_ROWS}

    def evaluations(self) -> tuple[TagEvaluation, TagEvaluation]:
        """Return what is known of the tags and of the answers, row by row."""
        return (
            evaluate_tags(self.table, None),
            evaluate_answers(self.table, self.answered, self.sources.reader_name),
        )


def compare_sources(path: Path, table: LabelledTable, session: Session, callbacks: Callbacks) -> SourceComparison:
    """Ask the session's reader what its encoder's tags were asked, and compare both with the truth.

    Args:
        path: of the labelled table.
        table: what was read of it.
        session: the encoder that made the table's vectors, and the reader.
        callbacks: called with progress; failures are those of the table again.

    Raises:
        InputError: the table has no value that the schema knows.
    """
    schema = table.bank.schema
    asked = [group for group in map(schema.group, table.truth) if group.kind == "exclusive"]
    rows: dict[str, list[Scores]] = {group.name: [] for group in asked}

    def result(_record: Record, values: Values) -> None:
        for name, row in values.items():
            rows[name].append(row)

    # Pictures that could not be read fail again, so the order is the same.
    stages = [GroupAnswerStage(tuple(asked))]
    run_job(open_source(path), stages, session=session, callbacks=replace(callbacks, on_result=result))
    answered = {name: np.stack(found) for name, found in rows.items() if found}
    measured = measure_sources(table.vectors, answered, table.truth, table.bank)
    if not measured:
        raise InputError(f"{path} has no value that schema {schema.name!r} knows, so there is nothing to compare")
    sources = AttributeSources(
        encoder_name=table.bank.encoder_name,
        reader=session.config.reader,
        reader_name=session.reader().name,
        schema_name=schema.name,
        groups=measured,
    )
    return SourceComparison(replace(table, truth={name: table.truth[name] for name in measured}), answered, sources)
