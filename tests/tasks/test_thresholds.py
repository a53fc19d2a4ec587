from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalens.core.errors import InputError
from catalens.core.types import Vectors
from catalens.tasks.assessment import Counts, assess
from catalens.tasks.attributes import SchemaBank, build_schema_bank, read_attributes
from catalens.tasks.calibration import NEVER, Calibration
from catalens.tasks.schema import parse_schema
from catalens.tasks.thresholds import best_f1_threshold, learn, lowest_threshold
from tests.support.word_encoder import WordEncoder

LABELS = ["red", "green", "blue", "grey"]
SCHEMA = parse_schema(
    """
name: shop
groups:
  colour: {templates: ["{}"], labels: [red, green, blue, grey]}
  details: {kind: multi, templates: ["{}"], labels: [pocket, zip]}
""",
    origin="shop",
)
CLAIMS = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9, 0.95]), st.booleans()), min_size=1, max_size=30)


def shop(
    n: int, *, noise: float = 0.8, seed: int = 0, bias: float | None = None
) -> tuple[SchemaBank, Vectors, list[str]]:
    """A bank, and pictures of which the noise turns some into another colour."""
    rng = np.random.default_rng(seed)
    encoder = WordEncoder("red green blue grey pocket zip", scale=12.0, bias=bias)
    truth = [LABELS[at] for at in rng.choice(4, size=n, p=[0.5, 0.3, 0.15, 0.05])]
    shown = [{colour: 1.0} for colour in truth]
    for picture in shown:
        for label in LABELS:
            picture[label] = picture.get(label, 0.0) + noise * float(rng.standard_normal())
    return build_schema_bank(encoder, SCHEMA), encoder.pictures(shown), truth


@given(claims=CLAIMS, precision=st.floats(0.01, 1.0))
def test_a_threshold_meets_its_precision_as_low_as_possible_or_says_that_none_does(
    claims: list[tuple[float, bool]], precision: float
) -> None:
    scores, right = np.array([score for score, _ in claims]), np.array([hit for _, hit in claims])
    threshold = lowest_threshold(scores, right, precision)
    meeting = [cut for cut in set(scores[right]) if right[scores >= cut].mean() >= precision]
    assert threshold == (min(meeting) if meeting else NEVER)


@given(claims=CLAIMS, precision=st.floats(0.01, 1.0), given_already=st.integers(0, 20))
def test_what_is_given_already_counts(claims: list[tuple[float, bool]], precision: float, given_already: int) -> None:
    scores, right = np.array([score for score, _ in claims]), np.array([hit for _, hit in claims])
    threshold = lowest_threshold(scores, right, precision, Counts(given_already, given_already, 0))
    kept = {cut: right[scores >= cut] for cut in set(scores[right])}
    meeting = [
        cut for cut, hits in kept.items() if (hits.sum() + given_already) / (len(hits) + given_already) >= precision
    ]
    assert threshold == (min(meeting) if meeting else NEVER)


@given(claims=CLAIMS, missed=st.integers(0, 10))
def test_no_other_threshold_has_a_better_f1(claims: list[tuple[float, bool]], missed: int) -> None:
    scores, right = np.array([score for score, _ in claims]), np.array([hit for _, hit in claims])
    there = int(right.sum()) + missed

    def f1(cut: float) -> float:
        kept = scores >= cut
        return float(2 * right[kept].sum() / (kept.sum() + there))

    threshold = best_f1_threshold(scores, right, there)
    if not right.any():
        assert threshold == NEVER
    else:
        assert f1(threshold) == pytest.approx(max(f1(cut) for cut in set(scores)))


def test_thresholds_of_nothing_are_never() -> None:
    nothing, none = np.zeros(0, np.float32), np.zeros(0, np.bool_)
    assert lowest_threshold(nothing, none, 0.9) == NEVER
    assert best_f1_threshold(nothing, none, 5) == NEVER


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.1, 2.0), precision=st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]))
def test_what_was_learned_meets_its_precision_on_its_own_table(seed: int, noise: float, precision: float) -> None:
    bank, vectors, truth = shop(150, noise=noise, seed=seed)
    _, (report,) = learn(vectors, {"colour": truth}, bank, precision=precision)
    assert report.counts.precision is None or report.counts.precision >= precision
    for label in report.labels:
        if label.counts.given >= 20:
            assert label.counts.precision is not None
            assert label.counts.precision >= precision


