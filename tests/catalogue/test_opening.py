"""From a name to an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.catalogue.cutoff import scoring
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.memory import MemoryIndex
from catalens.catalogue.opening import open_index, scheme_of
from catalens.core.errors import CatalogueError
from tests.support.indexes import DIM


def test_a_path_is_a_file(tmp_path: Path) -> None:
    with open_index(tmp_path / "shop.catalens", encoder_name="enc", dim=DIM) as index:
        assert isinstance(index, EmbeddedIndex)
        assert index.capabilities.writable
    with open_index(str(tmp_path / "shop.catalens"), read_only=True) as index:
        assert (index.encoder_name, index.dim, index.capabilities.writable) == ("enc", DIM, False)


def test_a_file_whose_name_looks_like_an_address_is_still_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_index(Path("shop:2024"), encoder_name="enc", dim=DIM).close()
    assert scheme_of("shop:2024") is None
    open_index("shop:2024").close()


def test_memory_is_new_each_time() -> None:
    with open_index("memory:", encoder_name="enc", dim=DIM) as index:
        assert isinstance(scoring(index), MemoryIndex)
        assert len(index) == 0
    with pytest.raises(CatalogueError, match="encoder and its width"):
        open_index("memory:")


@pytest.mark.parametrize("uri", ["redis://localhost/shop", "S3://bucket/shop.catalens"])
def test_an_unknown_scheme_is_named_with_what_there_is(uri: str) -> None:
    with pytest.raises(CatalogueError, match=r"(redis|s3).*path of a file, or memory:") as caught:
        open_index(uri)
    assert uri in str(caught.value)
