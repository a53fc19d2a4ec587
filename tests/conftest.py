"""What every test may rely on: no network, the same random numbers each time, drawn pictures, and the command line."""

from __future__ import annotations

import csv
import random
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from catalens.catalogue.drawn import draw_catalogue
from catalens.cli import app
from ran import Ran, Run


def _refuse(*_: Any, **__: Any) -> None:
    raise OSError("tests run offline: a test tried to reach the network")


def pytest_configure() -> None:
    """Refuse network sockets for the whole run, doctests included; local ones (AF_UNIX) stay."""
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse()
        real_connect(self, address)

    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    socket.getaddrinfo = _refuse  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that use the old global generator


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the developer's own settings and cache out of the tests."""
    for name in ("CATALENS_MODEL", "CATALENS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CATALENS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; it may end in any code, but never in a traceback."""
    monkeypatch.setenv("CATALENS_MODEL", "fake")
    monkeypatch.setenv("COLUMNS", "120")

    def run_command(*arguments: object, stdin: bytes | None = None) -> Ran:
        result = CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run_command


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `photos` with six drawn products, and `products.csv` that says what they are."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "title", "type", "colour", "price"])
        for place, product in enumerate(draw_catalogue(6)):
            product.picture.resize((60, 80)).save(folder / "photos" / f"{product.id}.png")
            row = [product.id, f"photos/{product.id}.png", product.title, product.article_type, product.colour]
            table.writerow([*row, 100 * place])
    return folder


@pytest.fixture
def photos(shop: Path) -> list[Path]:
    return sorted((shop / "photos").iterdir())


@pytest.fixture
def broken(shop: Path, tmp_path: Path) -> Path:
    """A folder of three pictures, of which the second is cut short."""
    for place, photo in enumerate(sorted((shop / "photos").iterdir())[:3]):
        content = photo.read_bytes()
        (tmp_path / f"{place}.png").write_bytes(content[: len(content) // 3] if place == 1 else content)
    return tmp_path


@pytest.fixture
def catalogue(run: Run, shop: Path, tmp_path: Path) -> Path:
    path = tmp_path / "shop.catalens"
    assert run("index", "add", path, shop / "products.csv").code == 0
    return path
