"""`catalens finetune answers` for the reader of a bundle: what it cannot do, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.cli.finetune_scores import show_scores
from catalens.cli.finetune_steps import tell_step
from catalens.cli.options import settings
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.training.finetune.reader_answers import ReaderPlan, TunedReader


def check_bundled(model: str, asked: Sequence[str]) -> None:
    """Refuse what only larger models can be trained with.

    Raises:
        InputError: some of it was asked for.
    """
    if asked:
        raise InputError(
            f"{model} is a bundle, whose reader is small: all of its weights are trained in float32, on the processor, "
            f"in one process; leave out what is for larger models: {', '.join(asked)}"
        )


def fit_bundled(pairs: Path, plan: ReaderPlan, *, limit: int | None, tensorboard: bool, as_json: bool) -> None:
    """Fine-tune the reader of a bundle, and say how it fares."""
    from catalens.pipelines.tuning_answers import read_pairs
    from catalens.pipelines.tuning_reader import tune_bundle

    table, tally = read_pairs(pairs, limit=limit), Tally(as_json=as_json)
    tuned = tune_bundle(
        table,
        plan,
        cache=settings().cache / "features",
        on_step=tell_step(plan.out, tensorboard=tensorboard),
        on_failure=tally.fail,
        say=output.say,
    )
    show_scores(tuned.scores, as_json=as_json)
    _tell(tuned, plan.out)
    tally.done = len(table.images) - tally.failed
    tally.finish()


def _tell(tuned: TunedReader, out: Path) -> None:
    from catalens.pipelines.tuning_reader import MODEL

    if tuned.share:
        output.say(f"{tuned.share:.0%} of the change is kept, as chosen on val")
        for each in tuned.no_better:
            output.say(
                f"{each.attribute}: answered no better on val than before ({each.before:.3f}, now {each.after:.3f})",
                style="yellow",
            )
    else:
        output.say("fine-tuning did not help on val, so the old reader is written", style="yellow")
    output.say(f"written: {out}; use it with --model {out / MODEL}")
