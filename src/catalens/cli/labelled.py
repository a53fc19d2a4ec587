"""Labelled tables for commands that measure or learn: encoded pictures and the true values beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli.inputs import pairs
from catalens.cli.jobs import encode_all

if TYPE_CHECKING:
    from catalens.cli.tally import Tally
    from catalens.core.protocols import Encoder
    from catalens.core.types import Record, Vectors
    from catalens.pipelines.session import Session
    from catalens.tasks.assessment import Truth
    from catalens.tasks.schema import Schema


@dataclass(frozen=True, slots=True)
class Labelled:
    """n records with vectors (n, dim) and true values (group → n of them)."""

    records: Sequence[Record]
    vectors: Vectors
    truth: Mapping[str, Sequence[Truth]]


def read_labelled(
    path: Path, schema: Schema, columns: Sequence[str], encoder: Encoder, session: Session, tally: Tally
) -> Labelled:
    """Encode a table's pictures, count them in the tally, and read what its columns say of a schema's groups.

    Raises:
        InputError: a pair of --column is malformed, or no group has a column.
    """
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.labelled import read_truth

    records, vectors = encode_all(open_source(path), encoder, session, tally)
    if not records:
        tally.finish()
    truth = read_truth(records, schema, pairs(columns, "--column", "colour=baseColour"))
    return Labelled(records, vectors, truth)
