"""Which encoders there are, and what a wrong name is answered with."""

from __future__ import annotations

import importlib.resources
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.models.fakes import FakeEncoder
from catalens.models.registry import find_place, list_models, load_encoder, shipped, shipped_calibration, size_mb
from tests.support.tiny import tiny_bundle


def test_models_are_described_without_loading_one() -> None:
    specs = {spec.name: spec for spec in list_models()}
    assert {"starter", "fake", "ViT-L-14/openai", "clip-ViT-B-32"} <= {*specs}
    assert specs["starter"].folder == shipped("starter")
    assert specs["fake"].folder is None
    assert all(
        spec.kind in ("encoder", "reader", "encoder, reader") and spec.about and spec.licence for spec in specs.values()
    )
    for name in ("starter", "everyday"):
        assert specs[name].kind == "encoder, reader"
        assert specs[name].size_mb == size_mb(shipped(name))
        assert size_mb(shipped(name) / "reader") + 1 < specs[name].size_mb <= 25.0


def test_the_fake_needs_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("onnxruntime", "openvino", "tokenizers"):
        monkeypatch.setitem(sys.modules, library, None)
    assert isinstance(load_encoder("fake"), FakeEncoder)


def test_a_bundle_is_loaded_by_its_folder(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "mine", name="mine", revision="7", logit_bias=-3)
    encoder = load_encoder(str(folder), runtime="onnxruntime", threads=1)
    assert (encoder.name, encoder.logit_bias) == ("mine@7", -3.0)
    assert encoder.encode_images([Image.new("RGB", (30, 40), "red")]).shape == (1, encoder.dim)
    assert np.isfinite(encoder.encode_texts(["a red shirt"])).all()


def test_a_file_of_a_bundle_is_the_bundle(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "mine", name="mine", revision="7")
    assert load_encoder(str(folder / "bundle.json"), runtime="onnxruntime", threads=1).name == "mine@7"


def test_a_reader_s_short_name_is_known_in_any_case() -> None:
    assert find_place("BLIP-Large") == find_place("blip-large")
    with pytest.raises(ModelError, match="BLIP-Large is a reader, which captions and answers"):
        load_encoder("BLIP-Large")


def test_an_unknown_name_gets_the_nearest_ones_and_what_is_accepted() -> None:
    with pytest.raises(ModelError, match=r"no model 'startre' \(did you mean 'starter'\?\); accepted are: a name from"):
        load_encoder("startre")
    with pytest.raises(ModelError, match=r"no model 'zzz'; accepted are: .*hub id"):
        load_encoder("zzz")


def test_a_folder_that_is_neither_bundle_nor_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a model that can be loaded; .* bundle\.json"):
        load_encoder(str(tmp_path))


def test_an_unknown_runtime_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no runtime 'cuda'"):
        load_encoder(str(tiny_bundle(tmp_path)), runtime="cuda")


def test_a_shipped_calibration_is_for_its_own_encoder_and_revision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tiny_bundle(tmp_path / "starter", name="starter", revision="3")
    monkeypatch.setattr(importlib.resources, "files", lambda _: tmp_path)
    assert shipped_calibration("starter@3", "fashion") is None
    (folder / "fashion.calibration.json").write_text(json.dumps({}))
    assert shipped_calibration("starter@3", "fashion") == folder / "fashion.calibration.json"
    for other in ("starter@4", "starter", "mine@3", "fake-16", "../starter@3"):
        assert shipped_calibration(other, "fashion") is None
    assert shipped_calibration("starter@3", "toys") is None
