"""Labels that stand for classes of an encoder: which classes are whose, and what a label's probability is then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catalens.core.classes import PEOPLE, SURROUNDINGS, THINGS, Classes, NounTable
from catalens.core.errors import InputError
from catalens.core.types import Vectors
from catalens.core.vectors import softmax, unit_rows
from catalens.tasks import class_labels
from catalens.tasks.answer_weights import AnswerWeights, KindWeights
from catalens.tasks.answers import AnswerChooser
from catalens.tasks.attributes import build_schema_bank, group_probabilities, read_attributes
from catalens.tasks.class_labels import class_rows, label_rows
from catalens.tasks.labels import build_bank, text_bank
from catalens.tasks.schema import parse_schema
from catalens.tasks.tagging import TagRules, tag
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
    places = rows.vectors.argmax(axis=1)
    by_owner = dict(zip([tuple(who) for who in rows.owners], places[rows.starts].tolist(), strict=True))
    spaniel, poodle, tabby, teacup, anchor = Taught().things.vectors.argmax(axis=1).tolist()
    assert by_owner == {(0,): tabby, (1,): spaniel, (2,): poodle, (3,): teacup}
    assert rows.rest.argmax(axis=1).tolist() == [anchor]


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


def with_nouns(**nouns: dict[str, tuple[int, ...]]) -> Taught:
    encoder = Taught()
    encoder.things = replace(encoder.things, nouns=NounTable(**nouns))
    encoder.classes = {**encoder.classes, THINGS: encoder.things}
    return encoder


def test_labels_of_the_users_own_stand_for_classes_too() -> None:
    encoder = Taught()
    bank, texts = (build(encoder, ["a photo of dogs", "cup"], templates=["{}"]) for build in (build_bank, text_bank))
    picture = encoder.picture(poodle=1.0)
    assert texts.classes is None
    (by_texts,), (by_classes,) = (tag(picture, each, top_k=1) for each in (texts, bank))
    assert by_texts[0].score < 0.5
    assert (by_classes[0].label, by_classes[0].score > 0.9) == ("a photo of dogs", True)
    # None of these: its text, and the classes that no label names at a quarter of the weight of those of labels.
    (sure,) = tag(encoder.picture(tabby=1.0, anchor=0.6), bank, top_k=3, rules=TagRules(show_unknown=True))
    logits = 12.0 * encoder.picture(tabby=1.0, anchor=0.6)[0]
    axes = encoder.axes
    rest = 0.25 * 3 / 2 * np.exp(logits[[axes["tabby"], axes["anchor"]]]).sum() + np.exp(logits[axes["nothing"]])
    named = np.exp(logits[[axes["spaniel"], axes["poodle"], axes["teacup"], axes["cup"], axes["anchor"]]])
    label = np.exp((12.0 * encoder.picture(tabby=1.0, anchor=0.6) @ encoder.encode_texts(["a photo of dogs"]).T)[0, 0])
    wanted = rest / (rest + named[:4].sum() + label)
    assert {each.label: each.score for each in sure}["unknown"] == pytest.approx(float(wanted), abs=2e-3)


def test_labels_without_classes_keep_what_their_texts_say() -> None:
    encoder = Taught()
    picture = encoder.picture(anchor=1.0, animal=0.4)
    words = ["golden hour", "my brand"]
    assert build_bank(encoder, words).classes is None
    mixed = build_bank(encoder, ["dog", "anchor"], templates=["{}"])
    (texts,), (found,) = (
        tag(picture, each, top_k=3, rules=TagRules(show_unknown=True))
        for each in (text_bank(encoder, ["dog", "anchor"], templates=["{}"]), mixed)
    )
    # No label names the class of anchors, but the text of one fits: the class does not count against it.
    assert found[0].label == texts[0].label == "anchor"
    assert found[0].score == pytest.approx(texts[0].score, abs=0.01)


def test_beside_other_colours_orange_is_no_fruit() -> None:
    orange = Classes(np.eye(2, dtype=np.float32), {"orange": (0,), "dog": (1,)})
    assert label_rows(orange, [["red"], ["orange"]]) is None
    beside_a_dog = label_rows(orange, [["orange"], ["dog"]])
    assert beside_a_dog is not None
    assert [who.tolist() for who in beside_a_dog.owners] == [[0], [1]]
    colours_and_a_dog = label_rows(orange, [["orange"], ["dog"], ["red"]])
    assert colours_and_a_dog is not None
    assert colours_and_a_dog.others.tolist() == [0, 2]


def test_people_are_never_why_a_picture_shows_none_of_these() -> None:
    known = Classes(np.eye(3, dtype=np.float32), {"person": (0,), "dog": (1,), "cup": (2,)})
    rows = label_rows(known, [["dog"]])
    assert rows is not None
    assert rows.rest.argmax(axis=1).tolist() == [2]
    with_people = label_rows(known, [["dog"], ["person"]])
    assert with_people is not None
    assert [who.tolist() for who in with_people.owners] == [[0], [1]]


def test_a_noun_has_the_classes_of_its_kind_and_shares_them_with_a_word_for_these() -> None:
    known = with_nouns(kinds={"kitten": (2,), "mutt": (0, 1)}).things

    def owners(*labels: str) -> list[list[int]]:
        rows = label_rows(known, [[label] for label in labels])
        assert rows is not None
        return [who.tolist() for who in rows.owners]

    assert owners("mutt", "cup") == [[0], [1]]
    assert owners("mutt", "dog") == [[0, 1]]
    assert owners("mutt", "animal") == [[0, 1], [1]], "a mutt is no spaniel, and may be any animal"
    assert owners("mutt", "poodle") == [[0], [1]], "a more particular word for a class has it alone"
    encoder = with_nouns(kinds={"puppies": (0, 1)})
    encoder.axes["puppies"] = encoder.axes["poodle"]
    bank = build_bank(encoder, ["puppies", "dog"], templates=["{}"])
    (found,) = tag(encoder.picture(poodle=1.0), bank, top_k=2)
    assert [each.label for each in found] == ["puppies", "dog"], "the text decides between them"
    (found,) = tag(encoder.picture(spaniel=1.0, dog=0.9), bank, top_k=2)
    assert [each.label for each in found] == ["dog", "puppies"]


def test_a_word_that_usually_means_something_else_is_no_class() -> None:
    encoder = with_nouns(same={"cup": (), "beast": (0, 1, 2)})
    assert label_rows(encoder.things, [["cup"]]) is None
    weights = AnswerWeights(encoder_name="words", reader_name="")
    chooser = AnswerChooser(encoder, None, weights)
    kinds = [chooser.parse(f"is there a {what}?", ["yes", "no"]).kind for what in ("cup", "beast", "dog")]
    assert kinds == ["presence", "class", "class"]


def test_answers_have_classes_of_their_kind_but_are_not_there_because_of_them() -> None:
    encoder = with_nouns(kinds={"mutt": (0, 1)})
    weights = AnswerWeights(encoder_name="words", reader_name="", kinds={"thing": KindWeights(encoder=12.0)})
    chooser = AnswerChooser(encoder, None, weights)
    (answer,) = chooser.choose(encoder.picture(spaniel=1.0), None, "what is it?", ["mutt", "cup"])
    assert answer.probabilities["mutt"] > 0.9
    assert chooser.parse("is there a mutt?", ["yes", "no"]).kind == "presence"


def test_a_shipped_schema_is_read_by_the_words_that_it_was_calibrated_with() -> None:
    encoder = with_nouns(kinds={"pup": (1,)}, same={"dog": ()})
    rows = class_rows(encoder.things, [["dog"], ["pup"]])
    assert [who.tolist() for who in rows.owners] == [[0]]
