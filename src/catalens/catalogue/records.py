"""Records as the index keeps them: what is refused, fields as JSON, and the words to search."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import check_text, check_value
from catalens.core.json_text import parse_json
from catalens.core.types import FieldValue, Record, Vectors

UNIT_TOLERANCE = 5e-3
_MAX_K = 2**31 - 1

# SQLite's JSON paths quote a name but know no escapes inside the quotes, so the few characters
# that JSON would escape are stored in percent form, as in a URL.
_ESCAPES = {code: f"%{code:02X}" for code in [*range(1, 32), ord('"'), ord("%"), ord("\\"), 127]}
_ORIGINALS = {escape: chr(code) for code, escape in _ESCAPES.items()}


def check_record(record: Record) -> None:
    """Refuse a record that an index could not give back unchanged.

    Raises:
        InputError: an empty or malformed id, source or field name, or a value that a field cannot hold.
    """
    where = f"record {record.id!r}"
    if not record.id:
        raise InputError("a record without an id; give each one an id that no other has")
    check_text(record.id, where)
    check_text(record.source, where)
    for name, value in record.fields.items():
        if not name:
            raise InputError(f"{where}: a field without a name; name every column")
        check_text(name, where)
        check_value(value, f"{where}, field {name!r}")


def stored_name(name: str) -> str:
    """Return a field's name as it stands in the stored JSON.

    >>> stored_name('width "outer"')
    'width %22outer%22'
    """
    return name.translate(_ESCAPES)


def field_path(name: str) -> str:
    """Return where a field stands in the stored JSON, as SQLite writes such paths."""
    return f'$."{stored_name(name)}"'


def fields_to_json(fields: Mapping[str, FieldValue]) -> str:
    """Write fields as one line of JSON."""
    return json.dumps({stored_name(name): value for name, value in fields.items()}, ensure_ascii=False, allow_nan=False)


def fields_from_json(text: str) -> dict[str, FieldValue]:
    """Read fields back."""
    return {_given_name(name): value for name, value in parse_json(text).items()}


def words_of(record: Record) -> str:
    """Return what the keyword search sees: the id (often a file name or an article number) and every text field."""
    return "\n".join([record.id, *(value for value in record.fields.values() if isinstance(value, str))])


def _given_name(name: str) -> str:
    if "%" not in name:
        return name
    head, *rest = name.split("%")
    return head + "".join(_ORIGINALS[f"%{part[:2]}"] + part[2:] for part in rest)


def check_vectors(vectors: Vectors, shape: tuple[int, ...]) -> Vectors:
    """Refuse vectors that would give scores that are not cosines.

    Args:
        vectors: what was given.
        shape: (n, dim) or (dim,), what it must be.

    Returns:
        The same numbers, float32.

    Raises:
        CatalogueError: another shape.
        InputError: a value that is not finite, or a row that is not of unit length.
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.shape != shape:
        raise CatalogueError(f"vectors of shape {array.shape} given, and the index needs {shape}")
    # One comparison finds NaN too; half a percent is far above what half precision loses.
    if not np.all(np.abs(np.linalg.norm(array, axis=-1) - 1) < UNIT_TOLERANCE):
        raise InputError("a vector is not finite or not of unit length; see catalens.core.vectors.unit_rows")
    return array


def check_batch(records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None, dim: int) -> Vectors:
    """Refuse a batch of which any part cannot be stored.

    Returns:
        The vectors, (n, dim) float32.

    Raises:
        InputError: a bad record or a bad row.
        CatalogueError: vectors or hashes that do not belong to n records.
    """
    for record in records:
        check_record(record)
    if hashes is not None and len(hashes) != len(records):
        raise CatalogueError(f"{len(hashes)} hashes given for {len(records)} records; give one each, or None")
    return check_vectors(vectors, (len(records), dim))


def check_queries(vectors: Vectors, dim: int) -> Vectors:
    """Refuse what is not m query vectors.

    Returns:
        (m, dim) float32.

    Raises:
        CatalogueError: not (m, dim); the message for one vector of (dim,) says how to make it a batch.
        InputError: a row that is not finite or not of unit length.
    """
    shape = np.shape(vectors)
    if len(shape) == 1:
        raise CatalogueError(f"a query is a batch of vectors, (m, {dim}), not {shape}; pass vector[None] for one")
    return check_vectors(vectors, (shape[0] if shape else 1, dim))


def check_k(k: int) -> int:
    """Return a number of results that any library can count to.

    Raises:
        InputError: k is less than 1.
    """
    if k < 1:
        raise InputError(f"{k} results requested; k is at least 1")
    return min(k, _MAX_K)


def exact(value: FieldValue) -> FieldValue:
    """Return a number in the one form in which a server may compare it: whole numbers within 64 bits as int.

    >>> exact(3.0), exact(2.5), exact(1e300), exact(True)
    (3, 2.5, 1e+300, True)
    """
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**63:
        return int(value)
    return value


def storable(ids: Sequence[str]) -> list[str]:
    """Return the ids that a record can have, see `check_record`; there is no record of any other.

    >>> storable(["a.jpg", "", chr(0xDCFF), "b" + chr(0)])
    ['a.jpg']
    """
    return [one for one in ids if one and "\0" not in one and one.encode(errors="replace").decode() == one]
