from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.tasks.schema import Group, Label, Schema, load_schema, parse_schema, schema_names

GOOD = """
name: shop
about: what a shop sells
groups:
  type:
    labels:
      Shirts: [shirt, blouse]
      Shoes:
  sleeves:
    kind: exclusive
    when: {type: Shirts}
    templates: ["a shirt with {}"]
    labels: [long sleeves, short sleeves]
  details:
    kind: multi
    labels: {pocket: a pocket, zip: [a zip, a zipper]}
"""


def test_a_schema_says_what_was_written() -> None:
    schema = parse_schema(GOOD, origin="shop.yaml")
    assert [group.name for group in schema.groups] == ["type", "sleeves", "details"]
    assert schema.group("type").labels == (Label("Shirts", ("shirt", "blouse")), Label("Shoes", ("Shoes",)))
    assert schema.group("sleeves") == Group(
        name="sleeves",
        kind="exclusive",
        labels=(Label("long sleeves", ("long sleeves",)), Label("short sleeves", ("short sleeves",))),
        templates=("a shirt with {}",),
        when={"type": ("Shirts",)},
    )
    assert schema.group("details").kind == "multi"
    assert schema.group("details").labels[0] == Label("pocket", ("a pocket",))


@pytest.mark.parametrize("name", schema_names())
def test_every_shipped_schema_is_sound(name: str) -> None:
    schema = load_schema(name)
    assert schema.name == name
    assert all(group.about for group in schema.groups)


def test_the_fashion_schema_has_what_a_catalogue_asks_for() -> None:
    schema = load_schema()
    assert {"type", "colour", "pattern", "material", "sleeve_length", "neck", "collar", "heel_type"} <= {
        group.name for group in schema.groups
    }
    assert "Heels" not in schema.group("sleeve_length").when["type"]


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "Shop.YAML"
    file.write_text("\ufeff" + GOOD, encoding="utf-8")
    assert load_schema(file).name == "shop"
    file.write_text(GOOD.replace("name: shop\n", ""), encoding="utf-8")
    assert load_schema(str(file)).name == "Shop"


def test_missing_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown schema 'furniture'; name one of everyday, fashion"):
        load_schema("furniture")
    with pytest.raises(InputError, match=r"missing\.yaml"):
        load_schema(tmp_path / "missing.yaml")
    with pytest.raises(InputError, match="it has: type, sleeves, details"):
        parse_schema(GOOD, origin="shop").group("colour")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: multi", "kind: several", "'several'; a kind is one of: exclusive, multi"),
        ("kind: multi", "kinds: multi", "key 'kinds'; known keys: about, classes, kind, labels"),
        ("name: shop", "nmae: shop", "key 'nmae'"),
        ("[long sleeves, short sleeves]", "[long, long]", "'long' twice"),
        ("[long sleeves, short sleeves]", "[]", "no labels"),
        ("[long sleeves, short sleeves]", "long sleeves", "'labels' of group 'sleeves' must be a mapping"),
        ("[long sleeves, short sleeves]", "[yes, no]", "True is not a text; put it in quotation marks"),
        ("[long sleeves, short sleeves]", "[3.5, 4]", "3.5 is not a text"),
        ("[long sleeves, short sleeves]", "[long, Unknown]", "not 'unknown'"),
        ("[long sleeves, short sleeves]", "[long, '']", "named ''"),
        ("[shirt, blouse]", "[shirt, '']", "no wording, or an empty one"),
        ("Shoes:", "Shoes: [Blouse]", "'Blouse' of group 'type' means both 'Shirts' and 'Shoes'"),
        ("Shoes:", "Shirts:", "'Shirts' stands here for the second time"),
        ('["a shirt with {}"]', "[]", "no templates"),
        ('["a shirt with {}"]', '["a shirt with {"]', "exactly once"),
        ("{type: Shirts}", "{typ: Shirts}", "no group 'typ'; it has: type, sleeves, details"),
        ("{type: Shirts}", "{type: Hats}", "'type' = 'Hats', which is not a label"),
        ("{type: Shirts}", "{type: []}", "asks for no value"),
        ("{type: Shirts}", "{details: zip}", "put 'details' first"),
        ("{type: Shirts}", "{sleeves: long sleeves}", "'sleeves', which does not come before it"),
        ("{type: Shirts}", "type", "must be a mapping"),
        ("groups:", "groups: {}\nother:", "key 'other'"),
        ("groups:", "groups: [", "not readable YAML"),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=r"schema 'shop\.yaml'") as caught:
        parse_schema(GOOD.replace(old, new, 1), origin="shop.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "just words", "name: x", "name: x\ngroups: {}", "groups: {a: }", "{1: 2}"])
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="schema 'x'"):
        parse_schema(text, origin="x")


def test_yaml_cannot_make_objects() -> None:
    with pytest.raises(InputError, match="not readable YAML"):
        parse_schema("!!python/object/apply:os.getcwd []", origin="x")


def test_schemas_made_in_code_are_checked_too() -> None:
    group = Group("a", "exclusive", (Label("x", ("x",)),))
    with pytest.raises(InputError, match="two groups named 'a'"):
        Schema("s", (group, group))
    first = Group("b", "exclusive", (Label("x", ("x",)),), when={"c": ("y",)})
    second = Group("c", "exclusive", (Label("y", ("y",)),), when={"b": ("x",)})
    with pytest.raises(InputError, match="put 'c' first"):
        Schema("a cycle", (first, second))


def test_a_bundled_schema_is_parsed_once_and_a_file_each_time(tmp_path: Path) -> None:
    assert load_schema("fashion") is load_schema("fashion")
    file = tmp_path / "mine.yaml"
    for labels in (["red"], ["red", "blue"]):
        file.write_text(f"groups: {{colour: {{labels: [{', '.join(labels)}]}}}}", encoding="utf-8")
        assert list(load_schema(file).group("colour").label_names) == labels
