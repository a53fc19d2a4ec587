"""Trains a reader on the features of a frozen image tower.

All texts of an image, captions and answered questions alike, go through the decoder together over one set of keys and
values. The tokens of a question are read and not predicted; those of its answer and of a caption are.
"""

from __future__ import annotations

import random
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

from catalens.training.loop import Optimiser, RunLog, WeightAverage, adamw, batches, cosine, save_checkpoint
from catalens.training.precision import mixed
from catalens.training.reader import Reader, Shape
from catalens.training.reader_examples import IGNORED, Examples, ReaderText, TokenPair, padded

MAX_CAPTION = 18
"""Tokens of a training caption. One long caption would make every text of its batch as long."""
WARM_UP_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRecipe:
    """What decides the result, besides the examples."""

    epochs: int = 20
    batch: int = 64
    captions: int = 4
    """Captions per image of a batch."""
    questions: int = 3
    """Answered questions per image of a batch."""
    rate: float = 6e-4
    decay: float = 0.05
    dropout: float = 0.2
    smoothing: float = 0.1
    vocabulary: int = 4000
    depth: int = 3
    average: float = 0.999
    seed: int = 0


class ReaderTrainer:
    """A reader in training.

    Args:
        recipe: what decides the result.
        train: the training examples.
        tokenizer: from `reader_tokenizer`.
        out: folder of the log and the checkpoint.
    """

    def __init__(self, recipe: ReaderRecipe, train: Examples, tokenizer: Tokenizer, out: Path) -> None:
        self.recipe, self.train, self.out, self.log = recipe, train, out, RunLog(out)
        torch.manual_seed(recipe.seed)
        self.rng, self.random = np.random.default_rng(recipe.seed), random.Random(recipe.seed)
        self.text = ReaderText(tokenizer)
        self.captions = [[self.text.caption(text) for text in texts] for texts in train.captions]
        self.shape = Shape(
            vocabulary=tokenizer.get_vocab_size(),
            cells=train.cells.shape[2],
            channels=train.cells.shape[3],
            means=train.means.shape[2],
            depth=recipe.depth,
        )
        self.model = Reader(self.shape, recipe.dropout)
        self.average = WeightAverage(self.model, recipe.average, warm_up=True)
        self.optimiser = Optimiser(adamw(self.model.parameters(), decay=recipe.decay), clip=1.0)

    def start_from(self, reader: Reader) -> None:
        """Load the weights of a trained reader of the same shape."""
        self.model.load_state_dict(reader.state_dict())
        self.average = WeightAverage(self.model, self.average.decay, warm_up=True)

    def _texts(self, row: int) -> list[TokenPair]:
        """Sample the texts of one image for one step: equally many for every image."""
        recipe, text = self.recipe, self.text
        captions = [pair for pair in self.captions[row] if len(pair[0]) <= MAX_CAPTION] or self.captions[row][:1]
        facts = self._sample(self.train.facts[row], recipe.questions)
        answers = [text.answer(self.random.choice(fact.asked), fact.answer) for fact in facts]
        return self._sample(captions, recipe.captions) + answers

    def _sample(self, items: Sequence[Any], n: int) -> list[Any]:
        return self.random.sample(list(items), n) if len(items) >= n else self.random.choices(list(items), k=n)

    def loss(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the mean cross-entropy of the predicted tokens of a batch."""
        ids, targets = padded([pair for row in rows for pair in self._texts(int(row))])
        logits = self.logits(*self.features(rows), ids, targets)
        return functional.cross_entropy(logits, targets[targets != IGNORED], label_smoothing=self.recipe.smoothing)

    def logits(self, cells: Tensor, means: Tensor, ids: Tensor, targets: Tensor) -> Tensor:
        """Return float32 logits (predicted tokens, vocabulary): most of the work, so only where there is a target."""
        with mixed():
            memory = self.model.encode_memory(cells, means)
            states, _ = self.model.states(ids, self.model.no_past(len(ids)), memory)
            return self.model.logits(states[targets != IGNORED]).float()

    def features(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the cells and means of some images, each in a random view."""
        return self.train.features(rows, self.rng.integers(0, self.train.cells.shape[1], len(rows)))

    def run(self, evaluate: Callable[[Reader], dict[str, float]]) -> None:
        """Train to the end; `evaluate` scores the averaged weights every third epoch."""
        recipe, rows = self.recipe, self.train.complete()
        steps, at = len(rows) // recipe.batch * recipe.epochs, 0
        for epoch in range(recipe.epochs):
            self.model.train()
            losses: list[float] = []
            for step, some in enumerate(batches(rows, recipe.batch, self.rng)):
                loss = self.loss(some)
                self.step(loss, recipe.rate * cosine(at, steps, warm_up=WARM_UP_STEPS, least=0.01))
                at += 1
                losses.append(loss.item())
                if step % 50 == 0:
                    self.log.write(epoch=epoch, step=step, loss=round(float(np.mean(losses)), 3))
            self.save()
            if epoch % 3 == 2 or epoch + 1 == recipe.epochs:
                self.log.write(epoch=epoch + 1, **evaluate(self.averaged()))

    def step(self, loss: Tensor, rate: float) -> None:
        """Descend one step and update the average."""
        self.optimiser.step(loss, rate)
        self.average.update(self.model)

    def averaged(self) -> Reader:
        """Return a reader with the averaged weights, in evaluation mode."""
        model = Reader(self.shape)
        model.load_state_dict(self.average.weights)
        model.eval()
        return model

    def save(self) -> None:
        """Write the averaged weights."""
        state = {"reader": self.average.weights, "shape": asdict(self.shape), "recipe": asdict(self.recipe)}
        save_checkpoint(self.out, state)
