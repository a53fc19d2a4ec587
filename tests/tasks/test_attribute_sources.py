"""Tags or answers: measured on labelled pictures, kept in a file, used on others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL.Image import Image

from catalens.core.errors import InputError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.tasks.attribute_sources import (
    FEWEST_ROWS,
    AttributeSources,
    GroupSource,
    answer_probabilities,
    load_sources,
    measure_sources,
    read_answers,
    save_sources,
)
from catalens.tasks.attributes import build_schema_bank, read_attributes
from catalens.tasks.calibration import Calibration, GroupCalibration
from catalens.tasks.schema import load_schema, parse_schema
from tests.support.seams import Closeable
from tests.support.word_encoder import WordEncoder

SHOP = parse_schema(
    """
name: shop
groups:
  type: {templates: ["{}"], labels: {Shirts: [shirt, blouse], Shoes: [shoe]}}
  sleeve_length: {templates: ["{}"], when: {type: [Shirts]}, question: How long are they?, labels: [long, short]}
  details: {kind: multi, templates: ["{}"], labels: [pocket, zip]}
""",
    origin="shop",
)


class Knowing(Closeable):
    """A reader of numbers instead of pictures: each answer has the log-likelihood of its row in a table."""

    name = "knowing@1"

    def __init__(self, **likely: Sequence[float]) -> None:
        self.likely = likely
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        return list(images)

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        raise NotImplementedError

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        self.asked.append((question, tuple(answers)))
        rows = [[self.likely[answer][place] for answer in answers] for place in range(len(encoded))]
        return np.log(np.array(rows, dtype=np.float32))


def sources(**groups: Any) -> AttributeSources:
    found = {
        name: GroupSource(source=source, rows=9, tags=0.5, answers=0.7, majority=0.4, temperature=1.0)
        for name, source in groups.items()
    }
    return AttributeSources(
        encoder_name="words", reader="knowing", reader_name="knowing@1", schema_name="shop", groups=found
    )


def test_a_label_counts_under_its_wording_and_under_its_name() -> None:
    reader = Knowing(shirt=[0.2], shirts=[0.3], shoe=[0.4], shoes=[0.1])
    scores = answer_probabilities(reader, [0], SHOP.group("type"))
    np.testing.assert_allclose(scores, [[0.5, 0.5]], atol=1e-6)
    assert reader.asked == [("What is the type of the product in this picture?", ("shirt", "shirts", "shoe", "shoes"))]
    unsure = answer_probabilities(Knowing(long=[0.8], short=[0.2]), [0], SHOP.group("sleeve_length"), temperature=2.0)
    np.testing.assert_allclose(unsure, [[2 / 3, 1 / 3]], atol=1e-6)


def test_impossible_answers_stay_finite() -> None:
    with np.errstate(divide="ignore"):
        scores = answer_probabilities(Knowing(long=[1.0], short=[0.0]), [0], SHOP.group("sleeve_length"), 3.0)
    assert np.isfinite(scores).all()
    assert scores[0, 0] > 0.99


def test_the_better_source_is_chosen_and_a_draw_goes_to_tags() -> None:
    encoder = WordEncoder("shirt blouse shoe long short pocket zip")
    shirt, shoe = {"shirt": 1.0, "short": 0.5}, {"shoe": 1.0, "long": 0.5}
    vectors = encoder.pictures([shirt] * FEWEST_ROWS + [shoe])
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    answered = {name: np.array([right] * FEWEST_ROWS + [wrong], dtype=np.float32) for name in ("type", "sleeve_length")}
    table = {"type": ["Shirts"] * FEWEST_ROWS + ["Shoes"], "sleeve_length": ["long"] * FEWEST_ROWS + [""]}
    bank = build_schema_bank(encoder, SHOP)
    found = measure_sources(vectors, answered, table, bank)
    assert (found["type"].source, found["type"].tags, found["type"].answers) == ("tags", 1.0, 1.0)
    sleeves = found["sleeve_length"]
    assert (sleeves.source, sleeves.rows, sleeves.tags, sleeves.answers, sleeves.majority) == (
        "answers",
        FEWEST_ROWS,
        0.0,
        1.0,
        1.0,
    )
    assert sleeves.temperature < 1.0, "it was right more often than it was sure"
    table["sleeve_length"][0] = ""
    few = measure_sources(vectors, answered, table, bank)["sleeve_length"]
    assert (few.source, few.rows, few.answers) == ("tags", FEWEST_ROWS - 1, 1.0), "too few to choose by"


def test_groups_of_several_values_and_without_rows_are_not_measured() -> None:
    encoder = WordEncoder("shirt")
    vectors = encoder.pictures([{"shirt": 1}])
    answered = {name: np.full((1, 2), 0.5, dtype=np.float32) for name in ("details", "type")}
    assert (
        measure_sources(vectors, answered, {"details": ["pocket"], "type": [""]}, build_schema_bank(encoder, SHOP))
        == {}
    )


def test_only_what_the_reader_says_better_is_asked_and_each_value_says_its_source() -> None:
    encoder = WordEncoder("shirt blouse shoe long short pocket zip")
    vectors = encoder.pictures([{"shirt": 1, "short": 1}])
    reader = Knowing(long=[0.9], short=[0.1])
    chosen = sources(type="tags", sleeve_length="answers")
    answered = read_answers(reader, [0], SHOP, chosen)
    assert [question for question, _ in reader.asked] == ["How long are they?"]
    bank = build_schema_bank(encoder, SHOP)
    [read] = read_attributes(vectors, bank, answered=answered, min_score=0.6)
    assert {name: (each.value, each.source) for name, each in read.items()} == {
        "type": ("Shirts", "tags"),
        "sleeve_length": ("long", "answers"),
        "details": ("unknown", "tags"),
    }
    assert read["sleeve_length"].confidence == pytest.approx(0.9, abs=1e-5)
    [by_tags] = read_attributes(vectors, bank)
    assert by_tags["sleeve_length"].value == "short"


def test_thresholds_learned_for_tags_do_not_judge_answers_and_conditions_hold_for_both() -> None:
    encoder = WordEncoder("shirt blouse shoe long short pocket zip")
    strict = {"sleeve_length": GroupCalibration(threshold=0.99), "type": GroupCalibration(threshold=0.99)}
    calibration = Calibration(encoder_name="words", schema_name="shop", groups=strict)
    bank = build_schema_bank(encoder, SHOP)
    answered = {
        "type": np.array([[0.1, 0.9]], dtype=np.float32),
        "sleeve_length": np.array([[0.6, 0.4]], dtype=np.float32),
    }
    [read] = read_attributes(encoder.picture(shirt=1.0), bank, calibration=calibration, answered=answered)
    assert read["type"].value == "Shoes"
    assert "sleeve_length" not in read, "the reader says that it has none"
    answered["type"] = answered["type"][:, ::-1]
    [read] = read_attributes(encoder.picture(shoe=1.0), bank, calibration=calibration, answered=answered)
    assert read["sleeve_length"].value == "long"
    [unsure] = read_attributes(encoder.picture(shoe=1.0), bank, answered=answered, min_score=0.7)
    assert (unsure["sleeve_length"].value, unsure["sleeve_length"].source) == ("unknown", "answers")


def test_what_was_found_survives_its_file(tmp_path: Path) -> None:
    chosen = sources(type="tags", sleeve_length="answers")
    save_sources(chosen, tmp_path / "sources.json")
    assert load_sources(tmp_path / "sources.json") == chosen
    assert chosen.asked == ("sleeve_length",)
    chosen.check("words", SHOP, "knowing@1")


def test_other_models_and_schemas_are_refused() -> None:
    chosen = sources(type="answers")
    with pytest.raises(InputError, match=r"measured with 'words', not 'starter@1'; measure again"):
        chosen.check("starter@1", SHOP)
    with pytest.raises(InputError, match="'knowing@1', not 'knowing@2'"):
        chosen.check("words", SHOP, "knowing@2")
    with pytest.raises(InputError, match="no group 'sleeves'"):
        sources(sleeves="tags").check("words", SHOP)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot read"),
        ("[]", "holds no sources; `catalens eval attributes` writes them"),
        ('{"format": "catalens attribute sources 1"}', "cannot read"),
        ('{"format": "catalens attribute sources 1", "groups": {"a": {"source": "tags"}}}', "cannot read"),
    ],
)
def test_files_that_hold_no_sources_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_sources(tmp_path / "x.json")


@pytest.mark.parametrize("change", [{"source": "guess"}, {"temperature": 0.0}])
def test_impossible_values_are_refused(change: dict[str, Any]) -> None:
    known: dict[str, Any] = {
        "source": "tags",
        "rows": 1,
        "tags": 1.0,
        "answers": 1.0,
        "majority": 1.0,
        "temperature": 1.0,
    }
    with pytest.raises(InputError, match="nobody could have learned"):
        GroupSource(**known | change)


def test_every_group_of_the_fashion_schema_has_a_question_in_natural_words() -> None:
    questions = [group.asked for group in load_schema().groups]
    assert len(set(questions)) == len(questions)
    assert all(group.question.endswith("?") for group in load_schema().groups)
    assert load_schema().group("sleeve_length").asked == "What is the sleeve length of the shirt in this picture?"
