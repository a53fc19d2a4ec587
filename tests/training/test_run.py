"""A whole training run in small: two epochs with a stop between them, and the bundle that comes out of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")
pytest.importorskip("timm", reason="timm is not installed: make test-train")
pytest.importorskip("onnx", reason="onnx is not installed: make test-train")

import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from catalens.models.bundle import load_bundle
from catalens.training.export import Normalised, load_towers, revision_of, write_bundle
from catalens.training.pixels import nonsense
from catalens.training.recipes.starter.recipe import Recipe, Stage
from catalens.training.recipes.starter.train import Trainer
from tests.support.drawings import drawn
from tests.support.drawn_table import jpeg, row, write_table

STAGE = Stage(epochs=1, large_epochs=1, rate=1e-3, contrast=1.0, strengths=(1.0, 0.4), batch=48)
WHOLE = replace(STAGE, whole=True, mixing=0.4)
RECIPE = Recipe(stages=(STAGE,), others=8, small_hw=(64, 48), large_hw=(64, 48), vocabulary=400)
SIZE_WH = (48, 64)
TEXTS = ["a red striped t-shirt", "watch", "a long text about shoes " * 40, ""]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three folders that training reads, with few drawn products and random first weights."""
    folder = tmp_path_factory.mktemp("data")
    products = drawn(24)
    write_table(folder / "fashion" / "train.parquet", [row(at, products[at % len(products)]) for at in range(144)])
    others = [Image.new("RGB", (96, 96), (at * 20, 90, 200 - at * 10)) for at in range(10)]
    write_table(
        folder / "everyday" / "train.parquet",
        [{"id": at, "image": {"bytes": jpeg(each, (96, 96)), "path": ""}} for at, each in enumerate(others)],
    )
    torch.manual_seed(0)
    net = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=0, pad_type="same")
    (folder / "init").mkdir()
    save_file(net.state_dict(), folder / "init" / "mobilenet_v2_imagenet.safetensors")
    return folder


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("run")
    trainer = Trainer(RECIPE, data, folder)
    assert not trainer.resume()
    trainer.prepare()
    trainer.run()
    return folder


@pytest.fixture(scope="module")
def begun(data: Path, out: Path) -> dict[str, Any]:
    """The run before a further stage that trains the whole tower, which it has been through by then."""
    before = state(out)
    trainer = Trainer(replace(RECIPE, stages=(*[STAGE] * before["epoch"], WHOLE)), data, out)
    assert trainer.resume()
    trainer.run()
    return before


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def state(out: Path) -> dict[str, Any]:
    return dict(torch.load(out / "checkpoint.pt", weights_only=True))


def test_targets_are_the_places_of_the_labels(data: Path, out: Path) -> None:
    trainer = Trainer(RECIPE, data, out)
    assert trainer.targets.shape == (144, len(trainer.groups))
    for at, product in enumerate(trainer.products[:24]):
        for column, name in enumerate(trainer.groups):
            place = int(trainer.targets[at, column])
            if name in product.labels:
                assert trainer.schema.group(name).labels[place].name == product.labels[name]
            else:
                assert place == -100


def test_a_run_goes_on_from_its_checkpoint_and_does_not_start_again(data: Path, out: Path) -> None:
    [first] = log(out)
    assert first["epoch"] == 0
    assert {"contrast", "type", "colour", "pattern", "else"} <= set(first)
    stopped = state(out)
    assert stopped["epoch"] == 1
    trainer = Trainer(replace(RECIPE, stages=(STAGE, STAGE)), data, out)
    assert trainer.resume()
    assert trainer.epoch == 1
    for name, value in trainer.text.state_dict().items():
        assert torch.equal(value, stopped["text"][name])
    trainer.run()
    assert [line["epoch"] for line in log(out)] == [0, 1]
    done = state(out)
    assert done["epoch"] == 2
    changed = {name for name, value in done["image"].items() if not torch.equal(value, stopped["image"][name])}
    assert any(name.startswith("coarse.") for name in changed)
    assert not any(name.startswith("stem.") for name in changed)
    assert all(value.isfinite().all() for part in ("image", "text") for value in done[part].values())
    trainer.run()
    assert len(log(out)) == 2, "a finished run has nothing left to do"


def test_a_stage_that_trains_the_whole_tower_keeps_the_mean_of_its_weights(out: Path, begun: dict[str, Any]) -> None:
    done = state(out)
    assert begun["mean"] == {}
    for part in ("image", "text"):
        before, after, mean = begun[part], done[part], done["mean"][part]
        assert mean.keys() == after.keys()
        moved = [name for name in after if not torch.equal(after[name], before[name])]
        assert moved
        # Three steps with a memory of 0.998: the mean has hardly left where the stage began.
        behind = [
            name for name in moved if (mean[name] - before[name]).abs().max() < (mean[name] - after[name]).abs().max()
        ]
        assert len(behind) > 0.9 * len(moved)
    stem = {name for name in done["image"] if name.startswith("stem.") and "running" not in name}
    assert any(not torch.equal(done["image"][name], begun["image"][name]) for name in stem)
    for name in done["image"]:
        if "running" in name and not name.startswith("norm."):
            assert torch.equal(done["image"][name], begun["image"][name]), "norms keep their statistics"
    image, _, _ = load_towers(out)
    last, mean = done["image"]["project.weight"], done["mean"]["image"]["project.weight"]
    assert torch.allclose(image.project.weight, (last + mean) / 2, atol=1e-6)
    assert not torch.equal(last, mean)


