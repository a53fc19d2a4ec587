"""Evaluates the bundled models on all labelled tables: `python -m catalens.training.recipes.unified.evaluate`.

Prints one row per figure, beside that of the most frequent answer, draws the worst errors as contact sheets, and fails
where a figure is worse than when the bundles were released (`figures.json` beside this file; `--keep` writes it). Only
validation rows are used unless `--split test` asks for the test splits, once, for a release.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from catalens.core.types import Vectors
from catalens.models.readers.auto import AutoReader
from catalens.models.readers.registry import load_reader
from catalens.models.registry import load_encoder, shipped
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.tasks.attributes import Attributes
from catalens.training.recipes.unified.asking import answer_figures
from catalens.training.recipes.unified.captioning import caption_figures
from catalens.training.recipes.unified.evaluator import Evaluator, cache_folder
from catalens.training.recipes.unified.figures import KEPT, QUOTED, Figure, quote, read_figures, shortfalls, table_of
from catalens.training.recipes.unified.instruments import scientific_figures
from catalens.training.recipes.unified.main_tags import main_tag_figures
from catalens.training.recipes.unified.prompting import prompt_figures
from catalens.training.recipes.unified.surroundings import place_figures
from catalens.training.recipes.unified.tables import read_tables


def shipped_figures(evaluator: Evaluator, threads: int) -> list[Figure]:
    """Return what the bundled encoders and readers say together: main tags, captions, answers and prompts."""
    tables, mistakes = read_tables(evaluator.data, evaluator.split), evaluator.mistakes
    reader = load_reader(PRODUCT, threads=threads)
    assert isinstance(reader, AutoReader)
    encoders = {"everyday": evaluator.everyday, "fashion": evaluator.product}

    def attributes(schema: str, vectors: Vectors) -> Sequence[Attributes]:
        return evaluator.read(schema, encoders[schema], vectors)

    return [
        *main_tag_figures(evaluator, tables, mistakes),
        *caption_figures(reader, tables, attributes, evaluator.data, evaluator.split, mistakes),
        *answer_figures(reader, tables, attributes, mistakes),
        *prompt_figures(evaluator, mistakes),
        *place_figures(evaluator),
        *scientific_figures(evaluator),
    ]


def main() -> None:
    """Print the table of today's bundles, or of one encoder for everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--product", default="starter", help="encoder for products: a name or a bundle's folder")
    parser.add_argument("--everyday", default="everyday", help="encoder for everything else")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluation"), help="folder for image vectors")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--sheets", type=Path, default=Path("runs/evaluation/sheets"), help="folder for contact sheets")
    parser.add_argument("--keep", action="store_true", help="keep these figures as those of the release")
    options = parser.parse_args()
    product = load_encoder(options.product, threads=options.threads)
    same = options.product == options.everyday
    everyday = product if same else load_encoder(options.everyday, threads=options.threads)
    evaluator = Evaluator(
        product,
        everyday,
        options.data,
        cache=cache_folder(options.cache, product, everyday),
        split=options.split,
        calibrations=Path(options.product) if same else None,
    )
    shipped_ones = (options.product, options.everyday) == (PRODUCT, EVERYDAY)
    figures = evaluator.all()
    if shipped_ones:
        figures += shipped_figures(evaluator, options.threads)
    print(table_of(figures))  # noqa: T201 - the point of the command
    for sheet in evaluator.mistakes.write(options.sheets):
        print(sheet)  # noqa: T201
    worse = shortfalls(figures, read_figures(KEPT)) if shipped_ones and options.split == "val" else []
    written = json.dumps([asdict(each) for each in figures], indent=1) + "\n"
    for file in [options.json] * bool(options.json) + [KEPT] * options.keep:
        file.write_text(written, encoding="utf-8")
    for name in QUOTED if options.keep and shipped_ones else ():
        quote(shipped(name) / "README.md", name, figures)
    if worse:
        raise SystemExit("worse than when the bundles were released:\n" + "\n".join(worse))


if __name__ == "__main__":
    main()
