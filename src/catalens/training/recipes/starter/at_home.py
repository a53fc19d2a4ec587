"""The starter's fifth stage: clothes photographed at home.

`python -m catalens.training.recipes.starter.at_home --data DATA --out runs/at-home` goes on from the bundle that is
shipped. The text tower and the lower half of the image tower stay frozen. Clothes at home learn their article type;
products keep the vectors that they had, also before other backgrounds; photographs, groceries and drawn nonsense keep
theirs, so that they stay unknown. A stopped run goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from catalens.core.vectors import batched
from catalens.models.registry import load_encoder, shipped
from catalens.tasks.attributes import SchemaBank, build_schema_bank
from catalens.tasks.schema import load_schema
from catalens.training.fashion import Product, read_products
from catalens.training.fixed_norms import Part, with_fixed_norms
from catalens.training.loop import (
    Optimiser,
    RunLog,
    adamw,
    cosine,
    load_checkpoint,
    rounded,
    save_checkpoint,
)
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.recipes.starter.at_home_views import LowerViews, LowFeatures, onto, taken
from catalens.training.recipes.unified.export import read_image_tower
from catalens.training.recipes.unified.views import varied
from catalens.training.recipes.unified.wild import GARMENT_WORDS, GARMENTS, WildPicture, read_wild
from catalens.training.towers import ImageTower

LEARNED = "type"
"""The one group of the schema whose values clothes at home are labelled with; of the others the starter is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the result."""

    steps: int = 300
    rate: float = 4e-4
    clothing: int = 64
    goods: int = 40
    others: int = 40
    views: int = 6
    """Views of every piece of clothing at home, the first as it is."""
    scenes: int = 1
    """Views of every product before another background."""
    products: int = 3000
    apart: int = 1200
    """Photographs, and groceries, that stay unknown."""
    keep: float = 24.0
    """Weight of a kept vector: of one minus its cosine with what it was."""
    reader: float = 0.3
    """Weight of the products' kept cells and pooled layers, which the reader looks at."""
    rest: float = 0.5
    """Weight of what the starter says of clothes at home in every other group."""
    decay: float = 0.05
    seed: int = 0


class UpperHalf(nn.Module):
    """The trained part of the image tower: from the lower features to unit rows, cells and pooled layers."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.coarse, self.norm, self.project = tower.coarse, tower.norm, tower.project
        self.eval()
        self._cells: Part = with_fixed_norms(tower.coarse[:-2])
        self._last: Part = with_fixed_norms(tower.coarse[-2:])

    def forward(self, features: LowFeatures) -> tuple[Tensor, Tensor, Tensor]:
        """Return unit rows (n, dim), the cells' map (n, 320, height, width) and the pooled layers (n, 1376)."""
        cells = self._cells(features.fine)
        top = self._last(cells).float().mean((2, 3))
        pooled = torch.cat([features.low, features.fine.mean((2, 3)), top], dim=1)
        return functional.normalize(self.project(self.norm(pooled)), dim=-1), cells.float(), pooled


class Banks:
    """The frozen texts: a row for every label of every group, and how sharply the starter compares them."""

    def __init__(self, threads: int) -> None:
        encoder = load_encoder("starter", threads=threads)
        self.schema: SchemaBank = build_schema_bank(encoder, load_schema("fashion"))
        self.scale = self.schema.banks[LEARNED].scale / 0.75
        self.groups = {
            name: torch.from_numpy(np.concatenate([bank.vectors, bank.unknown]).astype(np.float32))
            for name, bank in self.schema.banks.items()
        }
        words = [(at, word) for at, some in enumerate(GARMENT_WORDS.values()) for word in some]
        rows = torch.from_numpy(encoder.encode_texts([f"a photo of a {word}" for _, word in words]))
        owner = torch.tensor([at for at, _ in words])
        sums = torch.zeros(len(GARMENT_WORDS), rows.shape[1]).index_add_(0, owner, rows)
        self.garments = torch.cat([functional.normalize(sums, dim=1), self.groups[LEARNED][-1:]])

    def names(self, group: str) -> tuple[str, ...]:
        """Return the labels of a group."""
        return tuple(self.schema.schema.group(group).label_names)

    def log_shares(self, images: Tensor, bank: Tensor) -> Tensor:
        """Return log-probabilities (n, labels and "none of these")."""
        return (self.scale * images @ bank.T).log_softmax(1)


