"""Say what the shipped models claim of pictures that they cannot know: `python scripts/out_of_depth.py`.

Nothing that could be said of blanks, noise, patterns, medical or astronomical pictures is right. Drawn products may
only be called what was drawn, or a drawing, and pages documents. For each set: the share of pictures with a confident
(one half or more) wrong tag for what they are, an article type or a main subject; and those tags. Runs `catalens tag`
as a user would.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from catalens.demo.drawn import draw_catalogue
from catalens.training.pixels import nonsense

STRANGE = """
page.png text.png hubble_deep_field.jpg retina.jpg ihc.png cell.png phantom.png logo.png color.png chessboard_GRAY.png
chessboard_RGB.png microaneurysms.png brick.png gravel.png moon.png
"""
"""Pictures in scikit-image's wheel that show nothing a shop sells or a photographer meets."""
SURE = 0.5
DRAWN = frozenset(("drawing", "document or screenshot"))
"""Main subjects that are right of what code drew, and of pages and drawings in scikit-image's wheel."""
ARE_DRAWN = frozenset(("page.png", "text.png", "phantom.png", "logo.png", "color.png"))


def claims(folder: Path, truths: Mapping[str, str]) -> tuple[int, list[str]]:
    """Tag a folder; give the number of pictures, and the confident wrong tags."""
    command = [sys.executable, "-m", "catalens", "tag", str(folder), "--json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    wrong = []
    for row in map(json.loads, lines):
        name = Path(row["source"]).name
        for tag in row["tags"]:
            said_what = tag["group"] in {"type", "subject"} and tag["score"] >= SURE
            is_drawn = folder.name != "strange" or name in ARE_DRAWN
            allowed = {truths.get(name), "unknown"} | (DRAWN if is_drawn else frozenset())
            if said_what and tag["label"] not in allowed:
                wrong.append(f"{name}: {tag['label']} {tag['score']:.2f} by {row['encoder']}")
    return len(lines), wrong


def main() -> None:
    """Write each set to a folder, tag it, and print what was claimed."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as place:
        sets: dict[str, dict[str, str]] = {"nonsense": {}, "strange": {}, "drawn products": {}}
        for name in sets:
            (Path(place) / name).mkdir()
        for at, pixels in enumerate(nonsense(400, np.random.default_rng(11))):
            Image.fromarray(pixels).save(Path(place) / "nonsense" / f"{at}.png")
        spec = find_spec("skimage")
        if spec is not None and spec.origin is not None:
            for name in STRANGE.split():
                source = Path(spec.origin).parent / "data" / name
                (Path(place) / "strange" / name).write_bytes(source.read_bytes())
        for product in draw_catalogue(68):
            product.picture.save(Path(place) / "drawn products" / f"{product.id}.png")
            sets["drawn products"][f"{product.id}.png"] = product.article_type
        for name, truths in sets.items():
            if any((Path(place) / name).iterdir()):
                n, wrong = claims(Path(place) / name, truths)
                print(f"{name}: {len(wrong)} of {n} ({len(wrong) / n:.1%})")
                print("".join(f"  {each}\n" for each in wrong[:20]), end="")


if __name__ == "__main__":
    main()
