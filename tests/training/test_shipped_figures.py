"""The figures that the starter's card gives, measured again on the test products."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")

from catalens.models.bundle import load_bundle
from catalens.models.registry import shipped
from catalens.tasks.attributes import build_schema_bank
from catalens.tasks.schema import load_schema
from catalens.training.evaluation import retrieval
from catalens.training.fashion import read_products
from catalens.training.recipes.starter.release import zero_shot
from catalens.training.release import encode_pictures

FASHION = Path(os.environ.get("CATALENS_DATA", "../shared/data")) / "fashion"
LEAST = {"type": 0.86, "colour": 0.67, "gender": 0.90, "pattern": 0.80, "sleeve_length": 0.94, "neck": 0.82}
"""Zero-shot accuracy under which no starter is shipped."""


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="the fashion tables are not here (CATALENS_DATA)")
def test_the_card_s_figures_are_those_of_the_test_products() -> None:
    folder = shipped("starter")
    said = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["scores"]
    encoder = load_bundle(folder, runtime="onnxruntime")
    rows = list(read_products(FASHION, "test"))
    vectors = encode_pictures(encoder, [row.picture for row in rows])
    found = zero_shot(build_schema_bank(encoder, load_schema("fashion")), vectors, rows)
    assert {*found} == {*said["zero_shot"]}
    for name, accuracy in found.items():
        assert accuracy.top1 == pytest.approx(said["zero_shot"][name]["top1"], abs=0.003), name
    for name, least in LEAST.items():
        assert found[name].top1 >= least, name
    titles = retrieval(encoder.encode_texts([row.title for row in rows]), vectors, range(len(rows)))
    assert titles.recall_at_10 == pytest.approx(said["title_to_picture"]["recall_at_10"], abs=0.003)
    assert titles.recall_at_1 >= 0.18
    assert titles.recall_at_10 >= 0.65
