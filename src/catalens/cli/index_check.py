"""`catalens index check`: every row of a catalogue compared with what was written, and what can be saved of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json, session_for

if TYPE_CHECKING:
    from catalens.catalogue.repair import Repair
    from catalens.catalogue.sources import Entry
    from catalens.core.types import Record

_SHOWN = 20


@command("catalens index check shop.catalens", "catalens index check shop.catalens --repair")
def check(
    catalogue: Annotated[Path, Argument(metavar="CATALOGUE", help="File of the catalogue.")],
    repair: Annotated[
        bool, Option("--repair", help="Save sound records into a new file, and encode lost vectors again.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a catalogue: every record, vector and the index of words against its checksums.

    A damaged catalogue ends the command with 1. With --repair the old file is kept beside the new one.
    """
    from catalens.catalogue.repair import check_index, repair_index

    path = inputs.existing(catalogue)
    found = check_index(path)
    as_json = output.wants_json(json)
    row: dict[str, object] = {"catalogue": str(path), "records": found.records, "problems": len(found.problems)}
    for problem in found.problems[:_SHOWN]:
        output.say(problem, style="red")
    if len(found.problems) > _SHOWN:
        output.say(f"... and {len(found.problems) - _SHOWN} more", style="red")
    if repair and found.problems:
        saved = repair_index(path)
        row |= {"kept": saved.kept, "encoded": _encode_again(path, saved), "unreadable": saved.unreadable}
        output.say(f"the damaged file is kept as {saved.damaged}")
        if saved.unreadable:
            output.say(
                f"{saved.unreadable} records could not be read; `catalens index add` of their source restores them"
            )
    if as_json:
        output.emit(row)
    else:
        output.show_rows([tuple(row.values())], "catalogue", *(f"{name}#" for name in list(row)[1:]))
    if found.problems and not repair:
        output.say(f"{path} is damaged; `catalens index check {path} --repair` saves what is sound", style="yellow")
        raise typer.Exit(1)


def _encode_again(path: Path, saved: Repair) -> int:
    """Encode the pictures of records whose vectors were lost, and return how many could be."""
    from catalens.catalogue.opening import open_index
    from catalens.pipelines.catalogue import catalogue_encoder
    from catalens.pipelines.ingest import ingest

    if not saved.lost:
        return 0
    encoder = catalogue_encoder(path, session_for())
    with open_index(path, encoder_name=encoder.name, dim=encoder.dim) as index:
        report = ingest(_entries(saved.lost), encoder, index)
    for failure in report.failures:
        output.say(f"failed: {failure.error}", style="red")
    return report.added + report.updated


def _entries(records: tuple[Record, ...]) -> list[Entry]:
    from catalens.catalogue.sources import Item, read_picture
    from catalens.core.errors import InputError
    from catalens.core.types import Outcome

    entries: list[Entry] = []
    for record in records:
        try:
            entries.append(Item(record.id, read_picture(record.source), record.source, record.fields))
        except InputError as error:
            entries.append(Outcome(record.id, str(error)))
    return entries
