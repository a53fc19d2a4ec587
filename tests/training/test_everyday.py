"""The everyday encoder in small: features looked at once, a branch that leaves the rest alone, and the bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")
pytest.importorskip("onnx", reason="onnx is not installed: make test-models")

import pyarrow as pa
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from catalens.models.bundle import load_bundle
from catalens.training.recipes.everyday.features import features, pooled
from catalens.training.recipes.everyday.recipe import Recipe, Stage
from catalens.training.recipes.everyday.release import load_everyday, write_everyday
from catalens.training.recipes.everyday.train import Trainer
from tests.support.drawings import drawn
from tests.support.drawn_table import SCHEMA, jpeg, row, write_table

WORDS = ["a black dog runs in the snow", "two men sit on a bench", "a girl in a red dress", "a bird over the sea"]
RECIPE = Recipe(products=4, nonsense=4, vocabulary=500, half=32, depth=1, branch=1)
ALL = Stage(epochs=1, rate=1e-3, names=40, own=0.5, taught=1.0, dropout=0.1, merges=0.05, branch_only=False, batch=8)
BRANCH = Stage(epochs=1, rate=1e-3, names=40, own=0.5, taught=1.0, dropout=0.0, merges=0.0, branch_only=True, batch=8)

CAPTIONED = pa.schema([("id", pa.string()), SCHEMA.field("image"), ("captions", pa.list_(pa.string()))])


def pictures(n: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    return [jpeg(Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)), (60, 40)) for _ in range(n)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, n in (("train", 16), ("val", 6)):
        rows = [
            {"id": str(at), "image": {"bytes": picture, "path": ""}, "captions": [WORDS[at % 4], WORDS[(at + 1) % 4]]}
            for at, picture in enumerate(pictures(n))
        ]
        write_table(folder / "everyday" / f"{split}.parquet", rows, CAPTIONED)
    products = drawn(8)
    write_table(folder / "fashion" / "train-1.parquet", [row(at, products[at]) for at in range(8)])
    torch.manual_seed(0)
    net = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=0, pad_type="same")
    (folder / "init").mkdir()
    save_file(net.state_dict(), folder / "init" / "mobilenet_v2_imagenet.safetensors")
    head = {"classifier.weight": torch.randn(1001, 1280).half(), "classifier.bias": torch.zeros(1001).half()}
    save_file(head, folder / "init" / "mobilenet_v2_imagenet_head.safetensors")
    return folder


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    weights = data / "init" / "mobilenet_v2_imagenet.safetensors"
    for name, n, views in (("train", 16, 2), ("val", 6, 1), ("products", 8, 1), ("nonsense", 5, 1)):
        pooled(folder / name, features(folder / name, pictures(n), weights, views=views), weights)
    trainer = Trainer(RECIPE, data, folder, [ALL])
    assert not trainer.resume()
    trainer.prepare(steps=3)
    trainer.run()
    return folder


def state(out: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(out / "checkpoint.pt", weights_only=True)["models"])


def test_the_second_stage_trains_the_branch_and_nothing_else(data: Path, out: Path) -> None:
    before = state(out)
    trainer = Trainer(RECIPE, data, out, [ALL, BRANCH])
    assert trainer.resume()
    trainer.run()
    after = state(out)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("text.branch") for name in changed)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == [0, 1]
    assert {"t2i_r10", "i2t_r10", "agreement", "pairs", "kinds", "names"} <= set(lines[0])


def test_the_bundle_gives_torchs_vectors_and_takes_a_prefix(data: Path, out: Path, tmp_path: Path) -> None:
    write_everyday(out, data, tmp_path, "7")
    encoder = load_bundle(tmp_path, runtime="onnxruntime")
    assert (encoder.name, encoder.dim) == ("everyday@7", 64)
    image, text, tokenizer, _ = load_everyday(out, data / "init" / "mobilenet_v2_imagenet.safetensors")
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    with torch.no_grad():
        expected, seen = image(torch.from_numpy(pixels))
        said = text(torch.tensor([tokenizer.encode(WORDS[0]).ids]))
    vectors, given = encoder.encode_images_with([Image.fromarray(each) for each in pixels], "features")
    assert (vectors * expected.numpy()).sum(1).min() > 0.999
    assert given.shape == tuple(seen.shape)
    assert float((encoder.encode_texts([WORDS[0]]) * said.numpy()).sum()) > 0.999
    after = encoder.encode_after("a black dog", [" runs in the snow"])  # type: ignore[attr-defined]
    assert float((after * encoder.encode_texts([WORDS[0]])).sum()) > 0.9999
