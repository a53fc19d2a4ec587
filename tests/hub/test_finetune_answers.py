"""Fine-tuning of answers on tiny real checkpoints: loss on answers alone, cached features, resume, merge, folders."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.models.readers.chat import Chat
from catalens.models.readers.loading import Loaded, Wanted, load
from catalens.models.readers.reader import Family, TorchReader
from catalens.models.readers.registry import load_reader
from catalens.training.finetune.answer_models import (
    AnswerModel,
    answer_loss,
    answer_model,
    checkpoint_activations,
)
from catalens.training.finetune.answers import Features, Plan, Row, tune
from catalens.training.finetune.frozen_outputs import cached_features, open_cache, uncached_features
from catalens.training.finetune.loop import Recipe, State, plan_batches, train, trained_weights
from catalens.training.finetune.lora import Lora, attach
from catalens.training.finetune.tracking import tensorboard
from tests.support.tiny_readers import BUILD, CHATS, FAMILY, tiny

KINDS = ["blip-vqa", "blip2-opt", "blip2-t5", *CHATS]
COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220)}
RECIPE = Recipe(epochs=2, batch_size=4, rate=5e-3, checkpoint_steps=1)


def image(row: Row) -> Image.Image:
    seed = int(row.content, 16)
    pixels = np.array(COLOURS[row.answer]) + np.random.default_rng(seed).normal(0, 10, (32, 32, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def images(rows: Sequence[Row]) -> list[Image.Image]:
    return [image(row) for row in rows]


ROWS = [
    Row(str(at), f"{at:032x}", ("what colour is it?", "which colour?")[at % 2], list(COLOURS)[at // 2 % 2], "colour")
    for at in range(16)
]
SIDES = {"train": ROWS[:12], "val": ROWS[12:]}


def fresh(kind: str) -> tuple[Loaded, Family]:
    """A tiny checkpoint of one's own: adapters replace layers in place."""
    loaded, _ = tiny(kind)
    own = Loaded(
        name=loaded.name,
        model=copy.deepcopy(loaded.model),
        processor=loaded.processor,
        device=loaded.device,
        dtype=loaded.dtype,
    )
    return own, FAMILY.get(kind, Chat)(own)


def uncached(model: AnswerModel) -> Features:
    model.keeps_features = False  # of chat models, which then read the pixels on every step
    return uncached_features(model, images)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_loss_is_the_readers_own_score(kind: str) -> None:
    """Two independent ways to the same number: the training loss, and the reader's log-likelihood of the answer."""
    loaded, family = fresh(kind)
    side, reader = answer_model(loaded, family), TorchReader(family)
    for row in ROWS[:3]:
        loss, _ = answer_loss(side, side.features([image(row)]), [row.question], [row.answer])
        (score,) = reader.score(reader.encode_images([image(row)]), row.question, [row.answer])[0]
        assert loss.item() == pytest.approx(-float(score), rel=1e-4)


def test_padding_and_questions_never_count(kind: str) -> None:
    loaded, family = fresh(kind)
    side = answer_model(loaded, family)
    rows = [ROWS[0], Row("x", "ff", "what colour is it, and which colour is it not?", "blue", "colour")]
    features = side.features(images(rows))
    together, tokens = answer_loss(side, features, [row.question for row in rows], [row.answer for row in rows])
    alone = [answer_loss(side, features[at : at + 1], [row.question], [row.answer]) for at, row in enumerate(rows)]
    assert tokens == sum(count for _, count in alone)
    assert together.item() == pytest.approx(sum(loss.item() for loss, _ in alone), rel=1e-4)


