"""Questions with known answers, made from a product's labels."""

from __future__ import annotations

from catalens.tasks.schema import Schema
from catalens.training.facts import Fact
from catalens.training.fashion import Product

PRODUCT_ASKED = (
    "what is the {} of the {} in this picture?",
    "what is the {} of this {}?",
    "what {} does the {} have?",
    "which {} has the {}?",
    "what is the {}?",
    "{}?",
)
TYPE_ASKED = (
    "what is this?",
    "what type of product is this?",
    "what kind of article is in this picture?",
    "what product is this?",
)
GENDER_ASKED = (
    "who is this {1} for?",
    "what is the gender of the {1} in this picture?",
    "what gender is this {1} for?",
    "who wears this?",
)


def product_facts(product: Product, schema: Schema) -> list[Fact]:
    """Return a product's labels as questions and answers; the answer is the label's own name."""
    noun = product.labels.get("type", "product").lower()
    facts = []
    for group in schema.groups:
        value = product.labels.get(group.name, "")
        if value not in {label.name for label in group.labels}:
            continue
        name = group.name.replace("_", " ")
        if group.name == "type":
            asked: tuple[str, ...] = TYPE_ASKED
        elif group.name == "gender":
            asked = tuple(each.format(name, noun) for each in GENDER_ASKED)
        else:
            nouns = (noun, "product", "item")
            asked = tuple(each.format(said, what) for each in PRODUCT_ASKED for what in nouns for said in _names(name))
        facts.append(Fact(group.name, asked, value.lower()))
    return facts


def _names(name: str) -> tuple[str, ...]:
    return (name, "color") if name == "colour" else (name,)
