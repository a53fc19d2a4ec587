"""Fine-tuning of encoders on tiny real checkpoints: losses, gradient cache, averages, and the written folders."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from catalens.models.hub.loading import find_files, load_parts
from catalens.models.registry import find_place, load_encoder
from catalens.training.finetune.contrastive import encode, pair_loss
from catalens.training.finetune.encoders import EncoderPlan, PairRow, Tower, known_vectors, recalls, tune_encoder
from catalens.training.finetune.loop import Recipe
from tests.support.ran import Run
from tests.support.tiny_encoders import Tiny

COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220), "green": (20, 180, 20), "yellow": (230, 220, 40)}
PATTERNS = ("plain", "striped", "dotted")
KINDS = ["clip", "siglip", "open_clip ViT", "open_clip SigLIP", "sentence-transformers", "open_clip ResNet"]


def _unit(n: int, dim: int, seed: int) -> torch.Tensor:
    return nn.functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("bias", [None, -10.0])
def test_rows_of_one_product_are_no_negatives(bias: float | None) -> None:
    """An image that comes nearer to the other text of its product is better, and worse if it is another product's."""
    texts = _unit(4, 8, 1)
    moved = texts.clone()
    moved[0] = nn.functional.normalize(texts[0] + 0.1 * texts[1], dim=-1)
    for groups, better in ((torch.tensor([0, 0, 2, 3]), True), (torch.arange(4), False)):
        there, nearer = (pair_loss(each, texts, groups, scale=10.0, bias=bias).item() for each in (texts, moved))
        assert (nearer < there) == better


def test_the_losses_are_those_of_the_papers() -> None:
    images, texts, groups = _unit(5, 8, 2), _unit(5, 8, 3), torch.arange(5)
    logits = 7.0 * images @ texts.T
    both = (nn.functional.cross_entropy(logits, groups) + nn.functional.cross_entropy(logits.T, groups)) / 2
    assert pair_loss(images, texts, groups, scale=7.0, bias=None).item() == pytest.approx(both.item(), rel=1e-6)
    total = 0.0
    for row in range(5):
        for column in range(5):
            sign = 1 if row == column else -1
            total -= torch.nn.functional.logsigmoid(sign * (logits[row, column] - 3.0)).item()
    assert pair_loss(images, texts, groups, scale=7.0, bias=-3.0).item() == pytest.approx(total / 5, rel=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_the_gradient_cache_has_the_gradient_of_the_plain_step(tiny: Tiny, tmp_path: Path, kind: str) -> None:
    parts = load_parts(find_files(find_place(str(tiny(kind))), cache=tmp_path))
    towers = nn.ModuleDict({"image": parts.image, "text": parts.text}).train().requires_grad_()
    pixels = torch.randn(12, 3, *parts.preprocess.size_wh, generator=torch.Generator().manual_seed(0))
    ids = torch.randint(3, 30, (12, 16), generator=torch.Generator().manual_seed(1))
    ids[:, -1] = parts.end_id
    gradients: list[torch.Tensor] = []
    held: list[int] = []
    for chunk in (None, 3):
        towers.zero_grad()
        kept = 0

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            vectors = [encode(towers["image"], pixels, chunk=chunk), encode(towers["text"], ids, chunk=chunk)]
            bias = parts.logit_bias
            loss = pair_loss(vectors[0], vectors[1], torch.arange(12), scale=parts.logit_scale, bias=bias)
        loss.backward()
        found = [each.grad.flatten() for each in towers.parameters() if each.grad is not None]
        assert len(found) > 20
        gradients.append(torch.cat(found))
        held.append(kept)
    plain, cached = gradients
    assert float((cached - plain).norm() / plain.norm()) < 1e-5
    assert held[1] < held[0] / 5


def test_recall_counts_ties_against_the_text() -> None:
    images = np.eye(4, dtype=np.float32)
    texts = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0.5, 0.5, 0.5, 0.5], [0.8, 0, 0, 0.6]], dtype=np.float32)
    assert recalls(images, texts, [0, 1, 2, 3]) == {1: 0.5, 5: 1.0, 10: 1.0}
    assert recalls(images, texts, [0, 1, 2, 0])[1] == 0.75  # the fourth row shows the first one's product


