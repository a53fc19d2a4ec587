"""Train the everyday encoder: `python -m catalens.training.everyday --data DATA --out runs/everyday`.

The image tower is MobileNetV2 as ImageNet left it; what is trained is a head over its maps, and a text tower. The
losses: contrastive over captions; the teacher's probabilities of its 1,000 classes, which the head must give through
the text tower, each class said by one of its names or by a kind above it (drawn nonsense: by "something else"); the same
through a table of the classes, which starts as the teacher itself; and that a class's names lie where the table has it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from catalens.tasks.schema import load_schema
from catalens.training.captions import read_captions
from catalens.training.fashion import Phrasebook, Product
from catalens.training.frozen import Features, pooled
from catalens.training.kinds import cut, own_names, read_classes
from catalens.training.losses import encode_texts
from catalens.training.towers import TextTower
from catalens.training.vocabulary import train_tokenizer

UNKNOWN = ("something else", "nothing that can be told", "noise", "a blank picture", "a picture of nothing")
"""Texts that mean "none of these"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the result."""

    epochs: int = 60
    batch: int = 512
    products: int = 48
    nonsense: int = 24
    captions: int = 1
    """Captions of each picture in a batch."""
    names: int = 256
    """Texts for kinds of things in a batch: those that the teacher thinks of, and others by chance."""
    rate: float = 1e-3
    decay: float = 0.1
    dropout: float = 0.2
    vocabulary: int = 5000
    dim: int = 256
    depth: int = 2
    average: float = 0.995
    """Decay of the running mean of the weights, which is what is kept."""
    seed: int = 0


class ImageHead(nn.Module):
    """What the frozen tower sees to unit rows (n, dim): a linear path, which can copy the teacher, and two richer ones."""

    def __init__(self, dim: int = 256, *, queries: int = 8, width: int = 256, dropout: float = 0.2) -> None:
        super().__init__()
        self.linear = nn.Linear(1280, dim)
        self.norm = nn.LayerNorm(1280 + 96)
        self.up, self.down = nn.Linear(1280 + 96, 2 * width), nn.Linear(2 * width, dim)
        self.cells, self.values = nn.LayerNorm(320), nn.Linear(320, width)
        self.look = nn.Linear(320, queries, bias=False)
        self.mix = nn.Linear(queries * width, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, maps: Tensor, means: Tensor, tops: Tensor) -> Tensor:
        """Encode maps (n, 49, 320), means (n, 96) and pooled tops (n, 1280)."""
        rich = self.norm(torch.cat([tops, means], dim=1))
        rich = self.down(self.drop(functional.gelu(self.up(self.drop(rich)))))
        cells = self.cells(maps)
        share = self.look(cells).softmax(dim=1)  # (n, 49, queries)
        seen = torch.einsum("ncq,ncw->nqw", share, functional.gelu(self.values(cells))).flatten(1)
        out = self.linear(self.drop(tops)) + rich + self.mix(self.drop(seen))
        return functional.normalize(out.float(), dim=-1)


class Seen:
    """Features of one set of pictures, with the pooled tops that the teacher reads."""

    def __init__(self, features: Features, tops: NDArray[np.float16]) -> None:
        self.features, self.tops = features, tops

    def __len__(self) -> int:
        return len(self.tops)

    def take(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Give maps, means and tops of some pictures, each in one view."""
        parts = (self.features.maps, self.features.means, self.tops)
        maps, means, tops = (torch.from_numpy(part[rows, views].astype(np.float32)) for part in parts)
        return maps, means, tops

    def whole(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give every picture in its first view."""
        rows = np.arange(len(self))
        return self.take(rows, np.zeros_like(rows))


class Trainer:
    """Holds what a step needs."""

    def __init__(self, recipe: Recipe, data: Path, out: Path) -> None:
        self.recipe, self.data, self.out = recipe, data, out
        torch.manual_seed(recipe.seed)
        self.rng, self.words = np.random.default_rng(recipe.seed), random.Random(recipe.seed)
        self.train, self.val = (self._seen(split) for split in ("train", "val"))
        self.products, self.nonsense = self._seen("products"), self._seen("nonsense")
        self.captions, self.val_captions = (read_captions(data, split) for split in ("train", "val"))
        self.goods: list[Product] = read_goods(data, len(self.products))
        self.phrases = Phrasebook(load_schema("fashion"), self.words)
        self.classes = read_classes()
        head = load_file(data / "init" / "mobilenet_v2_imagenet_head.safetensors")
        self.teacher = (head["classifier.weight"][1:].float(), head["classifier.bias"][1:].float())
        self.tokenizer = self._tokenizer()
        self.image = ImageHead(recipe.dim, dropout=recipe.dropout)
        self.text = TextTower(
            self.tokenizer.get_vocab_size(), recipe.dim, depth=recipe.depth, max_tokens=64, dropout=recipe.dropout
        )
        self.table = nn.Parameter(self._start_as_teacher())
        self.scales = nn.Parameter(torch.tensor([math.log(20.0), math.log(30.0)]))
        self.models = nn.ModuleDict({"image": self.image, "text": self.text})
        self.mean = {name: value.clone() for name, value in self.models.state_dict().items()}
        self.optimiser = self._optimiser()

    def _seen(self, split: str) -> Seen:
        file = self.out / split
        maps, means = np.load(file.with_suffix(".maps.npy"), mmap_mode="r"), np.load(file.with_suffix(".means.npy"))
        features = Features(maps, means)
        return Seen(features, pooled(file, features, self.data / "init" / "mobilenet_v2_imagenet.safetensors"))

    def _tokenizer(self) -> Tokenizer:
        file = self.out / "tokenizer.json"
        if not file.exists():
            texts = [text for texts in self.captions for text in texts]
            texts += [name for each in self.classes for name in (*each.names, *each.kinds)] * 3
            texts += [self.phrases.phrase(product) for product in self.goods]
            train_tokenizer([*texts, *UNKNOWN], self.recipe.vocabulary).save(str(file))
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.model.dropout = 0.1
        return tokenizer

    def _optimiser(self) -> torch.optim.AdamW:
        parameters = [*self.models.parameters(), self.table]
        sets: list[dict[str, Any]] = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.recipe.decay},
            {"params": [*[p for p in parameters if p.ndim <= 1], self.scales], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(sets, lr=self.recipe.rate, betas=(0.9, 0.98))

    def _start_as_teacher(self) -> Tensor:
        """Let the linear path keep what tells the teacher's classes apart, and give each class's place there.

        The first `dim` directions of the classifier keep nearly all that it tells apart.
        """
        weight = self.teacher[0] - self.teacher[0].mean(0)
        directions = torch.linalg.svd(weight, full_matrices=False).Vh[: self.recipe.dim]
        middle = torch.from_numpy(self.train.tops[:, 0].astype(np.float32)).mean(0)
        self.image.linear.weight.data.copy_(directions)
        self.image.linear.bias.data.copy_(-directions @ middle)
        return weight @ directions.T

    def teach(self, tops: Tensor) -> Tensor:
        """Give the teacher's probabilities (n, 1000)."""
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
        with torch.autocast("cpu", dtype=torch.bfloat16):
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
        table = functional.normalize(self.table, dim=-1)
        places, owners = alone
        return {
            "pairs": pairs,
            "kinds": functional.cross_entropy(logits, target),
            "teacher": functional.cross_entropy(sharp * known @ table.T, taught[: len(known)]),
            "names": 3.0 * (1 - (bank[places] * table[owners]).sum(1)).mean(),
        }

    def _names(self, taught: Tensor) -> tuple[list[str], Tensor, tuple[Tensor, Tensor]]:
        """Say the teacher's classes (n, 1000) in fewer texts, and give each text's share of the rows.

        Last come the places of the texts that stand for one class alone, and those classes.
        """
        said, places = cut(self.classes, self.words, own=1.0 if self.words.random() < 0.5 else 0.4)
        shares = torch.zeros(len(taught), len(said)).index_add_(1, places, taught)
        noise = torch.from_numpy(self.rng.random(len(said)).astype(np.float32)) * 1e-2
        kept = (shares.max(dim=0).values + noise).topk(min(self.recipe.names, len(said))).indices
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

    def run(self) -> None:
        """Train to the end."""
        recipe, started = self.recipe, time.monotonic()
        steps = len(self.train) // recipe.batch
        total = steps * recipe.epochs
        for epoch in range(recipe.epochs):
            self.models.train()
            order = self.rng.permutation(len(self.train))
            for step in range(steps):
                at = epoch * steps + step
                share = min(1.0, (at + 1) / 50) * 0.5 * (1 + math.cos(math.pi * at / total))
                for part in self.optimiser.param_groups:
                    part["lr"] = max(share, 0.01) * recipe.rate
                losses = self.loss(order[step * recipe.batch : (step + 1) * recipe.batch])
                self.optimiser.zero_grad(set_to_none=True)
                torch.stack(list(losses.values())).sum().backward()
                torch.nn.utils.clip_grad_norm_(self.models.parameters(), 2.0)
                self.optimiser.step()
                self._average(min(recipe.average, (1 + at) / (10 + at)))
            if epoch % 4 == 3 or epoch + 1 == recipe.epochs:
                self._log(
                    epoch=epoch + 1,
                    minutes=round((time.monotonic() - started) / 60, 1),
                    **{name: round(value.item(), 3) for name, value in losses.items()},
                    **self.evaluate(self.val, self.val_captions),
                )
                self.save()

    def _average(self, decay: float) -> None:
        with torch.no_grad():
            for name, value in self.models.state_dict().items():
                self.mean[name].lerp_(value, 1 - decay)

    @torch.no_grad()
    def evaluate(self, seen: Seen, captions: list[list[str]]) -> dict[str, float]:
        """Measure retrieval both ways and the agreement with the teacher, with the mean weights."""
        now = {name: value.clone() for name, value in self.models.state_dict().items()}
        self.models.load_state_dict(self.mean)
        self.models.eval()
        dropout, self.tokenizer.model.dropout = self.tokenizer.model.dropout, None
        whole = seen.whole()
        images = self.image(*whole)
        texts = encode_texts(self.text, self.tokenizer, [text for texts in captions for text in texts])
        names = encode_texts(self.text, self.tokenizer, own_names(self.classes))
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

    def _log(self, **values: object) -> None:
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(values) + "\n")

    def save(self) -> None:
        """Write the mean weights whole, then put them in place."""
        part = self.out / "checkpoint.part"
        torch.save({"models": self.mean, "scales": self.scales.data, "recipe": asdict(self.recipe)}, part)
        part.replace(self.out / "checkpoint.pt")


def multi_positive(images: Tensor, texts: Tensor, image_keys: Tensor, text_keys: Tensor, scale: Tensor) -> Tensor:
    """Symmetric cross-entropy between pictures and texts in which equal keys belong together."""
    logits = scale * images @ texts.T
    same = (image_keys[:, None] == text_keys[None, :]).float()
    forth = functional.cross_entropy(logits, same / same.sum(1, keepdim=True))
    back = functional.cross_entropy(logits.T, same.T / same.T.sum(1, keepdim=True))
    return (forth + back) / 2


def read_goods(data: Path, n: int) -> list[Product]:
    """Give the first n products of the second training table, whose features are beside the run."""
    from pyarrow import parquet

    from catalens.training.fashion import READ, _product

    file = parquet.ParquetFile(data / "fashion" / "train-1.parquet")
    rows: list[Product] = []
    for batch in file.iter_batches(batch_size=1024, columns=list(READ)):
        rows += [_product(row) for row in batch.to_pylist()]
        if len(rows) >= n:
            break
    return rows[:n]


def main() -> None:
    """Run the one documented command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/everyday"))
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, out = options.pop("data"), options.pop("out")
    Trainer(Recipe(**options), data, out).run()


if __name__ == "__main__":
    main()
