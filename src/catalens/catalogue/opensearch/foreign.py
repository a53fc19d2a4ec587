"""An OpenSearch index that another program filled: read as it is, searched, and copied from.

Nothing in it says which encoder made its vectors, so the address does: `opensearch://host/products?encoder=NAME`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from catalens.catalogue.encoder_mismatch import check_encoder, model_of
from catalens.catalogue.keywords import query_words
from catalens.catalogue.opensearch import bulk
from catalens.catalogue.opensearch.address import Address, connect, parse_address
from catalens.catalogue.opensearch.errors import errors_named
from catalens.catalogue.opensearch.paging import Pages
from catalens.catalogue.records import check_k, check_queries, storable
from catalens.catalogue.sources.items import flat_fields
from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import Filter, matches
from catalens.core.protocols import Capabilities
from catalens.core.types import Hit, Record, Vectors
from catalens.core.vectors import batched, unit_rows

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE, _DEPTH, _MAX_K = 500, 100, 10_000
_PICTURE_FIELDS = ("image_path", "image_url", "image_uri", "image", "s3_uri", "path", "url", "uri", "file", "filename")
"""Usual names of the field that says where the picture is, in order."""
_OPENSEARCH, _FAISS_BY_DEFAULT = 0x08000000, 2_180_099
"""Numbers of versions, as settings of an index have them: added to all of OpenSearch's own; and 2.18.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How vectors are stored.

    Attributes:
        vector: name of the field, with dots where it is within another.
        dim: width of a vector.
        engine: of the k-NN method; empty for the server's default.
    """

    vector: str
    dim: int
    engine: str


def layout_of(facts: Mapping[str, Any], shown: str, wanted: str | None = None) -> Layout:
    """Return how an index stores its vectors, from its settings and mapping, of OpenSearch 1 as of 3.

    Args:
        facts: what `indices.get` says of it.
        shown: its address, for messages.
        wanted: name of the field with vectors; None if there is only one.

    Raises:
        CatalogueError: there is no such field, or there are several.
    """
    found = dict(_vector_fields(facts["mappings"].get("properties", {})))
    if not found:
        raise CatalogueError(f"{shown} has no vector field (knn_vector), so nothing can be searched by likeness")
    names = ", ".join(found)
    if wanted is None and len(found) > 1:
        raise CatalogueError(f"{shown} has several vector fields ({names}); name one with &vector_field=NAME")
    if wanted is not None and wanted not in found:
        raise CatalogueError(f"{shown} has no vector field {wanted!r}; it has {names}")
    name = wanted or next(iter(found))
    field = found[name]
    if "dimension" not in field:
        raise CatalogueError(f"{shown}: the field {name!r} is described by a trained model, which is not supported")
    return Layout(vector=name, dim=int(field["dimension"]), engine=_engine(field, facts["settings"]["index"]))


def _vector_fields(properties: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in properties.items():
        if field.get("type") == "knn_vector":
            yield before + name, field
        yield from _vector_fields(field.get("properties", {}), f"{before}{name}.")


def _engine(field: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return the engine; before 2.18 the default was nmslib, whose graph settings of the index could describe."""
    named = field.get("method", {}).get("engine", "")
    created = str(settings.get("version", {}).get("created", ""))
    by_settings = "knn.space_type" in settings or "space_type" in settings.get("knn.algo_param", {})
    old = created.isdecimal() and (int(created) < _OPENSEARCH or int(created) - _OPENSEARCH < _FAISS_BY_DEFAULT)
    return str(named or ("nmslib" if by_settings or old else ""))


