"""Train a reader: `python -m catalens.training.recipes.readers.train everyday|starter --data DATA`.

The image tower's features are computed once and read from disk.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from tokenizers import Tokenizer

from catalens.models.allocator import keep_memory
from catalens.training.export import load_reader
from catalens.training.reader import Reader
from catalens.training.reader_examples import reader_tokenizer
from catalens.training.reader_trainer import ReaderRecipe, ReaderTrainer
from catalens.training.recipes.readers.data import everyday_examples, product_examples
from catalens.training.recipes.readers.recipe import EVERYDAY_KINDS, PRODUCT_KINDS, RECIPES
from catalens.training.validation import caption_scores, closed_answers


def main() -> None:
    """Train one reader to the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", choices=["everyday", "starter"])
    parser.add_argument("--data", type=Path, required=True, help="folder with everyday/, fashion/ and init/")
    parser.add_argument("--run", type=Path, help="the encoder's run [runs/BUNDLE]")
    parser.add_argument("--out", type=Path, help="[runs/reader-BUNDLE]")
    parser.add_argument("--reader", type=Path, help="a finished run to start from, such as one on an older encoder")
    for name, value in asdict(ReaderRecipe()).items():
        parser.add_argument(f"--{name}", type=type(value), help="[from the bundle's recipe]")
    options = vars(parser.parse_args())
    bundle, data, start = options.pop("bundle"), options.pop("data"), options.pop("reader")
    run = options.pop("run") or Path("runs") / bundle
    out = options.pop("out") or Path("runs") / f"reader-{bundle}"
    out.mkdir(parents=True, exist_ok=True)
    keep_memory()
    recipe = replace(RECIPES[bundle], **{name: value for name, value in options.items() if value is not None})
    examples = everyday_examples if bundle == "everyday" else product_examples
    train, val = (examples(data, run, split) for split in ("train", "val"))
    file = out / "tokenizer.json"
    older, tokenizer = load_reader(start) if start else (None, None)
    if tokenizer is not None:
        tokenizer.save(str(file))
    elif not file.exists():
        reader_tokenizer(train.texts(), recipe.vocabulary).save(str(file))
    trainer = ReaderTrainer(recipe, train, Tokenizer.from_file(str(file)), out)
    if older is not None:
        trainer.start_from(older)
    kinds = EVERYDAY_KINDS if bundle == "everyday" else PRODUCT_KINDS

    def evaluate(reader: Reader) -> dict[str, float]:
        captions: dict[str, float] = caption_scores(reader, trainer.text, val)
        answers: dict[str, float] = closed_answers(reader, trainer.text, val.first(400), kinds)
        return captions | answers

    trainer.run(evaluate)


if __name__ == "__main__":
    main()
