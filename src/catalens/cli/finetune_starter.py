"""`catalens finetune starter`: a bundled encoder adapted to one's own labels, on a processor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.options import Columns, Json, Model, Table, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError
from catalens.core.json_text import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalens.models.bundle import BundleEncoder
    from catalens.pipelines.finetuning import EncodedTable
    from catalens.pipelines.session import Session
    from catalens.tasks.assessment import GroupReport
    from catalens.tasks.schema import Schema
    from catalens.training.finetune.splits import Split
    from catalens.training.finetune.starter import Adapted, Part


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
    val: Annotated[Path | None, Option(help="Table to choose by; else a part of TABLE.")] = None,
    test: Annotated[Path | None, Option(help="Table to report on; else a part of TABLE.")] = None,
    limit: Annotated[int | None, Option(min=1, help="Maximum rows of TABLE.")] = None,
    seed: Annotated[int, Option(help="Random seed of the split.")] = 0,
    model: Model = None,
    json: Json = False,
) -> None:
    """Adapt a bundled encoder to your own labels, and write it as a bundle that every command takes by path.

    Images are encoded once; only vectors of labels are learned, so search and other labels stay as they are. Products
    with the same image or title are never on two sides of the split. Labels that learning does not help keep their old
    vectors.
    """
    from catalens.training.finetune.starter import adapt, write_bundle

    if (labels is None) == (schema is None):
        raise InputError("pass either --labels COLUMN or --schema NAME, to say which labels to learn")
    if out.exists():
        raise InputError(f"{out} exists already; name a folder that does not exist yet")
    paths: dict[Split, Path] = {"train": inputs.existing(table)}
    paths |= {"val": inputs.existing(val)} if val else {}
    paths |= {"test": inputs.existing(test)} if test else {}
    session = session_for(model)
    encoder, folder = _bundle(session)
    as_json = output.wants_json(json)
    tally = Tally(as_json=as_json)
    tables = {
        name: _encode(path, encoder, session, tally, limit if name == "train" else None) for name, path in paths.items()
    }
    wanted = _schema(labels, schema, tables["train"])
    parts = _parts(tables, wanted, column or [], seed)
    adapted = adapt(encoder, wanted, parts)
    reports = write_bundle(encoder, folder, out, adapted, parts["val"], load=partial(_load, session))
    _show(adapted, reports, as_json=as_json)
    _tell(adapted, out)
    tally.done = sum(len(each.records) for each in tables.values())
    tally.finish()


def _bundle(session: Session) -> tuple[BundleEncoder, Path]:
    from catalens.models.bundle import BundleEncoder
    from catalens.models.registry import SHIPPED, shipped

    name = session.config.encoder or "starter"
    encoder = session.encoder(name)
    folder = shipped(name) if name in SHIPPED else Path(name).expanduser()
    if not isinstance(encoder, BundleEncoder) or not (folder / "bundle.json").is_file():
        raise InputError(f"{name} is not a bundle; name a bundled encoder, or a folder that `catalens export` wrote")
    return encoder, folder


def _load(session: Session, folder: Path) -> BundleEncoder:
    from catalens.models.bundle import load_bundle

    return load_bundle(folder, runtime=session.config.runtime, cache=session.config.cache)


def _encode(path: Path, encoder: BundleEncoder, session: Session, tally: Tally, limit: int | None) -> EncodedTable:
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.finetuning import encode_table

    source = open_source(path)
    with output.progress(f"encoding {path.name}", limit or source.total, quiet=tally.as_json) as update:
        found = encode_table(source, encoder, session, limit=limit, on_failure=tally.fail, on_progress=update)
    if not found.records:
        raise InputError(f"{path} has no images that can be read")
    return found


def _schema(labels: str | None, schema: str | None, table: EncodedTable) -> Schema:
    from catalens.pipelines.finetuning import schema_from_column
    from catalens.tasks.schema import load_schema

    return schema_from_column(table, labels) if labels is not None else load_schema(schema or "")


def _parts(
    tables: Mapping[Split, EncodedTable], schema: Schema, columns: Sequence[str], seed: int
) -> dict[Split, Part]:
    from catalens.cli.inputs import pairs
    from catalens.pipelines.finetuning import sides_of
    from catalens.pipelines.labelled import read_truth
    from catalens.training.finetune.starter import Part

    parts: dict[Split, Part] = {}
    for name, (table, rows) in sides_of(tables, seed=seed).items():
        truth = read_truth(table.records, schema, pairs(columns, "--column", "colour=baseColour"))
        parts[name] = Part(table.vectors[rows], {group: [values[at] for at in rows] for group, values in truth.items()})
    return parts


def _show(adapted: Adapted, reports: Sequence[GroupReport], *, as_json: bool) -> None:
    calibrated = {report.group: report for report in reports}
    if as_json:
        for each in adapted.scores:
            ece = {"ece_before": calibrated[each.group].ece_before, "ece_after": calibrated[each.group].ece_after}
            output.emit({"group": each.group, **each.to_dict(), **rounded(ece)})
        return
    output.show_rows(
        [
            (
                each.group,
                each.labels,
                each.rows["train"],
                each.rows["test"],
                each.majority,
                each.test_before,
                each.test_after,
                calibrated[each.group].ece_before,
                calibrated[each.group].ece_after,
            )
            for each in adapted.scores
        ],
        *("attribute", "labels#", "train#", "test#", "majority#", "before#", "after#", "ECE before#", "ECE after#"),
        title="accuracy on test images, before and after",
    )


def _tell(adapted: Adapted, out: Path) -> None:
    from catalens.training.finetune.starter import CALIBRATION, LABELS

    for each in adapted.scores:
        if not each.improved:
            output.say(
                f"{each.group}: learning did not help on val ({each.val_before:.3f}), so the old vectors are kept",
                style="yellow",
            )
    output.say(f"written: {out}; use it with --model {out} --schema {out / LABELS} --calibration {out / CALIBRATION}")
