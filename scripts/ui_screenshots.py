"""Take the screenshots of docs/ui.md: the page over the demo's catalogue, in headless Chromium.

Usage: python scripts/ui_screenshots.py catalens-demo/demo.catalens --out docs/images
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from shutil import which
from typing import IO

from PIL import Image
from playwright.sync_api import FilePayload, Page, sync_playwright

from catalens.demo.drawn import DrawnProduct, draw_catalogue

COLOURS = 128
COUNT = 17
"""Drawn products of a batch."""
WIDE, NARROW = 1280, 390


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "catalens", "ui", f"shop={given.catalogue}", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            take(address_of(server.stderr), given.out)
        finally:
            server.terminate()


def address_of(log: IO[str]) -> str:
    """Return where the page is, once its models are warm."""
    for line in log:
        if found := re.search(r"ready on (\S+)", line):
            return found[1]
    raise SystemExit("the page did not start")


def take(address: str, out: Path) -> None:
    """Take each picture at both widths, light at one and dark at the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        for width, theme in ((WIDE, "light"), (NARROW, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
            tab = context.new_page()
            tab.goto(address)
            for name, shown in TABS.items():
                shown(tab)
                tab.wait_for_timeout(600)
                save(tab.screenshot(), out / f"ui-{name}{'' if width == WIDE else '-phone'}.png")
            context.close()
        browser.close()


def save(content: bytes, path: Path) -> None:
    """Write a screenshot in few colours, which halves it."""
    Image.open(BytesIO(content)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(path, path.stat().st_size)


def picture(tab: Page) -> None:
    """Show what is on a picture."""
    tab.get_by_role("button", name="Try a drawn shirt").click()
    tab.wait_for_selector("#picture [aria-busy=false]", timeout=60_000)
    tab.get_by_label("Your question").fill("what colour is it?")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".answered p")


def search(tab: Page) -> None:
    """Show hits of a search."""
    tab.get_by_role("tab", name="Search").click()
    tab.get_by_label("What you look for").fill("red striped t-shirt")
    tab.keyboard.press("Enter")
    tab.locator(".hit img").nth(12).wait_for()


def review(tab: Page) -> None:
    """Show a question of a review; fill one before with `catalens review fill`."""
    tab.get_by_role("tab", name="Review").click()
    tab.get_by_label("Your name").fill("Ana")
    tab.keyboard.press("Enter")
    tab.locator(".choices button").first.wait_for()
    tab.locator("#review figure img").wait_for()


def batch(tab: Page) -> None:
    """Show results of several pictures."""
    tab.get_by_role("tab", name="Batch").click()
    tab.locator("#batch input[type=file]").set_input_files(pictures())
    tab.get_by_role("button", name="Start").click()
    tab.get_by_role("button", name="Download CSV").wait_for(timeout=120_000)


def compare(tab: Page) -> None:
    """Show two models on a labelled table."""
    tab.get_by_role("tab", name="Compare").click()
    rows = "image,type\n" + "".join(f"{each.id}.jpg,{each.article_type}\n" for each in drawn())
    table: FilePayload = {"name": "products.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    tab.locator("#compare input[type=file]").set_input_files([table, *pictures()])
    tab.get_by_role("button", name="Compare", exact=True).click()
    tab.get_by_text("exact McNemar test").wait_for(timeout=240_000)


@cache
def drawn() -> tuple[DrawnProduct, ...]:
    """Draw products."""
    return tuple(draw_catalogue(COUNT, seed=3))


@cache
def pictures() -> list[FilePayload]:
    """Return the drawn products as files."""
    found: list[FilePayload] = []
    for each in drawn():
        file = BytesIO()
        each.picture.save(file, "JPEG", quality=80)
        found.append({"name": f"{each.id}.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
    return found


TABS = {"picture": picture, "search": search, "review": review, "batch": batch, "compare": compare}

if __name__ == "__main__":
    main()
