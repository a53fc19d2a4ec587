"""A browser for the tests of the page, and the page over fake models and a small catalogue."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import catalens
from catalens.catalogue.opening import open_index
from catalens.catalogue.review import Review
from catalens.catalogue.review_tables import Item, Question
from catalens.ui.page import Page
from tests.support.serving import listening, picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as Tab

COLOURS = ("red", "blue", "green", "white", "black")


def chromium() -> str | None:
    """Return the system's Chromium."""
    given = os.environ.get("CHROMIUM")
    return given or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-ui")
    found = chromium()
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name it in CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        # Without a sandbox, since tests may run as root; they visit nothing but the page.
        browser = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalogue of ten pictures of five colours, each colour twice."""
    folder = tmp_path_factory.mktemp("ui")
    rows = ["image,title,colour,price"]
    for at in range(10):
        colour = COLOURS[at % len(COLOURS)]
        (folder / f"{at}.png").write_bytes(picture(colour, (60, 80)))
        rows.append(f"{at}.png,{colour.capitalize()} number {at},{colour},{at * 10}")
    (folder / "shop.csv").write_text("\n".join(rows) + "\n")
    path = folder / "shop.catalens"
    with catalens.load(encoder="fake", reader="fake", cache=None).index(path) as index:
        assert index.add(folder / "shop.csv").added == 10
    return path


@pytest.fixture(scope="session")
def address(catalogue: Path) -> Iterator[str]:
    """Return where the page is served."""
    models = {
        "first": {"encoder": "fake", "reader": "fake"},
        "second": {"encoder": "fake", "reader": "fake", "load": "lazy"},
    }
    with listening(
        around=lambda app: Page(app, "127.0.0.1"), models=models, catalogues={"shop": str(catalogue)}, pictures=True
    ) as found:
        yield found


@pytest.fixture
def reviewed(catalogue: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return where the page is served over a catalogue with four questions, and that catalogue."""
    path = tmp_path / "shop.catalens"
    with sqlite3.connect(catalogue) as file:
        file.execute("VACUUM INTO ?", (str(path),))
    file.close()
    with open_index(path, read_only=True) as index:
        ids = [record.id for record in index.records()][:4]
    items = [
        Item(each, "colour", (("red", 0.5), ("blue", 0.3)), "red", "unsure", 1 - at / 9) for at, each in enumerate(ids)
    ]
    with Review(path) as review:
        review.fill([Question("colour", "what colour is it?", COLOURS)], items)
    with listening(
        around=lambda app: Page(app, "127.0.0.1"), catalogues={"shop": str(path)}, pictures=True, reviews=True
    ) as found:
        yield found, path


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
    yield context
    context.close()


@pytest.fixture
def tab(context: BrowserContext, address: str) -> Iterator[Tab]:
    """Return a tab with the page in it; whatever it complains of or asks elsewhere for fails the test."""
    tab = context.new_page()
    tab.set_default_timeout(15_000)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
    tab.on("request", lambda request: None if _is_ours(request.url, address) else complaints.append(request.url))
    tab.goto(address)
    yield tab
    assert complaints == []


def _is_complaint(message: Any) -> bool:
    # Chromium reports statuses of 400 and more itself; the page shows them as sentences.
    return message.type in {"error", "warning"} and "Failed to load resource" not in message.text


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:"))
