"""Questions about one image that share what a model computes of it: the same loss and gradients as rows apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from catalens.models.readers.chat import Chat
from catalens.models.readers.loading import Wanted
from catalens.pipelines.tuning_answers import PairTable, tune_answers
from catalens.training.finetune import answer_models, chat_answers, packing
from catalens.training.finetune.answer_labels import IGNORED
from catalens.training.finetune.answer_models import (
    AnswerModel,
    answer_loss,
    answer_model,
    checkpoint_activations,
)
from catalens.training.finetune.answers import Plan, Row, loss_of_rows
from catalens.training.finetune.chat_answers import ChatAnswers
from catalens.training.finetune.frozen_outputs import APART, TOGETHER, cached_features, open_cache
from catalens.training.finetune.loop import Recipe, mean_loss, train, trained_weights
from catalens.training.finetune.lora import Lora, attach
from catalens.training.finetune.processes import ALONE
from tests.hub.test_finetune_answers import ROWS, fresh, images
from tests.support.tiny_readers import BUILD, CHATS

SHARING = ["blip-vqa", "blip2-opt", *(each for each in CHATS if each != "gemma3")]
PACKING = SHARING[1:]
QUESTIONS = (
    "what colour is it?",
    "which colour?",
    "what colour is it, and which colour is it not?",
    "is it red?",
    "what is it?",
)
ANSWERS = ("red", "blue", "red and blue", "blue, red, blue", "red")
COUNTS = [3, 2]


def adapted(kind: str) -> tuple[AnswerModel, Any]:
    """A model in training whose adapters are no longer zero, without dropout; models have some of their own."""
    loaded, family = fresh(kind)
    side = answer_model(loaded, family)
    tuned = attach(loaded.model, Lora(dropout=0.0), side.targets, frozen=side.frozen)
    generator = torch.Generator().manual_seed(0)
    for each in tuned.parameters():
        if each.requires_grad:
            each.data.normal_(std=0.1, generator=generator)
    for module in tuned.modules():
        for name in ("p", "dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return side, tuned.train()


def descended(tuned: Any, loss: Tensor) -> list[Tensor]:
    tuned.zero_grad()
    loss.backward()
    return [each.grad.clone() for each in tuned.parameters() if each.requires_grad]


def off(gradients: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    flat = [torch.cat([each.flatten() for each in side]) for side in (gradients, expected)]
    return float((flat[0] - flat[1]).norm() / flat[1].norm())


def apart(side: AnswerModel, features: Any) -> tuple[Tensor, int]:
    """The reference: every question in a forward pass of its own."""
    total, tokens, at = torch.tensor(0.0), 0, 0
    for picture, count in enumerate(COUNTS):
        for _ in range(count):
            loss, some = answer_loss(side, features[picture : picture + 1], [QUESTIONS[at]], [ANSWERS[at]])
            total, tokens, at = total + loss, tokens + some, at + 1
    return total, tokens


@pytest.mark.parametrize("kind", SHARING)
def test_loss_and_gradients_are_those_of_rows_apart(kind: str) -> None:
    side, tuned = adapted(kind)
    assert side.shares_images
    features = side.features(images(ROWS[:2]))
    loss, tokens = apart(side, features)
    gradients = descended(tuned, loss)
    together, same_tokens = answer_loss(side, features, QUESTIONS, ANSWERS, COUNTS)
    assert same_tokens == tokens
    assert together.item() == pytest.approx(loss.item(), rel=1e-5)
    assert off(descended(tuned, together), gradients) < 1e-4


@pytest.mark.parametrize("kind", ["blip2-opt", "llava", "qwen2.5-vl"])
def test_checkpointed_activations_share_too(kind: str) -> None:
    side, tuned = adapted(kind)
    features = side.features(images(ROWS[:2]))
    loss, _ = apart(side, features)
    gradients = descended(tuned, loss)
    checkpoint_activations(side, kind)
    assert any(getattr(each, "gradient_checkpointing", False) for each in side.language.modules())
    together, _ = answer_loss(side, features, QUESTIONS, ANSWERS, COUNTS)
    assert off(descended(tuned, together), gradients) < 1e-4


@pytest.mark.parametrize("kind", ["llava", "smolvlm"])
def test_pixels_are_read_once_for_all_questions(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chat, "takes_vision_output", False)
    side, tuned = adapted(kind)
    assert not side.keeps_features
    assert side.shares_images
    features = side.features(images(ROWS[:2]))
    expected = apart(side, features)[0].item()
    seen: list[object] = []
    tower = next(each for name, each in tuned.named_modules() if name.endswith(("vision_tower", "vision_model")))
    tower.register_forward_hook(lambda *given: seen.append(given[0]))
    assert answer_loss(side, features, QUESTIONS, ANSWERS, COUNTS)[0].item() == pytest.approx(expected, rel=1e-5)
    assert len(seen) == len(COUNTS)


@pytest.mark.parametrize("kind", PACKING)
def test_a_start_is_run_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The language model's first layer gets one row per image, shorter than the questions' own rows together."""
    side, _ = adapted(kind)
    features = side.features(images(ROWS[:2]))
    shapes: list[torch.Size] = []
    (first, *_) = (each for name, each in side.language.named_modules() if name.endswith("layers.0"))
    handle = first.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append((args[0] if args else kwargs["hidden_states"]).shape), with_kwargs=True
    )
    answer_loss(side, features, QUESTIONS, ANSWERS, COUNTS)
    apart(side, features)
    handle.remove()
    together, *alone = shapes
    assert together[0] == len(COUNTS)
    assert len(alone) == len(QUESTIONS)
    assert together[1] < sum(shape[1] for shape in alone[:3])


