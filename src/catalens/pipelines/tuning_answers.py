"""Fine-tunes the answers of a reader on a table of pairs: reads it, loads the model, trains, and writes the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError
from catalens.core.files import save_image_atomically, write_text_atomically
from catalens.core.images import read_image
from catalens.render.loss_plot import loss_plot
from catalens.render.report import Report, Table, render_report

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.models.readers.loading import Wanted
    from catalens.training.finetune.answer_models import AnswerModel
    from catalens.training.finetune.answers import Features, Plan, Row, Score, Tuned
    from catalens.training.finetune.loop import StepNote
    from catalens.training.finetune.processes import Processes

LOSS_PLOT, REPORT = "loss.png", "report.html"
_COLUMNS = ("id", "image", "content", "question", "answer", "attribute", "split")


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Pairs of a table that `prepare` wrote.

    Attributes:
        rows: train, val and test.
        images: content hash → bytes, or the path of a file.
    """

    rows: Mapping[str, Sequence[Row]]
    images: Mapping[str, bytes | str]

    def load(self, rows: Sequence[Row]) -> list[Image]:
        """Return the decoded images of rows.

        Raises:
            ImageError: one cannot be read.
        """
        return [read_image(self.images[row.content]) for row in rows]


def read_pairs(path: Path, *, limit: int | None = None) -> PairTable:
    """Read a table of pairs.

    Args:
        path: the .parquet file.
        limit: the most rows of each side; None for all.

    Raises:
        InputError: it is not a table of pairs, or has no rows to train on.
    """
    from pyarrow import ArrowInvalid, parquet

    from catalens.training.finetune.answers import Row

    try:
        table = parquet.read_table(path)
    except (OSError, ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error
    if missing := sorted({*_COLUMNS} - {*table.column_names}):
        raise InputError(f"{path} has no column {missing[0]!r}; `catalens finetune prepare` writes tables of pairs")
    rows: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    images: dict[str, bytes | str] = {}
    for each in table.to_pylist():
        side = rows[each["split"]]
        if limit is None or len(side) < limit:
            side.append(Row(each["id"], each["content"], each["question"], each["answer"], each["attribute"]))
            images[each["content"]] = each["image"]["bytes"] or each["image"]["path"]
    if not rows["train"]:
        raise InputError(f"{path} has no rows with the split 'train'")
    return PairTable(rows, images)


def tune_answers(
    table: PairTable,
    plan: Plan,
    *,
    cache: Path,
    wanted: Wanted,
    on_step: Callable[[StepNote], None],
    say: Callable[[str], None],
    processes: Processes,
) -> Tuned:
    """Fine-tune, and write the adapter, the merged model, a report and a plot of the losses.

    Args:
        table: the pairs.
        plan: where from, where to, and how.
        cache: folder of frozen features.
        wanted: device, dtype and quantisation.
        on_step: called after each step, in the first process.
        say: called with what the user should know before training, in the first process.
        processes: that train together; the first one writes.

    Raises:
        ModelError: the model cannot be loaded or tuned.
    """
    from catalens.models.readers.registry import load_family
    from catalens.training.finetune.answers import tune
    from catalens.training.finetune.frozen_outputs import (
        APART,
        TOGETHER,
        UNCACHED,
        cached_features,
        open_cache,
        uncached_features,
    )

    loaded, family = load_family(plan.base, wanted)
    rows = [row for side in table.rows.values() for row in side]

    train = table.rows["train"]
    several = len({row.content for row in train}) < len(train)

    def features_of(model: AnswerModel) -> Features:
        if several and processes.first:
            say(TOGETHER if model.shares_images else APART.format(name=loaded.name))
        if not model.keeps_features:
            if processes.first:
                say(UNCACHED.format(name=loaded.name))
            return uncached_features(model, table.load)
        return cached_features(model, table.load, open_cache(cache, loaded), rows, processes)

    tuned = tune(loaded, family, table.rows, features_of, plan, on_step, processes=processes)
    if processes.first:
        numbers = [
            ("steps", str(tuned.state.step)),
            ("weights", tuned.state.chosen),
            ("questions about an image", "side by side" if tuned.state.grouped else "in any order"),
        ]
        write_text_atomically(plan.out / REPORT, scores_page(plan.base, tuned.scores, numbers))
        save_image_atomically(loss_plot(tuned.state.losses, tuned.state.val), plan.out / LOSS_PLOT)
    return tuned


def scores_page(base: str, scores: Sequence[Score], numbers: Sequence[tuple[str, str]]) -> str:
    """Return the scores per attribute as a page, beside the commonest answer and the untuned model.

    Args:
        base: name of the untuned model.
        scores: on test rows.
        numbers: names and values of what else is worth knowing.
    """
    rows = [
        (each.attribute, str(each.rows), *(f"{share:.3f}" for share in (each.majority, each.before, each.after)))
        for each in scores
    ]
    heads = ("attribute", "questions", "commonest answer", "untuned", "tuned")
    return render_report(
        Report(
            title=f"{base}, fine-tuned",
            about="Share of exact answers to test questions, on images that nothing was trained or chosen with.",
            numbers=numbers,
            tables=[Table("Exact answers", heads, rows)],
        )
    )
