"""What a fine-tuning run says while it trains: lines that readers of logs, such as SageMaker's metrics, can parse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from catalens.cli import output
from catalens.training.finetune.metrics import metric_line

if TYPE_CHECKING:
    from catalens.training.finetune.loop import StepNote

Track = Literal["tensorboard", "mlflow"] | None
_EVERY = 10


def tell_step(track: Track, folder: Path) -> Callable[[StepNote], None]:
    """Return what prints the first step, every tenth, and those that end an epoch, and sends them to a tracker.

    Args:
        track: the tracker, by its own library's settings; None for none.
        folder: of the run; TensorBoard's files go into `tensorboard` in it.

    Raises:
        ModelError: the tracker's library is not installed.
    """
    from catalens.training.finetune.tracking import tracker

    send = tracker(track, folder)

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
        send(measured, note.step)

    return tell
