"""`catalens eval captions`: captions scored against reference captions of the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json
from catalens.cli.tally import Tally


@command(
    "catalens eval captions captions.jsonl",
    "catalens eval captions captions.jsonl --references people.csv",
    "catalens eval captions out.csv --caption-column blip --references val.parquet --reference-column captions",
)
def captions(
    table: Annotated[Path, Argument(metavar="TABLE", help="CSV, JSON lines or parquet with the captions.")],
    references: Annotated[
        Path | None, Option(help="Table with reference captions, joined by `id`. \\[the same table]")
    ] = None,
    caption_column: Annotated[str | None, Option(help="Column with the captions. \\[caption, else captions]")] = None,
    reference_column: Annotated[
        str | None,
        Option(help="Column with reference captions: a list, or texts separated by semicolons. \\[references]"),
    ] = None,
    json: Json = False,
) -> None:
    """Score captions against reference captions: BLEU-1 to 4, CIDEr-D and ROUGE-L, as in the COCO evaluation.

    CIDEr takes its document frequencies from these references: it compares models on one table, not across tables.
    If a picture has several captions, the first one is scored.
    """
    from catalens.pipelines.caption_pairs import caption_pairs
    from catalens.tasks.caption_metrics import bleu, cider, rouge_l

    tally = Tally(as_json=output.wants_json(json))
    others = inputs.existing(references) if references else None
    said, failures = caption_pairs(inputs.existing(table), others, caption_column, reference_column)
    tally.done = len(said)
    tally.report(failures)
    if not said:
        tally.finish()
    candidates, people = [caption for caption, _ in said], [texts for _, texts in said]
    scores = {f"bleu{n}": score for n, score in enumerate(bleu(candidates, people), start=1)}
    row = {"captions": len(said), **scores, "cider": cider(candidates, people), "rouge_l": rouge_l(candidates, people)}
    output.report([row], as_json=tally.as_json)
    tally.finish()
