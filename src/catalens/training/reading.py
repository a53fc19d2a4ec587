"""Train a reader: `python -m catalens.training.reading everyday|starter --data DATA --out runs/reader-everyday`.

The image towers are frozen by then, so their features are looked at once and read from disk. Every text of a picture,
captions and answered questions alike, goes through the decoder together, over one set of keys and values. The words
of a question are read and not predicted; its answer and a caption are.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from catalens.models.allocator import keep_memory
from catalens.models.readers.bundled import ANSWER, ASK, CAPTION, mark_ids
from catalens.training.facts import Fact
from catalens.training.reader import Reader, Shape
from catalens.training.vocabulary import train_tokenizer

LONGEST = 18
"""Tokens of a caption that is trained on; an everyday one has a dozen."""
EVERYDAY_KINDS = ("inside", "people", "animal", "place", "colour", "doing", "thing")
PRODUCT_KINDS = ("type", "colour", "gender", "pattern", "sleeve_length", "neck")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the result."""

    epochs: int = 20
    batch: int = 64
    captions: int = 4
    questions: int = 3
    """Texts of each kind for every picture of a batch."""
    rate: float = 6e-4
    decay: float = 0.05
    dropout: float = 0.2
    smoothing: float = 0.1
    vocabulary: int = 4000
    depth: int = 3
    average: float = 0.999
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a reader is trained on: features, and for each picture what can be said and asked.

    Attributes:
        cells: (n, views, cells, channels) float16.
        means: (n, views, means) float16.
        captions: of each picture; a picture may have none.
        facts: of each picture.
    """

    cells: NDArray[np.float16]
    means: NDArray[np.float16]
    captions: Sequence[Sequence[str]]
    facts: Sequence[Sequence[Fact]]

    def __len__(self) -> int:
        return len(self.cells)

    def first(self, n: int) -> Pictures:
        """Return the first n."""
        return Pictures(self.cells[:n], self.means[:n], self.captions[:n], self.facts[:n])


def reader_tokenizer(texts: Sequence[str], size: int) -> Tokenizer:
    """Learn the reader's vocabulary; its marks come last, the end of all at the very end."""
    tokenizer = train_tokenizer(texts, size - 3)
    tokenizer.add_special_tokens([CAPTION, ASK, ANSWER])
    return tokenizer


class Words:
    """Turns captions and facts into ids, and into what is to be predicted of them (-100 where nothing is)."""

    def __init__(self, tokenizer: Tokenizer, most: int = 40) -> None:
        self.tokenizer, self.most = tokenizer, most
        self.caption, self.ask, self.answer, self.end = mark_ids(tokenizer)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids[: self.most]

    def said(self, caption: str) -> tuple[list[int], list[int]]:
        """Return the ids that a caption is read from, and the next one of each."""
        ids = self._ids(caption)
        return [self.caption, *ids], [*ids, self.end]

    def told(self, question: str, answer: str) -> tuple[list[int], list[int]]:
        """Return the same for an answered question; only the answer is predicted."""
        asked, answered = self._ids(question), self._ids(answer)
        return [self.ask, *asked, self.answer, *answered], [-100] * (len(asked) + 1) + [*answered, self.end]


