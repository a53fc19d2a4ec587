"""Fine-tuning over 8-bit and 4-bit base models: it learns, and the adapter loads over the same quantised weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

pytest.importorskip("bitsandbytes", reason="needs bitsandbytes")

from catalens.models.readers.loading import Wanted
from catalens.models.readers.registry import load_family, load_reader
from catalens.training.finetune.answer_models import AnswerModel, answer_loss, answer_model
from catalens.training.finetune.answers import Features, Plan, Row, tune
from catalens.training.finetune.frozen_outputs import cached_features, open_cache
from catalens.training.finetune.loop import Recipe
from catalens.training.finetune.lora import Lora
from tests.hub.test_cli_finetune_answers import pairs as pairs
from tests.hub.test_finetune_answers import ROWS, SIDES, images
from tests.support.ran import Run
from tests.support.tiny_readers import BUILD

RECIPE = Recipe(epochs=4, batch_size=4, rate=1e-2, patience=9)


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
@pytest.mark.parametrize("kind", ["blip-vqa", "blip2-opt", "blip2-t5", "llava", "qwen2.5-vl"])
def test_it_learns_and_its_adapter_loads(kind: str, bits: str, tmp_path: Path) -> None:
    wanted = Wanted(device="cpu", dtype="float32", quantise=bits)  # type: ignore[arg-type]
    base, out = BUILD[kind](tmp_path / "base"), tmp_path / "out"
    loaded, family = load_family(str(base), wanted)
    assert any("bitsandbytes" in type(each).__module__ for each in loaded.model.modules())

    def features_of(side: AnswerModel) -> Features:
        assert side.keeps_features
        return cached_features(side, images, open_cache(tmp_path / "cache", loaded), ROWS)

    plan = Plan(base=str(base), out=out, lora=Lora(dropout=0.0), recipe=RECIPE)
    tuned = tune(loaded, family, {**SIDES, "test": ROWS[:4]}, features_of, plan)
    losses = tuned.state.losses
    assert sum(losses[-3:]) < sum(losses[:3])
    assert tuned.proof is None
    assert not (out / "merged").exists()
    assert f"{bits} weights" in (out / "adapter" / "README.md").read_text(encoding="utf-8")
    again, its_family = load_family(str(out / "adapter"), wanted)
    expected = _loss(answer_model(loaded, family), ROWS[:4])
    assert _loss(answer_model(again, its_family), ROWS[:4]) == pytest.approx(expected, rel=1e-4)
    with load_reader(str(out / "adapter"), device="cpu") as reader:  # merged into the unquantised base
        assert len(reader.answer(reader.encode_images(images(ROWS[:1])), ["which colour?"])) == 1


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_gradients_pass_quantised_layers_after_a_run_without(
    bits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a processor with AVX-512 bfloat16, for which bitsandbytes packs weights.
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    base = BUILD["blip2-opt"](tmp_path / "base")
    loaded, family = load_family(str(base), Wanted(device="cpu", dtype="float32", quantise=bits))  # type: ignore[arg-type]
    side = answer_model(loaded, family)
    words = loaded.model.get_input_embeddings().weight

    def gradient() -> torch.Tensor:
        words.requires_grad_()
        features = side.features(images(ROWS[:2]))
        loss, _ = answer_loss(side, features, [row.question for row in ROWS[:2]], [row.answer for row in ROWS[:2]])
        (found,) = torch.autograd.grad(loss, words)
        return found

    before = gradient()
    with torch.no_grad():
        _loss(side, ROWS[:2])
    assert before.abs().max() > 0
    torch.testing.assert_close(gradient(), before)


def test_features_of_quantised_towers_are_kept_apart(tmp_path: Path) -> None:
    base = BUILD["blip2-opt"](tmp_path / "base")
    files = set()
    for bits in (None, "4bit", "8bit"):
        loaded, _ = load_family(str(base), Wanted(device="cpu", dtype="float32", quantise=bits))
        with open_cache(tmp_path / "cache", loaded) as cache:
            files.add(cache.file)
    assert len(files) == 3


@pytest.mark.slow
def test_the_command_says_how_the_adapter_is_used(run: Run, pairs: Path, tmp_path: Path) -> None:
    base, out = BUILD["llava"](tmp_path / "base"), tmp_path / "tuned"
    settings = ("--device", "cpu", "--dtype", "float32", "--epochs", 1, "--batch-size", 4, "--limit", 8)
    ran = run("finetune", "answers", pairs, "--model", base, "--out", out, "--quantise", "4bit", "--json", *settings)
    assert ran.code == 0, ran.err
    assert f"--model {out / 'adapter'} --quantise 4bit" in " ".join(ran.err.split())
    photo = tmp_path / "photos" / "0.png"
    for more in (("--quantise", "4bit"), ()):
        ran = run("ask", photo, "What colour is it?", "--model", out / "adapter", "--json", *more)
        assert ran.code == 0, ran.err


def _loss(side: AnswerModel, rows: Sequence[Row]) -> float:
    features = side.features(images(rows))
    return answer_loss(side, features, [row.question for row in rows], [row.answer for row in rows])[0].item()