class Truth:
    """What clothes at home are."""

    def __init__(self, rows: Sequence[WildPicture], types: Sequence[str]) -> None:
        garments = list(GARMENT_WORDS)
        self.garment = torch.tensor([garments.index(row.label) for row in rows])
        self.allowed = torch.tensor([[name in GARMENTS[row.label] for name in types] for row in rows])


class Trainer:
    """Holds what a step needs."""

    def __init__(self, recipe: Recipe, data: Path, out: Path, threads: int) -> None:
        self.recipe, self.data, self.out, self.log = recipe, data, out, RunLog(out)
        torch.manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.banks = Banks(threads)
        tower = read_image_tower(shipped("starter"))
        self._look(LowerViews(tower, out / "views", threads))
        self.teacher = UpperHalf(copy.deepcopy(tower)).requires_grad_(requires_grad=False)
        self.student = UpperHalf(tower).requires_grad_()
        self.optimiser = Optimiser(adamw(self.student.parameters(), decay=recipe.decay), clip=2.0)
        self.step = 0

    def _look(self, lower: LowerViews) -> None:
        """Compute the views of every set, or read them."""
        recipe = self.recipe
        worn, held_out = (read_wild(self.data, "clothing", split) for split in ("train", "val"))
        self.truth, self.val_truth = (Truth(rows, self.banks.names(LEARNED)) for rows in (worn, held_out))
        photographs = read_photographs(self.data)
        goods = [row.picture for row, _ in zip(self._products("train"), range(recipe.products), strict=False)]
        self.sold: list[Product] = list(self._products("val"))
        clothes = [row.picture for row in worn]
        made = [png(each) for each in nonsense(256, np.random.default_rng(5))]
        shelf = [row.picture for row in read_wild(self.data, "grocery", "train")]
        others = [*photographs[: recipe.apart], *shelf[: recipe.apart], *made]
        self.sets = {
            "clothing": [
                lower.get("clothing", 0, clothes),
                *(lower.get("clothing", at, clothes, varied) for at in range(1, recipe.views)),
            ],
            "goods": [
                lower.get("goods", 0, goods),
                *(lower.get("goods", at, goods, onto(photographs)) for at in range(1, recipe.scenes + 1)),
            ],
            "others": [lower.get("others", 0, others)],
        }
        val = {"clothing-val": [row.picture for row in held_out], "goods-val": [row.picture for row in self.sold]}
        self.val = {name: [lower.get(name, 0, pictures)] for name, pictures in val.items()}

    def _products(self, split: str) -> Sequence[Product]:
        return list(read_products(self.data / "fashion", split))

    def losses(self) -> dict[str, Tensor]:
        """Run one batch through the losses."""
        recipe, rng = self.recipe, self.rng
        rows = {name: rng.integers(0, len(views[0][0]), getattr(recipe, name)) for name, views in self.sets.items()}
        seen = {
            name: taken(self.sets[name], some, rng.integers(0, len(self.sets[name]), len(some)))
            for name, some in rows.items()
        }
        goods = taken(self.sets["goods"], rows["goods"], np.zeros(recipe.goods, dtype=np.int64))
        parts = [seen["clothing"], seen["goods"], seen["others"], goods]
        vectors, cells, pooled = self.student(LowFeatures.join(parts))
        with torch.no_grad():
            teacher, old_cells, old_pooled = self.teacher(LowFeatures.join([parts[0], parts[3], parts[2]]))
        split = [recipe.clothing, recipe.goods, recipe.others]
        worn, before, other, plain = vectors.split([*split, recipe.goods])
        old_worn, old_sold, old_other = teacher.split(split)
        as_shipped = slice(recipe.clothing, recipe.clothing + recipe.goods)
        kept = self._kept(cells[-recipe.goods :], old_cells[as_shipped]) + self._kept(
            pooled[-recipe.goods :], old_pooled[as_shipped]
        )
        return {
            **self._of_clothes(worn, old_worn, torch.from_numpy(rows["clothing"])),
            "scenes": recipe.keep * self._apart(before, old_sold),
            "products": recipe.keep * self._apart(plain, old_sold),
            "others": recipe.keep * self._apart(other, old_other),
            "reader": recipe.reader * kept,
        }

    def _of_clothes(self, worn: Tensor, old: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return the losses of clothes at home: their type, their name, and what the starter says of all else."""
        banks = self.banks
        types = banks.log_shares(worn, banks.groups[LEARNED])[:, :-1].masked_fill(~self.truth.allowed[rows], -1e4)
        rest = [
            functional.kl_div(
                banks.log_shares(worn, bank), banks.log_shares(old, bank), reduction="batchmean", log_target=True
            )
            for name, bank in banks.groups.items()
            if name != LEARNED
        ]
        return {
            "type": -types.logsumexp(1).mean(),
            "garment": functional.nll_loss(banks.log_shares(worn, banks.garments), self.truth.garment[rows]),
            "rest": self.recipe.rest * torch.stack(rest).mean(),
        }

    @staticmethod
    def _apart(rows: Tensor, wanted: Tensor) -> Tensor:
        return 1 - (rows * wanted).sum(1).mean()

    @staticmethod
    def _kept(values: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean squared change as a share of what varies."""
        return (values - wanted).square().mean() / wanted.var()

    def run(self) -> None:
        """Train to the end; evaluate and save every fifty steps."""
        if self.step == 0:
            self.log.write(step=0, val=self.evaluate())
        while self.step < self.recipe.steps:
            losses = self.losses()
            share = cosine(self.step, self.recipe.steps, warm_up=30, least=0.005)
            self.optimiser.step(torch.stack(list(losses.values())).sum(), share * self.recipe.rate)
            self.step += 1
            if self.step % 50 == 0 or self.step == self.recipe.steps:
                self.save()
                self.log.write(step=self.step, **rounded(losses), val=self.evaluate())

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """Return shares of right labels on validation rows."""
        worn, sold = self._encode("clothing-val"), self._encode("goods-val")
        banks = self.banks
        best = (worn @ banks.groups[LEARNED][:-1].T).argmax(1)
        found = {
            "clothing type": self.val_truth.allowed[torch.arange(len(worn)), best],
            "clothing garment": (worn @ banks.garments[:-1].T).argmax(1) == self.val_truth.garment,
        }
        for name in ("type", "colour", "gender"):
            names = banks.names(name)
            known = [
                (at, names.index(row.labels[name])) for at, row in enumerate(self.sold) if row.labels.get(name) in names
            ]
            where, truth = (torch.tensor(column) for column in zip(*known, strict=True))
            found[name] = (sold[where] @ banks.groups[name][:-1].T).argmax(1) == truth
        return {name: round(value.float().mean().item(), 4) for name, value in found.items()}

    def _encode(self, name: str) -> Tensor:
        views = self.val[name]
        pieces = batched(range(len(views[0][0])), 256)
        return torch.cat(
            [self.student(taken(views, np.array(some), np.zeros(len(some), dtype=np.int64)))[0] for some in pieces]
        )

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "step": self.step,
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.adamw.state_dict(),
            "recipe": asdict(self.recipe),
        }
        save_checkpoint(self.out, state)

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one."""
        state = load_checkpoint(self.out)
        if state is None:
            return False
        self.student.load_state_dict(state["student"])
        self.optimiser.adamw.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        self.rng = np.random.default_rng([self.recipe.seed, self.step])
        return True


def main() -> None:
    """Train to the end, or go on with a stopped run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/at-home"))
    parser.add_argument("--threads", type=int, default=2)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, out, threads = options.pop("data"), options.pop("out"), options.pop("threads")
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(Recipe(**options), data, out, threads)
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    main()
