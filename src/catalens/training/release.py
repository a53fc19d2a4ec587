"""Helpers of releases: encode as the commands do, record figures, format them as the model cards do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.images import read_image
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.models.facts import FACTS
from catalens.tasks.assessment import GroupReport


def encode_pictures(encoder: Encoder, pictures: Sequence[bytes]) -> Vectors:
    """Encode JPEG bytes as a user's command would: (n, dim)."""
    rows = [
        encoder.encode_images([read_image(data, at_least=encoder.input_size_wh) for data in some])
        for some in batched(pictures, 64)
    ]
    return np.concatenate(rows)


def calibrated(report: GroupReport) -> dict[str, Any]:
    """Return what the card says of a group's calibration."""
    return {
        "temperature": round(report.temperature, 3),
        "ece_before": round(report.ece_before, 4),
        "ece_after": round(report.ece_after, 4),
        "precision": report.counts.precision,
        "recall": report.counts.recall,
        "rows": report.rows,
    }


def change_facts(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - values of JSON
    """Change keys of a bundle's `bundle.json`."""
    file = folder / FACTS
    body = {**json.loads(file.read_text(encoding="utf-8")), **changes}
    file.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def share(value: float | None) -> str:
    """Return a share as the cards print it."""
    return "–" if value is None else f"{value:.3f}"
