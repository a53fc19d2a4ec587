"""Fine-tuning over frozen weights in 16 bits: the run of float32 weights, bit for bit, and an exact merge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from catalens.models.readers.chat import Chat
from catalens.models.readers.loading import Loaded, Wanted, load
from catalens.models.readers.reader import Family
from catalens.training.finetune.answer_models import AnswerModel, answer_model
from catalens.training.finetune.answers import Features, Plan, attach_narrow, loss_of_rows, tune
from catalens.training.finetune.frozen_outputs import cached_features, open_cache, uncached_features
from catalens.training.finetune.loop import State, train, trained_weights
from catalens.training.finetune.lora import Lora, attach
from tests.hub.test_finetune_answers import RECIPE, ROWS, SIDES, fresh, images
from tests.support.tiny_readers import BUILD, CHATS, FAMILY

DTYPE = {"blip2-opt": torch.float16, "blip2-t5": torch.bfloat16, **dict.fromkeys(CHATS, torch.bfloat16)}
_SLOW = [pytest.param(each, False, marks=pytest.mark.slow) for each in CHATS if each not in ("llava", "qwen2-vl")]


def published(kind: str) -> tuple[Loaded, Family]:
    """A tiny model whose language model has values that 16 bits hold."""
    loaded, family = fresh(kind)
    with torch.no_grad():
        for each in answer_model(loaded, family).language.parameters():
            each.copy_(each.to(DTYPE[kind]))
    return loaded, family


@pytest.mark.parametrize(
    ("kind", "use_dora"),
    [("blip2-opt", False), ("blip2-opt", True), ("blip2-t5", False), ("llava", False), ("qwen2-vl", False), *_SLOW],
)
def test_the_run_is_that_of_float32_weights(kind: str, use_dora: bool, tmp_path: Path) -> None:  # noqa: FBT001
    def run(name: str, *, narrowed: bool) -> tuple[State, dict[str, Any], set[torch.dtype]]:
        loaded, family = published(kind)
        side = answer_model(loaded, family)
        lora = Lora(dropout=0.1, use_dora=use_dora)
        torch.manual_seed(0)
        if narrowed:
            tuned = attach_narrow(loaded, side, lora)
        else:
            tuned = attach(loaded.model, lora, side.targets, frozen=side.frozen)
        loss = loss_of_rows(side, uncached_features(side, images))
        types = {each.dtype for each in side.language.parameters()}
        state = train(tuned, loss, SIDES, RECIPE, tmp_path / name)
        return state, trained_weights(tuned), types

    (wide, weights, _), (narrowed, same, types) = run("wide", narrowed=False), run("narrow", narrowed=True)
    assert len(types) > 1  # norms stay, and so do adapters
    assert narrowed.losses == wide.losses
    assert narrowed.val == wide.val
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_layers_without_adapters_take_half_the_memory() -> None:
    loaded, family = published("blip2-opt")
    side = answer_model(loaded, family)
    layers = {name: each for name, each in side.language.named_modules() if name.rsplit(".")[-1] in ("fc1", "fc2")}
    before = {name: each.weight.nbytes for name, each in layers.items()}
    tuned = attach_narrow(loaded, side, Lora())
    assert {name: each.weight.nbytes for name, each in layers.items()} == {
        name: held // 2 for name, held in before.items()
    }
    assert before
    assert tuned.dtype == torch.float32


@pytest.mark.parametrize("kind", ["blip2-opt", "blip2-t5"])
def test_a_merge_rounds_nothing(kind: str, tmp_path: Path) -> None:
    base = BUILD[kind](tmp_path / "base")
    loaded = load(base, "tiny", "Blip2ForConditionalGeneration", Wanted(device="cpu", dtype="float32"))
    with torch.no_grad():
        for each in loaded.model.language_model.parameters():
            each.copy_(each.to(DTYPE[kind]))

    def features_of(side: AnswerModel) -> Features:
        return cached_features(side, images, open_cache(tmp_path / "cache", loaded), ROWS)

    plan = Plan(base=str(base), out=tmp_path / "out", lora=Lora(dropout=0.0), recipe=RECIPE)
    tuned = tune(loaded, FAMILY.get(kind, Chat)(loaded), SIDES | {"test": ROWS[12:]}, features_of, plan)
    assert tuned.proof is not None
    assert tuned.proof.largest_difference < 1e-5
    merged = tmp_path / "out" / "merged"
    assert json.loads((merged / "config.json").read_text())["dtype"] == "float32"
    again = load(merged, "merged", "Blip2ForConditionalGeneration", Wanted(device="cpu", dtype="float32"))
    for name, each in again.model.state_dict().items():
        torch.testing.assert_close(each, loaded.model.state_dict()[name].float(), rtol=0, atol=0)
