"""`catalens enrich`: one pass over many pictures, many results, on one machine or on a Ray cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option

from catalens.cli import output as out
from catalens.cli.commands import command
from catalens.cli.options import Json, Model, session_for
from catalens.cli.tally import Tally

if TYPE_CHECKING:
    from catalens.core.types import Outcome
    from catalens.pipelines.enriching import Estimate
    from catalens.pipelines.events import JobReport, Progress

_WHERE, _WHICH, _HOW = "Where results go", "Which pictures", "Models and machines"
_MOST_REASONS = 10


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
    output: Annotated[
        str | None,
        Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder of shards; or one table: .csv, .tsv, .jsonl, .json, .parquet.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    format: Annotated[
        Literal["parquet", "jsonl", "csv"] | None,
        Option(help="Format of the shards. \\[parquet]", rich_help_panel=_WHERE),
    ] = None,
    rows_per_shard: Annotated[
        int | None, Option(min=1, help="Rows per shard. \\[10000]", rich_help_panel=_WHERE)
    ] = None,
    sidecar: Annotated[
        str | None, Option(metavar="SUFFIX", help="Text file beside each picture.", rich_help_panel=_WHERE)
    ] = None,
    xmp: Annotated[
        bool | None,
        Option("--xmp", help="XMP file beside each picture: description, keywords, alt text.", rich_help_panel=_WHERE),
    ] = None,
    xmp_in_file: Annotated[
        bool | None,
        Option(
            "--xmp-in-file",
            help="The same inside the picture files, which are changed; needs exiftool.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    index: Annotated[
        str | None,
        Option(metavar="CATALOGUE", help="Catalogue to fill; results become fields.", rich_help_panel=_WHERE),
    ] = None,
    if_exists: Annotated[
        Literal["skip", "overwrite", "append", "prepend"] | None,
        Option(help="What to do with files that are there. \\[skip]", rich_help_panel=_WHERE),
    ] = None,
    limit: Annotated[int | None, Option(min=1, help="Maximum pictures.", rich_help_panel=_WHICH)] = None,
    sample: Annotated[
        float | None,
        Option(
            metavar="SHARE",
            help="Share of the pictures, such as 0.01; the same ones each time.",
            rich_help_panel=_WHICH,
        ),
    ] = None,
    config: Annotated[Path | None, Option(metavar="YAML", help="Plan; flags go before it.")] = None,
    print_config: Annotated[bool, Option("--print-config", help="Print the plan, and do nothing.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Try a few pictures, and estimate the time.")] = False,
    memory_limit: Annotated[
        str | None,
        Option(
            metavar="SIZE",
            help="Such as 4GB: one model at a time if needed; refused if one is too large.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    model: Model = None,
    reader: Annotated[
        str | None, Option(metavar="NAME", help="What captions and answers.", rich_help_panel=_HOW)
    ] = None,
    device: Annotated[str | None, Option(help="Torch device, such as cuda:0.", rich_help_panel=_HOW)] = None,
    engine: Annotated[
        Literal["local", "ray"] | None, Option(help="Where the work is done. \\[local]", rich_help_panel=_HOW)
    ] = None,
    address: Annotated[
        str | None, Option(help="Ray cluster, such as auto; without it one starts here.", rich_help_panel=_HOW)
    ] = None,
    workers: Annotated[
        int | None, Option(min=1, help="Ray: processes with models. Local: threads that decode.", rich_help_panel=_HOW)
    ] = None,
    json: Json = False,
) -> None:
    """Enrich a catalogue: tags, attributes, captions, answers, prompts, descriptions and vectors in one pass.

    Each picture is decoded once. A run that was stopped or killed continues when the same command is given again, and
    there is exactly one row per picture. At the end a report says what was done, skipped and failed, and why.
    """
    from catalens.pipelines.enrich_plan import EnrichPlan, load_plan
    from catalens.pipelines.enriching import Enrichment

    given: dict[str, Any] = {
        "sources": tuple(pictures) if pictures else None,
        "do": None if do is None else {name.strip(): {} for name in do.split(",") if name.strip()},
        "text": text,
        "output": output,
        "format": format,
        "rows_per_shard": rows_per_shard,
        "sidecar": sidecar,
        "xmp": xmp,
        "xmp_in_file": xmp_in_file,
        "index": index,
        "if_exists": if_exists,
        "limit": limit,
        "sample": sample,
        "memory_limit": memory_limit,
        "model": model,
        "reader": reader,
        "device": device,
        "engine": engine,
        "address": address,
        "workers": workers,
    }
    known = load_plan(config) if config is not None else {}
    if given["do"] is not None and "do" in known:  # a flag chooses the work; the file keeps its options
        given["do"] = {name: known["do"].get(name, {}) for name in given["do"]}
    plan = EnrichPlan(**known | {name: value for name, value in given.items() if value is not None})
    if question:
        plan = EnrichPlan(**{**_arguments(plan), "do": {**plan.do, "answers": {"questions": tuple(question)}}})
    if print_config:
        plan.stages()
        typer.echo(plan.to_yaml(), nl=False)
        return
    session = session_for(plan.model, plan.reader, device=plan.device, workers=plan.workers)
    as_json = out.wants_json(json)
    with session, Enrichment(plan, session, dry_run=dry_run) as enrichment:
        if dry_run:
            _show_estimate(enrichment.estimate(), as_json=as_json)
            return
        tally = Tally(as_json=as_json)
        report = _run(enrichment, tally)
        _show_report(report, as_json=as_json)
    tally.finish()


def _arguments(plan: Any) -> dict[str, Any]:  # noqa: ANN401 - its type is imported where it is used
    from dataclasses import fields

    return {each.name: getattr(plan, each.name) for each in fields(plan)}


def _run(enrichment: Any, tally: Tally) -> JobReport:  # noqa: ANN401 - as above
    from catalens.pipelines.events import Callbacks

    with out.progress("enriching") as update:

        def tell(progress: Progress) -> None:
            update(progress.done, note=f"{progress.items_per_s:.1f}/s, limited by {progress.limited_by}")

        try:
            report: JobReport = enrichment.run(Callbacks(on_failure=tally.fail, on_progress=tell))
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("stopped; the same command continues from here") from error
    tally.done = report.done + report.skipped
    return report


def _show_report(report: JobReport, *, as_json: bool) -> None:
    rate = report.done / max(report.elapsed_s, 1e-9)
    limit = max(report.seconds, key=lambda what: report.seconds[what], default="decoding")
    reasons = _reasons(report.failures)
    numbers = {"done": report.done, "skipped": report.skipped, "failed": len(report.failures)}
    if as_json:
        seconds = {what: round(spent_s, 2) for what, spent_s in report.seconds.items()}
        out.emit(
            {**numbers, "items_per_s": round(rate, 1), "limited_by": limit, "seconds": seconds, "reasons": reasons}
        )
        return
    out.say(
        f"{report.done} done, {report.skipped} were there already, {len(report.failures)} failed; "
        f"{report.elapsed_s:.1f} s, {rate:.1f} pictures/s, limited by {limit}"
    )
    for reason, count in reasons.items():
        out.say(f"  {count} × {reason}")


def _reasons(failures: Sequence[Outcome]) -> dict[str, int]:
    """Return how often each reason occurred, most frequent first; the picture's own name is left out."""
    reasons = Counter(str(each.error).partition(": ")[2] or str(each.error) for each in failures)
    return dict(reasons.most_common(_MOST_REASONS))


def _show_estimate(estimate: Estimate, *, as_json: bool) -> None:
    if as_json:
        out.emit(
            {
                "pictures": estimate.pictures,
                "held": estimate.held,
                "items_per_s": round(estimate.items_per_s, 2),
                "seconds": None if estimate.seconds is None else round(estimate.seconds, 1),
                "limited_by": estimate.limited_by,
                "failed": estimate.failed,
                "memory_mb": round(estimate.memory_mb),
            }
        )
        return
    time = "unknown, since none of the first pictures could be read"
    if estimate.seconds is not None:
        time = f"about {_duration(estimate.seconds)} at {estimate.items_per_s:.1f}/s, limited by {estimate.limited_by}"
    out.say(
        f"{estimate.pictures} pictures to do ({estimate.held} are done): {time}; {estimate.memory_mb:.0f} MB of memory"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
