"""Trains the unified encoder's own half on features: `python -m catalens.training.recipes.unified.training`.

The image towers are frozen and their features come from `features`. Two stages: the image head against the text tower
as the everyday bundle has it, whose vectors are computed once; then head and text tower together. A stopped run
continues from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from catalens.core.protocols import Encoder
from catalens.models.registry import load_encoder, shipped
from catalens.tasks.schema import load_schema
from catalens.training.captions import read_captions
from catalens.training.fashion import Phrasebook, Product, read_goods
from catalens.training.kinds import cut, read_classes
from catalens.training.losses import encode_texts
from catalens.training.recipes.unified.batches import Views
from catalens.training.recipes.unified.distil import BATCH, SHARES, distil, names_texts, schema_texts
from catalens.training.recipes.unified.features import GOODS
from catalens.training.recipes.unified.head import ImageFeatures, ImageHead
from catalens.training.recipes.unified.lite import read_weights, weights_file
from catalens.training.recipes.unified.progress import Truth
from catalens.training.recipes.unified.recipe import KEPT_CAPTIONS, MOST_WORDS, UNKNOWN, Recipe
from catalens.training.recipes.unified.targets import Batch, Targets, all_losses
from catalens.training.recipes.unified.texts import extended, moved, new_words, read_tower
from catalens.training.towers import TextTower


class Trainer:
    """Holds what a step needs."""

    def __init__(self, recipe: Recipe, data: Path, run: Path) -> None:
        self.recipe, self.data, self.run = recipe, data, run
        torch.manual_seed(recipe.seed)
        self.rng, self.words = np.random.default_rng(recipe.seed), random.Random(recipe.seed)
        names = ("everyday", "clothing", "grocery")
        self.train = {name: Views(run, f"{name}-train") for name in names}
        self.train |= {name: Views(run, name) for name in ("goods", "nonsense")}
        self.val = {name: Views(run, name) for name in ("everyday-val", "clothing-val", "grocery-val", "objects")}
        self.captions, self.val_captions = read_captions(data, "train"), read_captions(data, "val")
        self.truth = Truth(data)
        self.goods: list[Product] = read_goods(data)[:GOODS]
        self.phrases = Phrasebook(load_schema("fashion"), self.words)
        self.classes = read_classes()
        lite = read_weights(weights_file())
        self.teacher = lite["classifier.weight"].float(), lite["classifier.bias"].float()
        self.targets = Targets(data, self.goods, self.classes)
        self.tokenizer, self.text = self._texts()
        self.head = ImageHead()
        self.scales = nn.Parameter(torch.tensor([math.log(30.0), math.log(48.0)]))
        self.models = nn.ModuleDict({"head": self.head, "text": self.text})
        self.step = 0
        self._everyday: Encoder | None = None
        self.mean: dict[str, Tensor] = {}

    def _texts(self) -> tuple[Tokenizer, TextTower]:
        """Return the vocabulary for both halves, and the everyday tower moved to it."""
        old, everyday = (Tokenizer.from_file(str(shipped(n) / "tokenizer.json")) for n in ("starter", "everyday"))
        file = self.run / "tokenizer.json"
        if not file.exists():
            said = [text for texts in self.captions for text in texts]
            said += [word for each in self.classes for word in (*each.names, *each.kinds)] * 4
            said += [word for words in self.targets.banks["coarse"].words for word in words] * 8
            kept = self.targets.schema_words()
            words = [word for word in new_words(old, said, least=8, most=MOST_WORDS) if word not in kept]
            extended(old, words).save(str(file))
        new = Tokenizer.from_file(str(file))
        return new, moved(read_tower(shipped("everyday")), everyday, new)

    def prepare(self) -> None:
        """Compute the vectors of every text once, by the tower that is to be matched, and match it."""
        kept = [text for texts in self.captions for text in texts[:KEPT_CAPTIONS]]
        found = {"captions": self._stored("captions", lambda: self._wanted(kept))}
        for name, labels in self.targets.banks.items():
            found[name] = self._stored(name, partial(self._mean, *labels.all_texts(2)))
        said = [f"a photo of a {each.names[0]}" for each in self.classes]
        found["names"] = self._stored("names", lambda: self._wanted(said))
        found["unknown"] = self._stored("unknown", lambda: self._mean(UNKNOWN, [0] * len(UNKNOWN)))
        self.fixed, self.directions = found, self._directions()

    def distil(self) -> None:
        """Match the text tower to the everyday bundle's, or read how it was matched before."""
        file = self.run / "text.pt"
        if not file.exists():
            cosines = distil(self.text, self.tokenizer, self._wanted, self._drawn, self.recipe.text_steps)
            self._log(settled=[round(each, 4) for each in cosines[:: max(1, len(cosines) // 20)]])
            torch.save(self.text.state_dict(), file)
        self.text.load_state_dict(torch.load(file, weights_only=True))

    def _drawn(self) -> list[str]:
        """Return texts of all kinds to match the text tower on."""
        names, schema, captions = (round(share * BATCH) for share in SHARES)
        said = [self.words.choice(some) for some in self.words.choices(self.captions, k=captions)]
        return names_texts(self.classes, self.words, names) + schema_texts(self.words, schema) + said

    def _wanted(self, texts: Sequence[str]) -> Tensor:
        """Return what the everyday bundle says of texts."""
        if self._everyday is None:
            self._everyday = load_encoder("everyday", threads=torch.get_num_threads())
        return torch.from_numpy(self._everyday.encode_texts(texts))

    def _stored(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return vectors from the run's folder, or compute and keep them."""
        file = self.run / "texts" / f"{name}.pt"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(compute(), file)
        found: Tensor = torch.load(file, weights_only=True)
        return found

    def start(self) -> None:
        """Set what least squares can set of the head."""
        views = self.train["everyday"].whole()
        said = self.fixed["captions"].reshape(len(views), KEPT_CAPTIONS, -1).mean(1)
        self.head.start(self.teacher, self.fixed["names"], views, said)

    def _directions(self) -> Tensor:
        """Return, for each class, the step in the features (classes, 1280) that raises its logit by one."""
        tops = self.train["everyday"].whole().tops
        tops = tops - tops.mean(0)
        logits = self.teacher[0] - self.teacher[0].mean(0)
        steps = logits @ (tops.T @ tops)
        return steps / (logits * steps).sum(1, keepdim=True)

    @torch.no_grad()
    def _encode(self, texts: Sequence[str]) -> Tensor:
        """Encode texts with the tower that the head is trained against at this step."""
        if self.step <= self.recipe.head_steps:
            return self._wanted(texts)
        self.text.eval()
        rows = [encode_texts(self.text, self.tokenizer, texts[at : at + 2048]) for at in range(0, len(texts), 2048)]
        return torch.cat(rows)

    def _mean(self, texts: Sequence[str], owner: Sequence[int]) -> Tensor:
        rows = self._encode(texts)
        sums = torch.zeros(max(owner) + 1, rows.shape[1]).index_add_(0, torch.tensor(owner), rows)
        return functional.normalize(sums, dim=1)

    def _batch(self) -> tuple[dict[str, NDArray[np.int64]], dict[str, slice], ImageFeatures]:
        rows, where, parts, at = {}, {}, [], 0
        for name, views in self.train.items():
            count = getattr(self.recipe, name)
            if len(views):
                rows[name] = self.rng.integers(0, len(views), count)
                where[name], at = slice(at, at + count), at + count
                parts.append(views.take(rows[name], self.rng))
        return rows, where, ImageFeatures.join(parts)

    def _bank(self, rows: dict[str, NDArray[np.int64]], taught: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return vectors of captions and labels, and what the teacher says of the names among them."""
        if self.step < self.recipe.head_steps:
            pick = rows["everyday"] * KEPT_CAPTIONS + self.rng.integers(0, KEPT_CAPTIONS, len(rows["everyday"]))
            return {**self.fixed, "captions": self.fixed["captions"][pick]}, taught
        said = [self.words.choice(self.captions[row]) for row in rows["everyday"]]
        sold = [self.phrases.phrase(self.goods[row]) for row in rows.get("goods", [])]
        texts = {"captions": said, "phrases": sold, "unknown": [self.words.choice(UNKNOWN)]}
        texts |= {name: labels.texts(self.words) for name, labels in self.targets.banks.items()}
        names, places = cut(self.classes, self.words, own=self.words.choice([1.0, 0.4]))
        shares = torch.zeros(len(taught), len(names)).index_add_(1, places, taught)
        kept = shares.max(dim=0).values.topk(min(self.recipe.names, len(names))).indices
        texts["names"] = [names[at] for at in kept.tolist()]
        flat = encode_texts(self.text, self.tokenizer, [text for some in texts.values() for text in some])
        split = flat.split([len(some) for some in texts.values()])
        return dict(zip(texts, split, strict=True)), shares[:, kept] / shares[:, kept].sum(1, keepdim=True)

    def losses(self) -> dict[str, Tensor]:
        """Run one batch through the losses."""
        rows, where, seen = self._batch()
        with torch.no_grad():
            weight, bias = self.teacher
            known = slice(0, len(seen) - (self.recipe.nonsense if "nonsense" in where else 0))
            taught = (seen.tops[known] @ weight.T + bias).softmax(1)
        bank, taught = self._bank(rows, taught)
        scale, sharp = self.scales.exp().clamp(max=100.0)
        batch = Batch(rows, where, self.head(*seen.parts), bank, taught, (scale, sharp))
        out = all_losses(batch, self.targets)
        if self.step < self.recipe.head_steps:
            out["made"] = self._of_made(seen, sharp)
        return out

    def _of_made(self, seen: ImageFeatures, sharp: Tensor) -> Tensor:
        """Return the loss of the half for kinds on made-up features, which cover every class of the teacher.

        The training pictures show few of the thousand classes. A step along a class's weights through the features'
        covariance is the likeliest change that makes the teacher sure of the class.
        """
        n = self.recipe.made
        weight, bias = self.teacher
        rows, classes = self.rng.integers(0, len(seen), n), self.rng.integers(0, len(weight), n)
        kept, moved_by = (torch.from_numpy(self.rng.random((n, 1), dtype=np.float32)) for _ in range(2))
        tops = (kept * seen.tops[rows] + (4 + 14 * moved_by) * self.directions[classes]).clamp(0, 6)
        taught = (tops @ weight.T + bias).softmax(1)
        made = self.head.kinds_of(seen.fine[rows], tops) * (sharp * math.sqrt(0.5))
        half = self.head.kinds.out_features
        subjects = torch.cat([self.fixed["subject"], self.fixed["unknown"]])[:, :half]
        return functional.cross_entropy(made @ self.fixed["names"][:, :half].T, taught) + functional.cross_entropy(
            made @ subjects.T, taught @ self.targets.subject_shares
        )

    def train_to_end(self, minutes: float = math.inf) -> None:
        """Train both stages, or for some minutes; save every hundred steps and at the end."""
        recipe, started = self.recipe, time.monotonic()
        steps = recipe.head_steps + recipe.joint_steps
        optimiser = self._optimiser()
        recent: dict[str, float] = {}
        while self.step < steps:
            if self.step == recipe.head_steps:
                optimiser = self._optimiser()
            for name, value in self._train_step(optimiser).items():
                recent[name] = 0.95 * recent.get(name, value) + 0.05 * value
            now = (time.monotonic() - started) / 60
            last = self.step == steps or now >= minutes
            if self.step % 100 == 0 or last:
                self.save()
                shown = {name: round(value, 3) for name, value in recent.items()}
                self._log(step=self.step, minutes=round(now, 1), losses=shown, val=self.evaluate())
            if last:
                break

    def _train_step(self, optimiser: torch.optim.AdamW) -> dict[str, float]:
        """Take one step at its place on the cosine of its stage, and return the losses."""
        recipe = self.recipe
        first = self.step < recipe.head_steps
        at, of = (self.step, recipe.head_steps) if first else (self.step - recipe.head_steps, recipe.joint_steps)
        share = min(1.0, (at + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * at / of)))
        for part in optimiser.param_groups:
            part["lr"] = share * part["peak"]
        self.head.train()
        losses = self.losses()
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_([*self.models.parameters(), self.scales], 2.0)
        optimiser.step()
        self.step += 1
        self._average()
        return {name: value.item() for name, value in losses.items()}

    def _optimiser(self) -> torch.optim.AdamW:
        first = self.step < self.recipe.head_steps
        rate = self.recipe.head_rate if first else self.recipe.joint_rate
        sets = [
            {"params": [*self.head.parameters()], "peak": rate, "weight_decay": 0.05},
            {"params": [self.scales], "peak": rate, "weight_decay": 0.0},
        ]
        self.text.requires_grad_(requires_grad=not first)
        if not first:
            sets.append({"params": [*self.text.parameters()], "peak": self.recipe.text_rate, "weight_decay": 0.01})
        return torch.optim.AdamW(sets, lr=rate, betas=(0.9, 0.98))

    def _average(self) -> None:
        with torch.no_grad():
            if not self.mean:
                self.mean = {name: value.clone() for name, value in self.models.state_dict().items()}
            decay = min(self.recipe.average, self.step / (self.step + 9))
            for name, value in self.models.state_dict().items():
                self.mean[name].lerp_(value, 1 - decay)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Measure on validation rows, with the mean weights."""
        now = {name: value.clone() for name, value in self.models.state_dict().items()}
        self.models.load_state_dict(self.mean or now)
        self.models.eval()
        images = {name: self.head(*views.whole().parts) for name, views in self.val.items()}
        texts = {"captions": self._encode([each[0] for each in self.val_captions])}
        texts["names"] = self._encode([f"a photo of a {each.names[0]}" for each in self.classes])
        for name in ("type", "garment", "coarse"):
            live = self.step > self.recipe.head_steps
            texts[name] = self._mean(*self.targets.banks[name].all_texts(2)) if live else self.fixed[name]
        self.models.load_state_dict(now)
        return self.truth.shares(images, texts)

    def _log(self, **values: object) -> None:
        with (self.run / "log.jsonl").open("a") as file:
            file.write(json.dumps(values) + "\n")

    def save(self) -> None:
        """Write a checkpoint whole, then put it in place."""
        state = {
            "models": self.models.state_dict(),
            "mean": self.mean,
            "scales": self.scales.data,
            "step": self.step,
            "recipe": asdict(self.recipe),
        }
        part = self.run / "checkpoint.part"
        torch.save(state, part)
        part.replace(self.run / "checkpoint.pt")

    def resume(self) -> bool:
        """Continue from the last checkpoint, if there is one."""
        file = self.run / "checkpoint.pt"
        if file.exists():
            state = torch.load(file, weights_only=True)
            self.models.load_state_dict(state["models"])
            self.mean, self.scales.data, self.step = state["mean"], state["scales"], int(state["step"])
        return file.exists()


def main() -> None:
    """Train, or continue a stopped run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/unified"))
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this time; run again to continue")
    parser.add_argument("--threads", type=int, default=2)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, out, minutes = options.pop("data"), options.pop("out"), options.pop("minutes")
    torch.set_num_threads(options.pop("threads"))
    trainer = Trainer(Recipe(**options), data, out)
    trainer.prepare()
    trainer.distil()
    if not trainer.resume():
        trainer.start()
    trainer.train_to_end(minutes)


if __name__ == "__main__":
    main()
