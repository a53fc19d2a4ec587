"""`catalens eval captions`: captions scored against reference captions of the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json
from catalens.cli.reporting import ReportFile, check_report, write_report
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.pipelines.caption_pairs import CaptionPair

_NAMES = ("bleu1", "bleu2", "bleu3", "bleu4", "cider", "rouge_l")
"""Of the measures in their order."""


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
    from catalens.pipelines.caption_pairs import caption_pairs, picture_sources
    from catalens.tasks.caption_scores import score_captions

    check_report(report, against)
    tally = Tally(as_json=output.wants_json(json))
    others = inputs.existing(references) if references else None
    said, failures = caption_pairs(inputs.existing(table), others, caption_column, reference_column)
    tally.done = len(said)
    tally.report(failures)
    if not said:
        tally.finish()
    scores = score_captions([pair.caption for pair in said], [pair.references for pair in said])
    row = {"captions": len(said), **dict(zip(_NAMES, scores.corpus.tolist(), strict=True))}
    output.report([row], as_json=tally.as_json)
    if report is not None:
        from catalens.pipelines.caption_report import CaptionEvaluation, caption_report

        name, other_name = _names(table, against)
        found, second = CaptionEvaluation(name, said, scores), None
        if against is not None:
            pairs = _others(inputs.existing(against), others, table, caption_column, reference_column)
            second = CaptionEvaluation.of(other_name, pairs)
        write_report(report, caption_report(found, second, picture_sources(said, *([others] if others else []), table)))
    tally.finish()


def _names(table: Path, against: Path | None) -> tuple[str, str]:
    """Return what the page calls two tables: their names, with their folders where these are the same."""
    if against is None or table.name != against.name:
        return table.name, "" if against is None else against.name
    return f"{table.parent.name}/{table.name}", f"{against.parent.name}/{against.name}"


def _others(
    against: Path, references: Path | None, table: Path, caption_column: str | None, reference_column: str | None
) -> list[CaptionPair]:
    """Return other captions with the references of the first ones.

    Raises:
        InputError: there are none of these pictures.
    """
    from catalens.pipelines.caption_pairs import caption_pairs

    if references is None:
        # In one table with the captions, `captions` never means the references.
        references, reference_column = table, reference_column or "references"
    pairs, _ = caption_pairs(against, references, caption_column, reference_column)
    if not pairs:
        raise InputError(f"{against} has no caption of a picture that {references} has references of")
    return pairs
