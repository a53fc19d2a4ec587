"""Encode the labels of the bundled schemas once, for every installation: `python scripts/write_label_vectors.py`.

A bundle's `labels` folder spares the first `tag` on a machine the seconds that its text graph would take; so it does
where nothing can be kept, as in a container. Run it after a text graph, a schema or a template has changed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from catalens.models.bundle import load_bundle
from catalens.models.facts import LABELS
from catalens.models.registry import shipped
from catalens.tasks.attributes import build_schema_bank
from catalens.tasks.schema import load_schema

READS = {"starter": "fashion", "everyday": "everyday"}
"""Bundled encoder → the schema that it reads."""


def main() -> None:
    """Run the command."""
    for name, schema in READS.items():
        folder = shipped(name) / LABELS
        shutil.rmtree(folder, ignore_errors=True)
        encoder = load_bundle(shipped(name), runtime="onnxruntime")
        build_schema_bank(encoder, load_schema(schema), cache_dir=folder)
        for file in folder.iterdir():
            file.chmod(0o644)
        print(f"{folder}: {_bytes(folder):,} bytes")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    main()
