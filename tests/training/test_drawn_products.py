"""The starter's sixth stage in small: drawn products are learned, what is photographed is kept, and the bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")
pytest.importorskip("onnx", reason="onnx is not installed: make test-models")
pytest.importorskip("openvino", reason="openvino is not installed: make test-models")

from catalens.models.bundle import load_bundle
from catalens.models.registry import shipped
from catalens.training.recipes.starter.drawn import Recipe, make_stage
from catalens.training.recipes.starter.late_release import STAGES, write_late
from tests.support.small_tables import write_small_tables

SMALL = {"each": 1, "unsold_each": 1, "drawings": 1, "held_out": 1, "products": 8, "apart": 6}
RECIPE = Recipe(steps=60, painted=16, unsold=6, goods=6, clothing=6, others=6, **SMALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    write_small_tables(data)
    make_stage(RECIPE, data, out, threads=1).run()
    return out


def test_drawn_products_are_learned_and_photographed_ones_stay_what_they_were(trained: Path) -> None:
    first, _, last, *between = (
        json.loads(line) for line in (trained / "log.jsonl").read_text(encoding="utf-8").splitlines()
    )
    assert last["type"] < 1.5 < 4.9  # the logarithm of the 143 answers there are
    assert last["unsold"] < 2.0
    assert last["goods"] < 2.0
    assert last["clothing"] < 3.0  # the weighted distance of old and new vectors
    assert {*first["val"]} == {*last["val"]} >= {"drawn type", "drawn first hit", "objects with a type", "title R@10"}
    assert len(between) == 6
    assert last["step"] == 60


def test_the_bundle_says_that_drawn_products_were_learned_from_and_keeps_its_texts(
    trained: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "starter"
    shutil.copytree(shipped("starter"), bundle)
    write_late(STAGES["drawn"], trained, bundle, "test")
    before, after = (load_bundle(each, runtime="onnxruntime", threads=1) for each in (shipped("starter"), bundle))
    assert after.facts.source.endswith("products drawn by code in the last")
    np.testing.assert_array_equal(before.encode_texts(["a red shirt"]), after.encode_texts(["a red shirt"]))
