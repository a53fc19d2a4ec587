"""An OpenSearch index as an `Index`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from catalens.catalogue.encoder_mismatch import check_encoder
from catalens.catalogue.keywords import query_words
from catalens.catalogue.opensearch import bulk, existing, mapping
from catalens.catalogue.opensearch.address import Address, connect, parse_address
from catalens.catalogue.opensearch.errors import errors_named
from catalens.catalogue.opensearch.filters import compile_filter
from catalens.catalogue.opensearch.mapping import RECORD_PARTS, VECTOR, Document, key_of, record_of
from catalens.catalogue.opensearch.paging import Pages
from catalens.catalogue.records import check_batch, check_k, check_queries, storable
from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import Filter
from catalens.core.protocols import Capabilities
from catalens.core.types import Hit, Record, Vectors
from catalens.core.vectors import batched, unit_rows

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_MAX_K = 10_000
"""The most neighbours that the k-NN plug-in gives, and the most hits of one request."""

_AT_ONCE = 500


class OpenSearchIndex:
    """A catalogue on an OpenSearch cluster; use it as a context manager, or `close` it.

    What was added is durable when `add` returns, and found by this object from then on; others find it within a
    second, or when this one is closed. One object may be shared by threads.
    """

    def __init__(self, client: OpenSearch, address: Address, facts: existing.Facts, *, read_only: bool) -> None:
        """Use `OpenSearchIndex.open`."""
        self.shown = address.shown
        self._client, self._name, self._facts, self._read_only = client, facts.index, facts, read_only
        self._ef_search = address.settings.ef_search
        self._parts = set(facts.parts)
        self._unrefreshed = False
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls, uri: str, *, encoder_name: str | None = None, dim: int | None = None, read_only: bool = False
    ) -> Self:
        """Open an index; create it if it does not exist and both encoder and width are given.

        Args:
            uri: see `parse_address`.
            encoder_name: refuse an index filled by another encoder.
            dim: refuse an index of another width.
            read_only: refuse to write.

        Raises:
            InputError: the address is wrong.
            CatalogueError: the server or the index cannot be used, or another encoder filled it.
        """
        address = parse_address(uri)
        client = connect(address)
        try:
            with errors_named(address.shown):
                found = existing.read(client, address)
                if found is None:
                    if encoder_name is None or dim is None or read_only:
                        raise CatalogueError(f"there is no index {address.shown} yet; add pictures to make it")
                    found = existing.create(client, address, encoder_name, dim)
                elif not read_only:
                    bulk.restore_settings(client, address.index)
            check_encoder(
                address.shown, filled_by=found.encoder_name, width=found.dim, encoder_name=encoder_name, dim=dim
            )
        except BaseException:
            client.close()
            raise
        return cls(client, address, found, read_only=read_only)

    def close(self) -> None:
        """Let others find what was added, and close the connections."""
        with self._lock:
            try:
                self._refresh()
            finally:
                self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except CatalogueError:
            if error is None:  # else the first failure is what matters
                raise

    @property
    def encoder_name(self) -> str:
        """The encoder that made the vectors."""
        return self._facts.encoder_name

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._facts.dim

    @property
    def notices(self) -> Sequence[str]:
        """Return nothing."""
        return ()

    @property
    def capabilities(self) -> Capabilities:
        """Approximate search, with words."""
        return Capabilities(exact=False, all_scores=False, writable=not self._read_only)

    def __len__(self) -> int:
        with self._found():
            return int(self._client.count(index=self._name)["count"])

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store records, replacing those with the same ids; a part of them if this raises.

        Raises:
            InputError: a record that cannot be stored.
            CatalogueError: wrong shape, or the server refuses; documents that it was too busy for were tried again.
        """
        rows = check_batch(records, vectors, hashes, self.dim)
        digests = hashes or [None] * len(records)
        now = time.time_ns()
        last = {record.id: at for at, record in enumerate(records)}
        documents = [mapping.document(records[at], rows[at], digests[at], now + at) for at in sorted(last.values())]
        with self._writing():
            self._check_own([existing.own_name(self._client, self._name)])
            if properties := mapping.new_parts(documents, known := set(self._parts)):
                self._client.indices.put_mapping(
                    index=self._name, body={"properties": {"fields": {"properties": properties}}}
                )
            self._parts = known
            bulk.send(self._client, self._name, ({"_id": each["key"], "_source": each} for each in documents))

    def remove(self, ids: Sequence[str]) -> int:
        """Delete records and return how many there were; unknown ids are not an error."""
        actions = ({"_op_type": "delete", "_id": key} for key in dict.fromkeys(map(key_of, storable(ids))))
        with self._writing():
            return bulk.send(self._client, self._name, actions)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None where there is none."""
        found = self._documents(ids, RECORD_PARTS)
        return [record_of(found[one]) if one in found else None for one in ids]

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Return the stored hashes of some ids, or of all; records without one are left out."""
        parts = ["id", "hash"]
        if ids is not None:
            found: Any = self._documents(ids, parts).values()
        else:
            found = (hit["_source"] for hit in self._everything(parts))
        return {each["id"]: each["hash"] for each in found if each["hash"] is not None}

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) vectors of n ids, in order.

        Raises:
            InputError: an id that is not there.
        """
        found = self._documents(ids, [VECTOR])
        missing = next((one for one in ids if one not in found), None)
        if missing is not None:
            raise InputError(f"the index holds no record {missing!r}")
        return unit_rows(np.array([found[one][VECTOR] for one in ids], dtype=np.float32).reshape(-1, self.dim))

    def records(self) -> Iterator[Record]:
        """Return every record, lazily, as of now, in the order in which they were last added."""
        for hit in self._everything(RECORD_PARTS):
            yield record_of(hit["_source"])

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        """Return, for each of (m, dim) vectors, about the k nearest records, best first.

        Approximate by the HNSW graph; exact where k is beyond 10,000, which reads the whole index.

        Raises:
            InputError: k is less than 1.
            CatalogueError: vectors of another shape, or the server refuses.
        """
        k, queries = check_k(k), check_queries(vectors, self.dim)
        condition = compile_filter(where) if where is not None else None
        if k > _MAX_K:
            return [self._nearest_exactly(query, k, condition, min_score) for query in queries]
        bodies: list[Document] = []
        for query in queries:
            near: Document = {"vector": query.astype(float).tolist(), "k": max(k, min(self._ef_search, _MAX_K))}
            if condition is not None:
                near["filter"] = condition
            bodies.append({"size": k, "_source": RECORD_PARTS, "query": {"knn": {VECTOR: near}}})
        if not bodies:
            return []
        with self._found():
            if len(bodies) == 1:  # a millisecond faster than a search of many
                answers = [self._client.search(index=self._name, body=bodies[0])]
            else:
                lines = [line for body in bodies for line in ({"index": self._name}, body)]
                answers = self._client.msearch(body=lines)["responses"]
        return [self._hits(bulk.checked(answer, self.shown)["hits"]["hits"], min_score) for answer in answers]

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words, best (BM25) first; see `Index.keyword` for `without`."""
        k = check_k(k)
        if not (words := query_words(text)):
            return []
        unwanted = [" ".join(some) for some in map(query_words, without) if some]
        query: Document = {
            "bool": {
                "must": [{"match": {"words": {"query": " ".join(words)}}}],
                "must_not": [{"match": {"words": {"query": one, "operator": "and"}}} for one in unwanted],
                "filter": [compile_filter(where)] if where is not None else [],
            }
        }
        if k > _MAX_K:
            pages = self._pages(query, [{"_score": "desc"}, {"key": "asc"}], RECORD_PARTS)
            return [record_of(hit["_source"]) for hit in islice(pages, k)]
        with self._found():
            body = {"size": k, "_source": RECORD_PARTS, "query": query}
            hits = self._client.search(index=self._name, body=body)["hits"]["hits"]
        return [record_of(hit["_source"]) for hit in hits]

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Load much at once: without refreshes and replicas until the block ends.

        The settings of before are noted in the index, so that the next writer restores them if this process is killed.
        """
        with self._writing():
            bulk.suspend_settings(self._client, self._name)
        try:
            yield
        finally:
            with self._writing():
                bulk.restore_settings(self._client, self._name)

    def _nearest_exactly(
        self, query: Vectors, k: int, condition: Document | None, min_score: float | None
    ) -> list[Hit]:
        params = {"field": VECTOR, "query_value": query.astype(float).tolist(), "space_type": self._facts.space}
        scored: Document = {
            "script_score": {
                "query": condition or {"match_all": {}},
                "script": {"lang": "knn", "source": "knn_score", "params": params},
            }
        }
        if min_score is not None:
            scored["script_score"]["min_score"] = mapping.least_score(min_score, self._facts.space)
        pages = self._pages(scored, [{"_score": "desc"}, {"key": "asc"}], RECORD_PARTS)
        return self._hits(list(islice(pages, k)), min_score)

    def _hits(self, hits: Sequence[Mapping[str, Any]], min_score: float | None) -> list[Hit]:
        self._check_own(hit["_index"] for hit in hits)
        scores = mapping.cosines([hit["_score"] for hit in hits], self._facts.space)
        return [
            Hit(record_of(hit["_source"]), score)
            for hit, score in zip(hits, scores, strict=True)
            if min_score is None or score >= np.float32(min_score)
        ]

    def _documents(self, ids: Sequence[str], parts: list[str]) -> dict[str, Document]:
        """Return the parts of the documents of some ids, those just added included."""
        found: dict[str, Document] = {}
        with errors_named(self.shown):
            for some in batched(dict.fromkeys(storable(ids)), _AT_ONCE):
                answer = self._client.mget(
                    index=self._name, body={"ids": [key_of(one) for one in some]}, _source_includes=",".join(parts)
                )
                self._check_own(each["_index"] for each in answer["docs"])
                found |= {
                    one: each["_source"]
                    for one, each in zip(some, answer["docs"], strict=True)
                    if bulk.checked(each, self.shown).get("found")
                }
        return found

    def _check_own(self, names: Iterable[str]) -> None:
        """Notice that an alias has taken the place of this index: vectors of another encoder mean nothing to it."""
        if any(name != self._name for name in names):
            raise CatalogueError(f"{self.shown} was re-encoded meanwhile; open it again")

    def _everything(self, parts: list[str]) -> Iterator[Document]:
        return self._pages({"match_all": {}}, [{"added": "asc"}, {"key": "asc"}], parts)

    def _pages(self, query: Document, sort: list[Document], parts: list[str]) -> Iterator[Document]:
        with self._found():
            pages = Pages(self._client, self._name)
        with pages:
            yield from pages.hits({"query": query, "sort": sort, "_source": parts}, self.shown)

    @contextmanager
    def _found(self) -> Iterator[None]:
        """Make what was added be found, and name errors."""
        with errors_named(self.shown):
            self._refresh()
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._read_only:
            raise CatalogueError(f"{self.shown} is open for reading only")
        with self._lock, errors_named(self.shown):
            self._unrefreshed = True
            yield

    def _refresh(self) -> None:
        with self._lock:
            if self._unrefreshed:
                with errors_named(self.shown):
                    self._client.indices.refresh(index=self._name)
                self._unrefreshed = False
