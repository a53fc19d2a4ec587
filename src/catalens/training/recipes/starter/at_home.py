"""The starter's fifth stage: clothes photographed at home.

`python -m catalens.training.recipes.starter.at_home --data DATA --out runs/at-home` goes on from the bundle that is
shipped. The text tower and the lower half of the image tower stay frozen. Clothes at home learn their article type;
products keep the vectors that they had, also before other backgrounds; photographs, groceries and drawn nonsense keep
theirs, so that they stay unknown. A stopped run goes on from its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from catalens.models.registry import shipped
from catalens.training.fashion import Product, read_products
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.recipes.starter.low_views import LowerHalf, LowFeatures, View, Views, onto, taken
from catalens.training.recipes.starter.upper_half import (
    TYPE,
    Banks,
    Batch,
    Stage,
    UpperHalf,
    apart,
    changed,
    run_stage,
)
from catalens.training.recipes.unified.export import read_image_tower
from catalens.training.recipes.unified.views import varied
from catalens.training.recipes.unified.wild import GARMENT_WORDS, GARMENTS, WildPicture, read_wild


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


class AtHome:
    """The one group of labels that clothes at home learn is their type; of all others the starter is believed."""

    def __init__(self, recipe: Recipe, data: Path, banks: Banks, lower: Views) -> None:
        self.recipe, self.banks = recipe, banks
        worn = read_wild(data, "clothing", "train")
        photographs = read_photographs(data)
        made = [png(each) for each in nonsense(256, np.random.default_rng(5))]
        shelf = [row.picture for row in read_wild(data, "grocery", "train")]
        self.sets = {
            "clothing": clothing_views(lower, worn, recipe.views),
            "goods": product_views(lower, data, photographs, recipe.products, recipe.scenes),
            "others": [lower.get("others", 0, [*photographs[: recipe.apart], *shelf[: recipe.apart], *made])],
        }
        self.counts = {name: int(getattr(recipe, name)) for name in self.sets}
        self.truth, self.garments = Worn(worn, banks), garment_rows(banks)
        self.held_out = HeldOut(data, banks, lower, self.garments)

    def losses(self, student: UpperHalf, teacher: UpperHalf, rng: np.random.Generator) -> dict[str, Tensor]:
        """Run one batch through the losses."""
        recipe, batch = self.recipe, Batch.drawn(self.sets, self.counts, rng)
        goods = taken(self.sets["goods"], batch.rows["goods"], np.zeros(recipe.goods, dtype=np.int64))
        seen = batch.features
        vectors, cells, pooled = student(LowFeatures.join([seen["clothing"], seen["goods"], seen["others"], goods]))
        with torch.no_grad():
            old = teacher(LowFeatures.join([seen["clothing"], goods, seen["others"]]))
        split = [recipe.clothing, recipe.goods, recipe.others]
        worn, before, other, plain = vectors.split([*split, recipe.goods])
        old_worn, old_sold, old_other = old[0].split(split)
        as_shipped = slice(recipe.clothing, recipe.clothing + recipe.goods)
        kept = changed(cells[-recipe.goods :], old[1][as_shipped]) + changed(
            pooled[-recipe.goods :], old[2][as_shipped]
        )
        return {
            **self._of_clothes(worn, old_worn, torch.from_numpy(batch.rows["clothing"])),
            "scenes": recipe.keep * apart(before, old_sold),
            "products": recipe.keep * apart(plain, old_sold),
            "others": recipe.keep * apart(other, old_other),
            "reader": recipe.reader * kept,
        }

    def _of_clothes(self, worn: Tensor, old: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return the losses of clothes at home: their type, their name, and what the starter says of all else."""
        banks = self.banks
        types = banks.log_shares(worn, banks.groups[TYPE])[:, :-1].masked_fill(~self.truth.allowed[rows], -1e4)
        rest = [
            functional.kl_div(
                banks.log_shares(worn, bank), banks.log_shares(old, bank), reduction="batchmean", log_target=True
            )
            for name, bank in banks.groups.items()
            if name != TYPE
        ]
        return {
            "type": -types.logsumexp(1).mean(),
            "garment": functional.nll_loss(banks.log_shares(worn, self.garments), self.truth.garment[rows]),
            "rest": self.recipe.rest * torch.stack(rest).mean(),
        }

    def evaluate(self, student: UpperHalf) -> Mapping[str, float]:
        """Return shares of right labels on validation rows."""
        return self.held_out.evaluate(student.encode)


