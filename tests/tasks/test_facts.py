from __future__ import annotations

from typing import Any

import pytest

from catalens.core.errors import InputError
from catalens.tasks.facts import Fact, facts_from_fields


def test_a_line_of_the_attributes_command_gives_the_same_facts_as_the_pictures() -> None:
    row = {"id": "1", "attributes": {"type": {"value": "Tshirts", "confidence": 0.9}, "colour": {"value": "unknown"}}}
    del row["id"]
    assert facts_from_fields(row) == (Fact("type", ("Tshirts",), 0.9),)
    several = {"attributes": {"details": {"value": "hood", "confidence": 0.8, "values": ["hood", "zip"]}}}
    assert facts_from_fields(several) == (Fact("details", ("hood", "zip"), 0.8),)


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("Red", ("Red",)),
        (" red ;blue; red", ("red", "blue")),
        (["red", None, "blue"], ("red", "blue")),
        (12, ("12",)),
        (1234567, ("1234567",)),
        (9.5, ("9.5",)),
        (True, ("yes",)),
        ("two\nlines\u2028and\x00more", ("two lines and more",)),
    ],
)
def test_cells_become_values(cell: object, values: tuple[str, ...]) -> None:
    [fact] = facts_from_fields({"x": cell})
    assert fact.values == values


@pytest.mark.parametrize("cell", ["", "  ", None, "Unknown", float("nan"), [], "; ;", "N/A"])
def test_cells_that_say_nothing_are_no_facts(cell: object) -> None:
    assert facts_from_fields({"x": cell, "y": "red"}) == (Fact("y", ("red",)),)
    with pytest.raises(InputError, match="there are no facts"):
        facts_from_fields({"x": cell})


def test_columns_are_chosen_and_renamed() -> None:
    row = {"baseColour": "Red", "price": 12, "kind": "shirt"}
    facts = facts_from_fields(row, only=["kind", "baseColour"], renamed={"baseColour": "colour"})
    assert facts == (Fact("kind", ("shirt",)), Fact("colour", ("Red",)))


@pytest.mark.parametrize(
    ("fields", "only", "message"),
    [
        ({"a": "x"}, ["b"], "no column 'b'; it has: a"),
        ({"a": {"b": {"c": 1}}}, [], "there are no facts"),
        ({"a": [{"b": 1}]}, [], "the fact 'a' is"),
        ({"a": "word " * 60}, [], "has 299 characters; a fact has at most 200"),
        ({" ": "x"}, [], "'x' has no attribute name"),
        ({"a": "x", "a ": "y"}, [], "'a' is listed twice"),
    ],
)
def test_what_is_no_fact_is_named(fields: dict[str, Any], only: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        facts_from_fields(fields, only=only)
