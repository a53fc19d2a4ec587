"""YAML is read within limits: no bomb, no deep nesting, no message that holds a whole document."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.tasks.schema import load_schema, parse_schema
from catalens.tasks.yaml_files import LONGEST_SCALAR, MOST_CHARACTERS, MOST_LEVELS, parse_yaml, shown

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


def test_ordinary_values_and_aliases_are_read() -> None:
    text = "when: &when {type: [shirt]}\nsame: *when\ncount: 3\nday: 2024-02-29\nnothing:\n"
    same = {"type": ["shirt"]}
    assert parse_yaml(text) == {"when": same, "same": same, "count": 3, "day": date(2024, 2, 29), "nothing": None}
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "500,000 values"),
        ("[" * 100_000, "YAML"),
        ("- " * (MOST_LEVELS + 1) + "a", "levels deep in line 1"),
        ("a: &a [*a]", "line 1 contains itself"),
        (f"a: {'x' * (LONGEST_SCALAR + 1)}", "4,001 characters"),
        ("#" * (MOST_CHARACTERS + 1), "at most"),
        ("a: 1\nb: 2\na: 3", "'a' stands here for the second time"),
        ("a: !!int ''", "not readable"),
        ("a: !!bool maybe", "not readable"),
        ("a: 2001-99-99", "not readable"),
        ("a: !!python/object:os.system ls", "not readable"),
        ("a: b\n---\nc: d", "not readable"),
    ],
)
def test_what_is_too_large_or_malformed_is_refused_in_one_short_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_yaml(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "groups",
    [
        "[" + ", ".join("abc" for _ in range(10_000)) + "]",
        "{g: {kind: [" + ", ".join("abc" for _ in range(10_000)) + "], labels: [a]}}",
        "{g: {labels: {a: {b: [" + ", ".join("abc" for _ in range(10_000)) + "]}}}}",
        "{g: {labels: [[" + ", ".join("abc" for _ in range(10_000)) + "]]}}",
    ],
)
def test_a_schema_message_never_holds_a_large_value(groups: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_schema(f"groups: {groups}", origin="shop.yaml")
    assert len(str(caught.value)) < 300


def test_a_schema_bomb_is_refused() -> None:
    with pytest.raises(InputError, match=r"shop\.yaml.*500,000 values"):
        parse_schema(BOMB + "groups: *a9\n", origin="shop.yaml")


def test_a_schema_file_is_not_read_beyond_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as out:
        out.truncate(MOST_CHARACTERS * 64)  # sparse: 512 MiB that take no room
    with pytest.raises(InputError, match="at most"):
        load_schema(file)


def test_values_are_shown_short() -> None:
    assert len(shown({f"k{i}": "x" * 1000 for i in range(1000)})) < 500
    assert shown("a shirt") == "'a shirt'"
