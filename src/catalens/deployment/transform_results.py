"""The answers of a batch transform, read from S3 and joined with what they are about by id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.errors import CatalogueError, InputError
from catalens.core.json_text import parse_json
from catalens.core.protocols import Index
from catalens.core.types import FieldValue, Outcome, Record
from catalens.core.vectors import batched
from catalens.deployment.aws import Clients, named_error
from catalens.deployment.invocation import named
from catalens.deployment.requests import split_address
from catalens.pipelines.output import OutputRow
from catalens.pipelines.result_table import Table

ENDING = ".out"
"""What SageMaker appends to the key of each input object."""
VECTOR = "embedding"
_BATCH = 256


def read_answers(source: str, output: str, clients: Clients) -> Iterator[OutputRow | Outcome]:
    """Return the answer to each object, in the order of their keys, and an outcome for each object without one.

    The id is the object's key below the source, as it is for a catalogue made of the same prefix.

    Args:
        source: `s3://` prefix of the objects.
        output: `s3://` prefix of the answers.
        clients: of AWS.

    Raises:
        ModelError: the bucket cannot be read.
    """
    s3 = clients("s3")
    bucket, prefix = split_address(output)
    answers = {key.removesuffix(ENDING): key for key in _keys(output, s3) if key.endswith(ENDING)}
    for id in _keys(source, s3):
        address = f"{source.rstrip('/')}/{id}"
        if id not in answers:
            yield Outcome(id, f"{id}: the transform gave no answer; its log in CloudWatch has the reason")
            continue
        with named_error(f"{output} cannot be read"):
            place = f"{prefix.rstrip('/')}/{answers[id]}".lstrip("/")
            content = s3.get_object(Bucket=bucket, Key=place)["Body"].read()
        for number, line in enumerate(_lines(content)):
            yield _row(id if number == 0 else f"{id}#{number + 1}", address, line)


def write_table(rows: Sequence[OutputRow], path: Path) -> None:
    """Write answers as a table of id, source and a column for everything in the answers; attributes have their own.

    Raises:
        InputError: there are no answers, or the file's ending is not a table's.
        OSError: it cannot be written.
    """
    if not rows:
        raise InputError("there are no answers to write")
    flat = [OutputRow(each.record, _columns(each.values)) for each in rows]
    names = list(dict.fromkeys(name for each in flat for name in each.values))
    whole = [OutputRow(each.record, {name: each.values.get(name) for name in names}) for each in flat]
    columns = {"id": "id", "source": "source"} | {name: name for name in names if name not in {"id", "source"}}
    table = Table(path, names[0], columns=columns, if_exists="overwrite")
    table.write(whole)
    table.finish()


def write_catalogue(rows: Sequence[OutputRow], index: Index) -> list[Outcome]:
    """Add answers to a catalogue: as fields of the records with their ids, and embeddings as vectors.

    Returns:
        an outcome for each answer that neither has an embedding nor belongs to a record.

    Raises:
        InputError: a field cannot be held, or an embedding has another width than the catalogue.
        CatalogueError: the index cannot be written.
    """
    homeless = []
    for batch in batched(rows, _BATCH):
        ids = [each.record.id for each in batch]
        held = dict(zip(ids, index.get(ids), strict=True))
        known = [id for id, record in held.items() if record is not None]
        vectors = dict(zip(known, index.vectors(known), strict=True)) if known else {}
        records, found = [], []
        for each in batch:
            vector = each.values.get(VECTOR, vectors.get(each.record.id))
            if vector is None:
                homeless.append(
                    Outcome(each.record.id, f"{each.record.id}: the catalogue has no such record, and no vector came")
                )
                continue
            records.append(_joined(held[each.record.id], each))
            found.append(np.asarray(vector, dtype=np.float32))
        if records:
            if any(vector.shape != (index.dim,) for vector in found):
                raise CatalogueError(f"the catalogue holds vectors of {index.dim} dimensions; the answers have others")
            index.add(records, np.stack(found), [None] * len(records))
    return homeless


def _joined(held: Record | None, row: OutputRow) -> Record:
    fields: dict[str, FieldValue] = dict(held.fields) if held is not None else {}
    for name, value in _columns(row.values).items():
        if name != VECTOR and value is not None:
            fields[name] = value if isinstance(value, str | int | float | bool) else json.dumps(value)
    return Record(row.record.id, held.source if held is not None else row.record.source, fields)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as columns; tags and values of several become text between semicolons."""
    found = {name: value for name, value in values.items() if name != "attributes"}
    found |= values["attributes"] if isinstance(values.get("attributes"), dict) else {}
    return {name: _cell(value) if name != VECTOR else value for name, value in found.items()}


def _cell(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if not isinstance(value, list):
        return value
    texts = [each.get("label") if isinstance(each, dict) else each for each in value]
    return "; ".join(map(str, texts)) if all(isinstance(each, str) for each in texts) else json.dumps(value)


def _row(id: str, source: str, line: bytes) -> OutputRow | Outcome:
    try:
        values = named(parse_json(line))
    except ValueError:
        return Outcome(id, f"{id}: the answer is not JSON: {line[:60]!r}")
    if "error" in values:
        return Outcome(id, f"{id}: {values['error']}")
    return OutputRow(Record(id, source), values)


def _lines(content: bytes) -> list[bytes]:
    """Return the answers in one object: lines of JSON, or one JSON value over several lines."""
    lines = [line for line in content.splitlines() if line.strip()]
    try:
        parse_json(content)
    except ValueError:
        return lines
    return [content]


def _keys(address: str, s3: Any) -> list[str]:  # noqa: ANN401 - boto3's client
    """Return the keys below a prefix, without it."""
    bucket, prefix = split_address(address)
    with named_error(f"{address} cannot be listed"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [each["Key"] for page in pages for each in page.get("Contents", []) if not each["Key"].endswith("/")]
    return sorted(key.removeprefix(prefix).lstrip("/") for key in found)