def _plan(rate: float) -> EncoderPlan:
    return EncoderPlan(scale=20.0, bias=None, lora=None, recipe=Recipe(batch_size=8, epochs=30, patience=30, rate=rate))


def _sides(*, harm: bool) -> tuple[Tower, Tower, dict[str, list[PairRow]]]:
    """Vectors whose texts lie turned by a fixed rotation; to be harmed, train texts are turned another way."""
    images = _unit(60, 12, 5).numpy()
    turn, wrong = (np.linalg.qr(np.random.default_rng(seed).normal(size=(12, 12)))[0] for seed in (6, 7))
    near = np.eye(12) if harm else turn
    rows = [PairRow(str(at), str(at), str(at), at) for at in range(60)]
    texts = {str(at): images[at] @ (wrong if harm and at < 40 else near) for at in range(60)}
    sides = {"train": rows[:40], "val": rows[40:50], "test": rows[50:]}
    from catalens.training.finetune.encoders import LinearMap

    image = Tower(
        nn.Identity(), known_vectors({str(at): each for at, each in enumerate(images)}, lambda row: row.content)
    )
    return image, Tower(LinearMap(12), known_vectors(texts, lambda row: row.text)), sides


def test_weights_are_averaged_by_what_val_says(tmp_path: Path) -> None:
    image, text, sides = _sides(harm=False)
    tuned = tune_encoder(image, text, sides, _plan(3e-2), tmp_path)  # type: ignore[arg-type]
    assert tuned.alpha > 0
    assert tuned.test[tuned.alpha][1] > tuned.test[0.0][1] + 0.3
    assert {*tuned.test} == {0.0, tuned.alpha, 1.0}


