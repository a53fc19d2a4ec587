"""`catalens eval captions`: captions scored against reference captions of the same pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json
from catalens.cli.reporting import ReportFile, check_report, write_report
from catalens.cli.tally import Tally


@command(
    "catalens eval captions captions.jsonl",
    "catalens eval captions captions.jsonl --references people.csv",
    "catalens eval captions out.csv --caption-column blip --references val.parquet --reference-column captions",
    "catalens eval captions blip.csv --references people.csv --report out.html --against blip2.csv",
)
def captions(
    table: Annotated[Path, Argument(metavar="TABLE", help="CSV, JSON lines or parquet with the captions.")],
    references: Annotated[
        Path | None, Option(help="Table with reference captions, joined by `id`, else `image`. \\[the same table]")
    ] = None,
    caption_column: Annotated[str | None, Option(help="Column with the captions. \\[caption, else captions]")] = None,
    reference_column: Annotated[
        str | None,
        Option(help="Column with reference captions: a list, or texts separated by semicolons. \\[references]"),
    ] = None,
    report: ReportFile = None,
    against: Annotated[
        Path | None, Option(metavar="TABLE", help="Other captions of these pictures, to compare with in the report.")
    ] = None,
    json: Json = False,
) -> None:
    """Score captions against reference captions: BLEU-1 to 4, CIDEr-D and ROUGE-L, as in the COCO evaluation.

    CIDEr takes its document frequencies from these references: it compares models on one table, not across tables.
    If a picture has several captions, the first one is scored. The report adds confidence intervals and the worst
    captions with their pictures; with --against, also a paired test.
    """
    from catalens.pipelines.caption_pairs import caption_pairs, pairs_against, picture_sources
    from catalens.pipelines.caption_report import CaptionEvaluation, caption_report, names_of

    check_report(report, against)
    tally = Tally(as_json=output.wants_json(json))
    path, others = inputs.existing(table), inputs.existing(references) if references else None
    said, failures = caption_pairs(path, others, caption_column, reference_column)
    tally.done = len(said)
    tally.report(failures)
    if not said:
        tally.finish()
    found = CaptionEvaluation.of(table.name, said)
    output.report([found.row()], as_json=tally.as_json)
    if report is not None:
        second = None
        if against is not None:
            pairs = pairs_against(path, inputs.existing(against), others, caption_column, reference_column)
            name, other_name = names_of(table, against)
            found, second = replace(found, name=name), CaptionEvaluation.of(other_name, pairs)
        write_report(report, caption_report(found, second, picture_sources(said, *([others] if others else []), table)))
    tally.finish()
