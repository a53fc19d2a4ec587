"""`catalens finetune starter`: a bundled encoder adapted to one's own labels, on a processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.finetune_steps import encode_side, sides_named
from catalens.cli.options import Columns, Json, Model, Table, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.training.finetune.starter import Adapted


_HEADS = ("attribute", "labels#", "train#", "test#", "majority#", "before#", "after#", "ECE before#", "ECE after#")


@command(
    "catalens finetune starter products.csv --labels category --out shop",
    "catalens finetune starter train.parquet --val val.parquet --test test.parquet --schema shop.yaml "
    "--column category=articleType --out shop",
    "catalens attributes photos/ --model shop --schema shop/labels.yaml --calibration shop/labels.calibration.json",
)
def starter(
    table: Table,
    out: Annotated[Path, Option(help="Folder of the bundle to write.")],
    labels: Annotated[str | None, Option(metavar="COLUMN", help="Column whose values are the labels.")] = None,
    schema: Annotated[str | None, Option(help="Labels as a schema: a bundled name or a .yaml file.")] = None,
    column: Columns = None,
    val: Annotated[Path | None, Option(help="Validation table. \\[a part of TABLE]")] = None,
    test: Annotated[Path | None, Option(help="Test table. \\[a part of TABLE]")] = None,
    limit: Annotated[int | None, Option(min=1, help="Maximum rows of TABLE.")] = None,
    seed: Annotated[int, Option(help="Random seed of the split.")] = 0,
    model: Model = None,
    json: Json = False,
) -> None:
    """Adapt a bundled encoder to your own labels and write it as a bundle, which every command takes by path.

    Images are encoded once; only vectors of labels are learned, so search and other labels stay as they are. Products
    with the same image or title are never on two sides of the split. Labels that learning does not help keep their old
    vectors.
    """
    from catalens.pipelines.finetuning import schema_from_column
    from catalens.pipelines.tuning_starter import adapt_bundle, open_bundle
    from catalens.tasks.schema import load_schema

    if (labels is None) == (schema is None):
        raise InputError("pass either --labels COLUMN or --schema NAME, to say which labels to learn")
    if out.exists():
        raise InputError(f"{out} exists already; name a folder that does not exist yet")
    paths = sides_named(table, val, test)
    session, as_json = session_for(model), output.wants_json(json)
    bundle, tally = open_bundle(session), Tally(as_json=as_json)
    tables = {
        name: encode_side(path, bundle[0], session, tally, limit=limit if name == "train" else None)
        for name, path in paths.items()
    }
    wanted = schema_from_column(tables["train"], labels) if labels is not None else load_schema(schema or "")
    pairs = inputs.pairs(column or (), "--column", "colour=baseColour")
    made = adapt_bundle(bundle, tables, wanted, pairs, out, seed=seed, session=session)
    if as_json:
        for row in made.to_rows():
            output.emit(row)
    else:
        output.show_rows(made.table(), *_HEADS, title="accuracy on test images, before and after")
    _tell(made.adapted, out)
    tally.finish()


def _tell(adapted: Adapted, out: Path) -> None:
    from catalens.training.finetune.starter import CALIBRATION, LABELS

    for each in adapted.scores:
        if not each.improved:
            output.say(
                f"{each.group}: learning did not help on val ({each.val_before:.3f}), so the old vectors are kept",
                style="yellow",
            )
    output.say(f"written: {out}; use it with --model {out} --schema {out / LABELS} --calibration {out / CALIBRATION}")
