"""The classes of a bundle: kept as bytes, checked when they are read, left behind by what changes vectors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from catalens.core.classes import THINGS, Classes
from catalens.core.errors import ModelError
from catalens.core.vectors import unit_rows
from catalens.models.bundle import load_bundle
from catalens.models.class_files import CLASS_FILES, load_classes, save_classes
from catalens.models.registry import shipped
from catalens.training.finetune.tuned_bundle import copy_bundle

VECTORS = unit_rows(np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32))


def test_classes_are_kept_as_bytes(tmp_path: Path) -> None:
    named = {"dog": (0, 1), "naïve cup": (4,)}
    save_classes(tmp_path, "words@1", {"things": Classes(VECTORS, named), "places": Classes(VECTORS[:2], {})})
    found = load_classes(tmp_path, "words@1", 64)
    assert {name: each.named for name, each in found.items()} == {"things": named, "places": {}}
    for name, vectors in (("things", VECTORS), ("places", VECTORS[:2])):
        assert (found[name].vectors * vectors).sum(axis=1).min() > 0.9999
        np.testing.assert_allclose(np.linalg.norm(found[name].vectors, axis=1), 1.0, atol=1e-6)
    assert load_classes(tmp_path / "elsewhere", "words@1", 64) == {}


def test_classes_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    save_classes(tmp_path, "words@1", {"things": Classes(VECTORS, {"dog": (0, 1)})})
    facts, arrays = (tmp_path / name for name in CLASS_FILES)
    with pytest.raises(ModelError, match="learned with words@1, not other@2"):
        load_classes(tmp_path, "other@2", 64)
    with pytest.raises(ModelError, match="do not belong together"):
        load_classes(tmp_path, "words@1", 32)
    whole, stored = json.loads(facts.read_text()), arrays.read_bytes()
    for wrong, why in (
        ({**whole, "named": {"things": {"dog": [5]}}}, "do not belong together"),
        ({**whole, "named": {"things": [1]}}, "cannot be used"),
        ({**whole, "named": {"places": {}}}, "cannot be used"),
        ({}, "cannot be used"),
    ):
        facts.write_text(json.dumps(wrong))
        with pytest.raises(ModelError, match=why):
            load_classes(tmp_path, "words@1", 64)
    facts.write_text(json.dumps(whole))
    arrays.write_bytes(stored[:-1])
    with pytest.raises(ModelError, match="damaged"):
        load_classes(tmp_path, "words@1", 64)
    arrays.unlink()
    with pytest.raises(ModelError, match="cannot be used"):
        load_classes(tmp_path, "words@1", 64)


def test_a_bundle_gives_its_classes_when_they_are_asked_for(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(shipped("everyday"), bundle)
    assert len(load_bundle(bundle).classes[THINGS].named["dog"]) > 100
    (bundle / CLASS_FILES[1]).write_bytes(b"")
    encoder = load_bundle(bundle)  # a bundle opens without reading them
    with pytest.raises(ModelError, match="damaged"):
        assert encoder.classes
    with pytest.raises(ModelError, match="damaged"):
        encoder.check()


def test_a_bundle_whose_vectors_are_tuned_has_none(tmp_path: Path) -> None:
    copy_bundle(shipped("everyday"), tmp_path / "tuned")
    assert load_bundle(tmp_path / "tuned").classes == {}
