"""`catalens index migrate`: a catalogue into another place, or to another encoder."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Catalogue, Json, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import CatalogueError, InputError


@command(
    "catalens index migrate shop.catalens 'opensearch://localhost:9200/shop?replicas=0'",
    "catalens index migrate 'postgresql://db/pictures?table=shop' shop.catalens",
    "catalens index migrate opensearch://localhost:9200/shop --encoder everyday",
    "catalens index migrate opensearch://localhost:9200/shop --drop",
)
def migrate(
    catalogue: Catalogue,
    destination: Annotated[
        str | None,
        Argument(metavar="DESTINATION", help="File or address to copy it to."),
    ] = None,
    encoder: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="Encode every picture again, with this encoder; without a destination, beside the catalogue, "
            "which is replaced at the end.",
        ),
    ] = None,
    drop: Annotated[
        bool, Option("--drop", help="Delete what --encoder keeps: the replaced catalogue, or an unfinished one.")
    ] = False,
    skip_unreadable: Annotated[
        bool, Option("--skip-unreadable", help="Leave out records whose picture cannot be read any more.")
    ] = False,
    json: Json = False,
) -> None:
    """Copy a catalogue from one kind to another, or change its encoder while it stays in use.

    A run that was stopped continues when the same command is given again. With --encoder the catalogue is replaced in
    one step, and the old one is kept until --drop.
    """
    from catalens.catalogue.opening import shown

    inputs.catalogue(catalogue)
    tally = Tally(as_json=output.wants_json(json))
    row: dict[str, object] = {"catalogue": shown(destination or catalogue)}
    if encoder is not None:
        row |= _reencode(catalogue, destination, encoder, tally, skip_unreadable=skip_unreadable)
    elif destination is not None:
        row |= _copy(catalogue, destination)
    elif not drop:
        raise InputError("name a destination to copy to, or an encoder with --encoder, or delete with --drop")
    if drop and not tally.failed:
        row["dropped"] = _drop(destination or catalogue)
    if not tally.as_json and isinstance(dropped := row.get("dropped"), list):
        row["dropped"] = ", ".join(dropped)
    output.report([row], as_json=tally.as_json)
    tally.finish(empty_is_fine=True)


def _copy(source: str, destination: str) -> dict[str, object]:
    from catalens.catalogue.migrating import migrate

    with output.progress("copying") as tell, output.resumable():
        done = migrate(source, destination, on_progress=tell)
    return {"copied": done.copied, "unchanged": done.skipped, "records": done.records}


def reencode(catalogue: str, name: str | None, tally: Tally, *, drop: bool) -> dict[str, object]:
    """Encode a catalogue again and keep nothing of the old one; one that an earlier run kept is not touched.

    Raises:
        CatalogueError: an old one is kept, or a picture cannot be read and `drop` is not set.
    """
    from catalens.catalogue.opening import shown
    from catalens.catalogue.replacing import replacement_of
    from catalens.catalogue.unfinished import still_kept

    with closing(replacement_of(catalogue)) as replacement:
        if replacement.kept():
            raise still_kept(replacement.old, shown(catalogue))
        row = _encoded(catalogue, None, name, tally, skip_unreadable=drop)
        if row.pop("kept", None) is None:
            raise CatalogueError(
                f"{shown(catalogue)} stays as it is, since {tally.failed} pictures cannot be read; restore them, or "
                "remove their records with --drop"
            )
        replacement.drop()
    row["encoded"] = tally.done
    del row["unchanged"]
    return row


def _reencode(
    source: str, destination: str | None, name: str, tally: Tally, *, skip_unreadable: bool
) -> dict[str, object]:
    from catalens.catalogue.opening import shown

    row = _encoded(source, destination, name, tally, skip_unreadable=skip_unreadable)
    if destination is None and "kept" not in row:
        output.say(
            f"{shown(source)} stays as it is, since {tally.failed} pictures cannot be read; "
            "restore them, or leave them out with --skip-unreadable",
            style="yellow",
        )
    return row


def _encoded(
    source: str, destination: str | None, name: str | None, tally: Tally, *, skip_unreadable: bool
) -> dict[str, object]:
    """Encode again, and return what was done; `kept` is there if the source was replaced."""
    from catalens.pipelines.catalogue import catalogue_encoder
    from catalens.pipelines.migrating import reencode_beside, reencode_into

    session = session_for(name)
    encoder = catalogue_encoder(source, session)
    with session, output.progress("encoding") as tell, output.resumable():
        if destination is not None:
            done = reencode_into(source, destination, encoder, session=session, on_progress=tell)
        else:
            done = reencode_beside(source, encoder, session=session, skip_unreadable=skip_unreadable, on_progress=tell)
    tally.done = done.encoded + done.skipped
    tally.report(done.failures)
    row = {"encoder": encoder.name, "encoded": done.encoded, "unchanged": done.skipped, "failed": len(done.failures)}
    return row | {"records": done.records} | ({"kept": done.kept} if done.kept is not None else {})


def _drop(catalogue: str) -> list[str]:
    from catalens.catalogue.replacing import replacement_of

    with closing(replacement_of(catalogue)) as replacement:
        dropped = list(replacement.drop())
    if not dropped:
        output.say("nothing was kept, so nothing was deleted")
    return dropped
