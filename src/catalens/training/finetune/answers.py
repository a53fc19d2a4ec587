"""Fine-tunes the answers of a vision-language model: cached image features, adapters, merge, proof, model card."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL.Image import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.vectors import batched
from catalens.models.readers.loading import Loaded, Quantise, save_model
from catalens.models.readers.reader import Family, TorchImages, TorchReader
from catalens.training.finetune.answer_labels import IGNORED
from catalens.training.finetune.answer_models import (
    AnswerModel,
    answer_loss,
    answer_model,
    checkpoint_activations,
)
from catalens.training.finetune.loop import Recipe, State, StepNote, train
from catalens.training.finetune.lora import Lora, attach, save_adapter
from catalens.training.finetune.narrow import narrow, widen
from catalens.training.finetune.processes import ALONE, Processes

ADAPTER, MERGED = "adapter", "merged"
"""Folders that are written."""
_LOGITS_AGREE = 1e-3
_CARD = "README.md"
_PROVED = 32
"""Validation rows that the merged model is compared on."""
_TOGETHER = 4096
"""Most characters of questions and answers that one row has: attention is quadratic in its length."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question about an image, and its answer.

    Attributes:
        id: of the product, for messages.
        content: hash of the image's bytes.
        question: as the model is asked.
        answer: as the model shall answer.
        attribute: what the question is about.
    """

    id: str
    content: str
    question: str
    answer: str
    attribute: str = ""

    @property
    def bucket(self) -> int:
        """About how many tokens it has."""
        return len(self.question) + len(self.answer)

    @property
    def group(self) -> str:
        """The image."""
        return self.content


class Images(Protocol):
    """Returns the decoded images of rows, in order."""

    def __call__(self, rows: Sequence[Row], /) -> list[Image]:
        """Return n RGB images."""


class Features(Protocol):
    """Returns the frozen features of rows, in order."""

    def __call__(self, rows: Sequence[Row], /) -> Any:
        """Return the features of n rows, as `AnswerModel.features` does."""


@dataclass(frozen=True, slots=True)
class Score:
    """Share of right answers to the questions about one attribute, before and after.

    Attributes:
        attribute: its name.
        rows: test rows.
        majority: share of the commonest answer.
        before: share of exact answers of the untuned model, whatever their case.
        after: the same of the tuned one.
    """

    attribute: str
    rows: int
    majority: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Proof:
    """How the merged model compares with the model and its adapter on validation rows."""

    rows: int
    largest_difference: float
    same_answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to fine-tune.

    Attributes:
        base: name or folder that loads the untuned model.
        out: folder to write: `adapter` and `merged`; a checkpoint in it is gone on from.
        lora: settings of the adapter.
        recipe: hyperparameters.
        checkpoint_activations: keep those of layers' inputs alone, and compute the others again for the gradient.
    """

    base: str
    out: Path
    lora: Lora = field(default_factory=Lora)
    recipe: Recipe = field(default_factory=Recipe)
    checkpoint_activations: bool = False


@dataclass(frozen=True, slots=True)
class Tuned:
    """What fine-tuning gave; a quantised model is not merged, and has no proof."""

    state: State
    scores: Sequence[Score]
    proof: Proof | None


def tune(
    loaded: Loaded,
    family: Family,
    rows: Mapping[str, Sequence[Row]],
    features_of: Callable[[AnswerModel], Features],
    plan: Plan,
    on_step: Callable[[StepNote], None] = lambda _: None,
    *,
    processes: Processes = ALONE,
) -> Tuned:
    """Train an adapter, score it on test rows, merge it, prove the merged model, and save both.

    An adapter of a quantised model is saved alone: a merge would round the weights again.

    Args:
        loaded: the model; its layers are replaced in place.
        family: of the model.
        rows: train, val and test.
        features_of: returns what gives the frozen features of rows, for the model.
        plan: where from, where to, and how.
        on_step: called after each step, in the first process.
        processes: that train together; the first one writes.

    Raises:
        ModelError: a loss is not finite, or the merged model is not the model with its adapter.
    """

    def answers() -> list[str]:
        return processes.gather(_answers(family, loaded, features, processes.share(rows["test"])))

    side = answer_model(loaded, family)
    features = features_of(side)
    if plan.checkpoint_activations:
        checkpoint_activations(side, loaded.name)
    torch.manual_seed(plan.recipe.seed)
    tuned = attach_narrow(loaded, side, plan.lora)
    with tuned.disable_adapter():
        before = answers()

    recipe = replace(plan.recipe, grouped=side.shares_images)
    state = train(tuned, loss_of_rows(side, features), rows, recipe, plan.out, on_step, processes=processes)
    scores = scores_of(rows["test"], before, answers())
    text = card(plan, side.task, rows, state, scores, loaded.quantise)
    if processes.first:
        save_adapter(tuned, plan.out / ADAPTER, plan.base)
        (plan.out / ADAPTER / _CARD).write_text(text, encoding="utf-8")
    proof = None
    if not loaded.quantise:
        proved = rows["val"] or rows["train"]
        proof = _merge(loaded, family, side, tuned, features, proved, plan.recipe.batch_size)
        if processes.first:
            _save(loaded, plan.out / MERGED, text)
    processes.wait()
    return Tuned(state, scores, proof)


def attach_narrow(loaded: Loaded, side: AnswerModel, lora: Lora) -> Any:
    """Return a model with adapters, the rest of its language model in half the memory where that changes nothing."""
    tuned = attach(loaded.model, lora, side.targets, frozen=side.frozen)
    if side.language is not None and loaded.device.type == "cpu" and not loaded.quantise:
        narrow(side.language)
    return tuned