def test_a_taught_stage_goes_on_from_the_mean_and_asks_it_about_every_product(
    data: Path, out: Path, begun: dict[str, Any]
) -> None:
    whole = state(out)
    assert whole["mean"], "the stage before keeps a mean"
    stages = (*[STAGE] * begun["epoch"], WHOLE)
    taught = replace(WHOLE, epochs=2, texts=False, taught=0.4)
    recipe = replace(RECIPE, stages=(*stages, taught))
    trainer = Trainer(recipe, data, out)
    assert trainer.resume()
    trainer.recipe = replace(recipe, stages=(*stages, replace(taught, epochs=1)))
    trainer.run()
    file = out / f"opinions-{whole['epoch']}.pt"
    asked = file.stat().st_mtime_ns
    for column, name in enumerate(trainer.groups):
        chances = trainer.opinions[name].float()
        assert chances.shape == (144, len(trainer.schema.group(name).labels))
        assert torch.allclose(chances.sum(1), torch.ones(144), atol=5e-3)
        wanted = trainer._wanted(column, torch.arange(144), 0.4)
        has, holds = trainer.targets[:, column] >= 0, trainer.open[name]
        assert not (has & holds).any()
        assert torch.allclose(wanted[has].sum(1), torch.ones(int(has.sum())), atol=5e-3)
        assert torch.allclose(wanted[holds].sum(1), torch.full((int(holds.sum()),), 0.4), atol=5e-3)
        assert not wanted[~has & ~holds].any()
        assert (wanted[has, trainer.targets[has, column]] >= 0.6 - 1e-6).all()
    half = state(out)
    for name, value in half["text"].items():
        assert torch.equal(value, whole["mean"]["text"][name]), "the text tower stays as the mean was"
    assert any(not torch.equal(value, whole["mean"]["image"][name]) for name, value in half["image"].items())
    again = Trainer(recipe, data, out)
    assert again.resume()
    again.run()
    assert state(out)["epoch"] == whole["epoch"] + 2
    assert file.stat().st_mtime_ns == asked, "what was said before the stage stays what the stage is taught"


def test_other_weights_have_another_revision(tmp_path: Path) -> None:
    for name, content in (("one", b"weights"), ("two", b"weighty"), ("three", b"weights")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.pt").write_bytes(content)
    one, two, three = (revision_of(tmp_path / name) for name in ("one", "two", "three"))
    assert one == three != two
    assert len(one) == 8


def test_the_bundle_of_a_run_gives_torchs_vectors(out: Path, tmp_path: Path) -> None:
    facts = {
        "name": "trial",
        "revision": "1",
        "dim": 256,
        "input_size_wh": list(SIZE_WH),
        "resize": "pad",
        "precision": "float16",
        "logit_scale": 30.0,
        "unknown_texts": ["something else"],
        "licence": "Apache-2.0",
        "source": "a test",
        "scores": {},
    }
    image, text, tokenizer = load_towers(out)
    write_bundle(tmp_path, Normalised(image), text, tokenizer, facts)
    pixels = torch.from_numpy(nonsense(6, np.random.default_rng(0))[:, :64, :48].copy())
    short = [TEXTS[0], TEXTS[1], TEXTS[3]]
    encoder = load_bundle(tmp_path, runtime="onnxruntime", threads=1)
    with torch.no_grad():
        of_pictures = Normalised(image)(pixels)[0].numpy()
        of_texts = np.concatenate([text(torch.tensor([tokenizer.encode(each).ids])).numpy() for each in short])
    pictures = [Image.fromarray(each.numpy()) for each in pixels]
    assert (of_pictures * encoder.encode_images(pictures)).sum(1).min() >= 0.9999
    assert (of_texts * encoder.encode_texts(short)).sum(1).min() >= 0.9995
    weights = sum(value.numel() for tower in (image, text) for value in tower.state_dict().values())
    assert sum(file.stat().st_size for file in tmp_path.glob("*.onnx")) < 2.5 * weights, "weights are stored in halves"
    assert encoder.name == "trial@1"
    assert 60 <= encoder.count_tokens(TEXTS[2])[1] <= 64
    together = encoder.encode_texts(TEXTS)
    for at, each in enumerate(TEXTS):
        assert abs(together[at] - encoder.encode_texts([each])[0]).max() < 1e-5
