"""Lists of labels as people keep them: text between commas, text files, CSV and TSV tables, JSON lists.

Knows files and words; knows nothing of encoders.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from catalens.core.errors import InputError
from catalens.core.files import read_text
from catalens.core.json_text import parse_json
from catalens.tasks.yaml_files import parse_yaml, shown

SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml")
"""Endings by which a value is taken for a file, whether it exists or not."""
MOST_BYTES = 64 * 1024 * 1024

_COLUMNS = ("label", "labels", "name", "tag", "tags", "class", "class_name", "display_name", "term", "word", "text")
"""Names of the column with the labels, in order of preference."""
_LISTED_IN = ("classes", "categories")
"""Keys of a list of objects: `categories` of a COCO annotation file."""
_NUMBERED_IN = ("id2label", "label2id", "names")
"""Keys of a map between labels and numbers: of transformers' `config.json`, and of YOLO's `data.yaml`."""
_WD14 = ("tag_id", "name", "category")
_WD14_RATING = "9"
_NUMBERED = re.compile(r"(\d{1,6})[\s:.)]\s*(\S.*)")
"""A line of Teachable Machine's `labels.txt`: `0 cup`."""
_SYNSET = re.compile(r"n\d{8}\s+(?=\S)")
"""WordNet's number before its words, as in ImageNet's lists."""
_BULLET = re.compile(r"[-*•]\s+(?=\S)")
_QUOTED = re.compile(r'"([^"]+)"')
_ALL_QUOTED = re.compile(rf"(?:{_QUOTED.pattern}\s*(?:,\s*|$))+")
_BINARY = re.compile(r"[\x00-\x08]")
"""Control characters that no text has: workbooks and archives begin with some."""
_WORD = re.compile(r"[^\W\d_]{2}")
_NUMBER = re.compile(r"\s*[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?\s*%?\s*")


def is_label_file(value: str) -> bool:
    """Tell the name of a file from labels between commas.

    >>> is_label_file("labels.csv"), is_label_file("a red dress, a blue shirt")
    (True, False)
    """
    try:
        path = Path(value)
        # A folder may be called as a label is, but no label as a path.
        if path.is_file() or (len(path.parts) > 1 and path.is_dir()):
            return True
        return "," not in value and path.suffix.lower() in SUFFIXES
    except (OSError, ValueError):  # a long list is not a path
        return False


def load_labels(value: str) -> list[str]:
    """Read labels from a file or from text between commas.

    - A text file has one label a line, or all between commas in its only line; blank lines and lines that start with
      # are skipped. Numbers that count the lines from 0 or 1, WordNet's numbers, and bullets and quotes of every line
      are left out.
    - A CSV or TSV table has its labels in the column named label, name, tag, class, term, word or text, or in the one
      column that is not numbers; one row without such a header is a list of labels. Of WD14's `selected_tags.csv`
      ratings are left out and underscores become spaces, as that tagger itself prints its tags.
    - A JSON or YAML file holds a list of texts, or of objects with one of those keys, or an object with such a list,
      or one from numbers to labels or from labels to numbers (`id2label`); JSON lines hold one text or object a line.
      COCO's annotations are read for their categories.

    Args:
        value: "a, b, c", or the path of a file.

    Returns:
        The labels in their order; a label that is listed twice is returned twice.

    Raises:
        InputError: there are no labels, or the file is missing, too large, not UTF-8, or of another shape.

    >>> load_labels("a red dress, a blue shirt")
    ['a red dress', 'a blue shirt']
    """
    if not is_label_file(value):
        labels = [label.strip() for label in value.split(",")]
    else:
        path = Path(value)
        text = _text_of(path)
        labels = [label.strip() for label in _READERS.get(path.suffix.lower(), _from_lines)(text, value)]
    if found := [label for label in labels if label]:
        return found
    raise InputError(f"{shown(value)} is an empty list; separate labels by commas, or name a file with one a line")


def _text_of(path: Path) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file of labels in it, or separate labels by commas")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"the label file {path} is larger than {MOST_BYTES >> 20} MiB; a label list is not")
        text = read_text(path)
    except FileNotFoundError as error:
        raise InputError(f"there is no label file {path}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the label file {shown(str(path))}: {error}") from error
    if _BINARY.search(text):
        raise InputError(f"{path} is not a text file; save its labels as .txt with one a line, or as .csv in UTF-8")
    return text


def _from_lines(text: str, _: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > 1 and all(found := [_NUMBERED.fullmatch(line) for line in lines]):
        numbers = [int(each[1]) for each in found if each]
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] in (0, 1):
            return [each[2] for each in found if each]
    if all(_SYNSET.match(line) for line in lines):
        return [_SYNSET.sub("", line) for line in lines]
    if len(lines) > 1 and all(map(_BULLET.match, lines)):
        lines = [_BULLET.sub("", line, count=1) for line in lines]
    if all(map(_ALL_QUOTED.fullmatch, lines)):
        return [label for line in lines for label in _QUOTED.findall(line)]
    return lines[0].split(",") if len(lines) == 1 else lines


