"""The nouns beside a bundle's classes: read from WordNet's files, of which a small imitation is written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.training.wordnet import WORDNET, read_nouns

_SYNSETS = """  1 a licence
00000001 03 n 01 entity 0 000 | what is
00000002 05 n 02 dog 0 domestic_dog 0 001 @ 00000001 n 0000 | a pet
00000003 05 n 01 mutt 0 001 @ 00000002 n 0000 | a dog of no breed
00000004 18 n 01 dog 1 001 @ 00000001 n 0000 | a dull person
"""
_INDEX = """  1 a licence
dog n 2 2 @ ~ 2 1 00000002 00000004
domestic_dog n 1 1 @ 1 0 00000002
mutt n 1 1 @ 1 0 00000003
"""


def test_wordnets_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(_SYNSETS)
    (tmp_path / "index.noun").write_text(_INDEX)
    (tmp_path / "cntlist.rev").write_text("dog%1:05:00:: 1 42\ndog%1:18:01:: 2 1\ndog%2:38:00:: 1 2\n")
    nouns = read_nouns(tmp_path)
    assert nouns.synsets["00000002"].words == ("dog", "domestic dog")
    assert nouns.senses["dog"] == [("00000002", 42), ("00000004", 1)]
    assert nouns.senses["domestic dog"] == [("00000002", 0)]
    assert list(nouns.ancestors("00000003")) == ["00000002", "00000001"]
    assert nouns.kinds == {"00000001": 3, "00000002": 1}


@pytest.mark.skipif(not (WORDNET / "data.noun").is_file(), reason="WordNet is not here; `apt install wordnet-base`")
def test_the_bundled_nouns_are_made_from_wordnet() -> None:
    pytest.importorskip("torch")
    from catalens.core.classes import THINGS
    from catalens.models.bundle import load_bundle
    from catalens.models.registry import shipped
    from catalens.training.nouns import noun_table

    things = load_bundle(shipped("everyday")).classes[THINGS]
    assert noun_table(read_nouns(), things) == things.nouns


def test_without_wordnet_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from catalens.training import nouns

    monkeypatch.setattr("sys.argv", ["nouns", "everyday", "--wordnet", str(tmp_path)])
    nouns.main()
    assert "skipped: there is no WordNet" in capsys.readouterr().out
