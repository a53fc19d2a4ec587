"""What a review is worth: precision and recall on held-out products before and after learning from its decisions.

The reviewer is the truth about drawn products, so the decisions are right; the products that are measured on are
drawn from another seed.

Usage: python scripts/review_gain.py FOLDER
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from catalens.catalogue.review import Review
from catalens.demo.drawn import draw_catalogue

COUNT, QUESTIONS = 170, 400
GROUPS = ("type", "colour", "pattern", "sleeve_length")


def main() -> None:
    """Draw, review, learn and measure."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    truth = draw(folder / "work", 1)
    held = draw(folder / "held", 2)
    table, shop = folder / "held.csv", folder / "work.catalens"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *GROUPS])
        writer.writerows([f"held/{name}", *values.values()] for name, values in held.items())
    run("index", "add", str(shop), str(folder / "work"))
    flags = ["--sample", str(QUESTIONS), "--unsure", "0", "--disagreements", "0", "--no-answers"]
    run("review", "fill", str(shop), "--schema", "fashion", "--groups", ",".join(GROUPS), *flags)
    decide(shop, truth)
    run("review", "export", str(shop), "--labelled", str(folder / "labelled.csv"))
    run("eval", "tags", str(table))
    run("tag", "learn", str(folder / "labelled.csv"), "--out", str(folder / "learned.json"))
    run("eval", "tags", str(table), "--calibration", str(folder / "learned.json"))


def draw(folder: Path, seed: int) -> dict[str, dict[str, str]]:
    """Draw products into a folder; return what is true of each picture, by its name."""
    folder.mkdir(exist_ok=True)
    truth: dict[str, dict[str, str]] = {}
    for each in draw_catalogue(COUNT, seed):
        each.picture.save(folder / f"{each.id}.png")
        values = (each.article_type, each.colour, each.pattern or "", each.sleeve_length or "")
        truth[f"{each.id}.png"] = dict(zip(GROUPS, values, strict=True))
    return truth


def decide(shop: Path, truth: dict[str, dict[str, str]]) -> None:
    """Decide every question as the truth has it."""
    with Review(shop) as review:
        while (item := review.take("truth")) is not None:
            value = truth[item.id][item.question]
            verdict, after = ("corrected", value) if value else ("unknown", None)
            review.decide("truth", item.number, verdict, after, token=str(item.number))  # type: ignore[arg-type]  # one of both
        print(review.progress())


def run(*words: str) -> None:
    """Run a command of Catalens, and show what it prints."""
    print("$ catalens", *words, flush=True)
    subprocess.run([sys.executable, "-m", "catalens", *words], check=True)


if __name__ == "__main__":
    main()
