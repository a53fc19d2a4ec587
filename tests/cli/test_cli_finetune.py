"""`catalens finetune`: a table in, a bundle out that other commands take by its path."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.ran import Run
from tests.support.tiny import tiny_bundle

COLOURS = {"ripe tomato": (220, 30, 20), "deep sea": (10, 30, 200), "fresh lawn": (20, 190, 40)}
ROWS = 120


@pytest.fixture
def swatches(tmp_path: Path) -> Path:
    """A table of plain pictures whose shades have names that no encoder was trained on; one picture is missing."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    with (tmp_path / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "title", "shade"])
        for at in range(ROWS):
            name = list(COLOURS)[at % 3]
            pixels = np.clip(np.array(COLOURS[name]) + rng.normal(0, 25, (16, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / f"{at}.png")
            table.writerow([at, f"photos/{at}.png", f"Item {at}", name])
        table.writerow(["gone", "photos/gone.png", "Item gone", "deep sea"])
    return tmp_path / "products.csv"


def test_starter_learns_names_it_never_saw(run: Run, swatches: Path, tmp_path: Path) -> None:
    base, out = tiny_bundle(tmp_path / "base"), tmp_path / "shop"
    ran = run("finetune", "starter", swatches, "--labels", "shade", "--out", out, "--model", base, "--json")
    assert ran.code == 1  # the missing picture is named, and stops nothing
    assert "gone.png" in ran.err
    (failed, scores) = sorted(ran.rows, key=len)
    assert failed["id"] == "gone"
    assert scores["group"] == "shade"
    assert scores["test_after"] == 1.0 > scores["test_before"] + 0.05
    assert sum(scores["rows"].values()) == ROWS

    ran = run(
        *("attributes", swatches.parent / "photos" / "0.png", swatches.parent / "photos" / "1.png", "--json"),
        *("--model", out, "--schema", out / "labels.yaml", "--calibration", out / "labels.calibration.json"),
    )
    assert [row["attributes"]["shade"]["value"] for row in ran.rows] == ["ripe tomato", "deep sea"]


def test_the_bundle_keeps_images_and_other_texts(run: Run, swatches: Path, tmp_path: Path) -> None:
    from catalens.models.registry import load_encoder

    base, out = tiny_bundle(tmp_path / "base"), tmp_path / "shop"
    run("finetune", "starter", swatches, "--labels", "shade", "--out", out, "--model", base)
    before, after = load_encoder(str(base)), load_encoder(str(out))
    image = Image.open(swatches.parent / "photos" / "0.png").convert("RGB")
    np.testing.assert_array_equal(after.encode_images([image]), before.encode_images([image]))
    np.testing.assert_array_equal(after.encode_texts(["a red dress"]), before.encode_texts(["a red dress"]))
    assert not np.allclose(after.encode_texts(["deep sea"]), before.encode_texts(["deep sea"]), atol=0.01)
    assert after.name.startswith("tiny+shop@1.")


def test_nothing_learned_says_so_and_keeps_the_old_vectors(run: Run, swatches: Path, tmp_path: Path) -> None:
    base, once, twice = tiny_bundle(tmp_path / "base"), tmp_path / "once", tmp_path / "twice"
    assert run("finetune", "starter", swatches, "--labels", "shade", "--out", once, "--model", base).code == 1
    ran = run("finetune", "starter", swatches, "--labels", "shade", "--out", twice, "--model", once)
    assert "shade: learning did not help on val (1.000), so the old vectors are kept" in ran.err
    assert (once / "text.onnx").read_bytes() == (twice / "text.onnx").read_bytes()


def test_images_are_encoded_once(run: Run, swatches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalens.models.bundle import BundleEncoder

    base = tiny_bundle(tmp_path / "base")
    assert run("finetune", "starter", swatches, "--labels", "shade", "--out", tmp_path / "a", "--model", base).code == 1
    monkeypatch.setattr(BundleEncoder, "encode_images", None)  # a second call would fail
    assert run("finetune", "starter", swatches, "--labels", "shade", "--out", tmp_path / "b", "--model", base).code == 1
    scores = [json.loads((tmp_path / name / "bundle.json").read_text())["scores"] for name in ("a", "b")]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "pass either --labels COLUMN or --schema NAME"),
        (["--labels", "shade", "--schema", "fashion"], "pass either --labels COLUMN or --schema NAME"),
        (["--labels", "colour"], "no column 'colour'; its columns are: shade, title"),
        (["--labels", "title"], "has 0 values with 3 rows or more"),
    ],
)
def test_what_is_wrong_is_named(run: Run, swatches: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    base = tiny_bundle(tmp_path / "base")
    ran = run("finetune", "starter", swatches, "--out", tmp_path / "out", "--model", base, *arguments)
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
    assert not (tmp_path / "out").exists()
