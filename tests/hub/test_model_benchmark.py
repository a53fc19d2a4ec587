"""The benchmark of pretrained encoders compares like with like; how fast anything is, is no test's business."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import limits
from benchmarks.model_checkpoints import Size, Tower, write_checkpoint
from benchmarks.model_contestants import contestants
from benchmarks.models import Plan, affordable, race, ten_tokens
from catalens.core.vectors import unit_rows
from catalens.demo.drawn import draw_catalogue
from catalens.models.bundle import load_bundle

SMALL = Size(vision=Tower(64, 2), patch=32, text=Tower(64, 2), dim=24)


def test_everybody_has_the_same_weights_and_gives_the_same_vectors(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "checkpoint", SMALL)
    everybody = contestants(tmp_path / "checkpoint", tmp_path / "cache")
    pictures = [product.picture.resize((300, 300), Image.Resampling.LANCZOS) for product in draw_catalogue(3)]
    paths = [tmp_path / f"{at}.png" for at in range(3)]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    texts = ten_tokens(5)
    first = next(iter(everybody.values()))
    assert first.images is not None
    images, said = first.images(pictures), first.texts(texts)
    for name, each in everybody.items():
        assert (each.texts(texts) * said).sum(axis=1).min() > 0.999, name
        if each.images is None or each.files is None:
            continue
        assert (each.images(pictures) * images).sum(axis=1).min() > 0.999, name
        assert np.abs(each.files(paths) - each.images(pictures)).max() < 1e-5, name
    [compiled] = (tmp_path / "cache" / "compiled").iterdir()
    bundle = load_bundle(compiled, runtime="onnxruntime", threads=1)
    assert {bundle.count_tokens(text) for text in ten_tokens(700)} == {(10, 10)}
    assert len(set(ten_tokens(700))) == 700


def test_a_race_is_judged_by_its_first() -> None:
    rows = unit_rows(np.random.default_rng(1).standard_normal((6, 8)) + 9)
    figures = race(
        {"one": lambda _: rows, "other": lambda _: rows[::-1]}, range(len(rows)), Plan(images=0, labels=0, rounds=1)
    )
    assert figures["one"]["times_the_first"] == 1
    assert figures["one"]["least_cosine"] == pytest.approx(1)
    assert figures["one"]["least_cosine_centred"] == pytest.approx(1)
    assert figures["other"]["least_cosine"] > 0.9
    assert figures["other"]["least_cosine_centred"] < 0.9


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True}, ["float32"]),
        ({"avx2": True, "avx_vnni": True}, ["float32", "int8"]),
        ({"avx512_bf16": True, "avx512_vnni": True}, ["float32", "bfloat16", "int8"]),
    ],
)
def test_types_that_a_processor_only_emulates_are_not_measured(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: list[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert limits.types("cpu") == expected


def test_a_slow_machine_encodes_fewer_items() -> None:
    def slow(items: Sequence[int]) -> None:
        time.sleep(0.002 * len(items))

    assert 20 <= len(affordable(slow, range(1000), times=10, budget_s=1.0)) <= 50
    assert len(affordable(slow, range(1000), times=10, budget_s=0.0)) == 4
    assert len(affordable(slow, range(8), times=10, budget_s=100.0)) == 8