def test_a_model_with_sliding_windows_shares_nothing() -> None:
    side, _ = adapted("gemma3")
    assert not side.shares_images
    features = side.features(images(ROWS[:2]))
    expected, tokens = apart(side, features)
    loss, same = answer_loss(side, features, QUESTIONS, ANSWERS, COUNTS)
    assert same == tokens
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["qwen2-vl", "qwen3-vl", "llava"])
def test_a_model_whose_positions_are_not_understood_shares_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check runs the model: a family that a table knew could be wrong with the next release."""
    positions = ChatAnswers._positions
    monkeypatch.setattr(
        ChatAnswers, "_positions", lambda side, prefix, offsets: positions(side, prefix, offsets.roll(1))
    )
    assert not answer_model(*fresh(kind)).shares_images


def test_a_model_that_refuses_a_mask_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ValueError("attention_mask")

    monkeypatch.setattr(packing.Packed, "mask", lambda self, _: refused() if self.shares else None)
    assert not answer_model(*fresh("llava")).shares_images
    monkeypatch.undo()
    for module in (answer_models, chat_answers):
        monkeypatch.setattr(module, "takes_masks", lambda _: False)  # as flash attention does
    for kind in ("llava", "blip2-opt"):
        side, _ = adapted(kind)
        assert not side.shares_images
        features = side.features(images(ROWS[:2]))
        expected = apart(side, features)[0].item()
        assert answer_loss(side, features, QUESTIONS, ANSWERS, COUNTS)[0].item() == pytest.approx(expected, rel=1e-5)


def test_opt_computes_logits_for_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    side, _ = adapted("blip2-opt")
    features = side.features(images(ROWS[:2]))
    logits, labels = side.logits(features, QUESTIONS[:2], ANSWERS[:2])
    tokens = [len(side._answer_ids(each)) for each in ANSWERS[:2]]  # type: ignore[attr-defined]
    assert logits.shape[:2] == labels.shape == (2, max(tokens))
    monkeypatch.setattr(packing, "_places_per_row", lambda: False)
    older, _ = side.logits(features, QUESTIONS[:2], ANSWERS[:2])
    counted = labels != IGNORED
    torch.testing.assert_close(older[counted], logits[counted], rtol=1e-5, atol=1e-5)


ASKED = [
    Row(f"{at}-{place}", f"{at:032x}", QUESTIONS[place], ("red", "blue")[at % 2], "colour")
    for at in range(6)
    for place in range(at % 3 + 1)
]


class KilledError(Exception):
    pass


@pytest.mark.parametrize("kind", ["blip2-opt", "qwen2-vl", "blip-vqa"])
def test_a_killed_run_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=4, rate=5e-3, checkpoint_steps=1, grouped=True)

    def run(folder: Path, kill_at: int | None, recipe: Recipe = recipe) -> tuple[list[float], dict[str, Tensor]]:
        loaded, family = fresh(kind)
        side = answer_model(loaded, family)
        torch.manual_seed(0)
        tuned = attach(loaded.model, Lora(dropout=0.1), side.targets, frozen=side.frozen)
        loss_of = loss_of_rows(side, lambda rows: side.features(images(rows)))
        state = train(tuned, _killed(loss_of, kill_at), {"train": ASKED, "val": ASKED[:3]}, recipe, folder)
        assert state.grouped
        return state.losses, trained_weights(tuned)

    losses, whole = run(tmp_path / "whole", None)
    for kill_at in (3, 5):
        with pytest.raises(KilledError):
            run(tmp_path / "killed", kill_at)
    # A model that shares nothing any more, after an update, still gets the batches that the run began with.
    again, resumed = run(tmp_path / "killed", None, Recipe(**{**_fields(recipe), "grouped": False}))
    assert again == losses
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def _fields(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__}


def _killed(loss_of: Callable[[Sequence[Row]], tuple[Tensor, int]], at: int | None) -> Any:
    done = 0

    def killed(rows: Sequence[Row]) -> tuple[Tensor, int]:
        nonlocal done
        done += 1
        if done == at:
            raise KilledError
        return loss_of(rows)

    return killed


def test_the_validation_loss_is_that_of_rows_in_any_order() -> None:
    side, tuned = adapted("blip2-opt")
    loss_of = loss_of_rows(side, lambda rows: side.features(images(rows)))
    rows = [*ASKED[1::2], *ASKED[::2]]
    assert mean_loss(tuned, loss_of, rows, 4, grouped=True) == pytest.approx(mean_loss(tuned, loss_of, rows, 4))


@pytest.mark.parametrize(
    ("kind", "told", "order"), [("blip2-opt", TOGETHER, "side by side"), ("blip2-t5", APART, "in any order")]
)
def test_a_run_says_which_way_it_takes(kind: str, told: str, order: str, tmp_path: Path) -> None:
    drawn = {row.content: BytesIO() for row in ASKED}
    for row in ASKED:
        images([row])[0].save(drawn[row.content], "PNG")
    table = PairTable(
        {"train": ASKED, "val": ASKED[:3], "test": ASKED[:2]}, {name: each.getvalue() for name, each in drawn.items()}
    )
    base, said = BUILD[kind](tmp_path / "base"), list[str]()
    plan = Plan(base=str(base), out=tmp_path / "out", recipe=Recipe(epochs=1, batch_size=4))
    wanted, cache = Wanted(device="cpu", dtype="float32"), tmp_path / "cache"
    tuned = tune_answers(
        table, plan, cache=cache, wanted=wanted, on_step=lambda _: None, say=said.append, processes=ALONE
    )
    assert tuned.state.grouped == (order == "side by side")
    (line,) = said
    assert line.startswith(told.partition("{name}")[0])
    assert order in (tmp_path / "out" / "report.html").read_text()
    assert f"- questions about an image: {order}" in (tmp_path / "out" / "merged" / "README.md").read_text()
    said.clear()
    once = PairTable({**table.rows, "train": [ASKED[0], ASKED[1]]}, table.images)
    tune_answers(
        once,
        replace(plan, out=tmp_path / "once"),
        cache=cache,
        wanted=wanted,
        on_step=lambda _: None,
        say=said.append,
        processes=ALONE,
    )
    assert said == []  # one question about each image


def test_the_frozen_part_leaves_the_accelerator_once_its_output_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, family = fresh("blip2-t5")
    side = answer_model(loaded, family)
    moved: list[tuple[str, object]] = []
    for name in ("vision_model", "qformer", "language_projection"):
        monkeypatch.setattr(getattr(loaded.model, name), "to", lambda device, name=name: moved.append((name, device)))
    features = cached_features(side, images, open_cache(tmp_path, loaded), ASKED)
    assert moved == [(name, "cpu") for name in ("vision_model", "qformer", "language_projection")]
    torch.testing.assert_close(features(ASKED[:2]), side.features(images(ASKED[:2])))