def test_the_report_is_what_reading_the_attributes_gives() -> None:
    bank, vectors, truth = shop(300)
    calibration, (report,) = learn(vectors, {"colour": truth}, bank, precision=0.9)
    read = [found["colour"].value for found in read_attributes(vectors, bank, calibration=calibration)]
    given = [(value, real) for value, real in zip(read, truth, strict=True) if value != "unknown"]
    assert 50 < len(given) < 300
    assert report.counts == Counts(len(given), sum(value == real for value, real in given), 300)
    for label in report.labels:
        mine = [(value, real) for value, real in given if value == label.label]
        assert label.counts == Counts(
            len(mine), sum(value == real for value, real in mine), sum(real == label.label for real in truth)
        )


def test_learning_makes_probabilities_honest_also_on_other_pictures() -> None:
    bank, vectors, truth = shop(2000, seed=1)
    _, others, other_truth = shop(2000, seed=2)
    calibration, (report,) = learn(vectors, {"colour": truth}, bank)
    assert report.temperature > 1.2
    assert report.ece_after < 0.4 * report.ece_before
    (held_out,) = assess(others, {"colour": other_truth}, bank, calibration=calibration)
    assert held_out.ece_after < 0.4 * held_out.ece_before
    assert held_out.temperature == report.temperature


def test_a_higher_target_gives_less_and_is_right_more_often_on_other_pictures() -> None:
    bank, vectors, truth = shop(2000, seed=1, noise=0.45)
    _, others, other_truth = shop(2000, seed=2, noise=0.45)
    held_out = []
    for precision in (0.93, 0.99):
        calibration, _ = learn(vectors, {"colour": truth}, bank, precision=precision)
        held_out += assess(others, {"colour": other_truth}, bank, calibration=calibration)
    assert held_out[0].counts.given > held_out[1].counts.given > 100
    assert held_out[0].counts.precision == pytest.approx(0.93, abs=0.02)
    assert held_out[1].counts.precision == pytest.approx(0.99, abs=0.01)


def test_a_temperature_that_is_given_is_kept_and_thresholds_follow_it() -> None:
    bank, vectors, truth = shop(150)
    (own, _), (given, _) = (
        learn(vectors, {"colour": truth}, bank, precision=0.9, temperatures=each) for each in (None, {"colour": 4.0})
    )
    assert given.groups["colour"].temperature == 4.0 != own.groups["colour"].temperature
    assert given.groups["colour"].label_thresholds["red"] != own.groups["colour"].label_thresholds["red"]


def test_a_rare_label_shares_the_threshold_of_its_group() -> None:
    bank, vectors, truth = shop(150)
    calibration, _ = learn(vectors, {"colour": truth}, bank, precision=0.9)
    assert set(calibration.groups["colour"].label_thresholds) == {"red", "green", "blue"}


def test_a_rare_label_is_given_as_long_as_the_whole_group_meets_its_target() -> None:
    encoder = WordEncoder("red green blue grey pocket zip", scale=12.0)
    vectors = encoder.pictures([{"red": 1.0}] * 100 + [{"green": 1.0}] * 50 + [{"grey": 1.0}] * 5)
    truth = ["red"] * 100 + ["green"] * 50 + ["grey"] * 3 + ["blue"] * 2
    bank = build_schema_bank(encoder, SCHEMA)
    _, (report,) = learn(vectors, {"colour": truth}, bank, precision=0.985)
    assert report.counts == Counts(155, 153, 155)
    _, (report,) = learn(vectors, {"colour": truth}, bank, precision=0.99)
    assert report.counts == Counts(150, 150, 155)


def test_a_label_that_is_never_right_is_never_given() -> None:
    bank, vectors, truth = shop(200, noise=0.05)
    swapped = ["grey" if colour == "red" else colour for colour in truth]
    calibration, (report,) = learn(vectors, {"colour": swapped}, bank, precision=0.9)
    assert calibration.groups["colour"].label_thresholds["red"] == NEVER
    assert {label.label: label.counts for label in report.labels}["red"] == Counts(0, 0, 0)
    assert calibration.groups["colour"].label_thresholds["green"] < 1.0


