from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalens.core.errors import InputError
from catalens.core.vectors import softmax
from catalens.models.fakes import FakeEncoder
from catalens.tasks.attributes import Attributes, SchemaBank, build_schema_bank, read_attributes
from catalens.tasks.calibration import NEVER, Calibration, GroupCalibration
from catalens.tasks.schema import Schema, load_schema, parse_schema
from tests.support.word_encoder import WordEncoder

WORDS = "shirt dress shoe long short plain striped pocket zip hood lace nothing"
SHOP = parse_schema(
    """
name: shop
groups:
  type: {templates: ["{}"], labels: [shirt, dress, shoe]}
  sleeves: {templates: ["{}"], when: {type: [shirt, dress]}, labels: [long, short]}
  pattern: {templates: ["{}"], when: {sleeves: [long]}, labels: [plain, striped]}
  details: {kind: multi, templates: ["{}"], labels: [pocket, zip, hood, lace]}
""",
    origin="shop",
)


def bank_of(encoder: WordEncoder, schema: Schema = SHOP) -> SchemaBank:
    return build_schema_bank(encoder, schema)


def values(read: Attributes) -> dict[str, str]:
    return {name: attribute.value for name, attribute in read.items()}


def calibrated(**groups: GroupCalibration) -> Calibration:
    return Calibration(encoder_name="words", schema_name="shop", groups=groups)


def test_each_group_says_its_value_how_surely_and_what_came_next() -> None:
    encoder = WordEncoder(WORDS)
    (read,) = read_attributes(encoder.picture(shirt=0.8, dress=0.6), bank_of(encoder))
    expected = softmax(np.array([8.0, 6.0, 0.0]))
    assert read["type"].value == "shirt"
    assert read["type"].confidence == read["type"].values[0].score == pytest.approx(float(expected[0]), abs=1e-3)
    assert [each.label for each in read["type"].runners_up] == ["dress", "shoe"]
    assert read["type"].runners_up[0].score == pytest.approx(float(expected[1]), abs=1e-3)


def test_a_group_is_read_only_where_its_condition_holds() -> None:
    encoder = WordEncoder(WORDS)
    pictures = encoder.pictures(
        [
            {"shirt": 1.0, "long": 1.0, "striped": 1.0},
            {"shirt": 1.0, "short": 1.0, "striped": 1.0},
            {"shoe": 1.0, "long": 1.0, "striped": 1.0},
        ]
    )
    long_shirt, short_shirt, shoe = (values(read) for read in read_attributes(pictures, bank_of(encoder)))
    assert long_shirt == {"type": "shirt", "sleeves": "long", "pattern": "striped", "details": "unknown"}
    assert short_shirt == {"type": "shirt", "sleeves": "short", "details": "unknown"}
    assert shoe == {"type": "shoe", "details": "unknown"}, "no sleeves, so no pattern that asks for sleeves"


def test_where_nothing_is_sure_enough_the_value_is_unknown_and_the_guess_is_kept() -> None:
    encoder = WordEncoder(WORDS)
    (read,) = read_attributes(encoder.picture(other=1.0, shoe=0.05), bank_of(encoder), min_score=0.5)
    assert read["type"].value == "unknown"
    assert read["type"].values == ()
    assert read["type"].runners_up[0].label == "shoe"
    assert read["type"].confidence == read["type"].runners_up[0].score < 0.5


def test_none_of_these_beats_the_best_label() -> None:
    encoder = WordEncoder(WORDS, unknown_texts=["nothing"])
    (read,) = read_attributes(encoder.picture(nothing=0.9, shoe=0.7), bank_of(encoder), min_score=0.0)
    assert read["type"].value == "unknown"
    assert "sleeves" not in read


def test_an_unsure_type_still_has_the_sleeves_that_all_its_guesses_have() -> None:
    encoder = WordEncoder(WORDS)
    picture = encoder.picture(shirt=0.7, dress=0.7, long=0.5)
    (read,) = read_attributes(picture, bank_of(encoder), min_score=0.6)
    assert values(read) == {"type": "unknown", "sleeves": "long", "pattern": "unknown", "details": "unknown"}


def test_several_values_may_hold_in_a_multi_group() -> None:
    encoder = WordEncoder(WORDS, bias=-4.0)
    pictures = encoder.pictures([{"pocket": 0.7, "zip": 0.6}, {"zip": 1.0}, {"shirt": 1.0}])
    both, one, none = read_attributes(pictures, bank_of(encoder), min_score=0.6)
    assert [each.label for each in both["details"].values] == ["pocket", "zip"]
    assert [each.label for each in one["details"].values] == ["zip"]
    assert none["details"].values == ()
    assert both["details"].confidence == both["details"].values[0].score


