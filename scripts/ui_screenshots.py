"""Take the screenshots of docs/ui.md: the page over the demo's catalogue, in headless Chromium.

Usage: python scripts/ui_screenshots.py catalens-demo/demo.catalens --out docs/images
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from shutil import which
from typing import IO

from PIL import Image
from playwright.sync_api import Page, sync_playwright

COLOURS = 128
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


TABS = {"picture": picture, "search": search}

if __name__ == "__main__":
    main()