class Worn:
    """What clothes at home are."""

    def __init__(self, rows: Sequence[WildPicture], banks: Banks) -> None:
        garments = list(GARMENT_WORDS)
        self.garment = torch.tensor([garments.index(row.label) for row in rows])
        self.allowed = torch.tensor([[name in GARMENTS[row.label] for name in banks.names(TYPE)] for row in rows])


def garment_rows(banks: Banks) -> Tensor:
    """Return the mean text of every label of the table of clothes at home, and "none of these" last."""
    words = [(at, word) for at, some in enumerate(GARMENT_WORDS.values()) for word in some]
    rows = torch.from_numpy(banks.encoder.encode_texts([f"a photo of a {word}" for _, word in words]))
    owner = torch.tensor([at for at, _ in words])
    sums = torch.zeros(len(GARMENT_WORDS), rows.shape[1]).index_add_(0, owner, rows)
    return torch.cat([functional.normalize(sums, dim=1), banks.groups[TYPE][-1:]])


def clothing_views(lower: Views, worn: Sequence[WildPicture], views: int) -> list[View]:
    """Return so many views of clothes at home, the first as they are."""
    clothes = [row.picture for row in worn]
    return [
        lower.get("clothing", 0, clothes),
        *(lower.get("clothing", at, clothes, varied) for at in range(1, views)),
    ]


def product_views(lower: Views, data: Path, photographs: Sequence[bytes], products: int, scenes: int) -> list[View]:
    """Return the first training products as they are, and so many views of them before photographs."""
    rows = zip(read_products(data / "fashion", "train"), range(products), strict=False)
    goods = [row.picture for row, _ in rows]
    return [
        lower.get("goods", 0, goods),
        *(lower.get("goods", at, goods, onto(photographs)) for at in range(1, scenes + 1)),
    ]


class HeldOut:
    """Clothes at home and products to validate on."""

    def __init__(self, data: Path, banks: Banks, lower: Views, garments: Tensor) -> None:
        worn = read_wild(data, "clothing", "val")
        self.sold: list[Product] = list(read_products(data / "fashion", "val"))
        self._banks, self._garments, self._truth = banks, garments, Worn(worn, banks)
        self._worn = lower.get("clothing-val", 0, [row.picture for row in worn])
        self.goods = lower.get("goods-val", 0, [row.picture for row in self.sold])

    def evaluate(self, encode: Callable[[View], Tensor]) -> dict[str, float]:
        """Return shares of right labels; `encode` makes unit rows of a view."""
        worn, sold = encode(self._worn), encode(self.goods)
        banks = self._banks
        best = (worn @ banks.groups[TYPE][:-1].T).argmax(1)
        found = {
            "clothing type": self._truth.allowed[torch.arange(len(worn)), best],
            "clothing garment": (worn @ self._garments[:-1].T).argmax(1) == self._truth.garment,
        }
        for name in ("type", "colour", "gender"):
            found[name] = banks.right(name, sold, banks.places(name, [row.labels.get(name) for row in self.sold]))
        return {name: round(value.float().mean().item(), 4) for name, value in found.items()}


def make_stage(recipe: Recipe, data: Path, out: Path, threads: int) -> Stage:
    """Return the stage."""
    lower = Views(LowerHalf(read_image_tower(shipped("starter"))), out / "views", threads)
    return Stage(recipe, AtHome(recipe, data, Banks(threads), lower), out)


if __name__ == "__main__":
    run_stage(__doc__, Path("runs/at-home"), Recipe(), make_stage)
