"""The cache folder of a user, and of one without a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.models.cache import default_cache


def test_a_user_without_a_home_has_a_cache_folder_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert default_cache() == Path(".cache/catalens")
