"""Open questions are answered from what is known, or not at all."""

from __future__ import annotations

import pytest

from catalens.core.types import Tag
from catalens.tasks.attributes import Attribute
from catalens.tasks.known_answers import (
    HINT,
    answer_from_attributes,
    asks_for_what_it_lacks,
    checked_caption,
    checked_product_answer,
)


def known(**groups: str) -> dict[str, Attribute]:
    return {
        name: Attribute(name, tuple(Tag(each, 0.9) for each in values.split("+") if each), 0.9, ())
        for name, values in groups.items()
    }


PHOTOGRAPH = known(subject="dog", scene="snow", place="outdoors", people="none", doing="running")
PRODUCT = known(type="Tshirts", colour="Red", pattern="striped", material="")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is it?", "a dog"),
        ("What animal is this?", "a dog"),
        ("Where is this?", "snow"),
        ("Is this indoors or outdoors?", "outdoors"),
        ("How many people are there?", "none"),
        ("What is the dog doing?", "running"),
        ("Is there a dog in the picture?", "yes"),
    ],
)
def test_everyday_questions(question: str, answer: str) -> None:
    found = answer_from_attributes(question, PHOTOGRAPH)
    assert (found.value, found.probability, found.hint) == (answer, 0.9, "")
    nothing = answer_from_attributes(question, known(subject="", doing=""))
    assert (nothing.value, nothing.hint) == ("unknown", HINT)


@pytest.mark.parametrize(
    ("number", "answer"), [("one", "a person"), ("two", "people"), ("many", "people"), ("", "a person")]
)
def test_persons_are_called_by_their_number(number: str, answer: str) -> None:
    somebody = known(subject="person", people=number)
    assert answer_from_attributes("What is it?", somebody).value == answer
    assert answer_from_attributes("Are there people?", somebody).value == "yes"
    assert checked_caption("unknown", somebody, "unknown") == answer


@pytest.mark.parametrize(
    ("question", "answer", "source"),
    [
        ("What is it?", "Tshirts", "type"),
        ("What colour is the shirt?", "Red", "colour"),
        ("What pattern does it have?", "striped", "pattern"),
        ("What is it made of?", "unknown", ""),
        ("Who is it for?", "unknown", ""),
        ("How many dogs are there?", "unknown", ""),
        ("Is there a cat?", "unknown", ""),
        ("Why?", "unknown", ""),
    ],
)
def test_product_questions(question: str, answer: str, source: str) -> None:
    found = answer_from_attributes(question, PRODUCT)
    assert (found.value, found.source) == (answer, source)


@pytest.mark.parametrize(
    ("question", "answer", "of_nothing"),
    [
        ("What is it?", "Tshirts", "unknown"),
        ("What's this?", "Tshirts", "unknown"),
        ("what is this product in the picture", "Tshirts", "unknown"),
        ("What do you see?", "Tshirts", "unknown"),
        ("What does the picture show?", "Tshirts", "unknown"),
        ("What is shown in the image?", "Tshirts", "unknown"),
        ("Is there a person?", "unknown", "unknown"),
        ("Is it indoors or outdoors?", "unknown", "unknown"),
        ("Where is this?", "unknown", "unknown"),
        ("How many people are there?", "unknown", "unknown"),
        ("What is the man doing?", "unknown", "unknown"),
        ("What fit is it?", "caps", "caps"),
        ("What is the fabric of this shirt?", "caps", "caps"),
        ("What is it made of?", "caps", "caps"),
        ("What type of clothing is it?", "caps", "caps"),
        ("Who is it for?", "caps", "caps"),
        ("what is " + "that object " * 100 + "worn for", "caps", "caps"),  # in no time, too
    ],
)
def test_what_a_product_is_comes_from_its_type_and_is_never_guessed(
    question: str, answer: str, of_nothing: str
) -> None:
    assert checked_product_answer(question, "caps", PRODUCT) == answer
    assert checked_product_answer(question, "caps", known(type="")) == of_nothing


@pytest.mark.parametrize(
    ("question", "of_a_shirt", "of_a_watch"),
    [
        ("What is the sleeve length?", "caps", "unknown"),
        ("how long are the sleeves of this", "caps", "unknown"),
        ("What is the neckline?", "caps", "unknown"),
        ("What is the collar?", "caps", "unknown"),
        ("What is the pattern?", "caps", "unknown"),
        ("What type of necklace is it?", "caps", "caps"),
        ("What is the material?", "caps", "caps"),
        ("Who is it for?", "caps", "caps"),
    ],
)
def test_a_product_is_not_said_to_have_what_its_type_lacks(question: str, of_a_shirt: str, of_a_watch: str) -> None:
    shirt, watch = (
        known(type="Shirts", sleeve_length="", neck="", collar="", pattern=""),
        known(type="Watches", material=""),
    )
    assert checked_product_answer(question, "caps", shirt) == of_a_shirt
    assert checked_product_answer(question, "caps", watch) == of_a_watch
    assert asks_for_what_it_lacks(question, watch) == (of_a_watch == "unknown")
