"""Facts made from captions and from a product's labels: what people agree on, and nothing else."""

from __future__ import annotations

from catalens.tasks.schema import load_schema
from catalens.training.fashion import Product
from catalens.training.product_questions import product_facts
from catalens.training.questions import everyday_facts

DOG = [
    "A brown dog is running in the water by the beach",
    "A brown dog jumps in the ocean",
    "A brown dog runs down a beach",
    "A brown dog wearing a collar is running through some water",
    "A dog running through the water",
]
COUPLE = [
    "A man and woman pose outside of a building",
    "A man and a woman stand at the top of stairs",
    "Two people stand on the stairs in a park",
    "A couple of people smile",
    "A man holds a woman in the park",
]


def known(captions: list[str]) -> dict[str, str]:
    return {fact.asked[0]: fact.answer for fact in everyday_facts(captions)}


def test_what_captions_agree_on_becomes_answers() -> None:
    facts = known(DOG)
    assert facts["what animal is this?"] == "dog"
    assert facts["is this indoors or outdoors?"] == "outdoors"
    assert facts["how many people are there?"] == "none"
    assert facts["what color is the dog?"] == "brown"
    assert facts["what is the dog doing?"] == "running"
    assert facts["is there a dog in the picture?"] == "yes"
    assert facts["is there a car in the picture?"] == "no"
    assert facts["is there water in the picture?"] == "yes"


def test_people_are_counted() -> None:
    assert known(COUPLE)["how many people are there?"] == "two"
    assert known(["Three men run", "A group of men run", "Men in a race"])["how many people are there?"] == "many"
    assert known(["A man runs", "One man is running", "A runner"]).get("how many people are there?") is None


def test_what_is_said_once_or_contradicted_is_left_out() -> None:
    facts = known(["A black dog on grass", "A white dog in a room", "A dog sleeps on a couch"])
    assert "what color is the dog?" not in facts
    assert "is this indoors or outdoors?" not in facts
    assert "is there a couch in the picture?" not in facts
    assert "is there grass in the picture?" not in facts, "one caption of three is no agreement"


def test_a_products_labels_become_answers_in_their_own_words() -> None:
    labels = {"type": "Tshirts", "colour": "Navy Blue", "sleeve_length": "Short Sleeves", "neck": "no such neck"}
    product = Product("1", b"", "A t-shirt", "", "", labels)
    facts = {fact.kind: fact for fact in product_facts(product, load_schema("fashion"))}
    assert facts["colour"].answer == "navy blue"
    assert "what is the sleeve length of the tshirts in this picture?" in facts["sleeve_length"].asked
    assert facts["type"].answer == "tshirts"
    assert "neck" not in facts, "a value that the schema does not have is no answer"
