"""Labels that stand for classes of an encoder: which classes are whose, and what a label's probability is then."""

from __future__ import annotations

import numpy as np
import pytest

from catalens.core.classes import PEOPLE, SURROUNDINGS, THINGS, Classes
from catalens.core.errors import InputError
from catalens.core.types import Vectors
from catalens.core.vectors import softmax, unit_rows
from catalens.tasks import class_labels
from catalens.tasks.answer_weights import AnswerWeights, KindWeights
from catalens.tasks.answers import AnswerChooser
from catalens.tasks.attributes import build_schema_bank, group_probabilities, read_attributes
from catalens.tasks.class_labels import NO_LABEL, class_rows
from catalens.tasks.schema import parse_schema
from tests.support.word_encoder import WordEncoder

WORDS = "dog animal cup spaniel poodle tabby teacup anchor nothing"
NAMED = {"dog": (0, 1), "animal": (0, 1, 2), "poodle": (1,), "cup": (3,), "teacups": (3,)}
SUBJECTS = parse_schema(
    """
name: small
groups:
  subject: {classes: things, templates: ["{}"], labels: {dog: [a dog, dog], animal: [animal], cup: [cup]}}
  plainly: {templates: ["{}"], labels: {dog: [dog], cup: [cup]}}
""",
    origin="small",
)


class Taught(WordEncoder):
    """An encoder with five classes: spaniel, poodle, tabby, teacup, anchor."""

    def __init__(self, *, unknown: bool = True) -> None:
        super().__init__(WORDS, scale=12.0, unknown_texts=("nothing",) if unknown else ())
        self.things = Classes(self.encode_texts(["spaniel", "poodle", "tabby", "teacup", "anchor"]), NAMED)
        around = Classes(self.encode_texts(["tabby", "anchor"]), {"indoors": (0,), "outdoors": (1,)})
        self.classes = {THINGS: self.things, SURROUNDINGS: around}


def subjects(encoder: WordEncoder, picture: Vectors) -> dict[str, float]:
    bank = build_schema_bank(encoder, SUBJECTS)
    scores, unknown = group_probabilities(SUBJECTS.group("subject"), bank.banks["subject"], picture)
    return {
        **dict(zip(SUBJECTS.group("subject").label_names, scores[0].tolist(), strict=True)),
        "unknown": float(unknown[0]),
    }


def test_a_class_belongs_to_the_label_with_the_most_particular_word_for_it() -> None:
    rows = class_rows(Taught().things, [["an animal"], ["a dog", "puppies"], ["the poodles"], ["a teacup"]])
    by_owner = {int(at): rows.vectors[rows.owners == at].argmax(axis=1).tolist() for at in np.unique(rows.owners)}
    spaniel, poodle, tabby, teacup, anchor = Taught().things.vectors.argmax(axis=1).tolist()
    assert by_owner == {NO_LABEL: [anchor], 0: [tabby], 1: [spaniel], 2: [poodle], 3: [teacup]}
    assert rows.owners.tolist() == sorted(rows.owners.tolist())


def test_a_label_is_as_probable_as_its_text_and_its_classes_together() -> None:
    encoder = Taught()
    picture = encoder.picture(spaniel=1.0, tabby=0.5)
    found = subjects(encoder, picture)
    axes = ["dog", "spaniel", "poodle", "animal", "tabby", "cup", "teacup", "anchor", "nothing"]
    shares = softmax(12.0 * picture[0, [encoder.axes[word] for word in axes]])
    assert found["dog"] == pytest.approx(float(shares[:3].sum()), abs=2e-3)
    assert found["animal"] == pytest.approx(float(shares[3:5].sum()), abs=2e-3)
    assert found["unknown"] == pytest.approx(float(shares[7:].sum()), abs=2e-3)
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-5)


def test_a_class_that_no_label_names_is_none_of_these() -> None:
    for encoder in (Taught(), Taught(unknown=False)):
        found = subjects(encoder, encoder.picture(anchor=1.0))
        assert found["unknown"] > 0.9
        (read,) = read_attributes(encoder.picture(anchor=1.0), build_schema_bank(encoder, SUBJECTS))
        assert read["subject"].value == "unknown"
        (read,) = read_attributes(encoder.picture(poodle=1.0), build_schema_bank(encoder, SUBJECTS))
        assert read["subject"].value == "dog"


def test_other_groups_and_encoders_without_classes_compare_with_texts_alone() -> None:
    encoder, plain = Taught(), WordEncoder(WORDS, scale=12.0, unknown_texts=("nothing",))
    banks = build_schema_bank(encoder, SUBJECTS).banks
    assert banks["subject"].classes is not None
    assert banks["plainly"].classes is None
    assert build_schema_bank(plain, SUBJECTS).banks["subject"].classes is None


