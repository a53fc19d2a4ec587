"""`catalens export`, from a checkpoint on disk to a folder that the other commands take."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.models.bundle import load_bundle
from tests.support.ran import Run
from tests.support.tiny_encoders import Tiny


def test_a_checkpoint_becomes_a_bundle_that_can_be_used(tiny: Tiny, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "out"
    ran = run("export", str(tiny("clip")), str(folder), "--precision", "float16", "--texts", "a cat, a dog, a red car")
    assert ran.code == 0, ran.err
    [row] = ran.rows
    assert row["folder"] == str(folder)
    assert (row["pictures"]["items"], row["texts"]["items"]) == (32, 3)
    assert min(row[what]["least_cosine"] for what in ("pictures", "texts")) >= 0.9999
    assert load_bundle(folder, threads=1).facts.precision == "float16"
    assert len(run("embed", "--texts", "a cat", "--model", str(folder)).rows[0]["vector"]) == 24


def test_what_is_not_good_enough_is_not_kept(tiny: Tiny, tmp_path: Path, run: Run) -> None:
    ran = run("export", str(tiny("clip")), str(tmp_path / "out"), "--precision", "int8", "--least-cosine", "1")
    assert ran.code == 3
    assert "1.0 is required" in ran.err
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("least", ["nan", "1.5", "-2"])
def test_what_is_no_cosine_is_refused_before_the_model_is_loaded(least: str, tmp_path: Path, run: Run) -> None:
    ran = run("export", "no/such-model", str(tmp_path / "out"), "--least-cosine", least)
    assert ran.code == 2
    assert "it must be between -1 and 1" in ran.err


@pytest.mark.parametrize("model", ["blip-base", "BLIP-Base", "Salesforce/blip-vqa-base@main"])
def test_a_reader_is_not_exported(model: str, tmp_path: Path, run: Run) -> None:
    ran = run("export", model, str(tmp_path / "out"))
    assert ran.code == 2
    assert f"{model} is a reader, which captions and answers; what is exported is a pretrained encoder" in ran.err


@pytest.mark.parametrize("model", ["starter", "bundle"])
def test_a_bundle_is_not_exported_again(model: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text("{}", encoding="utf-8")
    ran = run("export", model if model == "starter" else str(tmp_path / "bundle"), str(tmp_path / "out"))
    assert ran.code == 2
    assert "is a bundle already" in ran.err
    assert "another precision can be made of a pretrained encoder, such as ViT-B-32/openai" in ran.err


def test_pictures_of_ones_own(tiny: Tiny, tmp_path: Path, run: Run) -> None:
    (tmp_path / "shots").mkdir()
    ran = run("export", str(tiny("clip")), str(tmp_path / "out"), "--pictures", str(tmp_path / "shots"))
    assert ran.code == 2
    assert "holds no pictures to compare with" in ran.err
