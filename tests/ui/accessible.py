"""What axe-core finds on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

_COUNTED = {"moderate", "serious", "critical"}


def serious_findings(tab: Tab) -> list[str]:
    """Return what axe-core finds that is more than minor, each as its rule and its first place."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make test-ui")
    found = axe.Axe().run(tab).response["violations"]
    counted = (each for each in found if each["impact"] in _COUNTED)
    return [f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:120]}" for each in counted]
