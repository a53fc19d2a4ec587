from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.core.errors import InputError
from catalens.core.types import Tag
from catalens.core.vectors import softmax, unit_rows
from catalens.tasks.labels import LabelBank, build_bank
from catalens.tasks.tagging import TagRules, tag
from tests.support.word_encoder import WordEncoder

WORDS = "shirt dress shoe bag"
LABELS = WORDS.split()
PLAIN = ["{}"]


def named(tags: list[Tag]) -> list[str]:
    return [each.label for each in tags]


def bank_of(vectors: np.ndarray, unknown: np.ndarray, scale: float, bias: float | None = None) -> LabelBank:
    labels = [f"label {at}" for at in range(len(vectors))]
    return LabelBank("test", labels, vectors.astype(np.float16), unknown.astype(np.float16), scale, bias)


def test_scores_are_the_softmax_of_scaled_cosines_over_all_labels() -> None:
    encoder = WordEncoder(WORDS, scale=3.0)
    picture = encoder.picture(shirt=0.8, dress=0.6)
    (tags,) = tag(picture, build_bank(encoder, LABELS, templates=PLAIN), top_k=2)
    expected = softmax(np.array([3.0 * 0.8, 3.0 * 0.6, 0.0, 0.0]))
    assert named(tags) == ["shirt", "dress"]
    assert [each.score for each in tags] == pytest.approx(expected[:2].tolist(), abs=1e-4)


def test_a_model_with_a_bias_judges_each_label_by_itself() -> None:
    encoder = WordEncoder(WORDS, scale=10.0, bias=-5.0)
    (tags,) = tag(encoder.picture(shirt=0.8, dress=0.6), build_bank(encoder, LABELS, templates=PLAIN), min_score=0.5)
    assert named(tags) == ["shirt", "dress"]
    assert [each.score for each in tags] == pytest.approx([1 / (1 + np.exp(-3.0)), 1 / (1 + np.exp(-1.0))], abs=1e-3)


@given(
    seed=st.integers(0, 2**32 - 1), m=st.integers(1, 600), scale=st.floats(0.1, 100.0), unknown_rows=st.integers(0, 1)
)
def test_all_labels_and_unknown_sum_to_one(seed: int, m: int, scale: float, unknown_rows: int) -> None:
    rng = np.random.default_rng(seed)
    labels, unknown, pictures = (unit_rows(rng.standard_normal((n, 8))) for n in (m, unknown_rows, 3))
    bank = bank_of(labels, unknown, scale)
    for tags in tag(pictures, bank, top_k=m + 1, rules=TagRules(show_unknown=True)):
        assert len(tags) == m + unknown_rows
        assert sum(each.score for each in tags) == pytest.approx(1.0, abs=1e-4)
        assert [each.score for each in tags] == sorted((each.score for each in tags), reverse=True)


def test_the_best_of_a_hundred_thousand_is_exact_and_normalised_over_all() -> None:
    rng = np.random.default_rng(1)
    labels, picture = unit_rows(rng.standard_normal((100_000, 16))), unit_rows(rng.standard_normal((1, 16)))
    bank = bank_of(labels, labels[:0], 20.0)
    expected = softmax(20.0 * (picture @ bank.vectors.astype(np.float32).T))[0]
    (tags,) = tag(picture, bank, top_k=20)
    assert named(tags) == [f"label {at}" for at in np.argsort(-expected, kind="stable")[:20]]
    assert [each.score for each in tags] == pytest.approx(np.sort(expected)[::-1][:20].tolist(), rel=1e-3)


def test_many_pictures_give_one_list_each_in_order() -> None:
    encoder = WordEncoder(WORDS)
    pictures = encoder.pictures([{LABELS[at % 4]: 1.0} for at in range(50)])
    found = tag(pictures, build_bank(encoder, LABELS), top_k=1)
    assert [tags[0].label for tags in found] == [LABELS[at % 4] for at in range(50)]
    assert tag(pictures[:0], build_bank(encoder, LABELS)) == []


def test_unknown_is_given_where_it_wins_and_only_there() -> None:
    encoder = WordEncoder(WORDS + " nothing", unknown_texts=["nothing"])
    bank = build_bank(encoder, LABELS, templates=PLAIN)
    strange, plain = tag(encoder.pictures([{"nothing": 1.0, "bag": 0.5}, {"bag": 1.0, "nothing": 0.5}]), bank, top_k=2)
    assert named(strange) == ["unknown", "bag"]
    assert named(plain)[0] == "bag"
    assert "unknown" not in named(plain)


def test_unknown_is_listed_at_its_rank_when_asked_for() -> None:
    encoder = WordEncoder(WORDS + " nothing", unknown_texts=["nothing"])
    bank = build_bank(encoder, LABELS, templates=PLAIN)
    (tags,) = tag(encoder.picture(bag=1.0, nothing=0.5), bank, top_k=2, rules=TagRules(show_unknown=True))
    assert named(tags) == ["bag", "unknown"]


def test_unknown_is_said_even_where_no_label_reaches_its_minimum() -> None:
    encoder = WordEncoder(WORDS + " nothing", unknown_texts=["nothing"])
    bank = build_bank(encoder, LABELS, templates=PLAIN)
    (tags,) = tag(encoder.picture(nothing=1.0), bank, min_score=0.9)
    assert named(tags) == ["unknown"]


def test_without_texts_for_it_unknown_is_never_said() -> None:
    encoder = WordEncoder(WORDS)
    bank = build_bank(encoder, LABELS)
    assert tag(encoder.picture(other=1.0), bank, min_score=0.9, rules=TagRules(show_unknown=True)) == [[]]


