"""How records stand in an OpenSearch index: its mapping, its documents, and scores as cosines.

A field of a record is an object with a part for each kind of value, so that a mapping may be strict and still
hold what records hold: `fields.price.whole: 499`, `fields.title.text: "Red dress"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from catalens.catalogue.opensearch.address import Settings, Space
from catalens.catalogue.records import exact, fields_from_json, fields_to_json, words_of
from catalens.core.types import FieldValue, Record, Vectors

Document = dict[str, Any]

VECTOR = "vector"
FORMAT = 1
_LONGEST_ID = 512  # bytes, a limit of OpenSearch
_LONGEST_TERM = 8000  # characters; Lucene's limit is 32,766 bytes
_MAX_FIELDS = 10_000
_PARTS: dict[str, Document] = {
    "text": {"type": "keyword"},
    "lower": {"type": "keyword"},
    "whole": {"type": "long"},
    "real": {"type": "double"},
    "truth": {"type": "boolean"},
}


def new_index(encoder_name: str, dim: int, settings: Settings) -> Document:
    """Return the body that creates an index."""
    vector: Document = {"type": "knn_vector", "dimension": dim, "space_type": settings.space}
    if settings.mode:
        vector["mode"] = settings.mode
    if settings.compression:
        vector["compression_level"] = settings.compression
    if not (settings.mode or settings.compression):  # these choose the method themselves
        parameters = {"m": settings.m, "ef_construction": settings.ef_construction}
        vector["method"] = {"name": "hnsw", "engine": settings.engine, "parameters": parameters}
    plain = {"type": "keyword", "index": False, "doc_values": False}
    return {
        "settings": {
            "index": {
                "knn": True,
                "number_of_shards": settings.shards,
                "number_of_replicas": settings.replicas,
                "mapping.total_fields.limit": _MAX_FIELDS,
            },
            "analysis": {
                "analyzer": {
                    "words": {
                        "type": "custom",
                        "tokenizer": "alphanumeric",
                        "filter": ["lowercase", "asciifolding", "porter_stem"],
                    }
                },
                # As in the embedded index: 10032_front.jpg is three words.
                "tokenizer": {
                    "alphanumeric": {"type": "char_group", "tokenize_on_chars": ["whitespace", "punctuation", "symbol"]}
                },
            },
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": {"catalens": {"format": FORMAT, "encoder": encoder_name, "dim": dim}},
            "properties": {
                "key": {"type": "keyword"},
                "added": {"type": "long"},
                "hash": plain,
                "id": plain,
                "source": plain,
                "record": plain,
                "words": {"type": "text", "analyzer": "words", "norms": True},
                "fields": {"properties": {}},
                VECTOR: vector,
            },
        },
    }


def key_of(record_id: str) -> str:
    """Return the document's id: the record's own, or a digest of one that is too long for OpenSearch."""
    encoded = record_id.encode()
    return record_id if len(encoded) <= _LONGEST_ID else sha256(encoded).hexdigest()


def document(record: Record, vector: Vectors, digest: str | None, added: int) -> Document:
    """Return the document of a record with its (dim,) vector; `added` orders documents."""
    return {
        "key": key_of(record.id),
        "added": added,
        "hash": digest,
        "id": record.id,
        "source": record.source,
        "record": fields_to_json(record.fields),
        "words": words_of(record),
        "fields": {field_name(name): _parts(value) for name, value in record.fields.items()},
        # Seven decimals are what float32 holds, and half the bytes of its exact decimal form.
        VECTOR: np.round(vector.astype(np.float64), 7).tolist(),
    }


def record_of(source: Mapping[str, Any]) -> Record:
    """Return the record of a document."""
    return Record(source["id"], source["source"], fields_from_json(source["record"]))


RECORD_PARTS = ["id", "source", "record"]
"""What `record_of` needs of a document."""


def field_name(name: str) -> str:
    """Return the name of a field as a mapping can have it: no dots, blanks or marks.

    >>> field_name("Sleeve Length"), field_name("n.b"), field_name("Größe")
    ('Sleeve%20Length', 'n%2Eb', 'Größe')
    """
    return re.sub(r"[^\w-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def new_parts(documents: Iterable[Document], known: set[tuple[str, str]]) -> Document:
    """Return the properties of `fields` that a mapping lacks; what is returned is `known` from then on."""
    found: Document = {}
    for each in documents:
        for name, parts in each["fields"].items():
            for part in parts:
                if (name, part) not in known:
                    known.add((name, part))
                    found.setdefault(name, {"properties": {}})["properties"][part] = _PARTS[part]
    return found


def known_parts(mapping: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the (field, part) pairs that a mapping has."""
    fields = mapping["properties"].get("fields", {}).get("properties", {})
    return {(name, part) for name, inner in fields.items() for part in inner.get("properties", ())}


def term(text: str) -> str:
    """Return a text as it is indexed: a very long one by its beginning and a digest, so that equality is exact."""
    return text if len(text) <= _LONGEST_TERM else text[:_LONGEST_TERM] + sha256(text.encode()).hexdigest()


def cosines(scores: Sequence[float], space: Space) -> list[float]:
    """Turn scores of OpenSearch into cosines, to six decimals.

    Source:
        The table of spaces in OpenSearch's k-NN documentation, for unit vectors.

    >>> cosines([1.0, 0.5, 0.0], "cosinesimil"), cosines([2.0, 0.5], "innerproduct"), cosines([1.0, 0.2], "l2")
    ([1.0, 0.0, -1.0], [1.0, -1.0], [1.0, -1.0])
    """
    given = np.asarray(scores, dtype=np.float64)
    match space:
        case "cosinesimil":
            found = 2 * given - 1
        case "innerproduct":
            found = np.where(given >= 1, given - 1, 1 - 1 / np.maximum(given, 1e-9))
        case "l2":
            found = 1 - (1 / np.maximum(given, 1e-9) - 1) / 2
    rounded: list[float] = np.round(np.clip(found, -1, 1), 6).astype(np.float32).tolist()
    return rounded


def least_score(cosine: float, space: Space) -> float:
    """Return a score that no hit with at least this cosine is below."""
    return {
        "cosinesimil": (1 + cosine) / 2,
        "innerproduct": cosine + 1 if cosine >= 0 else 1 / (1 - cosine),
        "l2": 1 / (1 + 2 * (1 - cosine)),
    }[space] - 1e-6


def _parts(value: FieldValue) -> dict[str, FieldValue]:
    match exact(value):
        case bool() as truth:
            return {"truth": truth}
        case str() as text:
            return {"text": term(text), "lower": text.lower()[:_LONGEST_TERM]}
        case int() as whole:
            return {"whole": whole}
        case real:
            return {"real": real}