def loss_of_rows(side: AnswerModel, features: Features) -> Callable[[Sequence[Row]], tuple[Tensor, int]]:
    """Return what gives the loss of rows, and the number of tokens; rows about one image are best side by side."""

    def loss_of(rows: Sequence[Row]) -> tuple[Tensor, int]:
        groups = _groups(rows) if side.shares_images else [[row] for row in rows]
        questions, answers = [row.question for row in rows], [row.answer for row in rows]
        return answer_loss(side, features([group[0] for group in groups]), questions, answers, [*map(len, groups)])

    return loss_of


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows, those about one image that are side by side together; texts of any length are several."""
    groups: list[list[Row]] = []
    for row in rows:
        group = groups[-1] if groups else []
        if not group or group[0].content != row.content or sum(each.bucket for each in [*group, row]) > _TOGETHER:
            groups.append([])
        groups[-1].append(row)
    return groups


def card(
    plan: Plan,
    task: str,
    rows: Mapping[str, Sequence[Row]],
    state: State,
    scores: Sequence[Score],
    quantise: Quantise | None,
) -> str:
    """Return the model card: base and its weights, task as the hub calls it, hash of the data, recipe and scores."""
    counts = ", ".join(f"{len(each)} {name}" for name, each in rows.items())
    return "\n".join(
        [
            f"---\nbase_model: {plan.base}\nlibrary_name: transformers\npipeline_tag: {task}\n---",
            f"# {plan.base}, fine-tuned to answer by `catalens finetune answers`",
            f"- base: `{plan.base}`, {quantise or 'unquantised'} weights",
            f"- data: {counts} rows, SHA-256 `{data_hash(rows)}`",
            f"- adapter: `{json.dumps(asdict(plan.lora))}`",
            f"- questions about an image: {'side by side in a batch' if state.grouped else 'in any order'}",
            f"- recipe: `{json.dumps(asdict(plan.recipe))}`, {state.step} steps, {state.chosen}",
            "\n" + score_lines(scores),
        ]
    )


def score_lines(scores: Sequence[Score]) -> str:
    """Return scores as a table in Markdown."""
    lines = [f"| {s.attribute} | {s.rows} | {s.majority:.3f} | {s.before:.3f} | **{s.after:.3f}** |" for s in scores]
    heads = "| attribute | rows | majority | before | after |\n|---|---|---|---|---|"
    return "\n".join(["Exact answers on test rows:\n", heads, *lines, ""])


def data_hash(rows: Mapping[str, Sequence[Row]]) -> str:
    """Return a digest of all rows, in their order."""
    digest = hashlib.sha256()
    for name, each in rows.items():
        for row in each:
            digest.update(json.dumps([name, row.content, row.question, row.answer]).encode())
    return digest.hexdigest()


def _answers(family: Family, loaded: Loaded, features: Features, rows: Sequence[Row]) -> list[str]:
    loaded.model.eval()
    reader = TorchReader(family)
    found: list[str] = []
    for row in rows:
        found += reader.answer(TorchImages(features([row])), [row.question])[0]
    return found


def scores_of(rows: Sequence[Row], before: Sequence[str], after: Sequence[str]) -> list[Score]:
    """Return the share of right answers to rows, by attribute, before and after."""
    scores: list[Score] = []
    for attribute in sorted({row.attribute for row in rows}):
        at = [place for place, row in enumerate(rows) if row.attribute == attribute]
        truth = [_plain(rows[place].answer) for place in at]
        scores.append(
            Score(
                attribute or "all",
                len(at),
                Counter(truth).most_common(1)[0][1] / len(at),
                sum(_plain(before[place]) == each for place, each in zip(at, truth, strict=True)) / len(at),
                sum(_plain(after[place]) == each for place, each in zip(at, truth, strict=True)) / len(at),
            )
        )
    return scores


def _plain(answer: str) -> str:
    return " ".join(answer.casefold().replace("-", " ").split())


def _merge(
    loaded: Loaded, family: Family, side: AnswerModel, tuned: Any, features: Features, rows: Sequence[Row], size: int
) -> Proof:
    """Fold the adapter into the model's weights, and prove on batches of `size` rows that nothing else changed."""
    some = rows[:_PROVED]
    tuned.eval()
    adapted, said = _logits(side, features, some, size), _answers(family, loaded, features, some)
    widen(tuned)
    tuned.merge_and_unload()
    difference = float((adapted - _logits(side, features, some, size)).abs().max())
    same = said == _answers(family, loaded, features, some)
    if loaded.dtype == torch.float32 and (difference > _LOGITS_AGREE or not same):
        raise ModelError(
            f"the merged model differs from the model with its adapter: logits by {difference:.2g}, answers "
            f"{'the same' if same else 'not the same'}; the adapter alone is kept"
        )
    return Proof(len(some), difference, same)


@torch.inference_mode()
def _logits(side: AnswerModel, features: Features, rows: Sequence[Row], size: int) -> Tensor:
    """Return the logits of all tokens of answers: (tokens, vocabulary)."""
    found = []
    for some in batched(rows, size):
        logits, labels = side.logits(features(some), [row.question for row in some], [row.answer for row in some])
        found.append(logits[labels != IGNORED].float())
    return torch.cat(found)


def _save(loaded: Loaded, folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_model(loaded, folder)
    (folder / _CARD).write_text(text, encoding="utf-8")