def _from_table(text: str, name: str) -> list[str]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t;,", key=first.count) if any(mark in first for mark in "\t;,") else ","
    try:
        every = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
        rows = [row for row in every if any(map(str.strip, row)) and not (len(row) == 1 and row[0].startswith("#"))]
    except csv.Error as error:
        raise InputError(f"{name} is not a readable table of labels: {error}") from error
    if not rows:
        return []
    header = [cell.strip().casefold() for cell in rows[0]]
    column = next((header.index(each) for each in _COLUMNS if each in header), None)
    if column is not None and len(rows) > 1:
        return _column(rows[1:], column, header)
    return rows[0] if len(rows) == 1 else _column_of_words(rows, name)


def _column(rows: Sequence[Sequence[str]], column: int, header: Sequence[str]) -> list[str]:
    cells = [row[column] for row in rows if len(row) > column]
    if not set(_WD14) <= set(header):
        return cells
    category = header.index("category")
    kept = [row[column] for row in rows if len(row) > max(column, category) and row[category] != _WD14_RATING]
    # Faces such as ^_^ and o_o have no word between their underscores.
    return [tag.replace("_", " ") if _WORD.search(tag) else tag for tag in kept]


def _column_of_words(rows: Sequence[Sequence[str]], name: str) -> list[str]:
    """Return the only column that is not numbers; a first row with words above numbers is a header."""
    width = max(map(len, rows))
    below = [[row[at] for row in rows[1:] if len(row) > at and row[at].strip()] for at in range(width)]
    numbers = [at for at in range(width) if below[at] and all(map(_NUMBER.fullmatch, below[at]))]
    words = [at for at in range(width) if below[at] and at not in numbers]
    if len(words) != 1:
        raise InputError(
            f"{name} has {width} columns and none is named label, name or tag; name the one with the labels in a "
            f"first line such as 'label,count'"
        )
    has_header = any(len(rows[0]) > at and not _NUMBER.fullmatch(rows[0][at]) for at in numbers)
    return [row[words[0]] for row in rows[has_header:] if len(row) > words[0]]


def _from_json(text: str, name: str) -> list[str]:
    return _listed(_json(text, name), name)


def _from_json_lines(text: str, name: str) -> list[str]:
    return [_label_in(_json(line, name), name) for line in text.splitlines() if line.strip()]


def _from_yaml(text: str, name: str) -> list[str]:
    try:
        body = parse_yaml(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return _listed(body, name)


def _json(text: str, name: str) -> object:
    try:
        return parse_json(text)
    except ValueError as error:
        raise InputError(f"{name} is not readable JSON: {error}") from error


def _listed(body: object, name: str) -> list[str]:
    if isinstance(body, dict):
        keys = (*_COLUMNS, *_LISTED_IN, *_NUMBERED_IN)
        body = next((body[key] for key in keys if isinstance(body.get(key), list)), body)
    if isinstance(body, dict):
        body = next((_numbered(body[key]) for key in _NUMBERED_IN if isinstance(body.get(key), dict)), _numbered(body))
    if not isinstance(body, list):
        raise InputError(f'{name} holds {shown(body)}; a label file is a list of texts, such as ["cup", "plate"]')
    return [_label_in(item, name) for item in body]


def _numbered(body: Mapping[object, object]) -> object:
    """Return the labels of a map between labels and numbers, in the order of these; any other map as it is."""
    if body and all(str(key).isdecimal() for key in body):
        values = [body[key] for key in sorted(body, key=lambda key: int(str(key)))]
        return [each[-1] if isinstance(each, list) and each else each for each in values]  # [synset, label]
    numbers = sorted(value for value in body.values() if type(value) is int)
    if len(body) > 1 and numbers in (list(range(len(body))), list(range(1, len(body) + 1))):
        return sorted(body, key=lambda key: numbers.index(body[key]))  # type: ignore[arg-type]
    return body


def _label_in(item: object, name: str) -> str:
    if isinstance(item, Mapping):
        item = next((item[key] for key in _COLUMNS if key in item), item)
    if not isinstance(item, str):
        yaml = "; YAML reads no, yes, on and off as true or false: put it in quotes" if isinstance(item, bool) else ""
        raise InputError(f'{name} lists {shown(item)}, which is not a text; a label is, such as "cup"{yaml}')
    return item


_READERS: Mapping[str, Callable[[str, str], list[str]]] = {
    ".csv": _from_table,
    ".tsv": _from_table,
    ".json": _from_json,
    ".jsonl": _from_json_lines,
    ".ndjson": _from_json_lines,
    ".yaml": _from_yaml,
    ".yml": _from_yaml,
}
"""By suffix: from a file's text and its name to the labels."""
