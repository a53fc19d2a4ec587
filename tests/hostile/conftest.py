"""The hostile suite runs by itself: `make test-hostile`, and `make test-hostile-full` for the amounts of a release."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.drive import Drive, Driven, drive


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of each attack is made.

    Attributes:
        pictures: mutated pictures through each command and encoder.
        catalogues: damaged catalogues.
        kills: of runs, shared between the commands.
        moments: at which each command is interrupted.
    """

    pictures: int = 160
    catalogues: int = 15
    kills: int = 5
    moments: int = 4


FULL = Amounts(pictures=10_000, catalogues=300, kills=200, moments=40)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="how many times as many inputs and kills as usual")
    parser.addoption("--full", action="store_true", help=f"the amounts of a release: {FULL}")


@pytest.fixture(scope="session")
def amounts(request: pytest.FixtureRequest) -> Amounts:
    if request.config.getoption("full"):
        return FULL
    rounds, usual = int(request.config.getoption("rounds")), Amounts()
    return Amounts(*(rounds * getattr(usual, each.name) for each in fields(usual)))


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
