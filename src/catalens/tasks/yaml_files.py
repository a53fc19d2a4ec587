"""The one reader of YAML: safe, strict about repeated keys, and bounded in size, depth and expansion.

A few hundred bytes of aliases can stand for 10⁹ values, and deep nesting exhausts the stack of a recursive reader, so
both are measured before any value is built.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

import yaml

from catalens.core.errors import InputError

MOST_CHARACTERS = 8 * 1024 * 1024
MOST_VALUES = 500_000
"""Values of a document after its aliases are expanded; the largest schema seen in use has 20,000."""
MOST_LEVELS = 32
LONGEST_SCALAR = 4_000
"""Characters of one value: no name, wording, template or question comes near it."""

_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What the safe constructors raise for values such as `!!int ""`, `!!bool maybe`, 2001-99-99 or a 5,000-digit number.
_MALFORMED = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxtuple = 2, 4, 4, 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the document holds
    """Parse one YAML document.

    Args:
        text: the whole document.

    Returns:
        Mappings, lists, texts, numbers, dates, booleans and None.

    Raises:
        InputError: the text is not YAML, repeats a key, or exceeds a limit; the message says where or which.

    >>> parse_yaml("colours: [red, blue]")
    {'colours': ['red', 'blue']}
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"the YAML has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read")
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _expanded(node, {}) > MOST_VALUES:
                raise InputError(f"the YAML stands for more than {MOST_VALUES:,} values once its aliases are expanded")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except _MALFORMED as error:
        raise InputError(f"the text is not readable YAML: {error}") from error


def shown(value: object) -> str:
    """Return a value as a message shows it: at most a few items and characters, however large the value is.

    >>> shown(["a"] * 1000)
    "['a', 'a', 'a', 'a', ...]"
    """
    return _SHORT.repr(value)


def _check_events(text: str) -> None:
    """Check depth and lengths on the flat stream of events, which needs no recursion.

    Raises:
        InputError: a limit is exceeded.
    """
    level = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
            if level > MOST_LEVELS:
                raise InputError(f"the YAML is nested more than {MOST_LEVELS} levels deep in line {_line(event)}")
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        elif isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_SCALAR:
            raise InputError(
                f"a value in line {_line(event)} of the YAML has {len(event.value):,} characters; "
                f"at most {LONGEST_SCALAR:,} are read"
            )


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Count the values below a node with every alias expanded; each node is visited once.

    Raises:
        InputError: a value contains itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise InputError(f"the YAML value in line {_line(node)} contains itself")
        return sizes[id(node)]
    sizes[id(node)] = 0
    sizes[id(node)] = total = 1 + sum(_expanded(child, sizes) for child in _children(node))
    return total


def _line(place: yaml.Event | yaml.Node) -> int:
    return place.start_mark.line + 1 if place.start_mark is not None else 0


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for child in node.value:
        yield from child if isinstance(child, tuple) else (child,)


class _Loader(_BASE):  # type: ignore[misc,valid-type] # the C one where it was built
    """Refuses a key that stands twice in one mapping, which YAML itself would drop silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"{shown(key.value)} stands here for the second time in one mapping"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return dict(super().construct_mapping(node, deep=deep))