def test_unknown_competes_in_models_with_a_bias_too() -> None:
    encoder = WordEncoder(WORDS + " nothing", bias=-5.0, unknown_texts=["nothing"])
    (tags,) = tag(encoder.picture(nothing=1.0), build_bank(encoder, LABELS, templates=PLAIN), min_score=0.5)
    assert named(tags) == ["unknown"]


def test_a_denied_word_is_hidden_and_makes_nothing_else_surer() -> None:
    encoder = WordEncoder(WORDS)
    bank, picture = build_bank(encoder, LABELS), encoder.picture(shirt=1.0, dress=0.5)
    (free,), (ruled,) = tag(picture, bank), tag(picture, bank, rules=TagRules(deny=frozenset({"shirt", "not there"})))
    assert ruled == [each for each in free if each.label != "shirt"]


def test_labels_with_one_word_become_one_tag_with_their_probability_together() -> None:
    encoder = WordEncoder(WORDS)
    bank, picture = build_bank(encoder, LABELS), encoder.picture(shirt=0.6, dress=0.6, bag=0.65)
    score = {each.label: each.score for each in tag(picture, bank)[0]}
    (tags,) = tag(picture, bank, rules=TagRules(replacements={"shirt": "garment", "dress": "garment", "tie": "bow"}))
    assert named(tags) == ["garment", "bag", "shoe"]
    assert tags[0].score == pytest.approx(score["shirt"] + score["dress"], abs=1e-6)


def test_a_word_that_is_a_label_itself_takes_its_synonyms_in() -> None:
    encoder = WordEncoder(WORDS)
    bank, picture = build_bank(encoder, LABELS), encoder.picture(shirt=0.6, dress=0.6)
    (tags,) = tag(picture, bank, rules=TagRules(replacements={"shirt": "dress"}))
    assert named(tags) == ["dress", "shoe", "bag"]


def test_two_labels_can_swap_their_names() -> None:
    encoder = WordEncoder(WORDS)
    rules = TagRules(replacements={"shirt": "dress", "dress": "shirt"})
    (tags,) = tag(encoder.picture(shirt=1.0), build_bank(encoder, LABELS), rules=rules, top_k=1)
    assert named(tags) == ["dress"]


def test_synonyms_of_a_model_with_a_bias_count_by_the_surest() -> None:
    encoder = WordEncoder(WORDS, bias=-5.0)
    bank, picture = build_bank(encoder, LABELS), encoder.picture(shirt=0.6, dress=0.7)
    score = {each.label: each.score for each in tag(picture, bank)[0]}
    (tags,) = tag(picture, bank, rules=TagRules(replacements={"shirt": "garment", "dress": "garment"}), top_k=1)
    assert tags == [Tag("garment", score["dress"])]


def test_a_threshold_of_its_own_beats_the_general_minimum_both_ways() -> None:
    encoder = WordEncoder(WORDS)
    bank, picture = build_bank(encoder, LABELS, templates=PLAIN), encoder.picture(shirt=0.8, dress=0.75)
    score = {each.label: each.score for each in tag(picture, bank)[0]}
    rules = TagRules(thresholds={"shirt": score["shirt"] + 0.01, "shoe": 0.0})
    assert named(tag(picture, bank, rules=rules, min_score=0.1)[0]) == ["dress", "shoe"]


def test_thresholds_and_deny_are_about_the_word_that_is_given() -> None:
    encoder = WordEncoder(WORDS)
    bank, picture = build_bank(encoder, LABELS), encoder.picture(shirt=0.8)
    replaced = {"shirt": "top"}
    assert named(tag(picture, bank, rules=TagRules(replacements=replaced, thresholds={"top": 1.0}))[0])[0] == "dress"
    assert named(tag(picture, bank, rules=TagRules(replacements=replaced, deny=frozenset({"top"})))[0])[0] == "dress"
    assert named(tag(picture, bank, rules=TagRules(replacements=replaced, deny=frozenset({"shirt"})))[0])[0] == "top"


@given(temperature=st.floats(0.05, 20.0), seed=st.integers(0, 2**32 - 1))
def test_a_temperature_changes_how_sure_but_never_the_order(temperature: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, picture = unit_rows(rng.standard_normal((30, 8))), unit_rows(rng.standard_normal((1, 8)))
    bank = bank_of(labels, labels[:0], 3.0)
    (plain,), (scaled,) = tag(picture, bank), tag(picture, bank, rules=TagRules(temperature=temperature))
    assert named(plain) == named(scaled)
    assert (scaled[0].score >= plain[0].score) == (temperature <= 1.0)


def test_settings_that_mean_nothing_are_refused() -> None:
    encoder = WordEncoder(WORDS)
    with pytest.raises(InputError, match="at least 1"):
        tag(encoder.picture(shirt=1.0), build_bank(encoder, LABELS), top_k=0)
    with pytest.raises(InputError, match="above 0"):
        TagRules(temperature=0.0)


def test_deny_ignores_case_and_leaves_unknown_where_it_ranks() -> None:
    encoder = WordEncoder(f"{WORDS} nothing", unknown_texts=["nothing"])
    picture = encoder.picture(shirt=0.8, nothing=0.6)
    bank = build_bank(encoder, LABELS, templates=PLAIN)

    def given(*deny: str) -> list[str]:
        return named(tag(picture, bank, top_k=3, rules=TagRules(deny=frozenset(deny), show_unknown=True))[0])

    assert given("zebra") == given() == ["shirt", "unknown", "dress"]
    assert given("SHIRT") == ["unknown", "dress", "shoe"]
    assert given("Unknown") == ["shirt", "dress", "shoe"]
