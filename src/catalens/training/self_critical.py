"""Self-critical sequence training: a reader is fine-tuned on the CIDEr-D of captions that it samples.

Cross-entropy rewards the next token after the reference's tokens; the goal is a whole caption near the references. So
captions are sampled, each is scored against the image's references, and those that beat the image's other samples
become likelier. Answers keep their likelihood loss.

Source:
    Rennie et al. 2017, "Self-critical sequence training"; the mean of an image's other samples as the baseline:
    Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from catalens.tasks.caption_metrics import Cider
from catalens.training.loop import WeightAverage, batches
from catalens.training.precision import mixed
from catalens.training.reader import Reader
from catalens.training.reader_examples import IGNORED, Examples, padded
from catalens.training.reader_trainer import MAX_CAPTION, ReaderRecipe, ReaderTrainer

END = " endofcaption"
"""A word that ends captions and references alike: without it, "a man in a" scores as high as a whole sentence."""
WARM_UP_STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCriticalRecipe:
    """What decides the result, besides the reader's own recipe."""

    epochs: int = 3
    batch: int = 48
    samples: int = 5
    """Sampled captions per image."""
    rate: float = 2e-4
    answers: float = 0.3
    """Weight of the likelihood loss, which keeps the answers."""
    average: float = 0.99


class SelfCriticalTrainer(ReaderTrainer):
    """A reader in self-critical training, from a trained reader's weights."""

    def __init__(
        self,
        critical: SelfCriticalRecipe,
        recipe: ReaderRecipe,
        reader: Reader,
        train: Examples,
        tokenizer: Tokenizer,
        out: Path,
    ) -> None:
        super().__init__(recipe, train, tokenizer, out)
        self.critical = critical
        self.start_from(reader)
        self.average = WeightAverage(self.model, critical.average, warm_up=True)
        self.model.eval()  # no dropout: the sampled distribution is the one that is trained
        self.cider = Cider([[f"{text}{END}" for text in texts] for texts in train.captions])
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def train_on_rewards(self) -> None:
        """Train to the end, and save the averaged weights after every epoch."""
        critical, rows, at = self.critical, self.train.complete(), 0
        steps = len(rows) // critical.batch * critical.epochs
        for epoch in range(critical.epochs):
            rewards: list[float] = []
            for step, some in enumerate(batches(rows, critical.batch, self.rng)):
                rate = critical.rate * min(1.0, (at + 1) / WARM_UP_STEPS) * (1 - 0.9 * at / steps)
                loss, reward = self.policy_loss(some)
                self.step(loss + critical.answers * self.loss(some), rate)
                at += 1
                rewards.append(reward)
                if step % 25 == 0:
                    self.log.write(epoch=epoch, step=step, reward=round(float(np.mean(rewards)), 3))
                    rewards.clear()
            self.save()

    def policy_loss(self, rows: NDArray[np.int64]) -> tuple[Tensor, float]:
        """Sample captions; return the loss that makes the better ones likelier, and the mean reward."""
        cells, means = self.features(rows)
        samples = self.sample(cells, means)
        texts = [self.text.tokenizer.decode(ids).strip() for ids in samples]
        ends = [END if len(ids) < MAX_CAPTION else "" for ids in samples]
        owners = np.repeat(rows, self.critical.samples)
        scores = np.array(
            [self.cider.score(int(at), f"{text}{end}") for at, text, end in zip(owners, texts, ends, strict=True)]
        ).reshape(len(rows), -1)
        baselines = (scores.sum(axis=1, keepdims=True) - scores) / (scores.shape[1] - 1)
        advantages = torch.from_numpy((scores - baselines).astype(np.float32)).flatten()
        ids, targets = padded([self.text.caption_of_ids(ids) for ids in samples])
        predicted = targets != IGNORED
        likelihoods = self.logits(cells, means, ids, targets).log_softmax(-1)
        likelihoods = likelihoods.gather(1, targets[predicted][:, None])[:, 0]
        weights = advantages.repeat_interleave(predicted.sum(1))
        return -(weights * likelihoods).mean(), float(scores.mean())

    @torch.no_grad()
    def sample(self, cells: Tensor, means: Tensor) -> list[list[int]]:
        """Sample captions token by token; an image's captions follow each other, without special tokens."""
        text, rows = self.text, len(cells) * self.critical.samples
        with mixed():
            memory, past = self.model.encode_memory(cells, means), self.model.no_past(rows)
            ids, out = torch.full((rows, 1), text.caption_id), torch.full((rows, MAX_CAPTION), text.end_id)
            for at in range(MAX_CAPTION):
                logits, present = self.model(ids, past, memory)
                past = torch.cat([past, present], dim=4)
                last = logits[:, -1].float()
                last[:, text.marks] = -torch.inf
                ids = torch.multinomial(last.softmax(-1), 1, generator=self.generator)
                out[:, at : at + 1] = ids
                if (out[:, : at + 1] == text.end_id).any(dim=1).all():
                    break
        return [row[: row.index(text.end_id)] if text.end_id in row else row for row in out.tolist()]