def test_what_does_not_help_on_val_is_not_kept(tmp_path: Path) -> None:
    image, text, sides = _sides(harm=True)
    tuned = tune_encoder(image, text, sides, _plan(1.0), tmp_path)  # type: ignore[arg-type]
    assert tuned.alpha == 0
    assert tuned.val[1.0][1] < tuned.val[0.0][1] == 1.0
    assert all(not each.any() for each in text.module.state_dict().values())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """120 products of twelve looks; the titles have numbers, so that each is one of its own."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    with (tmp_path / "products.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "image", "title", "look", "colour"])
        for at in range(120):
            colour, pattern = list(COLOURS)[at % 4], PATTERNS[at // 4 % 3]
            pixels = np.full((32, 32, 3), 245.0)
            pixels[:, :] = COLOURS[colour]
            if pattern == "striped":
                pixels[::8] = pixels[1::8] = pixels[2::8] = 255
            if pattern == "dotted":
                pixels[::8, ::8] = pixels[1::8, ::8] = pixels[::8, 1::8] = pixels[1::8, 1::8] = 0
            noisy = np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "photos" / f"{at}.png")
            out.writerow([at, f"photos/{at}.png", f"item {at}", f"{colour} {pattern}", colour])
    return tmp_path / "products.csv"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_tuned_and_loads_by_path(tiny: Tiny, run: Run, table: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "tuned"
    ran = run(
        *("finetune", "encoder", table, "--model", tiny(kind), "--out", out, "--text", "colour", "--json"),
        *("--epochs", 6, "--rate", 0.005, "--dropout", 0, "--batch-size", 16, "--chunk", 8, "--device", "cpu"),
        *(("--whole",) if "ResNet" in kind else ()),
    )
    assert ran.code == 0, ran.err
    (scores,) = ran.rows
    share = str(scores["tuned_share"])
    assert scores["val"][share]["recall@1"] >= scores["val"]["0.0"]["recall@1"]
    assert "recall_at_1_before=" in ran.err
    tuned, base = (load_encoder(str(each), device="cpu", cache=tmp_path) for each in (out / "model", tiny(kind)))
    photo = Image.open(tmp_path / "photos" / "0.png").convert("RGB")
    moved = float((tuned.encode_images([photo]) * base.encode_images([photo])).sum())
    assert (moved < 0.9999) == (scores["tuned_share"] > 0)
    assert tuned.name != base.name
    ran = run("tag", tmp_path / "photos" / "0.png", "--labels", "red, blue", "--model", out / "model", "--json")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_a_frozen_side_keeps_its_vectors(tiny: Tiny, run: Run, table: Path, tmp_path: Path) -> None:
    """Only texts are trained, so an index of the images stays as it is."""
    out = tmp_path / "tuned"
    ran = run(
        *("finetune", "encoder", table, "--model", tiny("clip"), "--out", out, "--text", "look", "--train", "text"),
        *("--epochs", 10, "--rate", 0.01, "--dropout", 0, "--hard-negatives", "colour", "--device", "cpu", "--json"),
    )
    assert ran.code == 0, ran.err
    (scores,) = ran.rows
    assert scores["tuned_share"] > 0
    tuned, base = (load_encoder(str(each), device="cpu", cache=tmp_path) for each in (out / "model", tiny("clip")))
    photo = Image.open(tmp_path / "photos" / "0.png").convert("RGB")
    np.testing.assert_allclose(tuned.encode_images([photo]), base.encode_images([photo]), atol=1e-6)
    assert np.abs(tuned.encode_texts(["red plain"]) - base.encode_texts(["red plain"])).max() > 1e-3


@pytest.mark.slow
def test_a_bundle_is_tuned_into_a_bundle(run: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    ran = run(
        *("finetune", "encoder", table, "--model", "starter", "--out", out, "--text", "look", "--json"),
        *("--epochs", 10, "--rate", 0.01, "--batch-size", 32, "--device", "cpu"),
    )
    assert ran.code == 0, ran.err
    (scores,) = ran.rows
    share = str(scores["tuned_share"])
    assert scores["tuned_share"] > 0
    assert scores["val"][share]["recall@1"] > scores["val"]["0.0"]["recall@1"]
    written = load_encoder(str(out / "model"))
    photos = [Image.open(tmp_path / "photos" / f"{at}.png").convert("RGB") for at in range(12)]
    names = [f"{list(COLOURS)[at % 4]} {PATTERNS[at // 4 % 3]}" for at in range(12)]
    cosines = written.encode_texts(names) @ written.encode_images(photos).T
    before = load_encoder("starter")
    untuned = before.encode_texts(names) @ before.encode_images(photos).T
    assert (cosines.argmax(1) == np.arange(12)).mean() > (untuned.argmax(1) == np.arange(12)).mean()
    assert "starter+tuned" in written.name
    left = {each.name for each in (out / "model").iterdir()}
    assert not left & {"labels", "gate.json", "cutoff.json", "fashion.calibration.json"}, "made from the old vectors"


def test_a_table_without_such_texts_names_its_columns(run: Run, table: Path, tmp_path: Path) -> None:
    ran = run("finetune", "encoder", table, "--model", "starter", "--out", tmp_path / "x", "--text", "colr")
    assert ran.code == 2
    assert "name the column with --text: colour" in " ".join(ran.err.split())


def test_hard_negatives_need_a_column_that_is_there(run: Run, table: Path, tmp_path: Path) -> None:
    ran = run("finetune", "encoder", table, "--model", "starter", "--out", tmp_path / "x", "--hard-negatives", "colr")
    assert ran.code == 2
    assert "no column 'colr' for --hard-negatives; there are: colour" in " ".join(ran.err.split())


def test_rows_without_a_text_are_counted(run: Run, table: Path, tmp_path: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[1:4] = [",".join([*line.split(",")[:2], "", *line.split(",")[3:]]) for line in lines[1:4]]
    table.write_text("\n".join(lines), encoding="utf-8")
    ran = run("finetune", "encoder", table, "--model", "starter", "--out", tmp_path / "x", "--epochs", 1)
    assert ran.code == 0, ran.err
    assert "3 rows without a title are left out" in ran.err