def test_multi_groups_are_learned_label_by_label() -> None:
    rng = np.random.default_rng(3)
    encoder = WordEncoder("red green blue grey pocket zip", scale=10.0, bias=-1.0)
    truth = [tuple(name for name in ("pocket", "zip") if rng.random() < 0.4) for _ in range(400)]
    shown = [{"red": 1.0} | {name: 0.8 + 0.3 * float(rng.standard_normal()) for name in names} for names in truth]
    bank, vectors = build_schema_bank(encoder, SCHEMA), encoder.pictures(shown)
    calibration, (report,) = learn(vectors, {"details": truth}, bank)
    assert set(calibration.groups["details"].label_thresholds) == {"pocket", "zip"}
    assert report.rows == 400
    assert report.counts.there == sum(map(len, truth))
    assert report.counts.precision is not None
    assert report.counts.precision > 0.95
    assert report.counts.recall is not None
    assert report.counts.recall > 0.95
    assert report.ece_after < report.ece_before


def test_rows_that_say_nothing_or_something_strange_are_left_out_and_counted() -> None:
    bank, vectors, truth = shop(100)
    column = [None, "", "purple", ("red", "green"), *truth[4:]]
    _, (report,) = learn(vectors, {"colour": column}, bank)
    assert (report.rows, report.skipped) == (96, 2)


def test_a_group_without_a_usable_row_keeps_its_defaults() -> None:
    bank, vectors, truth = shop(100)
    calibration, reports = learn(vectors, {"colour": truth, "details": [None] * 100}, bank)
    assert set(calibration.groups) == {"colour"}
    assert [(report.group, report.rows) for report in reports] == [("colour", 100), ("details", 0)]
    assert reports[1].counts == Counts(0, 0, 0)
    assert reports[1].counts.precision is None
    assert reports[1].counts.recall is None


def test_tables_that_cannot_be_meant_are_refused() -> None:
    bank, vectors, truth = shop(20)
    with pytest.raises(InputError, match="19 values for 20 pictures"):
        learn(vectors, {"colour": truth[1:]}, bank)
    with pytest.raises(InputError, match="no group 'shape'"):
        learn(vectors, {"shape": truth}, bank)
    with pytest.raises(InputError, match="nothing to learn from"):
        learn(vectors, {"colour": ["purple"] * 20}, bank)
    for precision in (0.0, 1.5):
        with pytest.raises(InputError, match="above 0 and at most 1"):
            learn(vectors, {"colour": truth}, bank, precision=precision)


def test_the_precision_holds_in_every_domain_that_gets_the_label() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.75, 0.5])
    right = np.array([True, True, True, True, False, False])
    domains = np.array([0, 0, 0, 0, 1, 1])
    assert lowest_threshold(scores, right, 0.8) == 0.6
    assert lowest_threshold(scores, right, 0.8, domains=domains) == 0.8


def test_pictures_on_which_no_label_holds_keep_a_label_from_being_given_there() -> None:
    bank, vectors, truth = shop(400, noise=0.2)
    grey = WordEncoder("red green blue grey pocket zip", scale=12.0).pictures([{"red": 1.0, "pocket": 1.5}] * 40)
    every = np.concatenate([vectors, grey])
    table = {"colour": [*truth, *[()] * 40]}
    domains = ["shop"] * 400 + ["elsewhere"] * 40

    def given(calibration: Calibration) -> tuple[int, int]:
        values = [each["colour"].value for each in read_attributes(every, bank, calibration=calibration)]
        return sum(value == "red" for value in values[:400]), sum(value == "red" for value in values[400:])

    before, _ = learn(vectors, {"colour": truth}, bank, precision=0.8)
    after, _ = learn(every, table, bank, precision=0.8, domains=domains)
    assert given(before)[1] == 40
    assert given(after)[1] == 0
    assert given(after)[0] >= 0.8 * given(before)[0]
    with pytest.raises(InputError, match="1 domains for 440 pictures"):
        learn(every, table, bank, domains=["shop"])