class Trainer:
    """Holds what a step needs."""

    def __init__(self, recipe: Recipe, train: Pictures, tokenizer: Tokenizer, out: Path) -> None:
        self.recipe, self.train, self.out = recipe, train, out
        torch.manual_seed(recipe.seed)
        self.rng, self.random = np.random.default_rng(recipe.seed), random.Random(recipe.seed)
        self.words = Words(tokenizer)
        self.said = [[self.words.said(text) for text in texts] for texts in train.captions]
        self.shape = Shape(
            vocabulary=tokenizer.get_vocab_size(),
            cells=train.cells.shape[2],
            channels=train.cells.shape[3],
            means=train.means.shape[2],
            depth=recipe.depth,
        )
        self.model = Reader(self.shape, recipe.dropout)
        self.mean = {name: value.clone() for name, value in self.model.state_dict().items()}
        wide = [p for p in self.model.parameters() if p.ndim > 1]
        rest = [p for p in self.model.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": wide, "weight_decay": recipe.decay}, {"params": rest, "weight_decay": 0.0}],
            lr=recipe.rate,
            betas=(0.9, 0.98),
        )

    def go_on_from(self, reader: Reader) -> None:
        """Begin with the weights of a finished reader of the same shape."""
        self.model.load_state_dict(reader.state_dict())
        self.mean = {name: value.clone() for name, value in self.model.state_dict().items()}

    def _texts(self, row: int) -> list[tuple[list[int], list[int]]]:
        """Return the texts of one picture for one step: as many for every picture."""
        recipe, draw = self.recipe, self.random
        facts = self.train.facts[row]
        # One long caption would make every text of the batch as long.
        captions = [text for text in self.said[row] if len(text[0]) <= LONGEST] or self.said[row][:1]
        told = [self.words.told(draw.choice(fact.asked), fact.answer) for fact in self._some(facts, recipe.questions)]
        return self._some(captions, recipe.captions) + told

    def _some(self, items: Sequence[Any], n: int) -> list[Any]:
        return self.random.sample(list(items), n) if len(items) >= n else self.random.choices(list(items), k=n)

    def loss(self, rows: NDArray[np.int64]) -> Tensor:
        """Run one batch."""
        cells, means = self.seen(rows)
        texts = [text for row in rows for text in self._texts(int(row))]
        ids, wanted = padded([text[0] for text in texts], 0), padded([text[1] for text in texts], -100)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            memory = self.model.encode_memory(cells, means)
            states, _ = self.model.states(ids, self.model.nothing(len(ids)), memory)
            # Only where something is to be said: logits of thousands of words are most of the work.
            logits = self.model.next_words(states[wanted >= 0])
        return functional.cross_entropy(logits.float(), wanted[wanted >= 0], label_smoothing=self.recipe.smoothing)

    def seen(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the cells and means of some pictures, each in a view drawn by chance."""
        train = self.train
        views = self.rng.integers(0, train.cells.shape[1], len(rows))
        cells, means = (torch.from_numpy(part[rows, views].astype(np.float32)) for part in (train.cells, train.means))
        return cells, means

    def usable(self) -> NDArray[np.int64]:
        """Return the places of the pictures of which something is said and something is known."""
        train = self.train
        return np.array([i for i in range(len(train)) if train.captions[i] and train.facts[i]])

    def run(self, judge: Callable[[Reader], dict[str, float]]) -> None:
        """Train to the end; `judge` measures the mean weights now and then."""
        recipe, started = self.recipe, time.monotonic()
        usable = self.usable()
        steps = len(usable) // recipe.batch
        for epoch in range(recipe.epochs):
            self.model.train()
            order, losses = self.rng.permutation(usable), []
            for step in range(steps):
                at = epoch * steps + step
                share = min(1.0, (at + 1) / 200) * 0.5 * (1 + math.cos(math.pi * at / (steps * recipe.epochs)))
                loss = self.loss(order[step * recipe.batch : (step + 1) * recipe.batch])
                self._learn(loss, max(share, 0.01) * recipe.rate, min(recipe.average, (1 + at) / (10 + at)))
                losses.append(loss.item())
                if step % 50 == 0:
                    self._log(epoch=epoch, step=step, minutes=minutes(started), loss=round(float(np.mean(losses)), 3))
            self.save()
            if epoch % 3 == 2 or epoch + 1 == recipe.epochs:
                self._log(epoch=epoch + 1, minutes=minutes(started), **judge(self.averaged()))

    def averaged(self) -> Reader:
        """Return the reader with the mean weights, in evaluation mode."""
        model = Reader(self.shape)
        model.load_state_dict(self.mean)
        return model.eval()

    def _learn(self, loss: Tensor, rate: float, average: float) -> None:
        """Take one step down a loss, and let the mean weights follow."""
        for part in self.optimiser.param_groups:
            part["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self._average(average)

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for name, value in self.model.state_dict().items():
            self.mean[name].lerp_(value, 1 - decay)

    def _log(self, **values: object) -> None:
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(values) + "\n")

    def save(self) -> None:
        """Write the mean weights whole, then put them in place."""
        part = self.out / "checkpoint.part"
        torch.save({"reader": self.mean, "shape": asdict(self.shape), "recipe": asdict(self.recipe)}, part)
        part.replace(self.out / "checkpoint.pt")


def minutes(started: float) -> float:
    """Return how long ago that was."""
    return round((time.monotonic() - started) / 60, 1)


def padded(rows: Sequence[list[int]], fill: int) -> Tensor:
    """Return (n, longest) with `fill` after each row's end."""
    out = torch.full((len(rows), max(map(len, rows))), fill, dtype=torch.long)
    for row, ids in zip(out, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return out


def main() -> None:
    """Run the one documented command."""
    from catalens.training.export import load_reader
    from catalens.training.reading_data import everyday_pictures, product_pictures, texts_of
    from catalens.training.validation import closed_answers, judge_captions

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=["everyday", "starter"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="where the encoder was trained [runs/WORLD]")
    parser.add_argument("--out", type=Path, help="[runs/reader-WORLD]")
    parser.add_argument("--reader", type=Path, help="a finished run to go on from, such as one on an older encoder")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    world, data = options.pop("world"), options.pop("data")
    run = options.pop("run") or Path("runs") / world
    out, begun = options.pop("out") or Path("runs") / f"reader-{world}", options.pop("reader")
    out.mkdir(parents=True, exist_ok=True)
    keep_memory()
    recipe = Recipe(**options)
    pictures = everyday_pictures if world == "everyday" else product_pictures
    train, val = (pictures(data, run, split) for split in ("train", "val"))
    file = out / "tokenizer.json"
    older, tokenizer = load_reader(begun) if begun else (None, None)
    if tokenizer is not None:
        tokenizer.save(str(file))
    elif not file.exists():
        reader_tokenizer(texts_of([train]), recipe.vocabulary).save(str(file))
    trainer = Trainer(recipe, train, Tokenizer.from_file(str(file)), out)
    if older is not None:
        trainer.go_on_from(older)
    kinds = EVERYDAY_KINDS if world == "everyday" else PRODUCT_KINDS

    def judge(reader: Reader) -> dict[str, float]:
        words = trainer.words
        return judge_captions(reader, words, val) | closed_answers(reader, words, val.first(400), kinds)

    trainer.run(judge)


if __name__ == "__main__":
    main()