def test_adapters_leave_the_frozen_part_alone(kind: str) -> None:
    loaded, family = fresh(kind)
    side = answer_model(loaded, family)
    before = side.pack(side.features(images(ROWS[:2])))
    tuned = attach(loaded.model, Lora(), side.targets, frozen=side.frozen)
    trained = [name for name, each in tuned.named_parameters() if each.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert not [name for name in trained if "vis" in name or "qformer" in name]
    torch.testing.assert_close(side.pack(side.features(images(ROWS[:2]))), before, rtol=0, atol=0)


def _curve(kind: str, features_of: Callable[[AnswerModel, Loaded], Features], folder: Path) -> list[float]:
    loaded, family = fresh(kind)
    side = answer_model(loaded, family)
    features = features_of(side, loaded)
    torch.manual_seed(0)
    # Chat models read pixels row by row, which draws other dropout than a batch does.
    lora = Lora(dropout=0.0) if kind in CHATS else Lora()
    tuned = attach(loaded.model, lora, side.targets, frozen=side.frozen)

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        return answer_loss(side, features(batch), [row.question for row in batch], [row.answer for row in batch])

    return train(tuned, loss_of, SIDES, RECIPE, folder).losses


def test_the_cached_loss_curve_is_the_uncached_one(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cached(side: AnswerModel, loaded: Loaded) -> Features:
        cache = open_cache(tmp_path / "cache", loaded)
        found = cached_features(side, images, cache, ROWS)
        monkeypatch.setattr(type(side), "features", None)  # a training step that touched it would fail
        return found

    plain = _curve(kind, lambda side, _: uncached(side), tmp_path / "plain")
    with_cache = _curve(kind, cached, tmp_path / "cached")
    np.testing.assert_allclose(with_cache, plain, atol=1e-4)
    assert np.mean(plain[-3:]) < np.mean(plain[:3])


def test_checkpointed_activations_change_no_loss(tmp_path: Path) -> None:
    curves = []
    for kind, checkpointed in (("blip2-t5", False), ("blip2-t5", True)):

        def features_of(side: AnswerModel, loaded: Loaded, *, now: bool = checkpointed) -> Features:
            if now:
                checkpoint_activations(side, loaded.name)
                assert any(getattr(each, "gradient_checkpointing", False) for each in loaded.model.modules())
            return uncached(side)

        curves.append(_curve(kind, features_of, tmp_path / str(checkpointed)))
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-5)
    with pytest.raises(ModelError, match="leave --checkpoint-activations out"):
        checkpoint_activations(answer_model(*fresh("blip-vqa")), "blip-vqa")


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs tensorboard")
def test_metrics_are_sent_to_tensorboard(tmp_path: Path) -> None:
    send = tensorboard(tmp_path)
    send({"train_loss": 0.5}, 3)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(each.step, each.value) for each in events.Scalars("train_loss")] == [(3, 0.5)]


def test_tensorboard_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModelError, match=r"needs TensorBoard: pip install .catalens\[tracking\]"):
        tensorboard(tmp_path)


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    def run(folder: Path, kill_at: int | None) -> tuple[list[float], dict[str, Any]]:
        loaded, family = fresh(kind)
        side = answer_model(loaded, family)
        torch.manual_seed(0)
        tuned = attach(loaded.model, Lora(dropout=0.1), side.targets, frozen=side.frozen)
        done = 0

        def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
            nonlocal done
            done += 1
            if done == kill_at:
                raise KilledError
            features = side.features(images(batch))
            return answer_loss(side, features, [row.question for row in batch], [row.answer for row in batch])

        state = train(tuned, loss_of, SIDES, RECIPE, folder)
        return state.losses, trained_weights(tuned)

    losses, whole = run(tmp_path / "whole", None)
    for kill_at in (3, 5):  # inside the first epoch, and again inside the second
        with pytest.raises(KilledError):
            run(tmp_path / "killed", kill_at)
    again, resumed = run(tmp_path / "killed", None)
    assert again == losses
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_loss_that_is_not_finite_names_its_batch(tmp_path: Path) -> None:
    loaded, family = fresh("blip-vqa")
    side = answer_model(loaded, family)
    tuned = attach(loaded.model, Lora(), side.targets, frozen=side.frozen)
    before = trained_weights(tuned)

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        features = side.features(images(batch))
        if any(row.id == "7" for row in batch):
            features = features * float("nan")
        return answer_loss(side, features, [row.question for row in batch], [row.answer for row in batch])

    with pytest.raises(ModelError, match=r"batch with .*\b7\b.* is not finite"):
        train(tuned, loss_of, {"train": ROWS[:8], "val": []}, Recipe(batch_size=8), tmp_path)
    assert all(torch.equal(before[name], each) for name, each in trained_weights(tuned).items())


def test_a_misspelt_layer_beside_a_right_one_is_named() -> None:
    loaded, family = fresh("blip-vqa")
    side = answer_model(loaded, family)
    with pytest.raises(ModelError, match="'qury'; did you mean 'query'"):
        attach(loaded.model, Lora(targets=("qury", "value")), side.targets, frozen=side.frozen)


