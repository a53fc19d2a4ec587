"""`catalens finetune answers --model starter`: from a table to a bundle that answers in the table's own words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.models.bundle import load_bundle
from catalens.models.readers.registry import load_reader
from catalens.models.registry import shipped
from tests.hub.test_cli_finetune_answers import write_pairs
from tests.support.ran import Run

SETTINGS = ("--epochs", 1, "--batch-size", 8, "--dropout", 0, "--json")
OWN_WORDS = {"red": "Fuchsia", "blue": "Teal"}


@pytest.fixture
def pairs(run: Run, tmp_path: Path) -> Path:
    """Pairs about one colour each, in words that the reader was never trained on."""
    import pyarrow as pa
    from pyarrow import parquet

    file = write_pairs(run, tmp_path)
    table = parquet.read_table(file)
    answers = pa.array([OWN_WORDS[each] for each in table["answer"].to_pylist()])
    parquet.write_table(table.set_column(table.column_names.index("answer"), "answer", answers), file)
    return file


def test_the_reader_learns_a_shops_words_and_its_encoder_stays(run: Run, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop"
    ran = run(
        "finetune", "answers", pairs, "--model", "starter", "--out", out, *SETTINGS, "--epochs", 16, "--rate", 0.002
    )
    assert ran.code == 0, ran.err
    [score] = ran.rows
    assert score["before"] == 0.0
    assert score["after"] > 0.8
    assert (out / "loss.png").is_file()
    assert "<td>colour</td>" in (out / "report.html").read_text(encoding="utf-8")
    photos = [tmp_path / "photos" / f"{at}.png" for at in (0, 1)]
    ran = run("ask", *photos, "What colour is it?", "--model", out / "model", "--json")
    assert ran.code == 0, ran.err
    assert [[each["answer"] for each in row["answers"]] for row in ran.rows] == [["fuchsia"], ["teal"]]
    own, old = load_bundle(out / "model"), load_bundle(shipped("starter"))
    assert own.name == old.name
    images = [Image.open(photo).convert("RGB") for photo in photos]
    np.testing.assert_array_equal(own.encode_images(images), old.encode_images(images))
    assert load_reader(str(out / "model")).name.startswith("starter+shop@5.")
    card = (out / "model" / "README.md").read_text(encoding="utf-8")
    assert "## Fine-tuned answers" in card


def test_a_change_that_does_not_help_is_not_kept(run: Run, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop"
    ran = run("finetune", "answers", pairs, "--model", "starter", "--out", out, *SETTINGS, "--rate", 0)
    assert ran.code == 0, ran.err
    assert "did not help on val, so the old reader is written" in " ".join(ran.err.split())
    for name in ("reader/look.onnx", "reader/words.onnx", "reader/reader.json", "answers.json", "README.md"):
        assert (out / "model" / name).read_bytes() == (shipped("starter") / name).read_bytes()


def test_a_broken_image_leaves_out_its_own_pairs_alone(
    run: Run, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALENS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos" / "0.png").write_bytes(b"not an image")
    ran = run("finetune", "answers", pairs, "--model", "starter", "--out", tmp_path / "shop", *SETTINGS)
    assert ran.code == 1
    assert "0.png" in " ".join(ran.err.split())
    assert (tmp_path / "shop" / "model" / "bundle.json").is_file()


@pytest.mark.parametrize(
    ("option", "named"),
    [(("--rank", 4), "adapters"), (("--quantise", "8bit"), "--quantise"), (("--dtype", "float16"), "--dtype float16")],
)
def test_what_only_larger_models_have_is_refused(
    run: Run, pairs: Path, tmp_path: Path, option: tuple[object, ...], named: str
) -> None:
    ran = run("finetune", "answers", pairs, "--model", "everyday", "--out", tmp_path / "shop", *option)
    assert ran.code == 2
    assert f"leave out what is for larger models: {named}" in " ".join(ran.err.split())
    assert not (tmp_path / "shop").exists()


def test_a_bundle_without_a_reader_says_so(run: Run, pairs: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "encoder"
    bundle.mkdir()
    for file in shipped("starter").iterdir():
        if file.is_file():
            (bundle / file.name).write_bytes(file.read_bytes())
    ran = run("finetune", "answers", pairs, "--model", bundle, "--out", tmp_path / "shop")
    assert ran.code in (2, 3)
    assert "is a bundle that encodes only" in " ".join(ran.err.split())


def test_a_training_job_gets_the_bundle_as_its_model(
    run: Run, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, hyperparameters = tmp_path / "ml", {"model": "starter", "epochs": "1", "batch_size": "8"}
    (job / "input" / "data" / "training").mkdir(parents=True)
    pairs.rename(job / "input" / "data" / "training" / "pairs.parquet")
    monkeypatch.setenv("SM_MODEL_DIR", str(job / "model"))
    monkeypatch.setenv("SM_HPS", json.dumps(hyperparameters))
    monkeypatch.setenv("SM_CHANNEL_TRAINING", str(job / "input" / "data" / "training"))
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(job / "output" / "data"))
    ran = run("finetune", "answers")
    assert ran.code == 0, ran.err
    assert (job / "model" / "bundle.json").is_file()
    assert (job / "output" / "data" / "report.html").is_file()
