"""What a fine-tuning run says while it trains: lines that readers of logs, such as SageMaker's metrics, can parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.training.finetune.metrics import metric_line

if TYPE_CHECKING:
    from catalens.training.finetune.loop import StepNote

_EVERY = 10


def tell_step(note: StepNote) -> None:
    """Print the first step, every tenth, and those that end an epoch."""
    if note.step > 1 and note.step % _EVERY and note.val_loss is None:
        return
    values = {
        "step": note.step,
        "steps": note.steps,
        "train_loss": note.loss,
        **({} if note.val_loss is None else {"val_loss": note.val_loss}),
        "samples_per_s": note.rows_per_s,
        "seconds_left": round(note.left_s),
    }
    output.say(metric_line(values))