def test_the_weights_before_a_loss_that_is_not_finite_are_gone_on_from(tmp_path: Path) -> None:
    """Also with a lower rate, which the message advises; only a step that never was has nothing to keep."""
    base, trained = torch.nn.Linear(1, 1).requires_grad_(requires_grad=False), torch.nn.Linear(1, 1)
    model = torch.nn.Sequential(base, trained)
    poisoned = True

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        bad = poisoned and any(row.id == ROWS[3].id for row in batch)
        return model(torch.ones(len(batch), 1)).square().sum() * (float("nan") if bad else 1.0), len(batch)

    sides = {"train": ROWS[:4], "val": []}
    one = Recipe(batch_size=1, epochs=1, rate=0.1)
    before = list(plan_batches(sides["train"], 1, seed=0)).index([ROWS[3]])
    assert before > 0
    with pytest.raises(ModelError, match=r"last good weights are kept in checkpoint\.pt"):
        train(model, loss_of, sides, one, tmp_path)
    good = trained_weights(model)
    poisoned = False
    with torch.no_grad():
        trained.weight.zero_()
    state = train(model, loss_of, sides, replace(one, rate=0.0), tmp_path)
    assert (state.step, len(state.losses)) == (4, 4)
    assert all(torch.equal(good[name], each) for name, each in trained_weights(model).items())
    poisoned = True
    with pytest.raises(ModelError, match="nothing is learned yet"):
        train(model, loss_of, sides, replace(one, batch_size=4), tmp_path / "other")


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    frozen = torch.nn.Linear(1, 1).requires_grad_(requires_grad=False)
    model = torch.nn.Sequential(frozen, torch.nn.Linear(1, 1))

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        return model(torch.ones(len(batch), 1)).square().sum(), len(batch)

    def run(rows: Sequence[Row] = ROWS[:4], base: float = 1.0, **changes: Any) -> State:
        torch.nn.init.constant_(frozen.weight, base)
        sides = {"train": rows, "val": ROWS[4:6]}
        return train(model, loss_of, sides, Recipe(batch_size=2, epochs=1, **changes), tmp_path)

    assert run().step == run(rate=1e-5).step == 2
    others: list[dict[str, Any]] = [{"rows": ROWS[1:5]}, {"base": 2.0}, {"seed": 1}, {"accumulate": 2}]
    for other in others:
        with pytest.raises(ModelError, match="is of other rows, or of another model"):
            run(**other)


def test_a_val_loss_that_is_not_finite_is_said(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        total = model(torch.ones(len(batch), 1)).square().sum()
        return total if model.training else total * float("nan"), len(batch)

    with pytest.raises(ModelError, match="loss on the val rows"):
        train(model, loss_of, {"train": ROWS[:4], "val": ROWS[4:6]}, Recipe(batch_size=2), tmp_path)


def test_without_val_rows_a_run_goes_to_its_end_and_keeps_the_last_weights(tmp_path: Path) -> None:
    model, seen = torch.nn.Linear(1, 1), list[Tensor]()

    def loss_of(batch: Sequence[Row]) -> tuple[Tensor, int]:
        return (model(torch.ones(len(batch), 1)) * (1 + len(seen))).square().sum(), len(batch)  # rises by itself

    recipe = Recipe(batch_size=2, epochs=4, patience=1)
    sides: dict[str, list[Row]] = {"train": ROWS[:4], "val": []}
    state = train(model, loss_of, sides, recipe, tmp_path, lambda _: seen.append(model.weight.detach().clone()))
    assert (state.step, state.val) == (8, [])
    assert state.losses[-1] > state.losses[0]
    assert torch.equal(model.weight, seen[-1])
    assert "last weights" in state.chosen


def test_batches_hold_every_row_once_and_rows_of_like_length() -> None:
    rows = [Row(str(at), "", "q" * (at % 40), "a") for at in range(300)]
    batches = plan_batches(rows, 8, seed=1)
    assert sorted(int(row.id) for batch in batches for row in batch) == list(range(300))
    assert max(batch[-1].bucket - batch[0].bucket for batch in batches) <= 3
    assert plan_batches(rows, 8, seed=1) == batches != plan_batches(rows, 8, seed=2)


@pytest.mark.parametrize("kind", [*KINDS[:4], *(pytest.param(each, marks=pytest.mark.slow) for each in KINDS[4:])])
def test_tuned_models_answer_right_and_load_by_path(kind: str, tmp_path: Path) -> None:
    base = BUILD[kind](tmp_path / "base")
    import transformers

    architecture = transformers.AutoConfig.from_pretrained(base).architectures[0]
    loaded = load(base, "tiny", architecture, Wanted(device="cpu", dtype="float32"))
    rows = {"train": ROWS, "val": ROWS[:4], "test": ROWS}
    recipe = Recipe(epochs=40, batch_size=8, rate=2e-2, patience=40)
    lora = Lora(rank=16, dropout=0.0)
    plan = Plan(base=str(base), out=tmp_path / "out", lora=lora, recipe=recipe)
    cache = open_cache(tmp_path / "cache", loaded)

    def features_of(side: AnswerModel) -> Features:
        return cached_features(side, images, cache, ROWS)

    tuned = tune(loaded, FAMILY.get(kind, Chat)(loaded), rows, features_of, plan)
    (score,) = tuned.scores
    assert score.after > score.before
    assert tuned.proof is not None
    assert tuned.proof.same_answers
    assert tuned.proof.largest_difference < 1e-3
    assert "| colour | 16 | 0.500 |" in (tmp_path / "out" / "merged" / "README.md").read_text()
    pictures = images(ROWS[:4])
    answers = []
    for name in ("merged", "adapter"):
        with load_reader(str(tmp_path / "out" / name), device="cpu", dtype="float32") as reader:
            answers.append(reader.answer(reader.encode_images(pictures), ["what colour is it?"]))
            assert "base" in reader.name if name == "adapter" else "merged" in reader.name
    assert answers[0] == answers[1]
