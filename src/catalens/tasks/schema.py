"""A schema: the groups of labels a catalogue is described by, read from YAML.

It knows nothing of pictures or encoders: it is words, and which of them exclude each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from catalens.core.errors import InputError
from catalens.tasks.yaml_files import MOST_CHARACTERS, parse_yaml, shown

Kind = Literal["exclusive", "multi"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DEFAULT_TEMPLATES = ("{}", "a photo of {}")
UNKNOWN = "unknown"
"""The value where no label reaches its threshold; reserved, no label may have this name."""
_SCHEMA_KEYS = frozenset({"name", "about", "groups"})
_GROUP_KEYS = frozenset({"about", "kind", "templates", "labels", "when", "question", "classes"})


@dataclass(frozen=True, slots=True)
class Label:
    """One value of a group and its wordings, the most usual first."""

    name: str
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Labels of one attribute.

    Attributes:
        name: for example "sleeve_length".
        kind: "exclusive" (one value holds) or "multi" (any number of them).
        labels: at least one.
        templates: sentences with one {} for a wording.
        when: group name → values; the group applies only where every named group has one of them.
        about: one line for people.
        question: what a reader is asked, in natural words; empty for one made from the name.
        classes: set of the encoder's classes, such as "things": a label also stands for those that its wordings name,
            and all others mean "none of these". Empty, or an encoder without them: labels are compared as texts alone.
    """

    name: str
    kind: Kind
    labels: tuple[Label, ...]
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: str = ""
    question: str = ""
    classes: str = ""
    label_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names of the labels, in the group's order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_names", tuple(label.name for label in self.labels))
        where = f"group {self.name!r}"
        if not self.name.strip():
            raise InputError("a group has an empty name")
        if self.kind not in KINDS:
            raise InputError(f"{where} has the kind {shown(self.kind)}; a kind is one of: {', '.join(KINDS)}")
        if not self.labels:
            raise InputError(f"{where} has no labels; it needs at least one")
        _check_labels(where, self.labels)
        check_templates(self.templates, where)

    @property
    def asked(self) -> str:
        """The group's question, or one made from its name.

        >>> Group("toe_shape", "exclusive", (Label("round", ("round toe",)),)).asked
        'What is the toe shape of the product in this picture?'
        """
        return (
            self.question
            or f"What is the {' '.join(self.name.replace('_', ' ').split())} of the product in this picture?"
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """Groups in reading order; a condition names earlier groups only."""

    name: str
    groups: tuple[Group, ...]
    about: str = ""

    def __post_init__(self) -> None:
        if not self.groups:
            raise InputError(f"schema {self.name!r} has no groups; it needs at least one")
        if twice := _first_repeated([group.name for group in self.groups]):
            raise InputError(f"schema {self.name!r} has two groups named {twice!r}")
        earlier: dict[str, Group] = {}
        for group in self.groups:
            for named, values in group.when.items():
                self._check_condition(group.name, named, values, earlier)
            earlier[group.name] = group

    def group(self, name: str) -> Group:
        """Return a group by its name.

        Raises:
            InputError: there is none of that name; the message lists those there are.
        """
        for group in self.groups:
            if group.name == name:
                return group
        known = ", ".join(group.name for group in self.groups)
        raise InputError(f"schema {self.name!r} has no group {name!r}; it has: {known}")

    def _check_condition(self, name: str, named: str, values: Sequence[str], earlier: Mapping[str, Group]) -> None:
        self.group(named)
        if named not in earlier:
            # Any cycle has such a step, so this is also what forbids cycles.
            raise InputError(f"group {name!r} depends on {named!r}, which does not come before it; put {named!r} first")
        if not values:
            raise InputError(f"group {name!r} asks for no value of {named!r}; name at least one, or leave it out")
        for value in values:
            if value not in earlier[named].label_names:
                raise InputError(f"group {name!r} asks for {named!r} = {value!r}, which is not a label of {named!r}")


def check_templates(templates: Sequence[str], where: str) -> None:
    """Check that each template has one place for a wording.

    Args:
        templates: sentences, each with {} exactly once.
        where: what they belong to, for the message.

    Raises:
        InputError: there is none, or one has no {} or several.
    """
    if not templates:
        raise InputError(f"{where} has no templates; the shortest one is '{{}}'")
    for template in templates:
        if template.count("{}") != 1:
            raise InputError(f"{where} has the template {template!r}; a template has {{}} exactly once")


def _check_labels(where: str, labels: Sequence[Label]) -> None:
    if twice := _first_repeated([label.name for label in labels]):
        raise InputError(f"{where} has the label {twice!r} twice")
    owners: dict[str, str] = {}
    for label in labels:
        if label.name.strip().lower() in {"", UNKNOWN}:
            raise InputError(f"{where} has a label named {label.name!r}; a label has a name, and not {UNKNOWN!r}")
        if not label.wordings or not all(wording.strip() for wording in label.wordings):
            raise InputError(f"label {label.name!r} of {where} has no wording, or an empty one")
        for wording in label.wordings:
            owner = owners.setdefault(wording.lower(), label.name)
            if owner != label.name:
                raise InputError(f"the wording {wording!r} of {where} means both {owner!r} and {label.name!r}")


def _first_repeated(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def schema_names() -> list[str]:
    """Return the names of the bundled schemas.

    >>> schema_names()
    ['everyday', 'fashion']
    """
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in (resources.files("catalens.tasks") / "data").iterdir()
        if entry.name.endswith(".yaml")
    )


def load_schema(name_or_path: str | Path = "fashion") -> Schema:
    """Load a bundled schema by its name, or a file by its path.

    Args:
        name_or_path: a name that `schema_names` lists, or a file that ends in .yaml or .yml.

    Raises:
        InputError: there is no such schema, it is not YAML, or it contradicts itself; the message says where.
    """
    path = Path(name_or_path)
    try:
        if path.suffix.lower() in {".yaml", ".yml"}:
            with path.open(encoding="utf-8-sig") as file:
                text = file.read(MOST_CHARACTERS + 1)
        elif str(name_or_path) in schema_names():
            return _bundled(str(name_or_path))
        else:
            known = ", ".join(schema_names())
            raise InputError(f"unknown schema {str(name_or_path)!r}; name one of {known}, or a .yaml file")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the schema {str(path)!r}: {error}") from error
    return parse_schema(text, origin=str(name_or_path))


@cache
def _bundled(name: str) -> Schema:
    """Return a bundled schema, which is parsed once: `catalens caption` asks for it four times."""
    text = (resources.files("catalens.tasks") / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse_schema(text, origin=name)


def parse_schema(text: str, *, origin: str) -> Schema:
    """Parse a schema from YAML text; messages name it by its origin.

    Raises:
        InputError: it is not YAML, has a shape a schema does not have, or contradicts itself.
    """
    try:
        raw = parse_yaml(text)
        body = _mapping(raw, "a schema", _SCHEMA_KEYS)
        groups = tuple(_read_group(name, group) for name, group in _mapping(body.get("groups"), "'groups'").items())
        return Schema(_text(body.get("name", Path(origin).stem)), groups, about=_text(body.get("about", "")))
    except InputError as error:
        raise InputError(f"schema {origin!r}: {error}") from error


def _read_group(name: str, raw: object) -> Group:
    where = f"group {name!r}"
    body = _mapping(raw, where, _GROUP_KEYS)
    when = _mapping(body.get("when", {}), f"'when' of {where}")
    return Group(
        name=name,
        kind=body.get("kind", "exclusive"),
        labels=_read_labels(body.get("labels"), where),
        templates=_texts(body.get("templates", list(DEFAULT_TEMPLATES)), f"'templates' of {where}"),
        when={key: _texts(values, f"'when' of {where}") for key, values in when.items()},
        about=_text(body.get("about", "")),
        question=_text(body.get("question", "")),
        classes=_text(body.get("classes", "")),
    )


def _read_labels(raw: object, where: str) -> tuple[Label, ...]:
    if isinstance(raw, list):
        return tuple(Label(name, (name,)) for name in _texts(raw, f"'labels' of {where}"))
    labels = _mapping(raw, f"'labels' of {where}", or_else="or a list of names")
    return tuple(
        Label(name, _texts(wordings, f"label {name!r} of {where}") if wordings else (name,))
        for name, wordings in labels.items()
    )


def _mapping(raw: object, what: str, allowed: frozenset[str] | None = None, *, or_else: str = "") -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise InputError(f"{what} must be a mapping (name: value) {or_else}".rstrip() + f", not {shown(raw)}")
    for key in raw:
        _text(key)
        if allowed is not None and key not in allowed:
            raise InputError(f"{what} has the key {shown(key)}; known keys: {', '.join(sorted(allowed))}")
    return raw


def _texts(raw: object, what: str) -> tuple[str, ...]:
    if isinstance(raw, str):
        return (raw,)
    if not isinstance(raw, list):
        raise InputError(f"{what} must be a text or a list of texts, not {shown(raw)}")
    return tuple(_text(item) for item in raw)


def _text(raw: object) -> str:
    # YAML reads a bare No, On or 3/4-like number as something else than the word that was meant.
    if not isinstance(raw, str):
        raise InputError(f"{shown(raw)} is not a text; put it in quotation marks")
    return raw
