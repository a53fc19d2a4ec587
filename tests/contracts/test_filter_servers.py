"""Filters on a server pass the records that `matches` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from catalens.catalogue.opening import open_index
from catalens.core.filters import Compare, Filter, Like, matches
from catalens.core.protocols import Index
from catalens.core.types import FieldValue, Record
from tests.support.filters import filters, names, values
from tests.support.indexes import DIM, ask, vectors_of


@pytest.fixture(scope="module", params=["postgres", pytest.param("opensearch", marks=pytest.mark.opensearch)])
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    with open_index(request.getfixturevalue(request.param).new(), encoder_name="enc", dim=DIM) as opened:
        yield opened


def passed(index: Index, where: Filter) -> list[int]:
    return sorted(int(hit.record.id) for hit in ask(index, vectors_of(1)[0], 1000, where))


def fill(index: Index, rows: list[dict[str, FieldValue]]) -> None:
    index.remove([record.id for record in index.records()])
    index.add([Record(str(at), "", fields) for at, fields in enumerate(rows)], vectors_of(len(rows)))


@settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.dictionaries(names, values, max_size=4), min_size=5, max_size=25),
    wheres=st.lists(filters, min_size=10, max_size=25),
)
def test_servers_and_records_agree(index: Index, rows: list[dict[str, FieldValue]], wheres: list[Filter]) -> None:
    fill(index, rows)
    for where in wheres:
        assert passed(index, where) == [at for at, fields in enumerate(rows) if matches(where, fields)], where


NUMBERS: list[FieldValue] = [
    *(-(2**63), 2**63 - 1, 2**53, 2**53 + 1, 2.0**53, 2.0**62, 2.0**63, -(2.0**63), -(2.0**70), 1e300, -1e300),
    *(0, 0.0, -0.0, 0.5, 1, 1.0, 2.5, -2.5, 1 / 3, 0.1, 1e-300),
]


def test_numbers_of_every_size_are_compared_exactly(index: Index) -> None:
    fill(index, [{"n": value} for value in NUMBERS])
    for value in NUMBERS:
        for operator in ("=", "!=", "<", "<=", ">", ">="):
            where = Compare("n", operator, value)
            assert passed(index, where) == [at for at, held in enumerate(NUMBERS) if matches(where, {"n": held})], where


def test_long_texts_are_compared_as_wholes(index: Index) -> None:
    texts = ["x" * 20_000 + end for end in "ab"] + ["ä" * 40_000]
    fill(index, [{"text": text} for text in texts])
    assert [passed(index, Compare("text", "=", text)) for text in texts] == [[0], [1], [2]]
    assert passed(index, Like("text", "XX%")) == [0, 1]
    assert [record.fields["text"] for record in index.records()] == texts
