"""The tables: those that are shipped, and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.tasks.prompts.tables import TABLES, load_tables


@pytest.mark.parametrize("name", TABLES)
def test_shipped_tables_have_clean_terms_each_once(name: str) -> None:
    terms = getattr(load_tables(), name)
    assert all(term == " ".join(term.split()) and "," not in term for term in terms)
    assert len(set(terms)) == len(terms) >= 15


def test_the_shipped_tables_are_wide_and_small() -> None:
    tables = load_tables()
    assert len(tables.flavors) >= 1500
    assert len(tables.artists) >= 300
    assert sum(len(term.encode()) for name in TABLES for term in getattr(tables, name)) < 150_000


def test_a_folder_replaces_the_tables_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "artists.txt").write_text("Ann Other\n  Someone New \n", encoding="utf-8")
    (tmp_path / "sites.txt").write_text("", encoding="utf-8")
    tables = load_tables(tmp_path)
    assert tables.artists == ("Ann Other", "Someone New")
    assert tables.phrases()["site"] == []
    assert tables.flavors == load_tables().flavors


def test_tables_that_a_folder_lacks_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in TABLES:
        (tmp_path / f"{name}.txt").write_text("a term\n", encoding="utf-8")
    assert load_tables(tmp_path).filled == ()
    assert not caplog.records
    (tmp_path / "artists.txt").unlink()
    (tmp_path / "sites.txt").unlink()
    assert load_tables(tmp_path).filled == ("artists", "sites")
    [notice] = caplog.messages
    assert f"{tmp_path} has no artists.txt, sites.txt: the shipped terms are used" in notice


def test_the_fashion_tables_are_the_words_of_products() -> None:
    tables = load_tables("fashion")
    assert {"t-shirt", "denim", "striped", "v-neck"} <= {*tables.flavors}
    assert "a packshot" in tables.mediums
    assert not [*tables.artists, *tables.movements, *tables.sites]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_what_is_no_vocabulary_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        with pytest.raises(InputError, match=r"holds none of artists\.txt"):
            load_tables(tmp_path)
        with pytest.raises(InputError, match="fashion, clip-interrogator, or a folder"):
            load_tables(tmp_path / "missing")
        return
    (tmp_path / "flavors.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"flavors\.txt as UTF-8"):
        load_tables(tmp_path)
