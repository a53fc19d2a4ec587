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


def test_a_catalogue_moves_and_changes_its_encoder(run: Run, shop: Path, tmp_path: Path, uri: str) -> None:
    here = str(tmp_path / "here.catalens")
    assert run("index", "add", here, shop / "products.csv").code == 0
    moved = run("index", "migrate", here, uri, "--json")
    assert (moved.code, moved.rows[0]["copied"], moved.rows[0]["records"]) == (0, 6, 6), moved.err
    assert run("index", "migrate", here, uri, "--json").rows[0]["unchanged"] == 6
    same = run("index", "migrate", uri, "--encoder", "fake")
    assert (same.code, "is of fake-16 already" in same.err) == (2, True)
    changed = run("index", "migrate", uri, "--encoder", "starter", "--json")
    assert (changed.code, changed.rows[0]["encoded"], changed.rows[0]["records"]) == (0, 6, 6), changed.err
    assert run("index", "info", uri, "--json").rows[0]["encoder"].startswith("starter@")
    assert len(run("search", uri, "a shirt", "--model", "starter", "--json").rows) == 6
    assert len(run("index", "migrate", uri, "--drop", "--json").rows[0]["dropped"]) == 1
    nothing = run("index", "migrate", uri, "--drop")
    assert (nothing.code, "nothing was kept" in nothing.err) == (0, True)


def test_what_to_migrate_to_must_be_said(run: Run, catalogue: Path) -> None:
    refused = run("index", "migrate", catalogue)
    assert (refused.code, "name a destination" in refused.err) == (2, True)


def test_a_picture_that_is_gone_keeps_the_old_encoder(run: Run, broken: Path, tmp_path: Path) -> None:
    (broken / "1.png").unlink()
    path = tmp_path / "c.catalens"
    assert run("index", "add", path, broken).code == 0
    (broken / "2.png").unlink()
    stays = run("index", "migrate", path, "--encoder", "starter", "--json")
    assert (stays.code, "stays as it is" in stays.err) == (1, True)
    assert run("index", "info", path, "--json").rows[0]["encoder"] == "fake-16"
    assert run("index", "migrate", path, "--encoder", "starter", "--skip-unreadable").code == 1
    now = run("index", "info", path, "--json").rows[0]
    assert (now["records"], now["encoder"].partition("@")[0]) == (1, "starter")
