"""What a fine-tuning run says while it trains: lines that readers of logs, such as SageMaker's metrics, can parse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.training.finetune.metrics import metric_line

if TYPE_CHECKING:
    from catalens.training.finetune.loop import StepNote
    from catalens.training.finetune.tracking import Send

_EVERY = 10


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
