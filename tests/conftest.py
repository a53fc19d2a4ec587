"""What every test may rely on: no network, the same random numbers each time, drawn pictures, and the command line."""

from __future__ import annotations

import csv
import gc
import os
import random
import socket
import ssl
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from typer.testing import CliRunner

from catalens.cli import app
from catalens.models import fastest, registry
from tests.support.drawings import drawn
from tests.support.ran import Ran, Run
from tests.support.servers import Server, opensearch_server, postgres_folder, postgres_server

_THIS_MACHINE = "127.0.0.1"

# The same examples on every machine and in every run; `--hypothesis-profile default` searches at random.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

collect_ignore = [] if all(map(find_spec, ("torch", "transformers", "open_clip", "diffusers"))) else ["hub"]
"""The tests over pretrained models need a large install: `make test-models`."""
if not any("hostile" in argument for argument in sys.argv):
    collect_ignore.append("hostile")  # `make test-hostile`, which names them, takes minutes


def _refuse(*_: Any, **__: Any) -> None:
    raise OSError("tests run offline: a test tried to reach the network")


def pytest_configure() -> None:
    """Refuse network sockets for the whole run, doctests included; local ones (AF_UNIX, this machine's own) stay."""
    if os.environ.get("CATALENS_WEIGHTS") == "1":  # tests of real weights fetch them
        return
    real_connect, real_getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] != _THIS_MACHINE:
            _refuse()
        real_connect(self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in (_THIS_MACHINE, _THIS_MACHINE.encode()):
            _refuse()
        return real_getaddrinfo(host, *args, **kwargs)

    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    socket.getaddrinfo = getaddrinfo
    # No test speaks TLS, and each of some two hundred HTTP clients would read all certificates, which takes 40 ms.
    ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave out of every later garbage collection what is loaded by now, which stays: a session ends with one."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the end of the process collect it: libraries report what they find left as leaks."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that use the old global generator


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of the whole run: the workers of pytest-xdist share compiled graphs and label vectors."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    """Keep the developer's own settings and cache out of the tests."""
    for name in ("CATALENS_MODEL", "CATALENS_READER", "CATALENS_DEBUG", "CATALENS_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CATALENS_CACHE", str(kept))
    monkeypatch.setattr(registry, "default_cache", lambda: kept)
    monkeypatch.setattr(fastest, "BUDGET_S", 0.2)  # any runtime will do here


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
        for place, product in enumerate(drawn(6)):
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server with pgvector."""
    with postgres_folder() as folder, postgres_server(folder) as server:
        yield server


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An OpenSearch node, where it is asked for: it takes half a minute."""
    if os.environ.get("OPENSEARCH_TESTS") != "1":
        pytest.skip("OpenSearch is tested by `make test-opensearch`")
    pytest.importorskip("opensearchpy")
    with opensearch_server(tmp_path_factory.mktemp("opensearch")) as server:
        yield server
