"""A catalogue to use: an index, and the encoder that fills and searches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Self

from catalens.catalogue.cutoff import Cutoff, Judged, learn_cutoff, scoring
from catalens.catalogue.filter_hints import check_filter
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.opening import open_index, scheme_of, shown
from catalens.catalogue.search import Query, Weighted, search
from catalens.catalogue.sources import Entry
from catalens.core.errors import CatalogueError, InputError
from catalens.core.images import Source as ImageSource
from catalens.core.protocols import Encoder, Index
from catalens.core.types import Hit, Record
from catalens.pipelines.encoding import encode_texts
from catalens.pipelines.events import Progress
from catalens.pipelines.ingest import Report, ingest
from catalens.pipelines.pictures import Pictures, entries_of
from catalens.pipelines.routing import SAMPLE, encoder_for_pictures
from catalens.pipelines.session import Session

Texts = str | Sequence[str]


class Catalogue:
    """Records with their pictures' vectors: filled from folders and tables, searched by text and by picture.

    The encoder is the one that filled the catalogue; for a new one the configured encoder, or the bundled one that
    suits most of the first pictures.
    """

    def __init__(self, path: str | Path, session: Session) -> None:
        """Take where it is; nothing is opened yet."""
        self.path, self._session = path, session
        self._index: Index | None = None
        self._writes = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of records.

        Raises:
            CatalogueError: there is no catalogue, or it cannot be read.
        """
        return len(self._open())

    def add(
        self,
        pictures: Pictures,
        *,
        prune: bool = False,
        workers: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Bring the catalogue up to date with a folder, a table, or any number of pictures.

        Args:
            pictures: what is new, changed, or held already; unchanged pictures are skipped.
            prune: remove records that are not among them.
            workers: threads that decode; None is one per processor.
            on_progress: called after each batch.

        Raises:
            InputError: there is nothing of that name.
            CatalogueError: the catalogue cannot be written, or was filled by an encoder that is not here.
        """
        entries = entries_of(pictures)
        if isinstance(entries, Iterator):  # what is looked at to choose an encoder must not be lost
            first = list(islice(entries, SAMPLE))
            encoder, entries = self.encoder(first), chain(first, entries)
        else:
            encoder = self.encoder(entries)
        self.close()
        self._index = open_index(self.path, encoder_name=encoder.name, dim=encoder.dim)
        self._writes = True
        return ingest(entries, encoder, self._index, prune=prune, workers=workers, on_progress=on_progress)

    def search(
        self,
        text: Texts = (),
        *,
        image: ImageSource | None = None,
        minus: Texts = (),
        where: str | None = None,
        k: int = 10,
        mode: Literal["vector", "keyword", "hybrid"] = "vector",
        min_score: float | None = None,
    ) -> list[Hit]:
        """Return the k best records, best first.

        Args:
            text: what is looked for, in words.
            image: a picture that hits should be like.
            minus: texts that hits should not be like.
            where: a filter on fields, such as 'colour = "Red" and price < 500'.
            k: most hits.
            mode: by vector similarity, by keywords in the fields, or by both.
            min_score: the lowest cosine wanted.

        Raises:
            InputError: nothing is looked for, or the filter cannot be read, or names a field that no record has.
            CatalogueError: there is no catalogue, it cannot be read, or its encoder is not here.
        """
        query = Query(
            texts=(*map(Weighted, _listed(text)), *(Weighted(each, -1.0) for each in _listed(minus))),
            images=() if image is None else (Weighted(image),),
            where=None if where is None else parse_filter(where),
            mode=mode,
        )
        index, encoder = self._open(), self.encoder()
        with self._session.lock(encoder.name):
            hits = search(index, encoder, query, k=k, min_score=min_score)
        check_filter(index, query.where, [hit.record for hit in hits])
        return hits

    def like(self, id: str, *, where: str | None = None, k: int = 10) -> list[Hit]:
        """Return the k records whose pictures are most like a record's, best first, without the record itself.

        Raises:
            InputError: there is no record of that id, or the filter cannot be read, or names a field that no record
                has.
        """
        index, passing = self._open(), None if where is None else parse_filter(where)
        hits = index.query(index.vectors([id]), k + 1, passing)[0]
        check_filter(index, passing, [hit.record for hit in hits])
        return [hit for hit in hits if hit.record.id != id][:k]

    def get(self, id: str) -> Record | None:
        """Return a record; None where there is none of that id."""
        return self._open().get([id])[0]

    def remove(self, ids: Sequence[str]) -> int:
        """Remove records, and return how many there were."""
        index = self._open()
        if not self._writes:
            self.close()
            index = self._index = open_index(self.path)
            self._writes = True
        return index.remove(ids)

    def records(self) -> Iterator[Record]:
        """Return every record."""
        return self._open().records()

    def encoder(self, entries: Iterable[Entry] = ()) -> Encoder:
        """Return the encoder of the catalogue; of one that does not exist yet, what suits the given entries."""
        return catalogue_encoder(self.path, self._session, entries)

    def close(self) -> None:
        """Close the index; it is opened again when it is next used."""
        if self._index is not None:
            self._index.close()
            self._index = None
            self._writes = False

    def _open(self) -> Index:
        if self._index is None:
            if scheme_of(self.path) is None and not Path(self.path).exists():
                raise CatalogueError(f"there is no catalogue {self.path} yet; add pictures to make it")
            self._index = open_index(self.path, read_only=True)
        return self._index


def catalogue_encoder(path: str | Path, session: Session, entries: Iterable[Entry] = ()) -> Encoder:
    """Return the encoder of a catalogue: the configured one, or the one that filled it, if it is here.

    Nothing is fetched because a catalogue says so. Where its encoder is not on this machine, or another revision is,
    whoever opens the catalogue with what is returned here finds out.

    Args:
        path: of the catalogue, which need not exist.
        session: loads encoders.
        entries: what a new catalogue is to be filled with; its bundled encoder is chosen by the first of them.
    """
    if session.config.encoder is not None:
        return session.encoder()
    filled_by = _filled_by(path)
    if filled_by is not None:
        from catalens.models.registry import name_here

        return session.encoder(name_here(filled_by, cache=session.config.cache))
    return encoder_for_pictures(session, entries)


def describe_catalogue(path: str | Path) -> dict[str, Any]:
    """Return what a catalogue holds, as `catalens index info` prints it; the most frequent fields come first.

    Raises:
        CatalogueError: it cannot be read.
    """
    with open_index(path, read_only=True) as index:
        fields = Counter(name for record in index.records() for name in record.fields)
        facts = {"catalogue": shown(path), "records": len(index), "encoder": index.encoder_name, "dim": index.dim}
    size = {"bytes": Path(path).stat().st_size} if scheme_of(path) is None else {}
    return facts | size | {"fields": dict(fields.most_common())}


def learn_relevance(path: str | Path, judged: Mapping[str, Collection[str]], session: Session) -> Cutoff:
    """Learn the relevance cut-off of a catalogue.

    Args:
        path: of the catalogue.
        judged: query → ids of the records that are relevant to it; none for a query without any.
        session: loads the catalogue's encoder.

    Raises:
        CatalogueError: the catalogue cannot be read, or was filled by an encoder that is not here.
        InputError: a relevant record is not in the catalogue.
    """
    encoder = catalogue_encoder(path, session)
    vectors = encode_texts(list(judged), encoder, session)
    with open_index(path, encoder_name=encoder.name, read_only=True) as index:
        asked = zip(vectors, judged.values(), strict=True)
        return learn_cutoff(scoring(index), [Judged(vector, frozenset(relevant)) for vector, relevant in asked])


def _filled_by(path: str | Path) -> str | None:
    """Return the name of the encoder that filled a catalogue; None where there is no catalogue."""
    if scheme_of(path) is None and not Path(path).exists():
        return None
    try:
        with open_index(path, read_only=True) as index:
            return index.encoder_name
    except CatalogueError:
        return None


def _listed(texts: Texts) -> list[str]:
    if isinstance(texts, str):
        return [texts]
    if not all(isinstance(text, str) for text in texts):
        raise InputError("texts are not all text; give a text or a list of them")
    return list(texts)
