"""The hostile suite runs by itself: `make test-hostile`, or `pytest tests/hostile --rounds 20` for a long one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.drive import Drive, Driven, drive


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="how many times as many inputs and kills as usual")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that did not name them: then this file came too late to add its option."""
    return True if config.getoption("rounds", None) is None else None


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("rounds"))


@pytest.fixture(scope="session")
def catalens(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    """Run the command line as a process of its own; all of them share one cache."""
    cache = tmp_path_factory.getbasetemp() / "hostile-cache"

    def run(*arguments: object, **options: Any) -> Driven:
        return drive(arguments, cache=cache, **options)

    return run


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP of random weights, as transformers saves it."""
    if not all(map(find_spec, ("torch", "transformers", "open_clip"))):
        pytest.skip("needs the libraries of pretrained models: make test-models installs them")
    from tests.support.tiny_encoders import clip

    return clip(tmp_path_factory.mktemp("tiny-clip"))
