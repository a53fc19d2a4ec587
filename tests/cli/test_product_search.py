"""The example that goes from metadata and pictures to a search index, as a process of its own."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from catalens.catalogue.opening import open_index
from catalens.core.errors import CatalogueError
from tests.support.servers import Server

SCRIPT = Path(__file__).parents[2] / "examples" / "product_search.py"


def ran(*arguments: object) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", pytest.param("opensearch", marks=pytest.mark.opensearch)])
def test_products_are_encoded_found_and_cleaned_up(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    server: Server | None = request.getfixturevalue(kind) if kind != "file" else None
    index, other = (server.new() if server else str(tmp_path / name) for name in ("c.catalens", "d.catalens"))
    sheet = tmp_path / "hits.png"
    data = runpy.run_path(str(SCRIPT))["draw_products"](tmp_path / "abo", 40)
    arguments = ("--index", index, "--data", data, "--text", "a tie", "--sheet", sheet)
    told = ran(*arguments, "--keep")
    assert "40 products encoded, 0 failed" in told
    scores = [float(each) for each in re.findall(r"^  (-?\d\.\d{3}) ", told, re.MULTILINE)]
    titles = re.findall(r"^  -?\d\.\d{3} \S+ (.*)$", told, re.MULTILINE)
    assert len(scores) == 10
    assert titles[0].endswith(" tie"), told
    assert (titles[5], scores[5] > 0.99) == (titles[0], True), "the picture of the best hit finds itself first"
    with Image.open(sheet) as image:
        assert image.width > 500
    with open_index(index, read_only=True) as held:
        (record,) = [each for each in held.records() if each.fields["item_name"] == titles[0]][:1]
        assert record.id.endswith("@shop.example")
        assert record.fields["product_type"] == "TIES", json.dumps(dict(record.fields))
    assert "0 products encoded" in ran(*arguments, "--keep")
    refused = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300)
    assert (refused.returncode, "exists, and would be deleted" in refused.stderr) == (2, True)
    with open_index(index, read_only=True) as held:
        assert len(held) == 40
    ran("--index", other, "--products", 6, "--sheet", sheet)
    with pytest.raises(CatalogueError, match="there is no"):
        open_index(other, read_only=True)