def test_without_a_bias_the_labels_of_a_multi_group_share_what_there_is() -> None:
    encoder = WordEncoder(WORDS, unknown_texts=["nothing"])
    pictures = encoder.pictures([{"pocket": 0.9, "zip": 0.9}, {"shirt": 1.0}, {"nothing": 1.0, "pocket": 0.3}])
    both, level, strange = read_attributes(pictures, bank_of(encoder))
    assert [each.label for each in both["details"].values] == ["pocket", "zip"]
    assert sum(each.score for each in both["details"].values) <= 1.0
    assert level["details"].values == ()
    assert strange["details"].values == ()


def test_thresholds_of_label_group_and_default_in_this_order() -> None:
    encoder = WordEncoder(WORDS)
    pictures = encoder.pictures([{"shirt": 1.0}, {"dress": 1.0}])
    rules = GroupCalibration(threshold=NEVER, label_thresholds={"shirt": 0.1})
    shirt, dress = read_attributes(pictures, bank_of(encoder), calibration=calibrated(type=rules))
    assert (shirt["type"].value, dress["type"].value) == ("shirt", "unknown")
    assert dress["details"].value == "unknown", "a group that was not learned keeps the default"


def test_a_score_that_equals_its_threshold_passes() -> None:
    """A learned threshold is one of the scores it was learned from, which has to count."""
    encoder = WordEncoder(WORDS)
    shirt, bank = encoder.picture(shirt=0.8, dress=0.6), bank_of(encoder)
    score = read_attributes(shirt, bank)[0]["type"].confidence
    for threshold, value in ((score, "shirt"), (float(np.nextafter(np.float32(score), np.float32(1))), "unknown")):
        learned = calibrated(type=GroupCalibration(threshold=threshold))
        assert read_attributes(shirt, bank, calibration=learned)[0]["type"].value == value


def test_a_temperature_makes_unsure() -> None:
    encoder = WordEncoder(WORDS)
    picture, bank = encoder.picture(shirt=0.8, dress=0.6), bank_of(encoder)
    (sure,) = read_attributes(picture, bank)
    (unsure,) = read_attributes(picture, bank, calibration=calibrated(type=GroupCalibration(temperature=10.0)))
    expected = softmax(np.array([0.8, 0.6, 0.0]))
    assert sure["type"].confidence > unsure["type"].confidence == pytest.approx(float(expected[0]), abs=1e-3)


def test_a_calibration_of_another_encoder_or_schema_is_refused() -> None:
    encoder = WordEncoder(WORDS)
    picture, bank = encoder.picture(shirt=1.0), bank_of(encoder)
    other = Calibration(encoder_name="letters", schema_name="shop", groups={})
    with pytest.raises(InputError, match="learned with 'letters', not 'words'"):
        read_attributes(picture, bank, calibration=other)
    with pytest.raises(InputError, match="no group 'colour'"):
        read_attributes(picture, bank, calibration=calibrated(colour=GroupCalibration()))
    with pytest.raises(InputError, match="'hat'"):
        read_attributes(picture, bank, calibration=calibrated(type=GroupCalibration(label_thresholds={"hat": 0.5})))


def test_no_pictures_no_attributes() -> None:
    encoder = WordEncoder(WORDS)
    assert read_attributes(encoder.pictures([]), bank_of(encoder)) == []


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    encoder = FakeEncoder(dim=32)
    bank = build_schema_bank(encoder, load_schema())
    pictures = encoder.encode_texts([f"picture {at}" for at in range(6)])
    together = read_attributes(pictures, bank)
    for at, read in enumerate(together):
        (alone,) = read_attributes(pictures[at : at + 1], bank)
        assert values(alone) == values(read)


def test_one_product_for_all_groups_gives_the_logits_of_each() -> None:
    bank = build_schema_bank(FakeEncoder(), load_schema())
    vectors = FakeEncoder().encode_texts(["red shirt", "blue shoe", "bag"])
    together = bank.logits(vectors)
    assert together.keys() == bank.banks.keys()
    for name, each in bank.banks.items():
        for found, wanted in zip(together[name], each.logits(vectors), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_the_shipped_schema_is_encoded_once_and_kept(tmp_path: Path) -> None:
    build_schema_bank(FakeEncoder(), load_schema(), cache_dir=tmp_path)
    again = FakeEncoder()
    bank = build_schema_bank(again, load_schema(), cache_dir=tmp_path)
    assert again.batches == []
    assert list(bank.banks) == [group.name for group in load_schema().groups]
