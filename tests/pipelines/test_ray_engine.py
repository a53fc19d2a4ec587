"""Ray: the same rows as the local engine, also after a worker was killed in mid-run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catalens.pipelines.enrich_plan import EnrichPlan
from catalens.pipelines.enriching import Enrichment
from catalens.pipelines.session import Session, SessionConfig
from tests.support import ray_child
from tests.support.shards import rows_of

PICTURES = 100


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'catalens[ray]'")
@pytest.mark.parametrize("kill", ["", "057.png"])
def test_ray_gives_the_local_rows(tmp_path: Path, kill: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (20, 30), (number, 255 - number, 90)).save(photos / f"{number:03}.png")
    (photos / "050x.png").write_bytes(b"no picture")
    plan = EnrichPlan(
        sources=(str(photos),), do={"tags": {}, "vectors": {}}, output=str(tmp_path / "local"), model="fake"
    )
    with Session(SessionConfig(encoder="fake")) as session, Enrichment(plan, session) as enrichment:
        local = enrichment.run()
    child = subprocess.run(
        [sys.executable, ray_child.__file__, str(tmp_path), kill],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert child.returncode == 0, child.stderr[-3000:]
    report = json.loads(child.stdout.splitlines()[-1])
    assert report["done"] == local.done == PICTURES
    assert report["errors"] == [each.error for each in local.failures]
    assert (tmp_path / "killed").exists() == bool(kill)
    assert comparable(tmp_path / "ray") == comparable(tmp_path / "local")


def comparable(folder: Path) -> list[dict[str, Any]]:
    """Return rows with scores to three places: the last digit depends on which pictures share a batch."""
    return [
        row | {"tags": [(tag["group"], tag["label"], round(tag["score"], 3)) for tag in row["tags"]]}
        for row in rows_of(folder)
    ]
