"""Filters: what is accepted, what is said of the rest, and that columns and records agree on every filter."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalens.catalogue.fields import passing
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.records import fields_from_json, fields_to_json
from catalens.catalogue.storage import State
from catalens.core.errors import InputError
from catalens.core.filters import And, Compare, Exists, Filter, Like, Not, OneOf, Or, containing, matches
from catalens.core.types import FieldValue
from tests.support.filters import filters, records, values

Fields = dict[str, FieldValue]

RED = Compare("colour", "=", "Red")
CHEAP = Compare("price", "<", 500)

ACCEPTED: dict[str, Filter] = {
    'colour = "Red"': RED,
    "colour == 'Red'": RED,
    'colour="Red" and price<500': And((RED, CHEAP)),
    'colour = "Red" AND price < 500 OR x exists': Or((And((RED, CHEAP)), Exists("x"))),
    'colour = "Red" and (price < 500 or x exists)': And((RED, Or((CHEAP, Exists("x"))))),
    'not colour = "Red" and price < 500': And((Not(RED), CHEAP)),
    "price between -1.5 and 1e3": And((Compare("price", ">=", -1.5), Compare("price", "<=", 1000.0))),
    "type in ('a', 2, true)": OneOf("type", ("a", 2, True)),
    "type not in ('a')": Not(OneOf("type", ("a",))),
    '"Sleeve Length" != "it\\"s"': Compare("Sleeve Length", "!=", 'it"s'),
    "'in' = false": Compare(field="in", operator="=", value=False),
    "größe.eu-1 >= 38": Compare("größe.eu-1", ">=", 38),
    "a = 9223372036854775808": Compare("a", "=", 2.0**63),
    "a is missing": Not(Exists("a")),
    "a is null": Not(Exists("a")),
    "a IS NOT Missing": Exists("a"),
    "a = null or a != null": Or((Not(Exists("a")), Exists("a"))),
    "title contains '50%_\\\\'": Like("title", "%50\\%\\_\\\\%"),
    "title not contains 'a'": Not(Like("title", "%a%")),
    "title like 'Red %'": Like("title", "Red %"),
    "not like like 'a' and is = 1": And((Not(Like("like", "a")), Compare("is", "=", 1))),
}


@pytest.mark.parametrize(("text", "expected"), ACCEPTED.items(), ids=ACCEPTED)
def test_reads(text: str, expected: Filter) -> None:
    assert repr(parse_filter(text)) == repr(expected)  # equality would take 1, 1.0 and true for one


REFUSED = {
    "": (1, "a field name"),
    "   ": (4, "a field name"),
    "colour": (7, "'in'"),
    "colour Red": (8, "'between'"),
    "colour = Red": (10, '"Red"'),
    'colour = "Red': (10, "never closed"),
    'colour = "Red" price < 5': (16, "'and', 'or' or the end"),
    "(price < 5": (11, "')'"),
    "price < 5)": (10, "'and', 'or' or the end"),
    "price < ": (9, "a number"),
    "price < true": (9, "no order"),
    "price in ()": (11, "text in quotes"),
    "price in (1 2)": (13, "')'"),
    "price between 1 or 2": (17, "'and'"),
    "5 < price": (1, "a field name"),
    "and = 1": (1, "a field name"),
    "price < 12abc": (9, "a number"),
    "price = 1e999": (9, "finite"),
    "price % 2": (7, "'exists'"),
    "price is 2": (10, "'missing'"),
    "price is not 2": (14, "'null'"),
    "title like 2": (12, "text in quotes"),
    "price < null": (9, "'is missing'"),
    "title not 5": (11, "'contains'"),
    "price < 12,50": (11, "decimals with a point"),
    "on > 2024-01-05": (10, "a date is text, which needs quotes"),
    "price < $20": (9, "without its currency"),
    "title = “Tee”": (9, "straight quotes"),
    "title <> 'Tee'": (8, "write !="),
    "new = true && price < 5": (12, "write 'and'"),
    "brand name = 'A'": (7, "several words needs quotes"),
    "title contains Tee": (16, 'text needs quotes: "Tee"'),
    "(" * 60: (51, "at most 50"),
    " or ".join(["a = 1"] * 501): (4501, "at most 500"),
}


@pytest.mark.parametrize(("text", "column", "expected"), [(t, *e) for t, e in REFUSED.items()], ids=range(len(REFUSED)))
def test_points_at_what_it_cannot_read(text: str, column: int, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_filter(text)
    message, shown, caret = str(caught.value).split("\n")
    assert message.startswith(f"filter, column {column}: expected ")
    assert expected in message
    assert shown == "  " + text
    assert caret == " " * (column + 1) + "^"


def test_a_comparison_is_never_unknown_and_kinds_never_mix() -> None:
    fields: dict[str, FieldValue] = {"price": 1, "new": True, "name": "1"}
    cases = {
        "price = 1.0": True, "price = '1'": False, "price = true": False, "price in (true, '1')": False,
        "new = true": True, "new = 1": False, "new != 1": True, "name < 2": False, "name > 2": False,
        "gone = 1": False, "gone != 1": True, "not gone = 1": True, "gone exists": False, "price exists": True,
        "gone < 1 or gone >= 1": False, "name between '0' and '2'": True,
    }  # fmt: skip
    assert {text: matches(parse_filter(text), fields) for text in cases} == cases
    assert by_columns([fields], [parse_filter(text) for text in cases]) == [[expected] for expected in cases.values()]


def by_columns(records: list[Fields], filters: list[Filter]) -> list[list[bool]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE record (row INTEGER PRIMARY KEY, id, source, fields TEXT, hash, checksum)")
        columns = [("", "", fields_to_json(one)) for one in records]
        connection.executemany("INSERT INTO record (id, source, fields) VALUES (?, ?, ?)", columns)
        state = State("enc", 1, "space", len(records) + 1, 0, None, None)
        answers, held = [], None
        for where in filters:
            rows, held = passing(connection, state, where, held)
            answers.append([row in rows.tolist() for row in range(1, len(records) + 1)])
        return answers
    finally:
        connection.close()


@settings(max_examples=300, deadline=None)
@given(records=records, filters=st.lists(filters, min_size=1, max_size=4))
def test_columns_and_records_agree(records: list[Fields], filters: list[Filter]) -> None:
    assert by_columns(records, filters) == [[matches(where, fields) for fields in records] for where in filters]


@settings(max_examples=100, deadline=None)
@given(
    fields=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), values
    )
)
def test_fields_survive_storage(fields: Fields) -> None:
    found = fields_from_json(fields_to_json(fields))
    assert found == fields
    assert [type(value) for value in found.values()] == [type(value) for value in fields.values()]


def test_a_filter_made_in_code_is_checked_at_birth() -> None:
    with pytest.raises(InputError, match="'~' is not a comparison"):
        Compare("a", "~", 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a NoneType given"):
        Compare("a", "=", None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a finite number"):
        OneOf("a", (float("inf"),))


LIKE = {
    ("red%", "RED dress"): True,
    ("red", "red dress"): False,
    ("%dress", "red dress"): True,
    ("%s%s%", "dress"): True,
    ("%s%s%s%", "dress"): False,
    ("r_d", "rad"): True,
    ("r_d", "rd"): False,
    ("%a_", "ab ac"): True,
    ("%ab%b", "ab"): False,
    ("50\\%", "50%"): True,
    ("50\\%", "50x"): False,
    ("%", ""): True,
    ("", ""): True,
    ("", "a"): False,
    ("%ÄÖ%", "xäöx"): True,
    ("a%b", "a\nb"): True,
    (containing("50%_\\"), "at 50%_\\ off"): True,
    (containing("50%"), "500"): False,
}


@pytest.mark.parametrize(("pattern", "text"), LIKE)
def test_like(pattern: str, text: str) -> None:
    assert matches(Like("a", pattern), {"a": text}) == LIKE[pattern, text]


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not matches(Like("a", "%a" * 200 + "b"), {"a": "a" * 20_000})


def test_a_long_list_of_values_is_looked_up_and_not_walked() -> None:
    where = OneOf("name", tuple(f"n{at}" for at in range(200_000)))
    assert sum(matches(where, {"name": f"n{at}"}) for at in range(199_000, 201_000)) == 1000


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="not valid Unicode"):
        parse_filter("title = 'caf\udce9'")
