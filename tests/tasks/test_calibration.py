from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.core.errors import InputError
from catalens.core.vectors import softmax
from catalens.tasks.calibration import (
    NEVER,
    Calibration,
    GroupCalibration,
    expected_calibration_error,
    fit_temperature,
    load_calibration,
    save_calibration,
)

LEARNED = Calibration(
    encoder_name="starter@1",
    schema_name="fashion",
    groups={
        "type": GroupCalibration(temperature=1.25, threshold=0.4, label_thresholds={"Tshirts": 0.3, "Über": NEVER}),
        "colour": GroupCalibration(threshold=NEVER),
        "neck": GroupCalibration(temperature=0.5),
    },
)


@pytest.mark.parametrize(
    ("confidences", "correct", "expected"),
    [
        ([], [], 0.0),
        ([1.0, 1.0], [True, True], 0.0),
        ([1.0, 1.0], [False, False], 1.0),
        ([0.0], [False], 0.0),
        ([0.7] * 10, [True] * 7 + [False] * 3, 0.0),
        ([0.9] * 10, [True] * 5 + [False] * 5, 0.4),
        # Two bins, three quarters and one quarter of the items, off by 0.1 and 0.3.
        ([0.9, 0.9, 0.9, 0.3], [True, True, True, False], 0.75 * 0.1 + 0.25 * 0.3),
        # Too sure and too unsure in one bin cancel; in two bins they do not.
        ([0.62, 0.64], [True, False], abs(0.5 - 0.63)),
        ([0.4, 0.8], [True, False], 0.7),
    ],
)
def test_expected_calibration_error_by_hand(confidences: list[float], correct: list[bool], expected: float) -> None:
    error = expected_calibration_error(np.array(confidences, np.float32), np.array(correct, np.bool_))
    assert error == pytest.approx(expected, abs=1e-6)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    # 0.2 = 3/15 is the upper edge of (2/15, 3/15]: it shares a bin with 0.15, so their gaps cancel.
    error = expected_calibration_error(np.array([0.2, 0.15]), np.array([False, False]))
    apart = expected_calibration_error(np.array([0.2, 0.15]), np.array([True, False]))
    assert error == pytest.approx(0.175)
    assert apart == pytest.approx(abs(0.35 - 1.0) / 2)


@given(st.floats(0.05, 20.0))
def test_the_valley_is_found(temperature: float) -> None:
    found = fit_temperature(lambda t: (math.log(t) - math.log(temperature)) ** 2, rows=10**9)
    assert found == pytest.approx(temperature, rel=1e-3)


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_recovered(true_temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = 4.0 * rng.standard_normal((20_000, 6))
    shares = softmax(logits / true_temperature)
    labels = (shares.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)

    def loss(temperature: float) -> float:
        return float(-np.log(softmax(logits / temperature)[np.arange(20_000), labels] + 1e-30).mean())

    assert fit_temperature(loss, rows=20_000) == pytest.approx(true_temperature, rel=0.05)


def test_a_few_rows_that_are_all_right_do_not_ask_for_certainty() -> None:
    logits = np.array([[2.0, 0.0]] * 3)
    temperature = fit_temperature(lambda t: float(-np.log(softmax(logits / t)[:, 0]).mean()), rows=3)
    assert 0.3 < temperature < 1.0


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    save_calibration(LEARNED, file)
    assert load_calibration(file) == LEARNED
    assert json.loads(file.read_text(encoding="utf-8"))["encoder"] == "starter@1"
    assert [each.name for each in tmp_path.iterdir()] == ["learned.json"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("catalens calibration 1", "catalens calibration 9"),
        ('"temperature": 1.25', '"temperature": 0'),
        ('"temperature": 1.25', '"temperature": NaN'),
        ('"temperature": 1.25', '"temperature": "hot"'),
        ('"temperature": 1.25,', ""),
        ('"threshold": 0.4', '"threshold": 1.4'),
        ('"threshold": 0.4', '"threshold": [0.4]'),
        ('"Tshirts": 0.3', '"Tshirts": -0.3'),
        ('"groups": {', '"groops": {'),
        ("{", "[{"),
        ("}", ""),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "learned.json"
    save_calibration(LEARNED, file)
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError):
        load_calibration(file)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff\xfe"])
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "learned.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"learned\.json"):
        load_calibration(file)


def test_files_that_cannot_be_reached_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.json"):
        load_calibration(tmp_path / "missing.json")
    with pytest.raises(InputError, match="nowhere"):
        save_calibration(LEARNED, tmp_path / "nowhere" / "learned.json")
