"""Thresholds that count a value given to a picture of nothing asked for as wrong."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from dataclasses import replace

from catalens.tasks.attributes import build_schema_bank, read_attributes
from catalens.tasks.calibration import Calibration, GroupCalibration
from catalens.tasks.schema import Group, Label, Schema
from catalens.training.recipes.unified.calibrating import PRECISION, likely, strict
from tests.support.word_encoder import WordEncoder

ENCODER = WordEncoder("cat dog", scale=8.0)
SCHEMA = Schema("pets", (Group("pet", "exclusive", (Label("cat", ("cat",)), Label("dog", ("dog",))), ("{}",)),))
BANK = build_schema_bank(ENCODER, SCHEMA)
PLAIN = Calibration(encoder_name="words", schema_name="pets", groups={"pet": GroupCalibration()})
SHOWN = [{"cat": 1.0, "dog": 0.1}] * 6 + [{"cat": 0.1, "dog": 1.0}] * 6 + [{"cat": 1.0, "dog": 0.8}] * 6
TRUTH = ["cat"] * 6 + ["dog"] * 6 + [None] * 6


def precision(calibration: Calibration) -> float:
    read = read_attributes(ENCODER.pictures(SHOWN), BANK, calibration=calibration)
    given = [(each["pet"].value, true) for each, true in zip(read, TRUTH, strict=True) if each["pet"].values]
    return sum(value == true for value, true in given) / len(given)


def test_pictures_that_show_nothing_asked_for_raise_the_threshold() -> None:
    assert precision(PLAIN) < PRECISION
    found = strict(PLAIN, BANK, "pet", ENCODER.pictures(SHOWN), TRUTH)
    assert precision(found) == 1.0
    read = read_attributes(ENCODER.pictures(SHOWN), BANK, calibration=found)
    assert sum(bool(each["pet"].values) for each in read) == 12


def test_the_groups_temperature_is_kept() -> None:
    warm = replace(PLAIN, groups={"pet": GroupCalibration(temperature=2.0, label_thresholds={"cat": 0.9})})
    found = strict(warm, BANK, "pet", ENCODER.pictures(SHOWN), TRUTH).groups["pet"]
    assert found.temperature == 2.0
    assert not found.label_thresholds


def test_the_likeliest_label_is_the_truth_where_it_is_allowed() -> None:
    vectors = ENCODER.pictures([{"cat": 1.0}, {"cat": 1.0}, {"dog": 1.0}])
    assert likely(BANK, "pet", vectors, [("dog", "cat"), ("dog",), ()]) == ["cat", "dog", None]
