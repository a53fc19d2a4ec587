"""`catalens index add`: bringing a catalogue up to date with a folder or a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalens.cli import inputs, output
from catalens.cli.catalogue_encoder import encoder_of
from catalens.cli.encoding import Tally
from catalens.cli.options import Json, Model

if TYPE_CHECKING:
    from catalens.pipelines.ingest import Progress, Replaced, Report

EXAMPLES = (
    "catalens index add shop.catalens photos/",
    "catalens index add shop.catalens products.csv --image-column photo --id-column sku",
    "catalens index add shop.catalens abo/ --layout berkeley --language de --language en",
    "catalens index add shop.catalens autumn/ --id-prefix autumn/",
    "catalens index add shop.catalens photos/ --prune",
)


def add(
    catalogue: Annotated[
        Path, typer.Argument(metavar="CATALOGUE", help="The catalogue's file; made if it is not there.")
    ],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A folder of pictures, a table, or a known data set's folder.")
    ],
    layout: Annotated[
        str | None, typer.Option(help="How the source is laid out, if it cannot be told from the files.")
    ] = None,
    image_column: Annotated[
        str | None, typer.Option(help="The table's column with paths, bytes or data: addresses.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="The table's column with unique ids.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The table's encoding, if it is neither UTF-8 nor Windows-1252.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="For texts in several languages, best first. \\[en]")
    ] = None,
    id_prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Put before every id, where several sources have the same ids.", show_default=False
        ),
    ] = "",
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Forget records (with that prefix, if one is given) that the source no longer has."
        ),
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that decode. \\[one per processor]")] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Bring a catalogue up to date with a source: pictures into vectors, columns into fields.

    What is unchanged is skipped, so a run that was cut short goes on where it was.
    A picture that cannot be read is named and left out; the others go on.
    """
    from catalens.catalogue.index import EmbeddedIndex
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.ingest import ingest

    opened = open_source(
        inputs.existing(source),
        layout=layout,  # type: ignore[arg-type]  # open_source says which there are
        image_column=image_column,
        id_column=id_column,
        encoding=encoding,
        languages=language or ("en",),
        id_prefix=id_prefix,
    )
    encoder = encoder_of(catalogue, model)
    tally = Tally(as_json=output.wants_json(json))
    with EmbeddedIndex.open(catalogue, encoder_name=encoder.name, dim=encoder.dim) as index:
        with output.progress("indexing", opened.total) as update:

            def tell(progress: Progress) -> None:
                update(progress.done, note=f"{progress.items_per_s:.0f}/s, {progress.limited_by} takes longest")

            report = ingest(opened, encoder, index, workers=workers, prune=prune, on_progress=tell)
        tally.done = report.done - len(report.failures)
        tally.report(report.failures)
        _tell_replaced(report.replaced)
        _show_report(report, len(index), catalogue, as_json=output.wants_json(json))
    tally.finish()


def _tell_replaced(replaced: Sequence[Replaced]) -> None:
    """Say which pictures took the place of others: a folder's ids are names, which another folder may have too."""
    if not replaced:
        return
    first = replaced[0]
    whose = "1 record was" if len(replaced) == 1 else f"{len(replaced)} records were"
    output.say(
        f"{whose} replaced by another picture with the same id: {first.id} was {first.was}, and is {first.now} now. "
        "To keep both, add each source with an --id-prefix of its own",
        style="yellow",
    )


def _show_report(report: Report, total: int, catalogue: Path, *, as_json: bool) -> None:
    numbers = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.skipped,
        "removed": report.removed,
        "failed": len(report.failures),
        "records": total,
    }
    if as_json:
        numbers["replaced"] = len(report.replaced)
        rate = {"seconds": round(report.elapsed_s, 3), "items_per_s": round(report.items_per_s, 1)}
        output.emit({"catalogue": str(catalogue), **numbers, **rate, "limited_by": report.limited_by})
        return
    output.show_rows([tuple(numbers.values())], *(f"{name}#" for name in numbers), title=str(catalogue))
    output.say(f"{report.elapsed_s:.1f} s, {report.items_per_s:.0f} items/s; {report.limited_by} took longest")
