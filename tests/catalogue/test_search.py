"""Search: terms to a vector, the three modes, the floor under the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from PIL import Image

from catalens.catalogue.cutoff import Cutoff
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.fusion import fuse
from catalens.catalogue.memory import MemoryIndex
from catalens.catalogue.search import Mode, Query, Weighted, parse_weighted, query_vector, search
from catalens.core.errors import CatalogueError, ImageError, InputError
from catalens.core.filters import Filter
from catalens.core.protocols import Capabilities
from catalens.core.types import Hit, Record
from catalens.core.vectors import unit_rows
from catalens.models.fakes import FakeEncoder

TITLES = ["red dress", "floral red dress", "blue jeans", "red shoes", "green hat"]


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder(dim=32)


@pytest.fixture
def index(encoder: FakeEncoder) -> MemoryIndex:
    """Pictures that look exactly like their titles say."""
    index = MemoryIndex(encoder.name, encoder.dim)
    records = [Record(title, "", {"title": title, "size": at}) for at, title in enumerate(TITLES)]
    index.add(records, encoder.encode_texts(TITLES))
    return index


def ids(hits: list[Hit]) -> list[str]:
    return [hit.record.id for hit in hits]


def text(*terms: str) -> Query:
    return Query(texts=tuple(parse_weighted(term) for term in terms))


@pytest.mark.parametrize(
    ("given", "value", "weight"),
    [
        ("red dress", "red dress", 1.0),
        ("like.jpg:2", "like.jpg", 2.0),
        ("like.jpg:0.5", "like.jpg", 0.5),
        ("C:\\like.jpg", "C:\\like.jpg", 1.0),
        ("C:\\like.jpg:3", "C:\\like.jpg", 3.0),
        ("ratio 4:3:1", "ratio 4:3", 1.0),
        ("note: red", "note: red", 1.0),
        ("red:", "red:", 1.0),
    ],
)
def test_terms_and_weights(given: str, value: str, weight: float) -> None:
    assert parse_weighted(given) == Weighted(value, weight)
    assert parse_weighted(given, minus=True) == Weighted(value, -weight)


@pytest.mark.parametrize("given", ["", " ", ":2", "red:0", "red:-1", "red:nan", "red:inf"])
def test_terms_without_sense_are_refused(given: str) -> None:
    with pytest.raises(InputError):
        parse_weighted(given)


def test_the_vector_is_the_weighted_sum_of_all_terms(encoder: FakeEncoder) -> None:
    picture = Image.new("RGB", (32, 32), "red")
    query = Query(texts=(Weighted("dress", 1.0), Weighted("floral", -0.5)), images=(Weighted(picture, 2.0),))
    dress, floral = encoder.encode_texts(["dress", "floral"])
    expected = unit_rows((dress - 0.5 * floral + 2 * encoder.encode_images([picture])[0])[None])[0]
    encoder.batches.clear()
    assert query_vector(encoder, query) == pytest.approx(expected, abs=1e-6)
    assert encoder.batches == [2, 1]


def test_terms_that_cancel_are_refused(encoder: FakeEncoder) -> None:
    with pytest.raises(InputError, match="cancel"):
        query_vector(encoder, Query(texts=(Weighted("a", 3.0), Weighted("a", -3.0))))


def test_queries_that_ask_for_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="no positive term"):
        Query()
    with pytest.raises(InputError, match="no positive term"):
        Query(texts=(Weighted("floral", -1.0),))
    with pytest.raises(InputError, match="add a text"):
        Query(images=(Weighted("a.jpg"),), mode="hybrid")
    with pytest.raises(InputError, match="other than zero"):
        Weighted("a", 0.0)
    for terms in ((Weighted(""),), (Weighted("dress"), Weighted(" \t", -1.0))):
        with pytest.raises(InputError, match="a text of the query is empty"):
            Query(texts=terms)


def test_a_picture_that_is_none_is_named(index: MemoryIndex, encoder: FakeEncoder) -> None:
    with pytest.raises(ImageError, match="nowhere"):
        search(index, encoder, Query(images=(Weighted("nowhere.jpg"),)))


def test_another_encoder_is_refused(index: MemoryIndex) -> None:
    with pytest.raises(CatalogueError, match=r"fake-32.*fake-8.*reencode CATALOGUE --model fake-8"):
        search(index, FakeEncoder(dim=8), text("red"))


def test_by_vector_with_minus_filter_and_minimum(index: MemoryIndex, encoder: FakeEncoder) -> None:
    assert ids(search(index, encoder, text("red dress"), k=1)) == ["red dress"]
    mixed = Query(texts=(Weighted("red dress"), Weighted("blue jeans", 0.9)))
    assert ids(search(index, encoder, mixed, k=2)) == ["red dress", "blue jeans"]
    without = Query(texts=(*mixed.texts, Weighted("blue jeans", -1.8)))
    assert ids(search(index, encoder, without, k=5))[-1] == "blue jeans"
    filtered = Query(texts=mixed.texts, where=parse_filter("size >= 2"))
    assert ids(search(index, encoder, filtered, k=1)) == ["blue jeans"]
    assert ids(search(index, encoder, text("red dress"), min_score=0.99)) == ["red dress"]


def test_by_words_the_order_is_theirs_and_the_score_still_a_cosine(index: MemoryIndex, encoder: FakeEncoder) -> None:
    hits = search(index, encoder, Query(texts=(Weighted("RED shoes"),), mode="keyword"))
    assert ids(hits) == ["red shoes", "red dress", "floral red dress"]
    expected = index.vectors(ids(hits)) @ encoder.encode_texts(["RED shoes"])[0]
    assert [hit.score for hit in hits] == pytest.approx(expected.tolist(), abs=1e-6)


def test_hybrid_finds_what_either_finds_and_puts_first_what_both_find(index: MemoryIndex, encoder: FakeEncoder) -> None:
    hits = search(index, encoder, Query(texts=(Weighted("red dress"),), mode="hybrid"))
    assert hits[0].record.id == "red dress"
    assert set(ids(hits)) == set(TITLES)
    by_vector = {hit.record.id: hit.score for hit in search(index, encoder, text("red dress"))}
    assert {hit.record.id: hit.score for hit in hits} == pytest.approx(by_vector, abs=1e-5)
    filtered = Query(texts=(Weighted("red dress"),), mode="hybrid", where=parse_filter("size in (1, 2)"))
    assert set(ids(search(index, encoder, filtered))) == {"floral red dress", "blue jeans"}
    assert len(search(index, encoder, filtered, k=1)) == 1


@pytest.mark.parametrize("mode", ["vector", "keyword", "hybrid"])
def test_the_minimum_comes_before_the_cut(encoder: FakeEncoder, mode: Mode) -> None:
    index = MemoryIndex(encoder.name, encoder.dim)
    records = [Record(f"{at}", "", {"title": "dress"}) for at in range(300)]
    index.add(records, encoder.encode_texts([*(f"other {at}" for at in range(299)), "dress"]))
    found = search(index, encoder, Query(texts=(Weighted("dress"),), mode=mode), k=5, min_score=0.8)
    assert ids(found) == ["299"]


def test_what_cannot_count_in_a_search_by_words_is_refused(index: MemoryIndex) -> None:
    dress = Weighted("dress")
    with pytest.raises(InputError, match=r"images.*vector or hybrid"):
        Query(texts=(dress,), images=(Weighted("a.jpg"),), mode="keyword")
    with pytest.raises(InputError, match="images"):
        Query(texts=(dress,), images=(Weighted("a.jpg", -1.0),), mode="keyword")
    with pytest.raises(InputError, match=r"'ratio 4' has the weight 3.*'ratio 4:3:1'"):
        Query(texts=(parse_weighted("ratio 4:3"),), mode="keyword")
    with pytest.raises(InputError, match=r"'floral' has the weight 0\.5"):
        Query(texts=(dress, parse_weighted("floral:0.5", minus=True)), mode="keyword")
    Query(texts=(Weighted("dress", 2.0), Weighted("floral", -0.5)), images=(Weighted("a.jpg"),), mode="hybrid")


def test_by_words_what_has_all_the_unwanted_ones_is_left_out(index: MemoryIndex, encoder: FakeEncoder) -> None:
    def found(*unwanted: str) -> list[str]:
        terms = (Weighted("red"), *(Weighted(one, -1.0) for one in unwanted))
        return sorted(ids(search(index, encoder, Query(texts=terms, mode="keyword"))))

    assert found() == ["floral red dress", "red dress", "red shoes"]
    assert found("Floral") == ["red dress", "red shoes"]
    assert found("floral shoes") == ["floral red dress", "red dress", "red shoes"]
    assert found("floral", "shoes") == ["red dress"]


def test_in_hybrid_the_words_speak_for_no_record_with_the_unwanted_ones(
    index: MemoryIndex, encoder: FakeEncoder
) -> None:
    far = {"red dress": 1.0, "floral": -0.01}  # too little to change the order by vector
    terms = tuple(Weighted(value, weight) for value, weight in far.items())
    by_vector = ids(search(index, encoder, Query(texts=terms)))
    by_words = ["red dress", "red shoes"]
    ranks = {one: [ranking.index(one) for ranking in (by_vector, by_words) if one in ranking] for one in TITLES}
    expected = sorted(by_vector, key=lambda one: -sum(1 / (61 + rank) for rank in ranks[one]))
    assert ids(search(index, encoder, Query(texts=terms, mode="hybrid"))) == expected


def test_fusion_adds_reciprocal_ranks() -> None:
    a, b, c, d = (Hit(Record(one, ""), 0.5) for one in "abcd")
    # a: 1/61 + 1/63, b: 1/62 + 1/61, c: 1/63, d: 1/62
    assert fuse([[a, b, c], [b, d, a]]) == [b, a, d, c]
    assert fuse([[a, b], [b, a]]) == [a, b]
    assert fuse([[], []]) == []


@pytest.mark.parametrize(("rank", "first"), [(61, "both"), (63, "one")])
def test_a_middling_rank_in_both_counts_as_much_as_the_top_of_one(rank: int, first: str) -> None:
    """2 / (60 + rank) against 1 / 61: they are equal at rank 62, with the constant of the source."""
    one, both = (Hit(Record(name, ""), 0.5) for name in ("one", "both"))
    others = [[Hit(Record(f"{ranking}-{n}", ""), 0.5) for n in range(rank)] for ranking in "ab"]
    found = fuse([[one, *others[0][: rank - 2], both], [*others[1][: rank - 1], both]])
    assert next(hit.record.id for hit in found if hit.record.id in ("one", "both")) == first


@pytest.mark.parametrize("mode", ["vector", "keyword", "hybrid"])
def test_nonsense_finds_nothing_under_a_cutoff(encoder: FakeEncoder, mode: Mode) -> None:
    index = MemoryIndex(encoder.name, encoder.dim)
    titles = [f"item {at}" for at in range(200)]
    index.add([Record(title, "", {"title": title}) for title in titles], encoder.encode_texts(titles))
    cutoff = Cutoff(lift=0.8, deviations=3.0)
    exact = Query(texts=(Weighted("item 7"),), mode=mode)
    assert ids(search(index, encoder, exact, cutoff=cutoff)) == ["item 7"]
    assert search(index, encoder, Query(texts=(Weighted("item qwrtz"),), mode=mode), cutoff=cutoff) == []
    assert len(search(index, encoder, exact, k=20)) == 20


def test_the_stricter_of_minimum_and_cutoff_counts(index: MemoryIndex, encoder: FakeEncoder) -> None:
    assert len(search(index, encoder, text("red dress"), min_score=-1.0, cutoff=Cutoff(0.0, 0.0))) == len(TITLES)
    assert ids(search(index, encoder, text("red dress"), min_score=0.99, cutoff=Cutoff(0.0, 0.0))) == ["red dress"]


def test_a_record_that_is_removed_during_a_search_by_words_is_left_out(encoder: FakeEncoder) -> None:
    class Written(MemoryIndex):
        """Another process removes a record after the words were looked up."""

        def keyword(
            self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()
        ) -> list[Record]:
            found = super().keyword(text, k, where, without=without)
            self.remove(["p1"])
            return found

    index = Written(encoder.name, encoder.dim)
    records = [Record(f"p{at}", "", {"title": title}) for at, title in enumerate(TITLES)]
    index.add(records, encoder.encode_texts(TITLES))
    hits = search(index, encoder, Query((Weighted("red"),), mode="keyword"))
    assert {hit.record.id for hit in hits} == {"p0", "p3"}


def test_a_cutoff_needs_an_index_that_scores_every_record(encoder: FakeEncoder) -> None:
    class Server(MemoryIndex):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, all_scores=False)

    index = Server(encoder.name, encoder.dim)
    with pytest.raises(CatalogueError, match="scores of all records"):
        search(index, encoder, Query((Weighted("red"),)), cutoff=Cutoff(0.1, 3.0))
    assert search(index, encoder, Query((Weighted("red"),))) == []


def test_bytes_that_are_not_text_are_refused_in_a_query() -> None:
    with pytest.raises(InputError, match=r"the query.*not valid Unicode"):
        Query((Weighted("caf\udce9"),))
