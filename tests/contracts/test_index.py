"""What every index promises, run over each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalens.catalogue.cutoff import scoring
from catalens.catalogue.filter_hints import check_filter
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.fusion import hybrid
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.memory import MemoryIndex
from catalens.catalogue.opening import open_index
from catalens.core.errors import CatalensError, CatalogueError, InputError
from catalens.core.filters import Filter
from catalens.core.protocols import Index, LocalIndex
from catalens.core.types import FieldValue, Hit, Record, Vectors
from tests.support.indexes import DIM, ask, vectors_of


def records_of(n: int) -> list[Record]:
    colours = ("Red", "Blue", "Grün")
    return [
        Record(f"r{at}", f"pictures/{at}.jpg", {"title": f"Item {at}", "colour": colours[at % 3], "price": at * 10})
        for at in range(n)
    ]


class WithGraph(EmbeddedIndex):
    """An embedded index that builds its graph anew before it is asked, if it has changed."""

    _stale = True

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        super().add(records, vectors, hashes)
        self._stale = True

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        if self._stale:
            self.build_graph()
            self._stale = False
        return super().query(vectors, k, where, min_score)


KINDS = [
    "embedded",
    "embedded, with its graph",
    "memory",
    "postgres",
    pytest.param("opensearch", marks=pytest.mark.opensearch),
]


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    kind = request.param
    if kind == "memory":
        yield MemoryIndex("enc", DIM)
    elif kind in ("postgres", "opensearch"):
        address = request.getfixturevalue(kind)
        with open_index(address.new(), encoder_name="enc", dim=DIM) as opened:
            yield opened
    else:
        with (EmbeddedIndex if kind == "embedded" else WithGraph).open(
            tmp_path / "c.catalogue", encoder_name="enc", dim=DIM
        ) as opened:
            yield opened


@pytest.fixture
def local(index: Index) -> LocalIndex:
    if not index.capabilities.all_scores:
        pytest.skip("not a local index")
    return scoring(index)


def test_it_knows_its_encoder(index: Index) -> None:
    assert (index.encoder_name, index.dim, len(index)) == ("enc", DIM, 0)
    assert list(index.notices) == []


def test_an_item_finds_itself(index: Index) -> None:
    records, vectors = records_of(20), vectors_of(20)
    index.add(records, vectors)
    for record, vector in zip(records, vectors, strict=True):
        (hit,) = ask(index, vector, 1)
        assert hit.record == record
        assert hit.score == pytest.approx(1.0, abs=1e-3)


def test_query_equals_brute_force(index: Index) -> None:
    records, vectors = records_of(200), vectors_of(200)
    index.add(records[:90], vectors[:90])
    index.add(records[90:], vectors[90:])
    query = vectors_of(1, seed=5)[0]
    cosines = vectors @ query
    hits = ask(index, query, 50)
    assert all(-1 <= hit.score <= 1 for one in vectors for hit in ask(index, one, 1))
    best = np.sort(cosines)[::-1][:50]
    if not index.capabilities.exact:  # nearly all of the best, by its nature, and always in order
        assert sum(hit.score >= best[-1] - 1e-3 for hit in hits) >= 48
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    else:
        assert [hit.score for hit in hits] == pytest.approx(best.tolist(), abs=1e-3)
    assert [cosines[int(hit.record.id[1:])] for hit in hits] == pytest.approx([hit.score for hit in hits], abs=1e-3)
    assert len({hit.record.id for hit in hits}) == 50


def test_a_batch_is_answered_query_by_query(index: Index) -> None:
    index.add(records_of(90), vectors_of(90))
    queries = vectors_of(7, seed=5)
    for where, min_score in ((None, None), (parse_filter("price < 500"), None), (None, 0.1)):
        alone = [ask(index, query, 8, where, min_score) for query in queries]
        assert index.query(queries, 8, where, min_score) == alone


def test_any_number_of_results_may_be_asked_for(index: Index) -> None:
    index.add(records_of(3), vectors_of(3))
    assert len(ask(index, vectors_of(1)[0], 2**63)) == 3
    assert len(index.keyword("item", 2**63)) == 3
    assert len(hybrid(index, "item", vectors_of(1)[0], 2**63)) == 3


def test_hybrid_finds_what_either_finds_with_cosines_and_both_first(index: Index) -> None:
    titles = ["Red dress", "Blue dress", "Shoes", "Hat"]
    index.add([Record(f"p{at}", "", {"title": title}) for at, title in enumerate(titles)], vectors_of(4))
    query = vectors_of(4)[1]
    hits = hybrid(index, "dress", query, 10)
    assert hits[0].record.id == "p1"
    assert {hit.record.id for hit in hits} == {"p0", "p1", "p2", "p3"}
    cosines = (vectors_of(4) @ query).tolist()
    assert [hit.score for hit in hits] == pytest.approx([cosines[int(hit.record.id[1:])] for hit in hits], abs=1e-3)
    assert hybrid(index, "dress", query, 1) == hits[:1]
    assert {hit.record.id for hit in hybrid(index, "dress", query, 9, parse_filter('title = "Red dress"'))} == {"p0"}
    assert [hit.record.id for hit in hybrid(index, "dress", query, 9, min_score=0.9)] == ["p1"]


def test_the_filter_comes_before_k(index: Index) -> None:
    index.add(records_of(60), vectors_of(60))
    where = parse_filter('colour = "Grün" and price >= 300')
    hits = ask(index, vectors_of(1, seed=5)[0], 100, where)
    assert sorted(int(hit.record.id[1:]) for hit in hits) == [at for at in range(30, 60) if at % 3 == 2]
    assert ask(index, vectors_of(1, seed=5)[0], 3, where) == hits[:3]


def test_the_minimum_score_is_kept(index: Index) -> None:
    index.add(records_of(60), vectors_of(60))
    query = vectors_of(1, seed=5)[0]
    everything = ask(index, query, 60)
    least = everything[20].score
    assert ask(index, query, 60, min_score=least) == everything[:21]


def test_k_beyond_the_size_gives_all(index: Index) -> None:
    index.add(records_of(3), vectors_of(3))
    assert len(ask(index, vectors_of(1)[0], 100)) == 3


def test_equal_scores_keep_the_order_of_adding(local: LocalIndex) -> None:
    local.add(records_of(40), np.repeat(vectors_of(1), 40, axis=0))
    local.add([records_of(40)[7]], vectors_of(1))
    expected = [f"r{at}" for at in range(40) if at != 7] + ["r7"]
    assert [hit.record.id for hit in ask(local, vectors_of(1)[0], 40)] == expected
    assert [record.id for record in local.records()] == expected


def test_the_same_id_replaces(index: Index) -> None:
    index.add(records_of(3), vectors_of(3), ["a", "b", "c"])
    changed = Record("r1", "elsewhere.png", {"colour": "Black"})
    index.add([changed], vectors_of(1, seed=9), ["d"])
    assert len(index) == 3
    assert index.get(["r1"]) == [changed]
    assert index.hashes(["r1"]) == {"r1": "d"}
    assert ask(index, vectors_of(1, seed=9)[0], 1)[0].record == changed
    assert index.keyword("item 1", 10) != []
    assert changed not in index.keyword("item", 10)


def test_of_one_id_twice_in_a_batch_the_last_counts(index: Index) -> None:
    index.add([Record("a", "1"), Record("b", "2"), Record("a", "3")], vectors_of(3))
    assert list(index.records()) == [Record("b", "2"), Record("a", "3")]
    assert index.vectors(["a"])[0] == pytest.approx(vectors_of(3)[2], abs=1e-3)


def test_remove_twice_is_harmless(index: Index) -> None:
    index.add(records_of(3), vectors_of(3))
    assert index.remove(["r1", "nobody"]) == 1
    assert index.remove(["r1"]) == 0
    assert len(index) == 2
    assert index.get(["r0", "r1"]) == [records_of(1)[0], None]
    assert "r1" not in [hit.record.id for hit in ask(index, vectors_of(3)[1], 3)]
    assert index.keyword("r1", 5) == []


def test_ids_that_no_record_can_have_are_unknown(index: Index) -> None:
    index.add(records_of(1), vectors_of(1), ["a"])
    ids = ["\udcff.jpg", "a\0b", "x" * 5000, "", "r0"]
    assert index.get(ids) == [None, None, None, None, records_of(1)[0]]
    assert index.hashes(ids) == {"r0": "a"}
    assert index.remove(ids) == 1


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ('colr = "Red"', "no record has a field 'colr'; there are: colour, "),
        ('price > 0 and Colour in ("Red", "Blue")', "no record has a field 'Colour'; there are: colour, "),
        ('colr like "R%" or size < 5', "'colr'.*; no record has a field 'size'"),
        ('price = "10"', "'price' holds numbers, such as .*, and is compared with text, which never matches"),
        ("title > 5", "'title' holds text"),
        ("mixed = true", "'mixed' holds (text|numbers)"),
        ("price > 1000", None),
        ('mixed = "z" or mixed = 7', None),
        ("discount exists", None),
        ("discount is missing and price < 0", None),
        ('not (colr = "Red") and price < 0', "no record has a field 'colr'; there are: colour, "),
        ('colr = "Red" or price < 0', None),
    ],
)
def test_a_filter_that_nothing_can_pass_is_refused_and_no_other(index: Index, where: str, said: str | None) -> None:
    check_filter(index, parse_filter(where), [])  # an empty index may get any field
    mixed = [Record("m1", "", {"mixed": "a"}), Record("m2", "", {"mixed": 1})]
    index.add([*records_of(20), *mixed], vectors_of(22))
    with nullcontext() if said is None else pytest.raises(InputError, match=said):
        check_filter(index, parse_filter(where), [])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ('colr != "x"', "no record has a field 'colr'; there are: colour, "),
        ('colr not in ("x", "y")', "no record has a field 'colr'; there are: colour, "),
        ('not (price > 1000 and colr contains "x")', "no record has a field 'colr'; there are: colour, "),
        ('price > 1000 or colr not like "R%"', "no record has a field 'colr'; there are: colour, "),
        (
            'colr != "x" or Title != "y"',
            "'Title'; there are: title, .*; no record has a field 'colr'; there are: colour",
        ),
        ('colour != "x"', None),
        ('not (discount > 1000) and price != "x"', None),
        ("colr is missing", None),
        ("not (colr exists)", None),
        ('colr is missing or colr != "x"', None),
    ],
)
def test_a_filter_that_excludes_values_of_a_field_that_no_record_has_is_refused(
    index: Index, where: str, said: str | None
) -> None:
    condition = parse_filter(where)
    rare = Record("rare", "", {"discount": 5})
    index.add([*records_of(20), rare], vectors_of(21))
    hits = ask(index, vectors_of(1)[0], 21, condition)
    assert len(hits) == 21
    with nullcontext() if said is None else pytest.raises(InputError, match=said):
        check_filter(index, condition, [hit.record for hit in hits if hit.record != rare])


def test_hashes_are_given_where_known(index: Index) -> None:
    index.add(records_of(3), vectors_of(3), ["x", None, "z"])
    assert index.hashes(["r2", "r1", "nobody"]) == {"r2": "z"}
    assert index.hashes() == {"r0": "x", "r2": "z"}


def test_vectors_come_back_as_unit_rows_in_order(index: Index) -> None:
    index.add(records_of(5), vectors_of(5))
    found = index.vectors(["r4", "r0", "r4"])
    assert found.dtype == np.float32
    assert found == pytest.approx(vectors_of(5)[[4, 0, 4]], abs=1e-3)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert index.vectors([]).shape == (0, DIM)
    with pytest.raises(InputError, match="'nobody'"):
        index.vectors(["r0", "nobody"])


def test_scores_are_in_the_order_of_records(local: LocalIndex) -> None:
    local.add(records_of(30), vectors_of(30))
    local.remove(["r4"])
    query = vectors_of(1, seed=3)[0]
    expected = np.delete(vectors_of(30), 4, axis=0) @ query
    assert local.scores(query) == pytest.approx(expected, abs=1e-3)


def test_records_give_all_kinds_of_fields_back(index: Index) -> None:
    fields: dict[str, FieldValue] = {
        "text": 'né "quoted"\n',
        "whole": -(2**63),
        "real": 0.1,
        "yes": True,
        'od"d %22\\ näme': "x",
        "n.b": 1e300,
    }
    index.add([Record("ïd/1.jpg", "C:\\pictures\\1.jpg", fields)], vectors_of(1))
    (record,) = index.records()
    assert record == Record("ïd/1.jpg", "C:\\pictures\\1.jpg", fields)
    assert [type(value) for value in record.fields.values()] == [str, int, float, bool, str, float]


def test_an_empty_index_answers_nothing(index: Index) -> None:
    query = vectors_of(1)[0]
    index.add([], np.zeros((0, DIM), dtype=np.float32))
    assert ask(index, query, 5) == []
    assert ask(index, query, 5, parse_filter("price > 1")) == []
    assert index.query(query[None][:0], 5) == []
    assert hybrid(index, "shirt", query, 5) == []
    assert index.keyword("shirt", 5) == []
    assert (list(index.records()), index.get(["a"]), index.hashes(), len(index)) == ([], [None], {}, 0)


def drop(_: object) -> None:
    """Make a statement of an expression."""


SENSELESS: dict[str, Callable[[Index], None]] = {
    "wrong width": lambda index: index.add(records_of(1), np.ones((1, DIM + 1), dtype=np.float32)),
    "wrong number": lambda index: index.add(records_of(2), vectors_of(1)),
    "not unit length": lambda index: index.add(records_of(1), vectors_of(1) * 2),
    "not finite": lambda index: index.add(records_of(1), np.full((1, DIM), np.nan, dtype=np.float32)),
    "hashes missing": lambda index: index.add(records_of(2), vectors_of(2), ["a"]),
    "empty id": lambda index: index.add([*records_of(1), Record("", "s")], vectors_of(2)),
    "lone surrogate": lambda index: index.add([Record("\udcff.jpg", "s")], vectors_of(1)),
    "nul": lambda index: index.add([Record("a", "s", {"title": "a\0b"})], vectors_of(1)),
    "nan field": lambda index: index.add([Record("a", "s", {"price": float("nan")})], vectors_of(1)),
    "huge field": lambda index: index.add([Record("a", "s", {"price": 2**63})], vectors_of(1)),
    "unnamed field": lambda index: index.add([Record("a", "s", {"": 1})], vectors_of(1)),
    "list field": lambda index: index.add([Record("a", "s", {"sizes": [1]})], vectors_of(1)),  # type: ignore[dict-item]
    "query width": lambda index: drop(index.query(np.ones((1, DIM + 1), dtype=np.float32), 1)),
    "query of one row": lambda index: drop(index.query(vectors_of(1)[0], 1)),
    "query of three axes": lambda index: drop(index.query(vectors_of(1)[None], 1)),
    "query length": lambda index: drop(index.query(vectors_of(1) * 3, 1)),
    "no results wanted": lambda index: drop(ask(index, vectors_of(1)[0], 0)),
    "no words wanted": lambda index: drop(index.keyword("a", 0)),
}


@pytest.mark.parametrize("wrong", SENSELESS.values(), ids=SENSELESS)
def test_what_makes_no_sense_is_refused_whole(index: Index, wrong: Callable[[Index], None]) -> None:
    index.add(records_of(1), vectors_of(1))
    with pytest.raises(CatalensError):
        wrong(index)
    assert [record.id for record in index.records()] == ["r0"]


def test_a_wrong_width_is_the_indexs_own_refusal(index: Index) -> None:
    with pytest.raises(CatalogueError, match=r"\(1, 17\).*\(1, 16\)"):
        index.add(records_of(1), np.ones((1, DIM + 1), dtype=np.float32))


def test_keywords_rank_by_words_and_ignore_case_accents_and_endings(index: Index) -> None:
    titles = ["Red summer dress", "Blue shirts", "Röd klänning", "A red red shirt with a red collar", "Shoes"]
    records = [Record(f"p{at}", "", {"title": title, "year": 2012}) for at, title in enumerate(titles)]
    index.add(records, vectors_of(5))
    assert [record.id for record in index.keyword("RED dresses", 5)] == ["p0", "p3"]
    assert [record.id for record in index.keyword("klanning", 5)] == ["p2"]
    assert {record.id for record in index.keyword("shirt", 5)} == {"p1", "p3"}
    assert [record.id for record in index.keyword("p4", 5)] == ["p4"]
    assert len(index.keyword("red shirt", 1)) == 1
    assert [record.id for record in index.keyword("shirt", 5, parse_filter('title = "Blue shirts"'))] == ["p1"]


def test_keywords_leave_out_what_has_all_words_of_an_unwanted_text(index: Index) -> None:
    titles = ["Red dress", "Red floral dress", "Red long dress", "Red dress with long sleeves", "Rote Blüten"]
    index.add([Record(f"p{at}", "", {"title": title}) for at, title in enumerate(titles)], vectors_of(5))

    def found(*without: str) -> list[str]:
        return sorted(record.id for record in index.keyword("red dress", 5, without=without))

    assert found() == ["p0", "p1", "p2", "p3"]
    assert found("FLORALS") == ["p0", "p2", "p3"]
    assert found("long sleeve") == ["p0", "p1", "p2"]
    assert found("long - sleeve", "floral") == ["p0", "p2"]
    assert found("", "!", '"') == ["p0", "p1", "p2", "p3"]
    assert found(" ".join(f"word{at}" for at in range(2000)), *(f"term{at}" for at in range(500)), "floral") == [
        *("p0", "p2", "p3")
    ]
    assert index.keyword("blüten", 5, parse_filter("title exists"), without=["Rote"]) == []


HOSTILE = [
    "",
    " ",
    '"',
    "'",
    "AND OR NOT",
    "a*",
    "NEAR(a b)",
    "title:",
    "-x",
    "(",
    "\0",
    "\udcff",
    "^a",
    '""" OR 1',
    "{}",
    "😀",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_typed_is_syntax(index: Index, text: str) -> None:
    index.add(records_of(3), vectors_of(3))
    assert isinstance(index.keyword(text, 5), list)
    assert isinstance(index.keyword("item", 5, without=[text, text]), list)


