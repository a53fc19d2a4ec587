"""The compiled vision tower of a reader: the same states and words, and torch where it is not right or not faster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from catalens.core.errors import ModelError
from catalens.core.types import Decoding
from catalens.models.readers import vision
from catalens.models.readers.blip import BlipAnswers, BlipCaptions
from catalens.models.readers.loading import Loaded, Wanted, load
from catalens.models.readers.reader import TorchReader
from catalens.models.readers.vision import VisionTower
from tests.support.reader_contract import pictures
from tests.support.tiny_readers import BUILD


@pytest.fixture(autouse=True)
def graph_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no clock decide: the towers are so small that either may be faster."""
    seconds = iter([1.0, 0.5] * 99)
    timed = vision._timed
    monkeypatch.setattr(vision, "_timed", lambda run: (timed(run)[0], next(seconds)))


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    wanted = Wanted(device="cpu", dtype="float32", compile_after=3)
    return load(BUILD["blip"](tmp_path / "blip"), "blip", "BlipForConditionalGeneration", wanted)


def test_after_some_images_the_graph_gives_the_same_captions(loaded: Loaded) -> None:
    family, images, decoding = BlipCaptions(loaded), pictures(3), Decoding(max_tokens=6, beams=3)
    reader = TorchReader(family)
    before = reader.caption(reader.encode_images(images), decoding=decoding)
    assert not family._vision.is_compiled, "a few images do not pay for compiling"
    after = reader.caption(reader.encode_images(images), decoding=decoding)
    assert family._vision.is_compiled
    assert after == before
    assert all(each.is_meta for each in loaded.model.vision_model.parameters()), "the weights are kept once"
    assert reader.caption(reader.encode_images(images[:1]), decoding=decoding) == before[:1]


def test_answers_take_the_graph_too(tmp_path: Path) -> None:
    wanted = Wanted(device="cpu", dtype="float32", compile_after=0)
    folder = BUILD["blip-vqa"](tmp_path / "vqa")
    plain, compiled = (
        TorchReader(BlipAnswers(load(folder, "vqa", "BlipForQuestionAnswering", each)))
        for each in (replace(wanted, compile_after=None), wanted)
    )
    asked = ("What colour is it?", ["red", "a green shirt"])
    expected, found = (each.score(each.encode_images(pictures(2)), *asked) for each in (plain, compiled))
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("why", ["wrong", "slow", "broken"])
def test_a_graph_that_is_not_right_or_not_faster_is_not_used(
    loaded: Loaded, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower, pixels = VisionTower(loaded.model.vision_model, 0), loaded.pixels(pictures(2))
    run = vision._run
    if why == "wrong":
        monkeypatch.setattr(vision, "_run", lambda graph, given: run(graph, given) * 1.01)
    if why == "slow":
        seconds = iter([1.0, 1.5])
        monkeypatch.setattr(vision, "_timed", lambda each: (each(), next(seconds)))
    if why == "broken":

        def fail(*_: Any) -> None:
            raise ModelError("no such graph")

        monkeypatch.setattr(vision, "_compile", fail)
    with torch.inference_mode():
        expected = loaded.model.vision_model(pixel_values=pixels).last_hidden_state
        assert torch.equal(tower(pixels), expected)
        assert torch.equal(tower(pixels), expected), "it is tried once"
    assert not tower.is_compiled


@pytest.mark.parametrize(
    ("seconds", "exact", "least_cosine", "rounded"),
    [
        ([1.0, 0.5, 0.25], False, 0.999, True),
        ([1.0, 0.5, 0.45], False, 0.999, False),
        ([1.0, 0.5, 0.25], False, 1.1, False),
        ([1.0, 0.5, 0.25], True, 0.999, False),
    ],
    ids=["fast and close", "hardly faster", "not close", "float32 was asked for"],
)
def test_8_bits_are_used_where_they_agree_and_are_faster(
    *,
    loaded: Loaded,
    seconds: list[float],
    exact: bool,
    least_cosine: float,
    rounded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    monkeypatch.setattr(vision, "LEAST_BYTES", 0)
    monkeypatch.setattr(vision, "LEAST_COSINE", least_cosine)
    taken = iter(seconds)
    monkeypatch.setattr(vision, "_timed", lambda run: (run(), next(taken)))
    pixels = loaded.pixels(pictures(2))
    with torch.inference_mode():
        expected = loaded.model.vision_model(pixel_values=pixels).last_hidden_state
        tower = VisionTower(loaded.model.vision_model, 0, exact=exact)
        found = tower(pixels)
    assert tower.is_compiled
    assert torch.cosine_similarity(found, expected, dim=-1).min() > 0.999
    assert bool((found - expected).abs().max() > 1e-5) is rounded


def test_a_dtype_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    folder = BUILD["blip"](tmp_path / "blip")
    for dtype, exact in (("auto", False), ("float32", True)):
        made = load(folder, "blip", "BlipForConditionalGeneration", Wanted(device="cpu", dtype=dtype))
        assert made.exact is exact


def test_only_float32_is_compiled(tmp_path: Path) -> None:
    folder = BUILD["blip"](tmp_path / "blip")
    made = load(folder, "blip", "BlipForConditionalGeneration", Wanted(device="cpu", dtype="bfloat16", compile_after=0))
    assert made.compile_after is None
