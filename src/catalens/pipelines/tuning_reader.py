"""Fine-tunes the reader of a bundle on a table of pairs: caches what its tower sees, trains, and writes a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from catalens.core.errors import ImageError, InputError, ModelError
from catalens.core.files import save_image_atomically, write_text_atomically
from catalens.core.images import read_image
from catalens.core.types import Outcome, Vectors
from catalens.core.vectors import batched
from catalens.models.bundle import BundleEncoder
from catalens.models.facts import FACTS
from catalens.models.readers.bundled import BundleReader
from catalens.models.readers.generate_numpy import Floats
from catalens.models.readers.registry import load_reader
from catalens.models.registry import SHIPPED, shipped
from catalens.pipelines.tuning_answers import LOSS_PLOT, REPORT, PairTable, scores_page
from catalens.render.loss_plot import loss_plot
from catalens.training.export import change_reader
from catalens.training.finetune.answers import Row, data_hash, score_lines
from catalens.training.finetune.features import FeatureCache
from catalens.training.finetune.loop import StepNote
from catalens.training.finetune.reader_answers import ReaderPlan, Seen, TunedReader, fitting, tune_reader
from catalens.training.finetune.tuned_bundle import copy_bundle

MODEL = "model"
"""The bundle in the folder of a run."""
_OLD_WEIGHTS = ("answers.json",)
"""What was learned of the old reader's answers."""
_ENCODED_AT_ONCE = 32


def bundle_of(name: str) -> Path | None:
    """Return the folder of a bundle, by its name or path; None for another model."""
    folder = shipped(name) if name in SHIPPED else Path(name).expanduser()
    return folder if (folder / FACTS).is_file() else None


def tune_bundle(
    table: PairTable,
    plan: ReaderPlan,
    *,
    cache: Path,
    on_step: Callable[[StepNote], None],
    on_failure: Callable[[Outcome], None],
    say: Callable[[str], None],
) -> TunedReader:
    """Fine-tune, and write the bundle, a report and a plot of the losses.

    Args:
        table: the pairs.
        plan: where from, where to, and how.
        cache: folder of what the tower saw.
        on_step: called after each step.
        on_failure: called for each image that cannot be read; its pairs are left out.
        say: called with what the user should know before training.

    Raises:
        InputError: no pair to train on or to choose by is left.
        ModelError: the bundle has no reader, or it cannot be trained.
    """
    reader = load_reader(str(plan.bundle), cache=cache.parent)
    if not isinstance(reader, BundleReader):
        raise ModelError(f"{plan.bundle} is not a bundle with a reader")
    rows = {name: fitting(side, plan.bundle) for name, side in table.rows.items()}
    if too_long := sum(map(len, table.rows.values())) - sum(map(len, rows.values())):
        say(f"{too_long} pairs are too long for {reader.name}, which reads short questions and answers, and left out")
    with _open_cache(cache, reader.encoder) as seen:
        unreadable = _encode(table, rows, reader.encoder, seen, on_failure)
        rows = {name: [row for row in side if row.content not in unreadable] for name, side in rows.items()}
        if not rows["train"]:
            raise InputError(f"no pair is left that {reader.name} can be trained on")
        part = plan.out / f".{MODEL}.part"
        copy_bundle(plan.bundle, part, without=_OLD_WEIGHTS)
        tuned = tune_reader(reader, rows, _seen(seen, reader.encoder), plan, part, on_step)
    if not tuned.share:
        copy_bundle(plan.bundle, part, without=())
    else:
        change_reader(part, scores={"finetuned": {each.attribute: asdict(each) for each in tuned.scores}})
        card = part / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {reader.name}\n"
        card.write_text(f"{text}\n{_card(reader, plan, rows, tuned)}", encoding="utf-8")
    shutil.rmtree(plan.out / MODEL, ignore_errors=True)
    part.replace(plan.out / MODEL)
    numbers = [("steps", str(tuned.state.step)), ("share of the change", f"{tuned.share:g}")]
    write_text_atomically(plan.out / REPORT, scores_page(reader.name, tuned.scores, numbers))
    save_image_atomically(loss_plot(tuned.state.losses, tuned.state.val), plan.out / LOSS_PLOT)
    return tuned


def _open_cache(folder: Path, encoder: BundleEncoder) -> FeatureCache:
    blank = Image.new("RGB", encoder.input_size_wh)
    width = encoder.encode_images_with([blank], "features")[1].shape[1]
    return FeatureCache(folder, f"{encoder.fingerprint} seen", (encoder.dim + width,), np.float16)


def _encode(
    table: PairTable,
    rows: Mapping[str, Sequence[Row]],
    encoder: BundleEncoder,
    cache: FeatureCache,
    on_failure: Callable[[Outcome], None],
) -> set[str]:
    """Encode the images that the cache lacks; return the content hashes of those that cannot be read."""
    every = {row.content: row for side in rows.values() for row in side}
    known, unreadable = cache.known(list(every)), set()
    for some in batched([row for content, row in every.items() if content not in known], _ENCODED_AT_ONCE):
        images = {}
        for row in some:
            try:
                images[row.content] = read_image(table.images[row.content], at_least=encoder.input_size_wh)
            except ImageError as error:
                unreadable.add(row.content)
                on_failure(Outcome(row.id, str(error)))
        if images:
            both = np.concatenate(encoder.encode_images_with(list(images.values()), "features"), axis=1)
            cache.put(dict(zip(images, both, strict=True)))
    return unreadable


def _seen(cache: FeatureCache, encoder: BundleEncoder) -> Seen:
    def seen(rows: Sequence[Row]) -> tuple[Vectors, Floats]:
        both = cache.get([row.content for row in rows]).astype(np.float32)
        return both[:, : encoder.dim], both[:, encoder.dim :]

    return seen


def _card(reader: BundleReader, plan: ReaderPlan, rows: Mapping[str, Sequence[Row]], tuned: TunedReader) -> str:
    """Return what the model card of the bundle says of the new reader, below what it said of the old one."""
    counts = ", ".join(f"{len(each)} {name}" for name, each in rows.items())
    return "\n".join(
        [
            "## Fine-tuned answers",
            f"The reader was fine-tuned by `catalens finetune answers`, starting from that of `{reader.name}`; "
            "figures of answers and captions above are those of the old one. Vectors are as they were.",
            f"\n- data: {counts} rows, SHA-256 `{data_hash(rows)}`",
            f"- recipe: `{asdict(plan.recipe)}`, dropout {plan.dropout:g}, {tuned.state.step} steps; "
            f"{tuned.share:.0%} of the change, chosen on val",
            "\n" + score_lines(tuned.scores),
        ]
    )
