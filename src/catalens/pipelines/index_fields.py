"""An index as the output of a job with many results: vectors, and everything else as fields of the record."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from catalens.core.protocols import Index
from catalens.core.types import FieldValue, Record
from catalens.pipelines.ingest import IndexOutput
from catalens.pipelines.output import OutputRow
from catalens.pipelines.stages import Values

_TEXTS = ("caption", "prompt", "description", "text")


class EnrichedIndex:
    """Records with their own fields and with tags, attributes, captions and answers; an output of the engine."""

    def __init__(self, index: Index, plan: object) -> None:
        """Take the index, and what the results depend on beside the pictures, as JSON values."""
        self._index, self._output = index, IndexOutput(index)
        self._plan = _digest(json.dumps(plan, default=str))

    def holds(self, record: Record) -> bool:
        """Return whether the index holds this picture, with these columns, by this plan."""
        return self._index.hashes([record.id]).get(record.id) == self._mark(record)

    def write(self, results: Sequence[OutputRow]) -> None:
        """Write records with their vectors in one transaction.

        Raises:
            InputError: a record cannot be held.
            CatalogueError: the index cannot be written.
        """
        self._output.write(
            [
                OutputRow(_with_fields(each.record, each.values), each.values, self._mark(each.record))
                for each in results
            ]
        )

    def finish(self) -> None:
        """Nothing waits."""

    def _mark(self, record: Record) -> str:
        """Return what tells whether anything has changed: size and time of the file, columns, and plan."""
        try:
            status = os.stat(record.source)  # noqa: PTH116 - a source need not be a path
            version = f"{status.st_size}-{status.st_mtime_ns}"
        except (OSError, ValueError):
            version = ""
        rest = json.dumps([record.source, sorted(record.fields.items())], default=str)
        return f"{_digest(version)}:{_digest(rest)}:{self._plan}"


def _with_fields(record: Record, values: Values) -> Record:
    return Record(record.id, record.source, {**record.fields, **found_fields(values)})


def found_fields(values: Mapping[str, Any]) -> dict[str, FieldValue]:
    """Return what was found as fields: texts, tags between semicolons, each attribute, each answer by its question."""
    fields: dict[str, FieldValue] = {name: str(values[name]) for name in _TEXTS if values.get(name)}
    if values.get("labels"):
        fields["tags"] = "; ".join(values["labels"])
    for name, attribute in values.get("attributes", {}).items():
        value = attribute["value"]
        fields[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    fields |= {each["question"]: each["answer"] for each in values.get("answers", [])}
    return fields


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