class ForeignIndex:
    """Records of another program's index; use it as a context manager, or `close` it.

    Vectors are brought to unit length, and scores are cosines whatever the index's own distance is. Filters are
    applied here, to every record in turn.
    """

    def __init__(self, client: OpenSearch, address: Address, layout: Layout, encoder_name: str) -> None:
        """Use `ForeignIndex.open`."""
        self.shown, self.encoder_name, self.dim = address.shown, encoder_name, layout.dim
        self._client, self._name, self._layout = client, address.index, layout
        self._picture = address.picture_field

    @classmethod
    def open(cls, uri: str, *, encoder_name: str | None = None, dim: int | None = None) -> Self:
        """Open an index.

        Args:
            uri: with `encoder`, and where needed `vector_field` and `picture_field`.
            encoder_name: refuse an index whose address names another encoder.
            dim: refuse an index of another width.

        Raises:
            CatalogueError: there is no index, it has no vectors, or they are of another encoder or width.
        """
        address = parse_address(uri)
        stated = address.encoder or ""
        client = connect(address)
        try:
            with errors_named(address.shown):
                found = client.indices.get(index=address.index)
            layout = layout_of(next(iter(found.values())), address.shown, address.vector_field)
            same = encoder_name is not None and stated in (encoder_name, model_of(encoder_name))
            name = encoder_name if same and encoder_name is not None else stated
            check_encoder(address.shown, filled_by=name, width=layout.dim, encoder_name=encoder_name, dim=dim)
        except BaseException:
            client.close()
            raise
        return cls(client, address, layout, name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def notices(self) -> Sequence[str]:
        """Say that it is only read."""
        return (f"{self.shown} was not made by Catalens; it is read as it is, and --where looks at every record",)

    @property
    def capabilities(self) -> Capabilities:
        """Reading, with words."""
        return Capabilities(exact=False, all_scores=False, writable=False)

    def __len__(self) -> int:
        with errors_named(self.shown):
            return int(self._client.count(index=self._name, body={"query": self._with_vector()})["count"])

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            CatalogueError: always.
        """
        self._refuse()

    def remove(self, ids: Sequence[str]) -> int:  # noqa: ARG002
        """Refuse.

        Raises:
            CatalogueError: always.
        """
        self._refuse()

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None where there is none."""
        found = self._documents(ids)
        return [self._record(one, found[one]) if one in found else None for one in ids]

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:  # noqa: ARG002
        """Return nothing: nobody noted any."""
        return {}

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of n ids, in order.

        Raises:
            InputError: an id that is not there.
        """
        found = self._documents(ids)
        missing = next((one for one in ids if one not in found), None)
        if missing is not None:
            raise InputError(f"the index holds no record {missing!r}")
        return self._unit([found[one] for one in ids])

    def records(self) -> Iterator[Record]:
        """Return every record that has a vector, lazily, as of now."""
        for hit in self._everything():
            yield self._record(hit["_id"], hit["_source"])

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        """Return, for each of (m, dim) vectors, about the k nearest records, best first; with a filter, exactly.

        Raises:
            InputError: k is less than 1.
            CatalogueError: vectors of another shape, or an engine that searches no more.
        """
        k, queries = check_k(k), check_queries(vectors, self.dim)
        if where is not None or k > _MAX_K:
            return [self._exact(query, k, where, min_score) for query in queries]
        if self._layout.engine == "nmslib":
            raise CatalogueError(
                f"{self.shown}: the vectors in {self._layout.vector!r} are indexed by nmslib, which OpenSearch 3 has "
                "removed; copy them with: catalens index migrate ADDRESS DESTINATION"
            )
        return [self._nearest(query, k, min_score) for query in queries]

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words in any field, best (BM25) first."""
        k = check_k(k)
        if not (words := query_words(text)):
            return []
        unwanted = [" ".join(some) for some in map(query_words, without) if some]
        query = {
            "bool": {
                "must": [_anywhere(" ".join(words), "or")],
                "must_not": [_anywhere(one, "and") for one in unwanted],
                "filter": [self._with_vector()],
            }
        }
        if where is not None or k > _MAX_K:
            hits = self._pages(query, [{"_score": "desc"}, {"_shard_doc": "asc"}])
        else:
            with errors_named(self.shown):
                hits = iter(self._client.search(index=self._name, body={"size": k, "query": query})["hits"]["hits"])
        records = (self._record(hit["_id"], hit["_source"]) for hit in hits)
        return list(islice((each for each in records if where is None or matches(where, each.fields)), k))

    def _nearest(self, query: Vectors, k: int, min_score: float | None) -> list[Hit]:
        near = {"vector": query.astype(float).tolist(), "k": min(max(k, _DEPTH), _MAX_K)}
        body = {"size": min(max(k, _DEPTH), _MAX_K), "query": {"knn": {self._layout.vector: near}}}
        with errors_named(self.shown):
            hits = self._client.search(index=self._name, body=body)["hits"]["hits"]
        return self._best(hits, query, k, None, min_score)

    def _exact(self, query: Vectors, k: int, where: Filter | None, min_score: float | None) -> list[Hit]:
        best: list[Hit] = []
        for hits in batched(self._everything(), _AT_ONCE):
            best = nlargest(k, best + self._best(hits, query, k, where, min_score), key=lambda hit: hit.score)
        return best

    def _best(
        self, hits: Sequence[Mapping[str, Any]], query: Vectors, k: int, where: Filter | None, min_score: float | None
    ) -> list[Hit]:
        """Return the k best of some hits by cosine, whatever the server ranked them by."""
        if not hits:
            return []
        cosines = np.round(np.clip(self._unit([hit["_source"] for hit in hits]) @ query, -1, 1), 6)
        found = [
            Hit(self._record(hit["_id"], hit["_source"]), float(score))
            for hit, score in zip(hits, cosines, strict=True)
            if min_score is None or score >= np.float32(min_score)
        ]
        found = [hit for hit in found if where is None or matches(where, hit.record.fields)]
        return nlargest(k, found, key=lambda hit: hit.score)

    def _documents(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        with errors_named(self.shown):
            for some in batched(dict.fromkeys(storable(ids)), _AT_ONCE):
                answer = self._client.mget(index=self._name, body={"ids": list(some)})
                for each in answer["docs"]:
                    if bulk.checked(each, self.shown).get("found") and self._vector(each["_source"]) is not None:
                        found[each["_id"]] = each["_source"]
        return found

    def _everything(self) -> Iterator[Mapping[str, Any]]:
        return self._pages(self._with_vector(), [{"_shard_doc": "asc"}])

    def _pages(self, query: Mapping[str, Any], sort: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        with errors_named(self.shown):
            pages = Pages(self._client, self._name)
        with pages:
            yield from pages.hits({"query": query, "sort": sort}, self.shown)

    def _with_vector(self) -> Mapping[str, Any]:
        return {"exists": {"field": self._layout.vector}}

    def _vector(self, source: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever stands in the document
        value: Any = source
        for part in self._layout.vector.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _unit(self, sources: Sequence[Mapping[str, Any]]) -> Vectors:
        rows = [self._vector(source) for source in sources]
        if any(row is None for row in rows):
            raise CatalogueError(
                f"{self.shown} leaves the vectors in {self._layout.vector!r} out of its documents (_source), so they "
                "cannot be read; index the documents again with them"
            )
        return unit_rows(np.array(rows, dtype=np.float32).reshape(-1, self.dim))

    def _record(self, id: str, source: Mapping[str, Any]) -> Record:
        fields = flat_fields(source)
        names = (self._picture,) if self._picture is not None else _PICTURE_FIELDS
        return Record(id, next((str(fields[name]) for name in names if fields.get(name)), ""), fields)

    def _refuse(self) -> NoReturn:
        raise CatalogueError(
            f"{self.shown} was not made by Catalens and is only read; copy it with: "
            "catalens index migrate ADDRESS DESTINATION"
        )


def _anywhere(text: str, operator: str) -> Mapping[str, Any]:
    return {"multi_match": {"query": text, "fields": ["*"], "lenient": True, "operator": operator}}
