from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.models.fakes import FakeEncoder
from catalens.tasks.labels import build_bank
from catalens.tasks.vocabularies import load_vocabulary, vocabulary_names


@pytest.mark.parametrize("name", vocabulary_names())
def test_every_shipped_vocabulary_can_be_encoded(name: str) -> None:
    terms = load_vocabulary(name)
    assert len(build_bank(FakeEncoder(), terms)) == len(terms) >= 8
    assert all(term == term.strip().lower() for term in terms)


def test_a_file_gives_its_terms_in_order_each_once(tmp_path: Path) -> None:
    file = tmp_path / "terms.txt"
    file.write_bytes("\ufeff# a comment\r\nsari\r\n\r\n  écharpe \r\nsari\r\n100% cotton\r\n".encode())
    assert load_vocabulary(file) == ["sari", "écharpe", "100% cotton"]
    assert load_vocabulary(str(file)) == load_vocabulary(file)


def test_a_table_or_a_list_gives_its_terms(tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text("label,count\nsari,3\nkimono,4\nsari,1\n")
    (tmp_path / "terms.json").write_text('["sari", "kimono"]')
    assert load_vocabulary(tmp_path / "terms.csv") == load_vocabulary(tmp_path / "terms.json") == ["sari", "kimono"]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"# only\n# comments\n"])
def test_a_file_without_terms_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "terms.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"terms\.txt.*empty list"):
        load_vocabulary(file)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"red\0blue\n", "rouge foncé".encode("latin-1")])
def test_what_is_not_utf8_text_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "terms.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"terms\.txt.*(UTF-8|not a text)"):
        load_vocabulary(file)


def test_an_unknown_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    for name in ("fashion-hats", str(tmp_path / "missing.txt"), str(tmp_path)):
        with pytest.raises(InputError, match="fashion-types"):
            load_vocabulary(name)
