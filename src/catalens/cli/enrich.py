"""`catalens enrich`: one pass over many pictures, many results, on one machine or on a Ray cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from catalens.cli import output
from catalens.cli.commands import command
from catalens.cli.options import Json, Model, session_for
from catalens.cli.tally import Tally

if TYPE_CHECKING:
    from catalens.pipelines.enriching import Enrichment, Estimate
    from catalens.pipelines.events import JobReport, Progress

_where = partial(Option, rich_help_panel="Where results go")
_which = partial(Option, rich_help_panel="Which pictures")
_how = partial(Option, rich_help_panel="Models and machines")
_MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class WhereFlags:
    """Where results go: attributes of `EnrichPlan`."""

    output: Annotated[
        str | None,
        _where(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder of shards; or one table: .csv, .tsv, .jsonl, .json, .parquet.",
        ),
    ] = None
    format: Annotated[
        Literal["parquet", "jsonl", "csv"] | None,
        _where(help="Format of the shards. \\[parquet]"),
    ] = None
    rows_per_shard: Annotated[int | None, _where(min=1, help="Rows per shard. \\[10000]")] = None
    sidecar: Annotated[str | None, _where(metavar="SUFFIX", help="Text file beside each picture.")] = None
    xmp: Annotated[
        bool | None,
        _where("--xmp", help="XMP file beside each picture: description, keywords, alt text."),
    ] = None
    xmp_in_file: Annotated[
        bool | None,
        _where(
            "--xmp-in-file",
            help="The same inside the picture files, which are changed; needs exiftool.",
        ),
    ] = None
    index: Annotated[
        str | None,
        _where(metavar="CATALOGUE", help="Catalogue to fill; results become fields."),
    ] = None
    if_exists: Annotated[
        Literal["skip", "overwrite", "append", "prepend"] | None,
        _where(help="What to do with files that are there. \\[skip]"),
    ] = None


@dataclass(frozen=True, slots=True)
class WhichFlags:
    """Which pictures: attributes of `EnrichPlan`."""

    limit: Annotated[int | None, _which(min=1, help="Maximum pictures.")] = None
    sample: Annotated[
        float | None,
        _which(
            metavar="SHARE",
            help="Share of the pictures, such as 0.01; the same ones each time.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class HowFlags:
    """Models and machines: attributes of `EnrichPlan`."""

    memory_limit: Annotated[
        str | None,
        _how(
            metavar="SIZE",
            help="Such as 4GB: one model at a time if needed; refused if one is too large.",
        ),
    ] = None
    reader: Annotated[str | None, _how(metavar="NAME", help="Reader, which captions and answers.")] = None
    device: Annotated[str | None, _how(help="Torch device, such as cuda:0.")] = None
    engine: Annotated[Literal["local", "ray"] | None, _how(help="Execution engine. \\[local]")] = None
    address: Annotated[str | None, _how(help="Ray cluster, such as auto. \\[a new local one]")] = None
    workers: Annotated[int | None, _how(min=1, help="Ray: processes with models. Local: threads that decode.")] = None


@command(
    "catalens enrich photos/ --do tags,captions,vectors --output enriched/",
    "catalens enrich products.csv --do tags,captions --text '{title}: {caption}, {tags}' --xmp",
    "catalens enrich 'shards-{000..127}.tar' --do vectors --output vectors/ --rows-per-shard 50000",
    "catalens enrich s3://shop/photos/ --do tags,attributes --index shop.catalens",
    "catalens enrich photos/ --do tags,captions --output enriched/ --dry-run",
    "catalens enrich photos/ --do tags --output enriched/ --print-config > plan.yaml",
    "catalens enrich --config plan.yaml --engine ray --address auto",
)
def enrich(
    pictures: Annotated[
        list[str] | None,
        Argument(
            metavar="PICTURES",
            help="Folders, tables, patterns, archives such as 'a-{00..99}.tar', s3://BUCKET/PREFIX, or a catalogue.",
        ),
    ] = None,
    *,
    do: Annotated[
        str | None,
        Option(
            metavar="NAMES",
            help="Comma-separated: attributes, tags, captions, answers, prompts, descriptions, vectors.",
        ),
    ] = None,
    question: Annotated[list[str] | None, Option(help="Question to answer; may be repeated.")] = None,
    text: Annotated[
        str | None,
        Option(
            metavar="TEMPLATE", help="Text that joins {caption}, {tags}, an attribute such as {colour}, and columns."
        ),
    ] = None,
    where: WhereFlags,
    which: WhichFlags,
    config: Annotated[Path | None, Option(metavar="YAML", help="YAML plan; flags override it.")] = None,
    print_config: Annotated[bool, Option("--print-config", help="Print the plan, and do nothing.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Try a few pictures, and estimate the time.")] = False,
    model: Model = None,
    how: HowFlags,
    json: Json = False,
) -> None:
    """Enrich a catalogue: tags, attributes, captions, answers, prompts, descriptions and vectors in one pass.

    Each picture is decoded once. A run that was stopped or killed continues when the same command is given again, and
    there is exactly one row per picture. At the end a report says what was done, skipped and failed, and why.
    """
    from catalens.pipelines.enrich_plan import merged_plan
    from catalens.pipelines.enriching import Enrichment

    given = {
        "sources": tuple(pictures) if pictures else None,
        "do": None if do is None else [name.strip() for name in do.split(",") if name.strip()],
        "text": text,
        "model": model,
        **asdict(where),
        **asdict(which),
        **asdict(how),
    }
    plan = merged_plan(config, given, question or ())
    if print_config:
        plan.stages()
        typer.echo(plan.to_yaml(), nl=False)
        return
    session = session_for(plan.model, plan.reader, device=plan.device, workers=plan.workers)
    as_json = output.wants_json(json)
    with session, Enrichment(plan, session, dry_run=dry_run) as enrichment:
        if dry_run:
            _show_estimate(enrichment.estimate(), as_json=as_json)
            return
        tally = Tally(as_json=as_json)
        report = _run(enrichment, tally)
        _show_report(report, as_json=as_json)
    tally.finish()


def _run(enrichment: Enrichment, tally: Tally) -> JobReport:
    from catalens.pipelines.events import Callbacks

    with output.progress("enriching") as update, output.resumable():

        def tell(progress: Progress) -> None:
            update(progress.done, note=f"{progress.items_per_s:.1f}/s, limited by {progress.limited_by}")

        report = enrichment.run(Callbacks(on_failure=tally.fail, on_progress=tell))
    tally.done = report.done + report.skipped
    return report


def _show_report(report: JobReport, *, as_json: bool) -> None:
    reasons = report.reasons(_MOST_REASONS)
    if as_json:
        row = {
            "done": report.done,
            "skipped": report.skipped,
            "failed": len(report.failures),
            "items_per_s": round(report.items_per_s, 1),
            "limited_by": report.limited_by,
            "seconds": {what: round(spent_s, 2) for what, spent_s in report.seconds.items()},
        }
        output.emit(row | {"reasons": reasons})
        return
    output.say(
        f"{report.done} done, {report.skipped} were there already, {len(report.failures)} failed; "
        f"{report.elapsed_s:.1f} s, {report.items_per_s:.1f} pictures/s, limited by {report.limited_by}"
    )
    for reason, count in reasons.items():
        output.say(f"  {count} × {reason}")


def _show_estimate(estimate: Estimate, *, as_json: bool) -> None:
    if as_json:
        output.emit(estimate.to_dict())
        return
    time = "unknown, since none of the first pictures could be read"
    if estimate.seconds is not None:
        time = f"about {_duration(estimate.seconds)} at {estimate.items_per_s:.1f}/s, limited by {estimate.limited_by}"
    output.say(
        f"{estimate.pictures} pictures to do ({estimate.held} are done): {time}; {estimate.memory_mb:.0f} MB of memory"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
