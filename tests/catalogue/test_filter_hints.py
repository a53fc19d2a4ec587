"""What is said of filters that can never match."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from catalens.catalogue.filter_hints import hints
from catalens.catalogue.filters import parse_filter
from catalens.core.types import Record

RECORDS = [
    Record("1", "", {"size": "XL", "price": 12.5, "new": True, "title": "Tee"}),
    Record("2", "", {"size": "10", "price": 9, "mixed": 1}),
    Record("3", "", {"mixed": "a", "cost": "€ 12,50", "share": "20 %", "weight": "1.5kg", "on": "2024-01-05"}),
    Record("4", "", {"sold": "TRUE"}),
]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("size = 10", "'size' holds text, such as 'XL', and is compared with numbers, which never matches"),
        ("price < '20' and new exists", "'price' holds numbers, such as 12.5.*without quotes, 20"),
        ("price in ('9', '10')", "never matches.*without quotes, 9"),
        ("new = 1", "'new' holds true and false, such as True.*true or false without quotes"),
        ("price contains '9'", "'price' holds numbers"),
        ("cost < 20", "such as '€ 12,50'.*a number with a currency or unit is text: put the bare number into"),
        ("share > 10 and cost exists", "'share' holds text.*currency or unit is text"),
        ("weight > 1", "'weight' holds text.*currency or unit is text"),
        ("on < 2024", 'such as .2024-01-05.*write the value in quotes, as in "2024-01-05"'),
        ("sold = true", 'write the value in quotes, "TRUE"'),
        ("size = true", 'write the value in quotes, "true"'),
        ("Prize < 20", "no record has a field 'Prize'; there are: price, "),
        ("colour is missing", "no record has a field 'colour'"),
    ],
)
def test_what_can_never_match_is_said(where: str, said: str) -> None:
    (found,) = hints(RECORDS, parse_filter(where))

    assert re.search(said, found)


@pytest.mark.parametrize(
    "where", ["size = '11'", "price > 100", "price != 'x'", "mixed = 'b' and mixed > 7", "new = false"]
)
def test_a_sound_filter_that_finds_nothing_is_left_alone(where: str) -> None:
    assert hints(RECORDS, parse_filter(where)) == []


def test_reading_stops_as_soon_as_the_filter_is_known_to_be_sound() -> None:
    def records() -> Iterator[Record]:
        yield RECORDS[0]
        raise AssertionError("read on")

    assert hints(records(), parse_filter("price < 20 or title like 'T%'")) == []


@pytest.mark.parametrize(
    ("where", "end"),
    [
        ("price = '12,50'", "never matches; write the value without quotes, 12.5"),
        ("price >= 'a'", "never matches"),
        ("size > 10", "never matches"),
    ],
)
def test_only_a_cure_that_means_the_same_is_offered(where: str, end: str) -> None:
    (found,) = hints(RECORDS, parse_filter(where))
    assert found.endswith(end)
