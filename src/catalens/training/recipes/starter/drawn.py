"""The starter's sixth stage: products that are drawn.

`python -m catalens.training.recipes.starter.drawn --data DATA --out runs/drawn` goes on from the bundle that is
shipped, and trains its last projection alone. Drawn products learn their type, colour, pattern and sleeve length, and
to lie near what somebody would search them by; drawn things that are not for sale learn that no label is right.
Products, clothes at home, photographs, groceries and other drawings keep their vectors. A stopped run goes on from its
last checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from catalens.models.registry import shipped
from catalens.training.evaluation import retrieval
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.recipes.starter.at_home import HeldOut, clothing_views, garment_rows, product_views
from catalens.training.recipes.starter.low_views import Trunk, View, Views, onto
from catalens.training.recipes.starter.upper_half import (
    TYPE,
    Banks,
    Projection,
    Stage,
    apart,
    run_stage,
)
from catalens.training.recipes.unified.export import read_image_tower
from catalens.training.recipes.unified.views import varied
from catalens.training.recipes.unified.wild import read_wild
from catalens.training.rendered import observe, render
from catalens.training.rendered.goods import Good, draw_goods, draw_unsold

LEARNED = {TYPE: 1.0, "colour": 0.5, "pattern": 0.3, "sleeve_length": 0.3}
"""Group of the schema that drawn products learn, and its weight."""
OPINIONS = (TYPE, "colour", "gender")
"""Groups in which products stay what they were said to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides the result."""

    steps: int = 200
    rate: float = 2e-3
    painted: int = 192
    """Drawn products in a batch."""
    unsold: int = 64
    goods: int = 160
    clothing: int = 96
    others: int = 128
    each: int = 50
    """Drawn products of every type."""
    unsold_each: int = 30
    drawings: int = 20
    """Other drawings, documents and scientific pictures of every kind that keep their vectors."""
    held_out: int = 20
    """Drawn pictures of every kind to validate on."""
    products: int = 1600
    apart: int = 600
    """Photographs, and groceries, that keep their vectors."""
    keep: float = 24.0
    """Weight of a kept vector: of one minus its cosine with what it was."""
    opinion: float = 2.0
    """Weight of what the starter says of products, and of drawn ones in the groups that they do not learn."""
    decay: float = 0.0
    seed: int = 0


class Drawn:
    """What is drawn is learned; what is photographed is kept."""

    def __init__(self, recipe: Recipe, data: Path, banks: Banks, lower: Views) -> None:
        self.recipe, self.banks = recipe, banks
        photographs, clothes = read_photographs(data), read_wild(data, "clothing", "train")
        goods, unsold = draw_goods("train", each=recipe.each), draw_unsold(each=recipe.unsold_each)
        painted = [each.picture for each in goods]
        shelf = [row.picture for row in read_wild(data, "grocery", "train")]
        made = [png(each) for each in nonsense(256, np.random.default_rng(5))]
        drawings = [
            *render("train", photographs, each=recipe.drawings),
            *observe("train", photographs, each=recipe.drawings),
        ]
        others = [*photographs[: recipe.apart], *shelf[: recipe.apart], *made, *(each.picture for each in drawings)]
        self.sets = {
            "painted": [
                lower.get("painted", 0, painted),
                lower.get("painted", 1, painted, varied),
                lower.get("painted", 2, painted, onto(photographs)),
            ],
            "unsold": [lower.get("unsold", 0, unsold), lower.get("unsold", 1, unsold, varied)],
            "goods": product_views(lower, data, photographs, recipe.products, 0),
            "clothing": clothing_views(lower, clothes, 3),
            "others": [lower.get("others", 0, others)],
        }
        self.truth = truths(banks, goods)
        self.queries, self.wanted = query_rows(banks, goods)
        self.held_out = HeldOut(data, banks, lower, garment_rows(banks))
        self.titles = banks.encoder.encode_texts([row.title for row in self.held_out.sold])
        self._look(data, lower)

    def _look(self, data: Path, lower: Views) -> None:
        """Compute the views of what is validated on besides."""
        each = self.recipe.held_out
        cut = draw_goods("val", each=each)
        photographs = read_photographs(data, "val")
        drawings = [*render("val", photographs, each=each), *observe("val", photographs, each=each)]
        objects = [row.picture for row in read_wild(data, "objects", "val")]
        self.cut = lower.get("cut", 0, [good.picture for good in cut])
        self.cut_truth, self.cut_queries = truths(self.banks, cut), query_rows(self.banks, cut)
        self.foreign = {
            "objects": lower.get("objects", 0, objects),
            "drawings": lower.get("drawings", 0, [drawing.picture for drawing in drawings]),
        }

    def losses(self, student: Projection, teacher: Projection, rng: np.random.Generator) -> dict[str, Tensor]:
        """Run one batch through the losses."""
        recipe = self.recipe
        out: dict[str, Tensor] = {}
        painted, rows = self._drawn("painted", rng)
        out |= self._of_painted(student(painted), teacher(painted), torch.from_numpy(rows))
        unsold = student(self._drawn("unsold", rng)[0])
        none = [-self.banks.log_shares(unsold, bank)[:, -1].mean() for bank in self.banks.groups.values()]
        out["unsold"] = torch.stack(none).mean()
        for name in ("goods", "clothing", "others"):
            seen = self._drawn(name, rng)[0]
            new, old = student(seen), teacher(seen)
            out[name] = recipe.keep * apart(new, old)
            if name == "goods":
                out["opinion"] = recipe.opinion * self._differing(new, old, OPINIONS)
        return out

    def _drawn(self, name: str, rng: np.random.Generator) -> tuple[Tensor, NDArray[np.int64]]:
        """Return the pooled layers of some pictures of a set in any one of its views, and which they are."""
        view = self.sets[name][int(rng.integers(len(self.sets[name])))][0]
        rows = rng.integers(0, len(view), getattr(self.recipe, name))
        return torch.from_numpy(view[rows].astype(np.float32)), rows

    def _of_painted(self, painted: Tensor, old: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return the losses of drawn products: labels, what they would be searched by, and what the starter says."""
        banks = self.banks
        out: dict[str, Tensor] = {}
        for group, weight in LEARNED.items():
            shares = banks.log_shares(painted, banks.groups[group])
            out[group] = weight * functional.nll_loss(shares, self.truth[group][rows], ignore_index=-1)
        found = banks.log_shares(painted, self.queries)
        rest = [group for group in banks.groups if group not in LEARNED]
        return {
            **out,
            "search": functional.nll_loss(found, self.wanted[rows], ignore_index=-1),
            "rest": self.recipe.opinion * self._differing(painted, old, rest),
        }

    def _differing(self, new: Tensor, old: Tensor, groups: Sequence[str]) -> Tensor:
        """Return the mean divergence of what is said in some groups from what was said."""
        banks = self.banks
        pairs = [
            (banks.log_shares(new, banks.groups[group]), banks.log_shares(old, banks.groups[group])) for group in groups
        ]
        return torch.stack(
            [functional.kl_div(now, then, reduction="batchmean", log_target=True) for now, then in pairs]
        ).mean()

    @torch.no_grad()
    def evaluate(self, student: Projection) -> Mapping[str, float]:
        """Return shares of right labels on validation rows, and of pictures of other things that get a type."""

        def encode(view: View) -> Tensor:
            rows: Tensor = student(torch.from_numpy(view[0].astype(np.float32)))
            return rows

        banks, cut = self.banks, encode(self.cut)
        right = {f"drawn {group}": banks.right(group, cut, self.cut_truth[group]) for group in LEARNED}
        queries, wanted = self.cut_queries
        right["drawn first hit"] = wanted[(queries @ cut.T).argmax(1)] == torch.arange(len(queries))
        for name, view in self.foreign.items():
            right[f"{name} with a type"] = (encode(view) @ banks.groups[TYPE].T).argmax(1) < len(banks.names(TYPE))
        sold = encode(self.held_out.goods)
        found = retrieval(self.titles, sold.numpy(), range(len(sold)))
        return {
            **{name: round(value.float().mean().item(), 4) for name, value in right.items()},
            **self.held_out.evaluate(encode),
            "title R@1": round(found.recall_at_1, 4),
            "title R@10": round(found.recall_at_10, 4),
        }


