"""`catalens index add`: bringing a catalogue up to date with folders, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.flags import changed
from catalens.cli.options import Json, Model, NewCatalogue, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.catalogue.sources import Entry
    from catalens.pipelines.events import Progress
    from catalens.pipelines.ingest import Report


@dataclass(frozen=True, slots=True)
class SourceFlags:
    """How one folder or table is read: the arguments of `open_source`."""

    layout: Annotated[str | None, Option(help="Layout of the source, if it is not recognised.")] = None
    image_column: Annotated[str | None, Option(help="Column of a table with paths, bytes or data: addresses.")] = None
    id_column: Annotated[str | None, Option(help="Column of a table with unique ids.")] = None
    encoding: Annotated[str | None, Option(help="Encoding of a table that is neither UTF-8 nor Windows-1252.")] = None
    language: Annotated[list[str] | None, Option(help="Preferred languages of texts, best first. \\[en]")] = None
    id_prefix: Annotated[str, Option(metavar="TEXT", help="Prefix of every id, where sources share ids.")] = ""

    def entries(self, names: Sequence[str]) -> tuple[Iterable[Entry], int | None]:
        """Return the entries of some names, and how many there are where one table says so.

        Raises:
            InputError: there is nothing of a name, or a flag does not fit.
        """
        from catalens.catalogue.sources import open_source
        from catalens.catalogue.sources.formats import is_table

        path, given = Path(names[0]), changed(self)
        if len(names) == 1 and (path.is_dir() or is_table(path) or given):
            options = asdict(self)
            languages = options.pop("language") or ("en",)
            source = open_source(inputs.existing(names[0]), languages=languages, **options)
            return source, source.total
        if given:
            raise InputError(f"{given[0]} is of one folder or table; add the sources one by one")
        return inputs.entries(names), None


@command(
    "catalens index add shop.catalens photos/",
    "catalens index add shop.catalens a.jpg b.jpg 'shots/*.jpg' more/",
    "catalens index add shop.catalens products.csv --image-column photo --id-column sku",
    "catalens index add shop.catalens abo/ --layout berkeley --language de --language en",
    "catalens index add shop.catalens autumn/ --id-prefix autumn/",
    "catalens index add shop.catalens photos/ --prune",
    "catalens index add opensearch://localhost:9200/shop products.csv",
)
def add(
    catalogue: NewCatalogue,
    sources: Annotated[
        list[str],
        Argument(
            metavar="PICTURES",
            help="Folders, tables, a known data set's folder, files, or patterns such as 'shots/*.jpg'.",
        ),
    ],
    reading: SourceFlags,
    prune: Annotated[
        bool,
        Option(
            "--prune", help="Remove records that are no longer in the source (only those with --id-prefix, if given)."
        ),
    ] = False,
    prune_more_than: Annotated[
        float, Option(min=0.0, max=1.0, help="Maximum fraction of the records that --prune may remove.")
    ] = 0.3,
    workers: Annotated[int | None, Option(min=1, help="Decoding threads. \\[one per processor]")] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Bring a catalogue up to date: pictures into vectors, columns into fields.

    Unchanged pictures are skipped, so an interrupted run resumes. A picture that cannot be read is reported, and the
    run continues. Without --model, a new catalogue uses the bundled encoder that suits most of the pictures.
    """
    from catalens.catalogue.opening import open_index, shown
    from catalens.pipelines.catalogue import catalogue_encoder
    from catalens.pipelines.ingest import ingest

    entries, total = reading.entries(sources)
    session = session_for(model)
    encoder = catalogue_encoder(catalogue, session, entries)
    tally = Tally(as_json=output.wants_json(json))
    with open_index(catalogue, encoder_name=encoder.name, dim=encoder.dim) as index:
        with output.progress("indexing", total) as update:

            def tell(progress: Progress) -> None:
                update(progress.done, note=f"{progress.items_per_s:.0f}/s, limited by {progress.limited_by}")

            try:
                report = ingest(
                    entries, encoder, index, workers=workers, prune=prune and prune_more_than, on_progress=tell
                )
            except KeyboardInterrupt as error:
                raise KeyboardInterrupt(
                    f"stopped; {shown(catalogue)} holds {len(index)} records, and the same command continues from here"
                ) from error
        tally.done = report.done - len(report.failures)
        tally.report(report.failures)
        for notice in report.notices:
            output.say(notice, style="yellow")
        _show_report(report, len(index), shown(catalogue), as_json=tally.as_json)
    tally.finish()


def _show_report(report: Report, total: int, catalogue: str, *, as_json: bool) -> None:
    numbers = {**report.counts(), "records": total}
    if as_json:
        rate = {"seconds": round(report.elapsed_s, 3), "items_per_s": round(report.items_per_s, 1)}
        numbers["replaced"] = len(report.replaced)
        output.emit({"catalogue": catalogue, **numbers, **rate, "limited_by": report.limited_by})
        return
    output.report([numbers], as_json=False, title=catalogue)
    output.say(f"{report.elapsed_s:.1f} s, {report.items_per_s:.0f} items/s, limited by {report.limited_by}")
