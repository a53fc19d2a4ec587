"""The starter's fifth stage in small: what is kept, what is learned, stopping and going on, and the bundle."""

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

from catalens.core.errors import InputError
from catalens.demo.drawn import draw_catalogue
from catalens.models.bundle import load_bundle
from catalens.models.registry import shipped
from catalens.tasks.attributes import build_schema_bank, group_probabilities
from catalens.tasks.calibration import GroupCalibration
from catalens.tasks.schema import load_schema
from catalens.training.recipes.starter.at_home import Recipe, make_stage
from catalens.training.recipes.starter.late_release import write_late
from catalens.training.recipes.starter.release import raised
from tests.support.small_tables import write_small_tables

RECIPE = Recipe(steps=12, clothing=8, goods=6, others=6, views=2, scenes=1, products=8, apart=6)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_small_tables(folder)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    make_stage(RECIPE, data, out, threads=1).run()
    return out


def test_clothes_at_home_are_learned_and_products_stay_what_they_were(trained: Path) -> None:
    first, last, *_ = (json.loads(line) for line in (trained / "log.jsonl").read_text(encoding="utf-8").splitlines())
    assert last["val"]["type"] >= first["val"]["type"]
    assert last["garment"] < 1.0 < 2.9  # the logarithm of the eighteen answers there are
    assert last["products"] < 0.5  # the weighted distance of one picture's old and new vectors


def test_a_stopped_run_goes_on_where_it_was(trained: Path, data: Path) -> None:
    trainer = make_stage(RECIPE, data, trained, threads=1)
    assert trainer.resume()
    assert trainer.step == 12


def test_what_lies_between_is_measured_and_what_was_learned_stays(trained: Path, data: Path) -> None:
    logged = [json.loads(line) for line in (trained / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["share"] for line in logged if "share" in line] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.8]
    trainer = make_stage(RECIPE, data, trained, threads=1)
    trainer.resume()
    weight = trainer.student.project.weight
    learned, before = weight.detach().clone(), trainer.teacher.project.weight
    with trainer.between(0.5) as student:
        np.testing.assert_allclose(student.project.weight.detach(), (learned + before) / 2, atol=1e-6)
    np.testing.assert_array_equal(weight.detach(), learned)


def test_the_bundle_keeps_its_texts_and_reads_a_drawn_product_as_before(trained: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "starter"
    shutil.copytree(shipped("starter"), bundle)
    write_late(trained, bundle, "test")
    before, after = (load_bundle(each, runtime="onnxruntime", threads=1) for each in (shipped("starter"), bundle))
    assert after.name == "starter@test"
    picture = next(iter(draw_catalogue(1))).picture
    old, new = before.encode_images([picture]), after.encode_images([picture])
    assert float((old @ new.T)[0, 0]) > 0.9
    assert np.abs(old - new).max() > 1e-4
    np.testing.assert_array_equal(before.encode_texts(["a red shirt"]), after.encode_texts(["a red shirt"]))


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        write_late(tmp_path, shipped("starter"))


def test_a_type_that_is_often_wrong_at_home_needs_a_higher_probability() -> None:
    encoder = load_bundle(shipped("starter"), runtime="onnxruntime", threads=1)
    bank = build_schema_bank(encoder, load_schema("fashion"))
    names = bank.schema.group("type").label_names
    shirt, dress = (bank.banks["type"].vectors[names.index(name)].astype(np.float32) for name in ("Tshirts", "Dresses"))
    rows = np.stack([shirt + share * dress for share in np.linspace(0.0, 0.6, 40)])
    worn = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    # Half of the pictures show a t-shirt: those that are most like one.
    allowed = [("Tshirts",)] * 20 + [("Skirts",)] * 20
    rules = GroupCalibration(temperature=1.0, threshold=0.1, label_thresholds={"Dresses": 0.3})
    higher = raised(rules, bank, worn, allowed)
    assert higher.label_thresholds["Dresses"] == 0.3
    scores, _ = group_probabilities(bank.schema.group("type"), bank.banks["type"], worn, 1.0)
    assert (scores[:, names.index("Tshirts")] >= 0.1).mean() == 1, "every picture would be one, and half of them are"
    given = scores[:, names.index("Tshirts")] >= higher.label_thresholds["Tshirts"]
    assert given.tolist() == [True] * 20 + [False] * 20
