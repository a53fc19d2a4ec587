"""Adapts a bundle to the labels of a table: which bundle, which labels, and the sides of the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from catalens.core.errors import InputError
from catalens.core.json_text import rounded
from catalens.models.bundle import BundleEncoder, load_bundle
from catalens.models.registry import SHIPPED, shipped
from catalens.pipelines.finetuning import EncodedTable, sides_of
from catalens.pipelines.labelled import read_truth
from catalens.pipelines.session import Session
from catalens.tasks.assessment import GroupReport
from catalens.tasks.schema import Schema
from catalens.training.finetune.splits import Split
from catalens.training.finetune.starter import Adapted, Part, adapt, write_bundle


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedBundle:
    """A bundle that was written.

    Attributes:
        adapted: what was learned, and the scores.
        reports: group name → how its thresholds were calibrated.
    """

    adapted: Adapted
    reports: Mapping[str, GroupReport]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the scores of each group as JSON values."""
        scores = self.adapted.scores
        return [{"group": each.group, **each.to_dict(), **rounded(self._ece(each.group))} for each in scores]

    def table(self) -> list[tuple[object, ...]]:
        """Return labels, rows of train and test, and accuracies and calibration errors of each group."""
        return [
            (
                *(each.group, each.labels, each.rows["train"], each.rows["test"]),
                *(each.majority, each.test_before, each.test_after),
                *self._ece(each.group).values(),
            )
            for each in self.adapted.scores
        ]

    def _ece(self, group: str) -> dict[str, float]:
        report = self.reports[group]
        return {"ece_before": report.ece_before, "ece_after": report.ece_after}


def open_bundle(session: Session) -> tuple[BundleEncoder, Path]:
    """Return the configured encoder, or the bundled one of products, and its folder.

    Raises:
        InputError: it is not a bundle.
    """
    name = session.config.encoder or "starter"
    encoder = session.encoder(name)
    folder = shipped(name) if name in SHIPPED else Path(name).expanduser()
    if not isinstance(encoder, BundleEncoder) or not (folder / "bundle.json").is_file():
        raise InputError(f"{name} is not a bundle; name a bundled encoder, or a folder that `catalens export` wrote")
    return encoder, folder


def adapt_bundle(
    bundle: tuple[BundleEncoder, Path],
    tables: Mapping[Split, EncodedTable],
    schema: Schema,
    columns: Sequence[tuple[str, str]],
    out: Path,
    *,
    seed: int,
    session: Session,
) -> AdaptedBundle:
    """Learn the labels of a schema, and write the bundle.

    Args:
        bundle: an encoder and its folder.
        tables: the one for train; those for val and test where there are some.
        schema: the labels.
        columns: (group, column) of those that have another name.
        out: folder to write.
        seed: of the split.
        session: runtime and cache of the written bundle, which is tried.

    Raises:
        InputError: no group has labelled images to learn from and to choose by.
    """
    parts: dict[Split, Part] = {}
    for name, (table, rows) in sides_of(tables, seed=seed).items():
        truth = read_truth(table.records, schema, columns)
        parts[name] = Part(table.vectors[rows], {group: [values[at] for at in rows] for group, values in truth.items()})
    encoder, folder = bundle
    adapted = adapt(encoder, schema, parts)
    load = partial(load_bundle, runtime=session.config.runtime, cache=session.config.cache)
    reports = write_bundle(encoder, folder, out, adapted, parts["val"], load=load)
    return AdaptedBundle(adapted, {report.group: report for report in reports})
