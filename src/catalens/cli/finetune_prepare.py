"""`catalens finetune prepare`: one table of image, question and answer out of what people have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Json

if TYPE_CHECKING:
    from catalens.training.finetune.splits import Split


@command(
    "catalens finetune prepare products.csv --out pairs.parquet",
    "catalens finetune prepare fashion-dataset/ --questions shirts.yaml --out pairs.parquet",
    "catalens finetune prepare questions.csv --images photos/ --out pairs.parquet",
    "catalens finetune prepare train.parquet --val val.parquet --test test.parquet --out pairs.parquet",
)
def prepare(
    source: Annotated[
        Path,
        Argument(
            metavar="SOURCE",
            help="A catalogue (table or folder), or rows of questions: CSV Id,Question,Answer; JSON lines with image, "
            "question and answer, or with image, attribute, value, decision (accepted, rejected) and correction; "
            "ms-swift; LLaMA-Factory.",
        ),
    ],
    out: Annotated[Path, Option(help="Parquet file to write.")] = Path("pairs.parquet"),
    questions: Annotated[
        Path | None, Option(help="YAML file of question templates for the columns of a catalogue. \\[the bundled ones]")
    ] = None,
    images: Annotated[Path | None, Option(help="Folder of the images that question rows name.")] = None,
    val: Annotated[Path | None, Option(help="Validation table. \\[a part of SOURCE]")] = None,
    test: Annotated[Path | None, Option(help="Test table. \\[a part of SOURCE]")] = None,
    seed: Annotated[int, Option(help="Random seed of the split.")] = 0,
    json: Json = False,
) -> None:
    """Write one table of pairs to fine-tune with, split by product into train, val and test.

    Rows with the same image or title are never on two sides. Bad rows are listed in OUT.bad.jsonl and stop nothing.
    """
    from catalens.pipelines.preparing import prepare as write
    from catalens.training.finetune.pairs import load_templates

    templates = load_templates(inputs.existing(questions) if questions else None)
    given: dict[Split, Path] = {"val": inputs.existing(val)} if val else {}
    given |= {"test": inputs.existing(test)} if test else {}
    report = write(inputs.existing(source), out, templates=templates, images=images, seed=seed, given=given)
    if output.wants_json(json):
        output.emit(report.to_dict())
    else:
        found = report.to_dict()
        output.show_rows(
            [(name, row["pairs"], row["classes"], row["majority"]) for name, row in found["attributes"].items()],
            *("attribute", "pairs#", "answers#", "commonest"),
        )
        output.show_rows([*found["pairs"].items(), *((name, found[name]) for name in _COUNTS)], *("", "rows#"))
    for row in report.bad[:_SHOWN]:
        output.say(f"failed: {row['row']}: {row['error']}", style="red")
    if report.bad:
        output.say(f"{len(report.bad)} rows came to nothing; all are listed in {out.with_suffix('.bad.jsonl')}")
    output.say(f"written: {out}")
    if report.bad:
        raise typer.Exit(1)


_COUNTS = ("duplicates", "conflicts", "held_out", "rejected", "missing_images", "bad_rows", "leakage")
_SHOWN = 10