def truths(banks: Banks, goods: Sequence[Good]) -> dict[str, Tensor]:
    """Return each learned group's row of the right label, -1 where it has none."""
    return {group: banks.places(group, [each.labels.get(group) for each in goods]) for group in LEARNED}


def query_rows(banks: Banks, goods: Sequence[Good]) -> tuple[Tensor, Tensor]:
    """Return a text's row for each colour of each type that occurs, and the one that each product is searched by.

    A product without a colour of its own is searched by none, which is -1.
    """
    usual = {
        group: {label.name: label.wordings[0] for label in banks.schema.schema.group(group).labels}
        for group in (TYPE, "colour")
    }
    said = [
        f"{usual['colour'][each.labels['colour']]} {usual[TYPE][each.labels[TYPE]]}" if "colour" in each.labels else ""
        for each in goods
    ]
    queries = sorted({*said} - {""})
    at = {text: place for place, text in enumerate(queries)}
    return torch.from_numpy(banks.encoder.encode_texts(queries)), torch.tensor([at.get(text, -1) for text in said])


def make_stage(recipe: Recipe, data: Path, out: Path, threads: int) -> Stage[Projection]:
    """Return the stage."""
    views = Views(Trunk(read_image_tower(shipped("starter"))), out / "views", threads)
    return Stage(recipe, Drawn(recipe, data, Banks(threads), views), Projection, out)


if __name__ == "__main__":
    run_stage(__doc__, Path("runs/drawn"), Recipe(), make_stage)