def test_many_images_are_scored_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Taught()
    bank = build_schema_bank(encoder, SUBJECTS).banks["subject"]
    pictures = unit_rows(np.random.default_rng(0).normal(size=(11, encoder.dim)).astype(np.float32))
    whole = bank.logits(pictures)
    monkeypatch.setattr(class_labels, "_BLOCK", 4)
    for one, other in zip(whole, bank.logits(pictures), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_schema_names_the_set() -> None:
    with pytest.raises(InputError, match="True is not a text; put it in quotation marks"):
        parse_schema("groups: {x: {classes: true, labels: [a]}}", origin="wrong")
    other = parse_schema('groups: {x: {classes: colours, templates: ["{}"], labels: [dog]}}', origin="other")
    assert build_schema_bank(Taught(), other).banks["x"].classes is None


def test_a_group_none_of_whose_labels_is_a_class_says_so() -> None:
    wrong = parse_schema('groups: {size: {classes: things, templates: ["{}"], labels: [small, large]}}', origin="wrong")
    with pytest.raises(InputError, match="'size' compares with the things that words knows, but no label names one"):
        build_schema_bank(Taught(), wrong)


def test_what_an_encoder_has_classes_for_is_there_as_far_as_these_are_probable() -> None:
    encoder = Taught()
    kinds = {"class": KindWeights(encoder=encoder.logit_scale, reader=0.0)}
    weights = AnswerWeights(encoder_name="words", reader_name="", kinds=kinds)  # type: ignore[arg-type]
    chooser = AnswerChooser(encoder, None, weights)
    assert chooser.parse("Is there a dog?", ["yes", "no"]).kind == "class"
    assert chooser.parse("Is there a lamp?", ["yes", "no"]).kind == "presence"
    picture = encoder.picture(spaniel=1.0, tabby=0.9)
    (dog,), (animal,), (cup,) = (
        chooser.choose(picture, None, f"is there {what}?", ["no", "yes"]) for what in ("a dog", "an animal", "a cup")
    )
    axes = ["spaniel", "poodle", "tabby", "teacup", "anchor", "nothing"]
    shares = softmax(12.0 * picture[0, [encoder.axes[word] for word in axes]])
    assert dog.probabilities["yes"] == pytest.approx(float(shares[:2].sum()), abs=2e-3)
    assert animal.probabilities["yes"] == pytest.approx(float(shares[:3].sum()), abs=2e-3)
    assert (animal.value, cup.value) == ("yes", "no")


def test_indoors_and_outdoors_are_compared_by_their_classes() -> None:
    encoder = Taught()
    kinds = {"inside": KindWeights(encoder=encoder.logit_scale, reader=0.0)}
    weights = AnswerWeights(encoder_name="words", reader_name="", kinds=kinds)  # type: ignore[arg-type]
    chooser = AnswerChooser(encoder, None, weights)
    picture = encoder.picture(anchor=1.0, tabby=0.5)
    (answer,) = chooser.choose(picture, None, "is this inside or outside?", ["inside", "outside"])
    shares = softmax(12.0 * picture[0, [encoder.axes["tabby"], encoder.axes["anchor"]]])
    assert answer.probabilities["outside"] == pytest.approx(float(shares[1]), abs=2e-3)
    assert encoder.texts == ["spaniel", "poodle", "tabby", "teacup", "anchor", "tabby", "anchor"]


def test_somebody_excludes_no_thing() -> None:
    encoder = Taught()
    people = Classes(encoder.things.vectors, {"dog": (0, 1), "person": (2,), "cup": (3,)})
    encoder.classes = {THINGS: people}
    kinds = {"class": KindWeights(encoder=encoder.logit_scale, reader=0.0)}
    weights = AnswerWeights(encoder_name="words", reader_name="", kinds=kinds)  # type: ignore[arg-type]
    chooser, picture = AnswerChooser(encoder, None, weights), encoder.picture(spaniel=1.0, tabby=1.2)
    (dog,), (person,), (cup,) = (
        chooser.choose(picture, None, f"is there a {what}?", ["yes", "no"]) for what in ("dog", "person", "cup")
    )
    assert (dog.value, cup.value) == ("yes", "no")
    assert person.probabilities["yes"] > 0.6


def test_dogs_are_not_counted_as_people() -> None:
    encoder = Taught()
    numbers = {"none": (0,), "one": (1,), "two": (2,), "many": (3,)}
    encoder.classes = {**encoder.classes, PEOPLE: Classes(encoder.things.vectors, numbers)}
    chooser = AnswerChooser(encoder, None, AnswerWeights.encoder_only("words", encoder.logit_scale))
    encoder.texts.clear()
    chooser.choose(encoder.picture(tabby=1.0), None, "how many people are there?", ["0", "1", "two", "many"])
    assert encoder.texts == []
    chooser.choose(encoder.picture(tabby=1.0), None, "how many dogs are there?", ["none", "one", "two", "many"])
    assert any("dog" in text for text in encoder.texts)
