"""What fine-tuning commands share: their tables, and lines of a run that readers of logs can parse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import inputs, output
from catalens.core.errors import InputError
from catalens.training.finetune.metrics import metric_line

if TYPE_CHECKING:
    from catalens.catalogue.sources import Entry
    from catalens.cli.tally import Tally
    from catalens.core.protocols import Encoder
    from catalens.pipelines.finetuning import EncodedTable
    from catalens.pipelines.session import Session
    from catalens.training.finetune.loop import StepNote
    from catalens.training.finetune.splits import Split
    from catalens.training.finetune.tracking import Send

_EVERY = 10


def sides_named(table: Path, val: Path | None, test: Path | None) -> dict[Split, Path]:
    """Return the tables of the sides that have one.

    Raises:
        InputError: one does not exist; the message offers the nearest names.
    """
    named: dict[Split, Path | None] = {"train": table, "val": val, "test": test}
    return {name: inputs.existing(path) for name, path in named.items() if path is not None}


def encode_side(
    path: Path,
    encoder: Encoder,
    session: Session,
    tally: Tally,
    *,
    limit: int | None,
    noted: Callable[[Iterable[Entry]], Iterable[Entry]] = iter,
) -> EncodedTable:
    """Encode a table with a progress bar, and count its pictures in the tally.

    Args:
        path: of the table.
        encoder: makes the vectors.
        session: of the run.
        tally: counts the pictures.
        limit: maximum rows.
        noted: sees the entries on their way.

    Raises:
        InputError: none of the images can be read.
    """
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.finetuning import encode_table

    source = open_source(path)
    with output.progress(f"encoding {path.name}", limit or source.total, quiet=tally.as_json) as update:
        entries = noted(source)
        found = encode_table(entries, encoder, session, limit=limit, on_failure=tally.fail, on_progress=update)
    if not found.records:
        raise InputError(f"{path} has no images that can be read")
    tally.done += len(found.records)
    return found


def tell_step(out: Path, *, tensorboard: bool) -> Callable[[StepNote], None]:
    """Return what prints the first step, every tenth, and those that end an epoch.

    Args:
        out: folder of the run.
        tensorboard: whether the same metrics go into `tensorboard` in it.

    Raises:
        ModelError: TensorBoard is not installed.
    """
    send: Send | None = None
    if tensorboard:
        from catalens.training.finetune import tracking

        send = tracking.tensorboard(out / "tensorboard")

    def tell(note: StepNote) -> None:
        if note.step > 1 and note.step % _EVERY and note.val_loss is None:
            return
        measured = {
            "train_loss": note.loss,
            **({} if note.val_loss is None else {"val_loss": note.val_loss}),
            "samples_per_s": note.rows_per_s,
        }
        left = {"seconds_left": round(note.left_s)}
        output.say(metric_line({"step": note.step, "steps": note.steps, **measured, **left}))
        if send is not None:
            send(measured, note.step)

    return tell
