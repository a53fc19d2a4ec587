"""Go on with a trained reader by what its captions are worth.

`python -m catalens.training.self_critical --data DATA --reader runs/reader-everyday --out runs/rewarded-everyday`

Likelihood teaches a reader the next word after people's words; what is wanted is a whole caption near to what people
said. So captions are drawn, each is rewarded by its CIDEr-D against the picture's own, and those better than the
picture's other ones become likelier. Answers go on learning as before.

Source:
    Rennie et al. 2017, "Self-critical sequence training"; the mean of a picture's other captions as the baseline:
    Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free".
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from catalens.models.allocator import keep_memory
from catalens.tasks.caption_metrics import Cider
from catalens.training.export import load_reader
from catalens.training.reader import Reader
from catalens.training.reading import EVERYDAY_KINDS, LONGEST, Pictures, Recipe, Trainer, minutes, padded
from catalens.training.validation import closed_answers, judge_captions

END = " endofcaption"
"""A word that ends captions and references alike: without it, "a man in a" is worth as much as a whole sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """Everything that decides the result, beside the reader's own recipe."""

    rounds: int = 3
    """Times that every picture is seen."""
    batch: int = 48
    drawn: int = 5
    """Captions of each picture in a batch."""
    rate: float = 2e-4
    answers: float = 0.3
    """Weight of the answers' likelihood, which keeps them."""
    average: float = 0.99


class Rewarding(Trainer):
    """A trainer whose loss is the reward of captions that it draws itself."""

    def __init__(
        self, reward: Reward, recipe: Recipe, reader: Reader, train: Pictures, words: Tokenizer, out: Path
    ) -> None:
        super().__init__(recipe, train, words, out)
        self.reward = reward
        self.go_on_from(reader)
        self.model.eval()  # no dropout: what was drawn is what is judged
        self.cider = Cider([[f"{text}{END}" for text in texts] for texts in train.captions])
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def go_on(self) -> None:
        """Train to the end, and keep the mean weights after every round."""
        reward, started, at = self.reward, time.monotonic(), 0
        usable = self.usable()
        steps = len(usable) // reward.batch
        for turn in range(reward.rounds):
            order, worth = self.rng.permutation(usable), []
            for step in range(steps):
                rate = reward.rate * min(1.0, (at + 1) / 20) * (1 - 0.9 * at / (steps * reward.rounds))
                rows = order[step * reward.batch : (step + 1) * reward.batch]
                loss, mean = self.rewarded(rows)
                at += 1
                average = min(reward.average, (1 + at) / (10 + at))
                self._learn(loss + reward.answers * self.loss(rows), rate, average)
                worth.append(mean)
                if step % 25 == 0:
                    self._log(round=turn, step=step, minutes=minutes(started), reward=round(float(np.mean(worth)), 3))
                    worth.clear()
            self.save()

    def rewarded(self, rows: NDArray[np.int64]) -> tuple[Tensor, float]:
        """Draw captions and give the loss that makes the better ones likelier, and what they are worth on average."""
        cells, means = self.seen(rows)
        drawn = self.draw(cells, means)
        texts = [self.words.tokenizer.decode(ids).strip() for ids in drawn]
        finished = [END if len(ids) < LONGEST else "" for ids in drawn]
        owners = np.repeat(rows, self.reward.drawn)
        scores = np.array(
            [self.cider.score(int(at), f"{text}{end}") for at, text, end in zip(owners, texts, finished, strict=True)]
        ).reshape(len(rows), -1)
        others = (scores.sum(axis=1, keepdims=True) - scores) / (scores.shape[1] - 1)
        gain = torch.from_numpy((scores - others).astype(np.float32)).flatten()
        told = [([self.words.caption, *ids], [*ids, self.words.end]) for ids in drawn]
        ids, wanted = padded([text[0] for text in told], 0), padded([text[1] for text in told], -100)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states, _ = self.model.states(ids, self.model.nothing(len(ids)), self.model.encode_memory(cells, means))
            logits = self.model.next_words(states[wanted >= 0])
        spoken = logits.float().log_softmax(-1).gather(1, wanted[wanted >= 0][:, None])[:, 0]
        weights = gain.repeat_interleave(torch.tensor([len(text[1]) for text in told]))
        return -(weights * spoken).mean(), float(scores.mean())

    @torch.no_grad()
    def draw(self, cells: Tensor, means: Tensor) -> list[list[int]]:
        """Draw captions word by word: the ids of each, a picture's together, without marks."""
        words, rows = self.words, len(cells) * self.reward.drawn
        with torch.autocast("cpu", dtype=torch.bfloat16):
            memory, past = self.model.encode_memory(cells, means), self.model.nothing(rows)
            ids, out = torch.full((rows, 1), words.caption), torch.full((rows, LONGEST), words.end)
            for at in range(LONGEST):
                logits, present = self.model(ids, past, memory)
                past = torch.cat([past, present], dim=4)
                shares = logits[:, -1].float()
                shares[:, [words.caption, words.ask, words.answer]] = -torch.inf
                ids = torch.multinomial(shares.softmax(-1), 1, generator=self.generator)
                out[:, at : at + 1] = ids
                if (out[:, : at + 1] == words.end).any(dim=1).all():
                    break
        return [row[: row.index(words.end)] if words.end in row else row for row in out.tolist()]


def main() -> None:
    """Run the one documented command."""
    from catalens.training.reading_data import everyday_pictures

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=Path("runs/everyday"), help="where the encoder was trained")
    parser.add_argument("--reader", type=Path, default=Path("runs/reader-everyday"), help="what it goes on from")
    parser.add_argument("--out", type=Path, default=Path("runs/rewarded-everyday"))
    for name, value in asdict(Reward()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    keep_memory()
    data, run, begun, out = (options.pop(name) for name in ("data", "run", "reader", "out"))
    train, val = (everyday_pictures(data, run, split) for split in ("train", "val"))
    reader, tokenizer = load_reader(begun)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    trainer = Rewarding(Reward(**options), Recipe(captions=1), reader, train, tokenizer, out)
    trainer.go_on()
    words = trainer.words
    scores = judge_captions(trainer.averaged(), words, val)
    trainer._log(**scores, **closed_answers(trainer.averaged(), words, val.first(400), EVERYDAY_KINDS))


if __name__ == "__main__":
    main()
