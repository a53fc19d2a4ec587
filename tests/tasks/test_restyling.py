"""The prompt of a restyling: what is named stands in it, what is not leaves no hole, and templates are checked."""

from __future__ import annotations

import pytest

from catalens.core.errors import InputError
from catalens.tasks.restyling import TEMPLATE, restyling_prompt, template_fields


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (
            {"artist": "Van Gogh", "work": "The Starry Night"},
            "This scene is a The Starry Night painting with Van Gogh style, a boat",
        ),
        ({"artist": "Van Gogh"}, "This scene is a painting with Van Gogh style, a boat"),
        ({"work": "The Scream"}, "This scene is a The Scream painting, a boat"),
        ({"artist": "  ", "work": "\n"}, "a boat"),
    ],
)
def test_what_is_not_named_leaves_no_hole(named: dict[str, str], expected: str) -> None:
    assert restyling_prompt(" a  boat\n", **named) == expected


def test_a_template_of_ones_own_is_filled() -> None:
    assert restyling_prompt("a boat", artist="Monet", template="{prompt}, by {artist}") == "a boat, by Monet"
    assert restyling_prompt("a {boat}", template="{{x}} {prompt}") == "{x} a {boat}"


def test_the_default_template_has_every_field() -> None:
    assert template_fields(TEMPLATE) == ["work", "artist", "prompt"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{prompt} by {painter}", "there is no {painter}"),
        ("{prompt.__class__}", "there is no {prompt.__class__}"),
        ("{prompt!r}", "written just so"),
        ("{prompt:>80}", "written just so"),
        ("{} {prompt}", "there is no {}"),
        ("{prompt", "a brace that is none is written twice"),
        ("by {artist}", "{prompt} is missing"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused(template: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        restyling_prompt("a boat", artist="x", work="y", template=template)
    assert message in str(refused.value)
    assert "{artist}" in str(refused.value), "what would be accepted"


def test_a_field_that_nobody_named_is_asked_for() -> None:
    with pytest.raises(InputError, match="asks for work and artist"):
        restyling_prompt("a boat", template=TEMPLATE)
    with pytest.raises(InputError, match="the prompt is empty"):
        restyling_prompt(" \n", artist="Monet")
