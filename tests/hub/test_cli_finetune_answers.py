"""`catalens finetune prepare` and `answers`, and the written folders in `ask`, on a tiny checkpoint."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.models.readers.chat import Chat
from tests.support.ran import Run
from tests.support.tiny_readers import BUILD

COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220)}


@pytest.fixture
def pairs(run: Run, tmp_path: Path) -> Path:
    return write_pairs(run, tmp_path)


def write_pairs(run: Run, tmp_path: Path) -> Path:
    """Write sixty pictures of one colour each, and the table of pairs that is prepared from them."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    with (tmp_path / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "title", "colour"])
        for at in range(60):
            name = list(COLOURS)[at % 2]
            pixels = np.clip(np.array(COLOURS[name]) + rng.normal(0, 10, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / f"{at}.png")
            table.writerow([at, f"photos/{at}.png", f"Item {at}", name])
    out = tmp_path / "pairs.parquet"
    assert run("finetune", "prepare", tmp_path / "products.csv", "--out", out).code == 0
    return out


@pytest.mark.parametrize("kind", ["blip-vqa", pytest.param("qwen3-vl", marks=pytest.mark.slow)])
def test_from_a_table_to_answers(run: Run, pairs: Path, tmp_path: Path, kind: str) -> None:
    base, out = BUILD[kind](tmp_path / "base"), tmp_path / "tuned"
    ran = run(
        *("finetune", "answers", pairs, "--model", base, "--out", out, "--json", "--device", "cpu"),
        *("--dtype", "float32", "--epochs", 8, "--rate", 0.02, "--dropout", 0, "--rank", 16, "--batch-size", 8),
    )
    assert ran.code == 0, ran.err
    (score,) = ran.rows
    assert score["attribute"] == "colour"
    assert score["after"] > max(score["before"], 0.9)
    assert "step=1; steps=" in ran.err
    assert "answers identical" in ran.err
    with Image.open(out / "loss.png") as plot:
        assert plot.size == (800, 480)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"<td>colour</td><td>{score['rows']}</td><td>{score['majority']:.3f}</td>" in page
    said = []
    for folder in ("merged", "adapter"):
        photos = [tmp_path / "photos" / f"{at}.png" for at in (0, 1)]
        ran = run("ask", *photos, "What colour is it?", "--model", out / folder, "--json")
        assert ran.code == 0, ran.err
        said.append([row["answers"] for row in ran.rows])
    assert said[0] == said[1]
    ran = run("package", "sagemaker", out / "adapter", tmp_path / "package", "--task", "answers")
    assert ran.code == 0, ran.err
    with tarfile.open(tmp_path / "package" / "model.tar.gz") as archive:
        names = {name for name in archive.getnames() if name.startswith("weights/")}
    assert {"weights/config.json", "weights/model.safetensors"} <= names
    assert "weights/adapter_config.json" not in names


def test_a_model_that_reads_pixels_on_every_step_says_so(
    run: Run, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Chat, "takes_vision_output", False)
    base, out = BUILD["llava"](tmp_path / "base"), tmp_path / "tuned"
    settings = ("--json", "--device", "cpu", "--dtype", "float32", "--epochs", 1, "--batch-size", 4, "--limit", 4)
    ran = run("finetune", "answers", pairs, "--model", base, "--out", out, *settings)
    assert ran.code == 0, ran.err
    assert "cannot be given the output of its vision tower; every step" in " ".join(ran.err.split())
    assert "answers identical" in ran.err


def test_an_adapter_that_names_no_base_says_so(run: Run, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    ran = run("ask", tmp_path / "photos" / "0.png", "What is it?", "--model", tmp_path / "adapter")
    assert ran.code == 3
    assert "names no base model" in " ".join(ran.err.split())


def test_a_table_without_pairs_is_named(run: Run, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"id": [1]}), tmp_path / "x.parquet")
    ran = run("finetune", "answers", tmp_path / "x.parquet", "--model", "blip-vqa", "--out", tmp_path / "out")
    assert ran.code == 2
    assert "has no column 'answer'" in " ".join(ran.err.split())
