"""The classes of a bundle: kept as bytes, checked when they are read, left behind by what changes vectors."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from catalens.core.classes import THINGS, Classes, NounTable
from catalens.core.errors import ModelError
from catalens.core.vectors import unit_rows
from catalens.models.bundle import load_bundle
from catalens.models.class_files import CLASS_FILES, NOUN_FILE, load_classes, save_classes, save_nouns
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


def test_nouns_are_kept_beside_their_classes(tmp_path: Path) -> None:
    table = NounTable({"beast": (0, 1), "hound": (0,), "spring": ()}, {"naïve mutt": (0, 1), "cur": (0, 1)})
    save_classes(tmp_path, "words@1", {THINGS: Classes(VECTORS, {"dog": (0, 1)})})
    assert load_classes(tmp_path, "words@1", 64)[THINGS].nouns == NounTable()
    save_nouns(tmp_path, "words@1", len(VECTORS), table)
    assert load_classes(tmp_path, "words@1", 64)[THINGS].nouns == table
    first = (tmp_path / NOUN_FILE).read_bytes()
    save_nouns(tmp_path, "words@1", len(VECTORS), table)
    assert (tmp_path / NOUN_FILE).read_bytes() == first, "no time in the file"


def test_nouns_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    save_classes(tmp_path, "words@1", {THINGS: Classes(VECTORS, {"dog": (0, 1)})})
    for encoder, classes, places, why in (
        ("other@2", 5, (0,), "made for other classes"),
        ("words@1", 6, (0,), "made for other classes"),
        ("words@1", 5, (5,), "names classes that there are not"),
    ):
        save_nouns(tmp_path, encoder, classes, NounTable({"beast": places}))
        with pytest.raises(ModelError, match=why):
            load_classes(tmp_path, "words@1", 64)
    for stored in (b"no gzip", gzip.compress(b"{}"), gzip.compress(b"[]")[:-4]):
        (tmp_path / NOUN_FILE).write_bytes(stored)
        with pytest.raises(ModelError, match="cannot be used"):
            load_classes(tmp_path, "words@1", 64)


def test_the_bundled_nouns_name_what_people_call_things() -> None:
    things = load_bundle(shipped("everyday")).classes[THINGS]
    named, nouns = things.named, things.nouns
    assert len(nouns.same) > 500
    assert len(nouns.kinds) > 5000
    assert nouns.same["beast"] == named["animal"]
    assert nouns.same["spring"] == (), "the season, and no geyser"
    assert nouns.kinds["muffin"] == named["bread"]
    assert set(nouns.kinds["sedan"]) < set(named["car"])
    assert nouns.kinds["man"] == (*named["person"], *named["people"])
    assert not {"kitten", "entity", "artifact", "doctor", "oak"} & {*nouns.same, *nouns.kinds}
    assert (shipped("everyday") / NOUN_FILE).stat().st_size < 50_000


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
