"""A JSON file kept as it is written, but for the values that are new: an array of objects, or one object per line.

Knows brackets, blanks and encodings; knows nothing of pictures or values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from catalens.catalogue.sources.lines import open_bytes
from catalens.core.files import split_mark

_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[\s,]*")
_FILLED = re.compile(r"[^\s](?:[^\r\n]*[^\s])?")


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a name and its value stand in the text of an object."""

    start: int
    name: str
    name_end: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Style:
    """What stands in an object before its first name, between name and value, between members, and at its end."""

    lead: str = ""
    colon: str = ": "
    between: str = ", "
    tail: str = ""


@dataclass(slots=True)
class JsonForm:
    """The text of a JSON file, object by object.

    Attributes:
        before: what stands before the first object: a byte order mark, a bracket, blanks.
        items: the objects, as written.
        gaps: what stands between two of them.
        after: what stands behind the last.
        encoding: of the file. Bytes that it does not have are held as lone surrogates, so that they stay.
        escapes: letters beyond ASCII are written as such sequences as backslash u00e9.
    """

    before: str
    items: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    after: str = ""
    encoding: str = "utf-8"
    escapes: bool = False

    def edit(self, at: int, changed: Mapping[str, Any]) -> None:
        """Give an object new values: those it has stand where the old ones stood, the others at its end."""
        item = self.items[at]
        members = list(_members(item))
        style = _style(item, members)
        there = {member.name: member for member in members}
        added = [self._member(name, value, style) for name, value in changed.items() if name not in there]
        if added:
            end = members[-1].end if members else 1
            first = style.between if members else style.lead
            item = item[:end] + first + style.between.join(added) + (item[end:] if members else style.tail + "}")
        for member in reversed(members):
            if there[member.name] is member and member.name in changed:
                item = item[: member.value] + self._text(changed[member.name]) + item[member.end :]
        self.items[at] = item

    def append(self, row: Mapping[str, Any]) -> None:
        """Add an object that is written like the first one."""
        style = _style(self.items[0], list(_members(self.items[0]))) if self.items else _Style()
        if self.items:
            self.gaps.append(self.gaps[-1] if self.gaps else self._first_gap(style))
        members = style.between.join(self._member(name, value, style) for name, value in row.items())
        self.items.append(f"{{{style.lead}{members}{style.tail}}}")

    def content(self) -> bytes:
        """Return the bytes of the file."""
        gaps = [*self.gaps, ""] if self.items else []
        text = self.before + "".join(map("".join, zip(self.items, gaps, strict=True))) + self.after
        return text.encode(self.encoding, _errors(self.encoding))

    def _first_gap(self, style: _Style) -> str:
        if "[" not in self.before:
            return self.after if self.after.strip("\r\n") == "" and self.after else "\n"
        blanks = self.before.rpartition("[")[2]
        return f",{blanks or style.colon.rpartition(':')[2]}"

    def _member(self, name: str, value: object, style: _Style) -> str:
        return f"{self._text(name)}{style.colon}{self._text(value)}"

    def _text(self, value: object) -> str:
        return json.dumps(value, ensure_ascii=self.escapes)


def new_form(*, array: bool) -> JsonForm:
    """Return a file without objects: an array with an object per line, or JSON lines."""
    return JsonForm("[\n", after="\n]\n") if array else JsonForm("", after="\n")


def read_form(path: Path, *, array: bool) -> JsonForm:
    """Read a JSON file as it is written.

    Args:
        path: of the file, all of whose objects can be read; unpacked if its name ends in .gz.
        array: what an empty file becomes.
    """
    with open_bytes(path) as file:
        content = file.read()
    mark, encoding = split_mark(content)
    text = content[len(mark) :].decode(encoding, _errors(encoding))
    spans = list(_spans(text))
    form = replace(new_form(array=array or text.lstrip().startswith("[")), encoding=encoding)
    if spans:
        form.before, form.after = text[: spans[0][0]], text[spans[-1][1] :]
    form.before = mark.decode(encoding) + form.before
    form.items = [text[start:end] for start, end in spans]
    form.gaps = [text[end:start] for (_, end), (start, _) in pairwise(spans)]
    form.escapes = not _is_plain(text) or (text.isascii() and "\\u" in text)
    return form


def _errors(encoding: str) -> str:
    return "surrogateescape" if encoding == "utf-8" else "surrogatepass"


def _is_plain(text: str) -> bool:
    """Return whether all of a text is of the file's encoding."""
    return re.search("[\ud800-\udfff]", text) is None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Return where objects start and end."""
    if not text.lstrip().startswith("["):
        yield from (found.span() for found in _FILLED.finditer(text))
        return
    at = _end_of(_BETWEEN, text, text.index("[") + 1)
    while text[at : at + 1] not in ("", "]"):
        _, end = _DECODER.raw_decode(text, at)
        yield at, end
        at = _end_of(_BETWEEN, text, end)


def _members(text: str) -> Iterator[_Member]:
    """Return the members of an object, which is valid JSON and starts with its bracket."""
    at = _end_of(_BLANKS, text, 1)
    while text[at] != "}":
        name, name_end = _DECODER.raw_decode(text, at)
        value = _end_of(_BLANKS, text, text.index(":", name_end) + 1)
        _, end = _DECODER.raw_decode(text, value)
        yield _Member(at, name, name_end, value, end)
        at = _end_of(_BLANKS, text, end)
        at = _end_of(_BLANKS, text, at + 1) if text[at] == "," else at


def _style(text: str, members: Sequence[_Member]) -> _Style:
    if not members:
        return _Style()
    first, last = members[0], members[-1]
    lead, colon = text[1 : first.start], text[first.name_end : first.value]
    alone = "," + (lead or colon.rpartition(":")[2])
    between = text[members[-2].end : last.start] if len(members) > 1 else alone
    return _Style(lead, colon, between, text[last.end : -1])


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
