"""Catalogues on a search server, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.pipelines.catalogue import Catalogue
from catalens.pipelines.session import Session, SessionConfig
from tests.support.ran import Run
from tests.support.servers import Server


@pytest.fixture(params=["postgres", pytest.param("opensearch", marks=pytest.mark.opensearch)])
def uri(request: pytest.FixtureRequest) -> str:
    server: Server = request.getfixturevalue(request.param)
    return server.new()


def test_a_catalogue_on_a_server_is_filled_searched_and_looked_after(run: Run, shop: Path, uri: str) -> None:
    added = run("index", "add", uri, shop / "products.csv", "--json")
    assert added.code == 0, added.err
    assert (added.rows[0]["added"], added.rows[0]["records"]) == (6, 6)
    again = run("index", "add", uri, shop / "products.csv", "--json")
    assert (again.rows[0]["added"], again.rows[0]["unchanged"]) == (0, 6)
    rows = run("index", "list", uri, "--json").rows
    ids, title = [row["id"] for row in rows], rows[0]["fields"]["title"]
    assert len(ids) == 6
    assert run("index", "info", uri, "--json").rows[0]["records"] == 6
    for mode in ("vector", "keyword", "hybrid"):
        found = run("search", uri, title, "--mode", mode, "--json")
        assert (found.code, mode == "keyword" or len(found.rows) == 6) == (0, True)
        assert all(-1 <= row["score"] <= 1 for row in found.rows)
        if mode == "keyword":
            assert found.rows[0]["fields"]["title"] == title
    cheap = run("search", uri, "shirt", "--where", "price < 150", "--json").rows
    assert {row["fields"]["price"] for row in cheap} == {0, 100}
    assert run("index", "remove", uri, ids[0], "--json").rows[0]["records"] == 5
    refused = run("index", "graph", uri)
    assert (refused.code, "is for catalogue files" in refused.err) == (2, True)


def test_the_handle_takes_an_address(shop: Path, uri: str) -> None:
    with Catalogue(uri, Session(SessionConfig(encoder="fake"))) as catalogue:
        assert catalogue.add(shop / "photos").added == 6
        assert len(catalogue.search("a red shirt", k=2)) == 2
        assert catalogue.remove([next(catalogue.records()).id]) == 1
        assert len(catalogue) == 5


def test_a_server_that_is_not_there_is_named_without_the_password(run: Run, shop: Path) -> None:
    for address in ("opensearch://me:secret@127.0.0.1:9/shop", "postgresql://me:secret@127.0.0.1:9/shop"):
        for command in (["index", "add", address, shop / "products.csv"], ["search", address, "shirt"]):
            refused = run(*command)
            assert (refused.code, "no server answers there" in refused.err) == (3, True), refused.err
            assert "secret" not in refused.err
