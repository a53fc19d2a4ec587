"""Fine-tune the everyday reader on CIDEr-D: `python -m catalens.training.recipes.readers.reward --data DATA`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from catalens.models.allocator import keep_memory
from catalens.training.export import load_reader
from catalens.training.reader_trainer import ReaderRecipe
from catalens.training.recipes.readers.data import everyday_examples
from catalens.training.recipes.readers.recipe import EVERYDAY_KINDS
from catalens.training.self_critical import SelfCriticalRecipe, SelfCriticalTrainer
from catalens.training.validation import caption_scores, closed_answers


def main() -> None:
    """Train to the end and log the scores on `val`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with everyday/")
    parser.add_argument("--run", type=Path, default=Path("runs/everyday"), help="the encoder's run")
    parser.add_argument("--reader", type=Path, default=Path("runs/reader-everyday"), help="the trained reader's run")
    parser.add_argument("--out", type=Path, default=Path("runs/rewarded-everyday"))
    for name, value in asdict(SelfCriticalRecipe()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, run, start, out = (options.pop(name) for name in ("data", "run", "reader", "out"))
    keep_memory()
    train, val = (everyday_examples(data, run, split) for split in ("train", "val"))
    reader, tokenizer = load_reader(start)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    critical = SelfCriticalRecipe(**options)
    trainer = SelfCriticalTrainer(critical, ReaderRecipe(captions=1), reader, train, tokenizer, out)
    trainer.train_on_rewards()
    made, text = trainer.averaged(), trainer.text
    trainer.log.write(**caption_scores(made, text, val), **closed_answers(made, text, val.first(400), EVERYDAY_KINDS))


if __name__ == "__main__":
    main()
