"""Train the everyday encoder: `python -m catalens.training.recipes.everyday.train --data DATA --out runs/everyday`.

The image tower is MobileNetV2 as ImageNet left it; what is trained is a head over its maps, and a text tower. The
losses: contrastive over captions; the teacher's probabilities of its 1,000 classes, which the head must give through
the text tower, each class said by one of its names or by a kind above it (drawn nonsense: by "something else"); and
that a class's names lie where a table has it that was learned from the teacher before.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from catalens.models.allocator import keep_memory
from catalens.tasks.schema import load_schema
from catalens.training.captions import read_captions
from catalens.training.fashion import Phrasebook, Product, read_goods
from catalens.training.kinds import cut, name_texts, read_classes
from catalens.training.loop import (
    Optimiser,
    RunLog,
    WeightAverage,
    adamw,
    batches,
    cosine,
    load_checkpoint,
    rounded,
    save_checkpoint,
)
from catalens.training.losses import encode_texts, multi_positive
from catalens.training.precision import mixed
from catalens.training.recipes.everyday.features import Features, pooled
from catalens.training.recipes.everyday.head import EncodedImages, ImageHead
from catalens.training.recipes.everyday.recipe import STAGES, TEACHER_STEPS, UNKNOWN, Recipe, Stage
from catalens.training.towers import TextTower
from catalens.training.vocabulary import train_tokenizer

WARM_UP_STEPS = 50


class Trainer:
    """The head and the text tower in training, over stored features."""

    def __init__(self, recipe: Recipe, data: Path, out: Path, stages: Sequence[Stage] = STAGES) -> None:
        self.recipe, self.data, self.out, self.stages = recipe, data, out, stages
        self.log = RunLog(out)
        torch.manual_seed(recipe.seed)
        self.rng, self.words = np.random.default_rng(recipe.seed), random.Random(recipe.seed)
        self.train, self.val = (self._seen(split) for split in ("train", "val"))
        self.products, self.nonsense = self._seen("products"), self._seen("nonsense")
        self.captions, self.val_captions = (read_captions(data, split) for split in ("train", "val"))
        self.goods: list[Product] = read_goods(data)
        self.phrases = Phrasebook(load_schema("fashion"), self.words)
        self.classes = read_classes()
        head = load_file(data / "init" / "mobilenet_v2_imagenet_head.safetensors")
        self.teacher = (head["classifier.weight"][1:].float(), head["classifier.bias"][1:].float())
        self.tokenizer = self._tokenizer()
        self.image = ImageHead(recipe.half)
        self.text = TextTower(self.tokenizer.get_vocab_size(), recipe.half, depth=recipe.depth, branch=recipe.branch)
        self.table = nn.Parameter(self._start_as_teacher())
        self.scales = nn.Parameter(torch.tensor([math.log(30.0), math.log(40.0)]))
        self.models = nn.ModuleDict({"image": self.image, "text": self.text})
        self.average = WeightAverage(self.models, recipe.average, warm_up=True)
        groups = adamw(self.models.parameters(), decay=recipe.decay, exempt=[self.scales])
        self.optimiser = Optimiser(groups, clip=2.0)
        self.stage, self.done = stages[0], 0

    def _seen(self, split: str) -> EncodedImages:
        file = self.out / split
        maps, means = np.load(file.with_suffix(".maps.npy"), mmap_mode="r"), np.load(file.with_suffix(".means.npy"))
        features = Features(maps, means)
        return EncodedImages(features, pooled(file, features, self.data / "init" / "mobilenet_v2_imagenet.safetensors"))

    def _tokenizer(self) -> Tokenizer:
        file = self.out / "tokenizer.json"
        if not file.exists():
            texts = [text for texts in self.captions for text in texts]
            texts += [name for each in self.classes for name in (*each.names, *each.kinds)] * 3
            texts += [self.phrases.phrase(product) for product in self.goods]
            train_tokenizer([*texts, *UNKNOWN], self.recipe.vocabulary).save(str(file))
        return Tokenizer.from_file(str(file))

    def _start_as_teacher(self) -> Tensor:
        """Let the classes' half keep what tells the teacher's classes apart, and give each class's place there.

        The first `half` directions of the classifier keep nearly all that it tells apart.
        """
        weight = self.teacher[0] - self.teacher[0].mean(0)
        directions = torch.linalg.svd(weight, full_matrices=False).Vh[: self.recipe.half]
        middle = torch.from_numpy(self.train.tops[:, 0].astype(np.float32)).mean(0)
        self.image.teacher.weight.data.copy_(directions)
        self.image.teacher.bias.data.copy_(-directions @ middle)
        places: Tensor = weight @ directions.T
        return places

    def teach(self, tops: Tensor) -> Tensor:
        """Return the teacher's probabilities (n, 1000)."""
        weight, bias = self.teacher
        return (tops @ weight.T + bias).softmax(dim=1)

    def loss(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Run one batch through the losses."""
        recipe, n = self.recipe, len(rows)
        goods = self.rng.integers(0, len(self.products), recipe.products)
        odd = self.rng.integers(0, len(self.nonsense), recipe.nonsense)
        views = self.rng.integers(0, self.train.tops.shape[1], n)
        zeros = np.zeros
        parts = zip(
            self.train.take(rows, views),
            self.products.take(goods, zeros(len(goods), np.int64)),
            self.nonsense.take(odd, zeros(len(odd), np.int64)),
            strict=True,
        )
        maps, means, tops = (torch.cat(part) for part in parts)
        said = [text for row in rows for text in self.words.sample(self.captions[row], recipe.captions)]
        said = [self._worn(text) for text in said]
        sold = [self.phrases.phrase(self.goods[row]) for row in goods]
        taught = torch.cat([self.teach(tops[: n + len(goods)]), torch.zeros(len(odd), len(self.classes))])
        names, target, alone = self._names(taught)
        unknown = self.words.choice(UNKNOWN)
        with mixed():
            images = self.image(maps, means, tops)
            texts = encode_texts(self.text, self.tokenizer, [*said, *sold, *names, unknown])
        spoken, bank = texts[: len(said) + len(sold)], texts[len(said) + len(sold) :]
        keys = torch.tensor([*np.repeat(rows, recipe.captions), *(-1 - goods)])
        scale, sharp = self.scales.exp().clamp(max=100.0)
        known = images[: n + len(goods)]
        pairs = multi_positive(known, spoken, torch.tensor([*rows, *(-1 - goods)]), keys, scale)
        logits = sharp * images @ bank.T
        target = torch.cat([target, torch.zeros(len(target), 1)], dim=1)
        target[len(known) :, -1] = 1.0
        places, owners = alone
        table = functional.normalize(self.table[owners], dim=-1)
        return {
            "pairs": pairs,
            "kinds": self.stage.taught * functional.cross_entropy(logits, target),
            "names": self.stage.taught * 3.0 * (1 - (bank[places, : table.shape[1]] * table).sum(1)).mean(),
        }

    def _names(self, taught: Tensor) -> tuple[list[str], Tensor, tuple[Tensor, Tensor]]:
        """Say the teacher's classes (n, 1000) in fewer texts, and give each text's share of the rows.

        Last come the places of the texts that stand for one class alone, and those classes.
        """
        said, places = cut(self.classes, self.words, own=1.0 if self.words.random() < self.stage.own else 0.4)
        shares = torch.zeros(len(taught), len(said)).index_add_(1, places, taught)
        noise = torch.from_numpy(self.rng.random(len(said)).astype(np.float32)) * 1e-2
        kept = (shares.max(dim=0).values + noise).topk(min(self.stage.names, len(said))).indices
        shares = shares[:, kept]
        members = torch.bincount(places, minlength=len(said))
        owner = torch.zeros(len(said), dtype=torch.long).index_copy_(0, places, torch.arange(len(places)))
        alone = torch.nonzero(members[kept] == 1).flatten()
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-6)
        return [said[i] for i in kept.tolist()], shares, (alone, owner[kept[alone]])

    def _worn(self, text: str) -> str:
        """Drop a word in ten, so that no single one carries a caption."""
        words = text.split()
        kept = [word for word in words if self.words.random() > 0.1]
        return " ".join(kept or words)

    def prepare(self, steps: int = TEACHER_STEPS) -> None:
        """Let the classes' half give the teacher's probabilities through the table; both stay so from then on."""
        half, sharp = self.image.teacher, nn.Parameter(torch.tensor(math.log(28.0)))
        optimiser = torch.optim.AdamW([*half.parameters(), self.table, sharp], lr=1e-3, weight_decay=0.01)
        tops = torch.from_numpy(self.train.tops.reshape(-1, 1280).astype(np.float32))
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
            some = tops[self.rng.integers(0, len(tops), self.stages[0].batch)]
            scores = functional.normalize(half(some), dim=-1) @ functional.normalize(self.table, dim=-1).T
            loss = functional.cross_entropy(sharp.exp() * scores, self.teach(some))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        self.scales.data[1] = sharp.detach() + math.log(2) / 2  # this half has the square root of 1/2 of a vector
        self.table.requires_grad = False
        self.average = WeightAverage(self.models, self.recipe.average, warm_up=True)

    def run(self) -> None:
        """Train to the end, stage by stage."""
        for number in range(self.done, len(self.stages)):
            self._begin(self.stages[number])
            for epoch in range(self.stage.epochs):
                losses = self._epoch(epoch)
                if epoch % 4 == 3 or epoch + 1 == self.stage.epochs:
                    scores = self.evaluate(self.val, self.val_captions)
                    self.log.write(stage=number, epoch=epoch + 1, **losses, **scores)
            self.done = number + 1
            self.save()

    def _begin(self, stage: Stage) -> None:
        self.stage = stage
        for part in self.models.modules():
            if isinstance(part, nn.Dropout):
                part.p = stage.dropout
        self.tokenizer.model.dropout = stage.merges or None
        self.models.requires_grad_(requires_grad=not stage.branch_only)
        for branch in (self.text.branch, self.text.branch_norm, self.text.branch_project):
            assert branch is not None
            branch.requires_grad_(requires_grad=True)
        self.image.teacher.requires_grad_(requires_grad=False)

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Return the losses of the last step."""
        self.models.train()
        losses: dict[str, Tensor] = {}
        steps = len(self.train) // self.stage.batch
        for step, rows in enumerate(batches(len(self.train), self.stage.batch, self.rng)):
            at = epoch * steps + step
            share = cosine(at, steps * self.stage.epochs, warm_up=WARM_UP_STEPS, least=0.01)
            losses = self.loss(rows)
            self.optimiser.step(torch.stack(list(losses.values())).sum(), share * self.stage.rate)
            self.average.update(self.models)
        return rounded(losses)

    @torch.no_grad()
    def evaluate(self, seen: EncodedImages, captions: list[list[str]]) -> dict[str, float]:
        """Measure retrieval both ways and the agreement with the teacher, with the mean weights."""
        now = {name: value.clone() for name, value in self.models.state_dict().items()}
        self.models.load_state_dict(self.average.weights)
        self.models.eval()
        dropout, self.tokenizer.model.dropout = self.tokenizer.model.dropout, None
        whole = seen.whole()
        images = self.image(*whole)
        texts = encode_texts(self.text, self.tokenizer, [text for texts in captions for text in texts])
        names = self.name_bank()
        self.tokenizer.model.dropout = dropout
        self.models.load_state_dict(now)
        scores = texts @ images.T
        owner = torch.arange(len(images)).repeat_interleave(torch.tensor([len(texts) for texts in captions]))
        ranks = (scores > scores[torch.arange(len(texts)), owner][:, None]).sum(1)
        best = torch.stack([scores[owner == i, i].max() for i in range(len(images))])
        back = (best[:, None] < scores.T).sum(1)
        agreed = (images @ names.T).argmax(1) == self.teach(whole[2]).argmax(1)
        found = {
            "t2i_r1": ranks < 1,
            "t2i_r10": ranks < 10,
            "i2t_r1": back < 1,
            "i2t_r10": back < 10,
            "agreement": agreed,
        }
        return {name: round(value.float().mean().item(), 4) for name, value in found.items()}

    def name_bank(self) -> Tensor:
        """Return each class's mean direction over its names and the templates, (1000, dim)."""
        said, owner = name_texts(self.classes)
        rows = encode_texts(self.text, self.tokenizer, said)
        sums = torch.zeros(len(self.classes), rows.shape[1]).index_add_(0, torch.tensor(owner), rows)
        return functional.normalize(sums, dim=-1)

    def save(self) -> None:
        """Write what the next stage starts from: the averaged weights."""
        state = {
            "models": self.average.weights,
            "table": self.table.data,
            "scales": self.scales.data,
            "recipe": asdict(self.recipe),
            "done": self.done,
        }
        save_checkpoint(self.out, state)

    def resume(self) -> bool:
        """Continue after the last finished stage, if there is one, from its averaged weights."""
        state = load_checkpoint(self.out)
        if state is not None:
            self.table.requires_grad = False
            self.models.load_state_dict(state["models"])
            self.average = WeightAverage(self.models, self.recipe.average, warm_up=True)
            self.table.data, self.scales.data, self.done = state["table"], state["scales"], int(state["done"])
        return state is not None


def main() -> None:
    """Train to the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/everyday"))
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, out = options.pop("data"), options.pop("out")
    keep_memory()
    trainer = Trainer(Recipe(**options), data, out)
    if not trainer.resume():
        trainer.prepare()
    trainer.run()


if __name__ == "__main__":
    main()