def test_a_pasted_page_is_a_keyword_query_too(index: Index) -> None:
    index.add(records_of(3), vectors_of(3))
    assert len(index.keyword("item " + " ".join(f"word{at}" for at in range(5000)), 5)) == 3


steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.lists(st.integers(0, 12), max_size=6), st.integers(0, 99)),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_history_gives_the_same_answers_everywhere(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int], int]]
) -> None:
    """The embedded index against the referee, after every step, so that each refresh of its cache is judged."""
    memory = MemoryIndex("enc", DIM)
    with EmbeddedIndex.open(tmp_path_factory.mktemp("h") / "c", encoder_name="enc", dim=DIM) as embedded:
        for verb, numbers, seed in steps:
            ids = [f"r{number}" for number in numbers]
            for index in (memory, embedded):
                if verb == "add":
                    records = [Record(one, f"{seed}", {"title": f"t {seed}", "n": seed}) for one in ids]
                    index.add(records, vectors_of(len(ids), seed=seed % 3), [f"{seed}"] * len(ids))
                else:
                    index.remove(ids)
            query = vectors_of(1, seed=seed % 3)[0]
            assert list(embedded.records()) == list(memory.records())
            for where in (None, parse_filter("n < 50")):
                found, expected = ask(embedded, query, 5, where), ask(memory, query, 5, where)
                assert [hit.record for hit in found] == [hit.record for hit in expected]
                assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=2e-6)
            assert embedded.scores(query) == pytest.approx(memory.scores(query), abs=2e-6)
            assert embedded.keyword("t", 20) == memory.keyword("t", 20)
            assert embedded.hashes() == memory.hashes()
