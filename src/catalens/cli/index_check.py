"""`catalens index check`: every row of a catalogue compared with what was written, and what can be saved of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json, session_for

_SHOWN = 20


@command("catalens index check shop.catalens", "catalens index check shop.catalens --repair")
def check(
    catalogue: Annotated[Path, Argument(metavar="CATALOGUE", help="File of the catalogue.")],
    repair: Annotated[
        bool, Option("--repair", help="Copy intact records into a new file, and re-encode lost vectors.")
    ] = False,
    json: Json = False,
) -> None:
    """Verify a catalogue: every record, every vector and the keyword index against their checksums.

    The exit code is 1 if the catalogue is damaged. --repair keeps the damaged file beside the new one.
    """
    from catalens.catalogue.repair import check_index, repair_index
    from catalens.pipelines.lost_vectors import encode_lost

    path = inputs.existing(catalogue)
    found = check_index(path)
    row: dict[str, object] = {"catalogue": str(path), "records": found.records, "problems": len(found.problems)}
    for problem in found.problems[:_SHOWN]:
        output.say(problem, style="red")
    if len(found.problems) > _SHOWN:
        output.say(f"... and {len(found.problems) - _SHOWN} more", style="red")
    if repair and found.problems:
        saved = repair_index(path)
        encoded, failures = encode_lost(path, saved.lost, session_for())
        for failure in failures:
            output.say(f"failed: {failure.error}", style="red")
        row |= {"kept": saved.kept, "encoded": encoded, "unreadable": saved.unreadable}
        output.say(f"the damaged file is kept as {saved.damaged}")
        if saved.unreadable:
            output.say(
                f"{saved.unreadable} records could not be read; `catalens index add` of their source restores them"
            )
    output.report([row], as_json=output.wants_json(json))
    if found.problems and not repair:
        output.say(
            f"{path} is damaged; `catalens index check {path} --repair` saves the intact records", style="yellow"
        )
        raise typer.Exit(1)
