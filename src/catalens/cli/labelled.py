"""Labelled tables for commands that measure or learn: encoded pictures and the true values beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli.inputs import pairs
from catalens.cli.jobs import encode_all

if TYPE_CHECKING:
    from catalens.cli.tally import Tally
    from catalens.pipelines.labelled import LabelledTable
    from catalens.pipelines.session import Session


def read_labelled(
    path: Path, schema: str, columns: Sequence[str] | None, session: Session, tally: Tally
) -> LabelledTable:
    """Encode a table's pictures, count them in the tally, and read what its columns say of a schema's groups.

    Raises:
        InputError: the schema is unknown, a pair of --column is malformed, or no group has a column.
    """
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.labelled import LabelledTable, read_truth
    from catalens.tasks.attributes import build_schema_bank
    from catalens.tasks.schema import load_schema

    groups, encoder = load_schema(schema), session.encoder()
    records, vectors = encode_all(open_source(path), encoder, session, tally)
    if not records:
        tally.finish()
    truth = read_truth(records, groups, pairs(columns or (), "--column", "colour=baseColour"))
    bank = build_schema_bank(encoder, groups, cache_dir=session.label_cache)
    return LabelledTable(records, vectors, truth, bank)
