"""Train the starter encoder: `python -m catalens.training.recipes.starter.train --data DATA --out runs/starter`.

Two losses share the towers: a contrastive one over one random text per product, in which equal texts of a batch are
shared positives; and, for every schema group, the cross-entropy of the image against *all* label texts of the group
through the text tower, which trains zero-shot use itself. A share of every batch is photographs of other things, noise
and blanks, whose label in every group is "something else".

A checkpoint is written after every epoch; the same command resumes from it.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from catalens.models.allocator import keep_memory
from catalens.tasks.schema import Schema, load_schema
from catalens.training.augment import framed, lit, onto_backgrounds, overlaid
from catalens.training.fashion import Phrasebook, Product, label_texts, read_products
from catalens.training.fixed_norms import with_fixed_norms
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
from catalens.training.losses import contrastive, encode_texts, of_labels, one_hot
from catalens.training.pixels import nonsense, read_photographs, stored, tensor
from catalens.training.precision import mixed
from catalens.training.recipes.starter.recipe import Recipe
from catalens.training.soft_labels import left_open, opinions
from catalens.training.towers import ImageTower, TextTower, compiled_stem, recalibrate
from catalens.training.vocabulary import train_tokenizer

UNKNOWN = (
    "something else",
    "not a fashion product",
    "a picture of something else",
    "none of these",
    "an unrelated photo",
)
"""Texts that mean "none of these" in every group."""
WEIGHTS = {"type": 0.5, "colour": 0.6, "gender": 0.4, "pattern": 0.4, "sleeve_length": 0.4, "neck": 0.4}
"""Share in the loss of the groups that users ask for most."""
OTHER_WEIGHT = 0.12
"""Share of every other group."""
WARM_UP_STEPS = 100
OTHERS_WEIGHT = 0.15
"""Share, within a group, of the pictures that are not products."""
PALE_COLOURS = {"White", "Off White", "Cream", "Silver"}
"""Products of these colours keep their background: it cannot be distinguished from them."""


class Trainer:
    """The towers in training; a stopped run can be resumed."""

    def __init__(self, recipe: Recipe, data: Path, out: Path) -> None:
        self.recipe, self.out, self.log = recipe, out, RunLog(out)
        torch.manual_seed(recipe.seed)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.words = random.Random(recipe.seed)
        self.schema: Schema = load_schema("fashion")
        self.phrases = Phrasebook(self.schema, self.words)
        self.products: list[Product] = list(read_products(data / "fashion", "train"))
        self.pixels = stored(out / "train.npy", [product.picture for product in self.products], pad=False)
        everyday = read_photographs(data)
        self.other_pixels = stored(out / "others.npy", everyday, pad=False)
        self.other_padded = stored(out / "others-padded.npy", everyday, pad=True)
        self.tokenizer = self._tokenizer()
        self.groups = [group.name for group in self.schema.groups]
        self.targets = self._targets()
        self.pale = np.array([product.labels.get("colour") in PALE_COLOURS for product in self.products])
        self.image = ImageTower().to(memory_format=torch.channels_last)
        self.text = TextTower(self.tokenizer.get_vocab_size())
        self.scale = torch.nn.Parameter(torch.tensor(math.log(20.0)))
        self.group_scales = torch.nn.Parameter(torch.full((len(self.groups),), math.log(15.0)))
        self.image.load_imagenet(data / "init" / "mobilenet_v2_imagenet.safetensors")
        self.fast_stem: Callable[[Tensor], Tensor] | None = None
        """The stem on a faster runtime, for the stages that do not train it."""
        self.averages: dict[str, WeightAverage] = {}
        """Running averages of the towers' weights, in a stage that trains the whole image tower."""
        self.opinions: dict[str, Tensor] = {}
        """The towers' own label probabilities from before the stage, in a stage with soft labels."""
        self.open = {name: left_open(self.products, self.schema.group(name)) for name in self.groups}
        self.optimiser = self._optimiser()
        self.epoch = 0

    def _tokenizer(self) -> Tokenizer:
        file = self.out / "tokenizer.json"
        if not file.exists():
            texts = [text for product in self.products for text in (product.title, product.sentence) if text]
            texts += [self.phrases.phrase(product) for product in self.products]
            wordings = [word for group in self.schema.groups for label in group.labels for word in label.wordings]
            train_tokenizer(texts + wordings * 20, self.recipe.vocabulary).save(str(file))
        tokenizer = Tokenizer.from_file(str(file))
        # Provilkov et al. 2020: dropping merges at random makes typos and unseen words less strange.
        tokenizer.model.dropout = 0.1
        return tokenizer

    def _targets(self) -> Tensor:
        """(n products, groups) label positions, -100 where a group does not hold or its value is not in the schema."""
        out = torch.full((len(self.products), len(self.groups)), -100, dtype=torch.long)
        for column, name in enumerate(self.groups):
            place = {label.name: i for i, label in enumerate(self.schema.group(name).labels)}
            for row, product in enumerate(self.products):
                out[row, column] = place.get(product.labels.get(name, ""), -100)
        return out

    def _optimiser(self) -> Optimiser:
        parts = (self.image.stem, self.image.fine, self.image.coarse)
        tower = [p for part in parts for p in part.parameters() if p.requires_grad]
        rest = [*self.image.norm.parameters(), *self.image.project.parameters(), *self.text.parameters()]
        decay, scales = self.recipe.decay, [self.scale, self.group_scales]
        groups = [*adamw(tower, decay=decay, scale=self.recipe.tower_share), *adamw(rest, decay=decay, exempt=scales)]
        return Optimiser(groups, clip=2.0)

    def prepare(self) -> None:
        """Measure the batch norms before the first step."""
        batches = [self._sample(self.rng.integers(0, len(self.products), 128), 0.5) for _ in range(3)]
        recalibrate(self.image, batches)

    @property
    def _small(self) -> bool:
        stage, at = self.recipe.stage(self.epoch)
        return at < stage.epochs - stage.large_epochs

    def _sample(self, rows: NDArray[np.int64], strength: float) -> Tensor:
        size = self.recipe.small_hw if self._small else self.recipe.large_hw
        products = self.pixels[rows]
        cut = ~self.pale[rows]
        products[cut] = onto_backgrounds(products[cut], self.other_pixels[:2000], self.rng, 0.15 * strength)
        half = self.recipe.others // 2
        picks = self.rng.integers(0, len(self.other_pixels), self.recipe.others)
        others = np.concatenate(
            [
                self.other_pixels[picks[:half]],
                self.other_padded[picks[half : half + half // 2]],
                nonsense(self.recipe.others - half - half // 2, self.rng),
            ]
        )
        pixels = tensor(np.concatenate([products, others]))
        pixels = lit(framed(pixels, size, self.generator, strength=strength), self.generator, strength=strength)
        return pixels.contiguous(memory_format=torch.channels_last)

    def loss(self, rows: NDArray[np.int64], strength: float) -> dict[str, Tensor]:
        """Return both losses of one batch, by name."""
        stage, _ = self.recipe.stage(self.epoch)
        n, shares = len(rows), None
        pixels = self._sample(rows, strength)
        if stage.mixing:
            pixels[:n], shares = overlaid(pixels[:n], stage.mixing, self.generator, self.rng)
        titles = [self.phrases.say(self.products[row]) for row in rows]
        unknown = self.words.choice(UNKNOWN)
        labels = [label_texts(self.schema, name, self.words.choice) for name in self.groups]
        flat = [text for texts in labels for text in texts] + [unknown]
        with mixed():
            images = self.image(pixels)
            with torch.set_grad_enabled(stage.texts):
                encoded = encode_texts(self.text, self.tokenizer, [*titles, *flat])
        texts, wordings = encoded[: len(titles)], encoded[len(titles) :]
        places = {text: i for i, text in enumerate(dict.fromkeys(titles))}
        keys = torch.tensor([places[text] for text in titles])
        pairs = contrastive(images[:n], texts, keys, self.scale.exp().clamp(max=100.0), shares)
        out = {"contrast": stage.contrast * pairs}
        start, unknown_row = 0, wordings[-1:]
        for column, (name, texts_of) in enumerate(zip(self.groups, labels, strict=True)):
            bank = torch.cat([wordings[start : start + len(texts_of)], unknown_row])
            start += len(texts_of)
            logits = self.group_scales[column].exp().clamp(max=60.0) * images @ bank.T
            elsewhere = torch.full((len(images) - n,), len(texts_of))
            weight = WEIGHTS.get(name, OTHER_WEIGHT)
            wanted = self._wanted(column, torch.from_numpy(rows), stage.taught)
            if wanted.any():
                out[name] = weight * of_labels(logits[:n], wanted, shares)
            apart = weight * OTHERS_WEIGHT * functional.cross_entropy(logits[n:], elsewhere)
            out["else"] = out.get("else", torch.zeros(())) + apart
        return out

    def _wanted(self, column: int, rows: Tensor, taught: float) -> Tensor:
        """(n, labels and "something else") weights: the shop's label, softened by the opinions where there are some."""
        name, targets = self.groups[column], self.targets[rows, column]
        wanted = one_hot(targets, len(self.schema.group(name).labels) + 1)
        if taught:
            wanted *= 1.0 - taught
            asked = (targets >= 0) | self.open[name][rows]
            wanted[:, :-1] += taught * asked[:, None] * self.opinions[name][rows]
        return wanted

    def run(self) -> None:
        """Train to the end, with a checkpoint after every epoch."""
        for epoch in range(self.epoch, self.recipe.epochs):
            self._begin(epoch)
            size = self.recipe.stage(epoch)[0].batch
            steps = len(self.products) // size
            for step, rows in enumerate(batches(len(self.products), size, self.rng)):
                losses = self._step(rows, step, steps)
                if step % 10 == 0:
                    self.log.write(epoch=epoch, step=step, scale=round(self.scale.exp().item(), 1), **losses)
            self.epoch = epoch + 1
            self.save()

    def _begin(self, epoch: int) -> None:
        """Seed by the epoch, so that a resumed run gets the same batches as an uninterrupted one."""
        self.epoch = epoch
        self.words.seed(self.recipe.seed + epoch)
        self.rng = np.random.default_rng(self.recipe.seed + epoch)
        self.generator.manual_seed(self.recipe.seed + epoch)
        stage, before = self.recipe.stage(epoch)
        self.image.stem.requires_grad_(stage.whole)
        if before == 0:
            self._start_from_averages()
            self.optimiser = self._optimiser()
        if stage.taught:
            self._ask(self.out / f"opinions-{epoch - before}.pt")
        if stage.whole:
            self.image.eval()
            self.image.norm.train()
            self.image.ways = tuple(with_fixed_norms(part) for part in self.image.parts)
        else:
            self.image.train()
            self.image.ways = (self.fast_stem or self.image.stem, *self.image.parts[1:])

    def _start_from_averages(self) -> None:
        """Start from the averages of the last stage's weights, if it kept them."""
        for name, average in self.averages.items():
            self._tower(name).load_state_dict(average.weights)
        self.averages = {}

    def _tower(self, name: str) -> ImageTower | TextTower:
        return self.image if name == "image" else self.text

    def _ask(self, file: Path) -> None:
        """Classify every product with the towers; a resumed run finds the probabilities from when its stage began."""
        if not file.exists():
            scales = self.group_scales.exp().clamp(max=60.0)
            found = opinions(self.image.eval(), self.text, self.tokenizer, self.schema, scales, self.pixels)
            torch.save(found, file)
        self.opinions = torch.load(file, weights_only=True)

    def _step(self, rows: NDArray[np.int64], step: int, steps: int) -> dict[str, float]:
        stage, before = self.recipe.stage(self.epoch)
        share = cosine(before * steps + step, steps * stage.epochs, warm_up=WARM_UP_STEPS, least=0.005)
        # The last epochs see images nearer to what users have than to what could happen to them.
        losses = self.loss(rows, stage.strengths[0 if self._small else 1])
        loss = torch.stack(list(losses.values())).sum()
        self.optimiser.step(loss, share * stage.rate)
        if stage.whole:
            self._update_averages()
        return rounded({"loss": loss, **losses})

    def _update_averages(self) -> None:
        for name in ("image", "text"):
            if name not in self.averages:
                self.averages[name] = WeightAverage(self._tower(name), self.recipe.memory, warm_up=False)
            self.averages[name].update(self._tower(name))

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "epoch": self.epoch,
            "image": self.image.state_dict(),
            "text": self.text.state_dict(),
            "scale": self.scale.data,
            "group_scales": self.group_scales.data,
            "optimiser": self.optimiser.adamw.state_dict(),
            "mean": {name: average.weights for name, average in self.averages.items()},
            "groups": self.groups,
        }
        save_checkpoint(self.out, state)

    def resume(self) -> bool:
        """Continue from the last checkpoint, if there is one."""
        state = load_checkpoint(self.out)
        if state is None:
            return False
        self.image.load_state_dict(state["image"])
        self.text.load_state_dict(state["text"])
        self.scale.data, self.group_scales.data = state["scale"], state["group_scales"]
        self.epoch = int(state["epoch"])
        for name, weights in state["mean"].items():
            self.averages[name] = WeightAverage(self._tower(name), self.recipe.memory, warm_up=False)
            self.averages[name].weights = weights
        stage, before = self.recipe.stage(self.epoch)
        self.image.stem.requires_grad_(stage.whole)
        self.optimiser = self._optimiser()
        if before:  # every stage begins with an optimiser of its own
            self.optimiser.adamw.load_state_dict(state["optimiser"])
        return True


def main() -> None:
    """Train to the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds fashion/, everyday/ and init/")
    parser.add_argument("--out", type=Path, default=Path("runs/starter"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    keep_memory()
    trainer = Trainer(Recipe(seed=options.seed), options.data, options.out)
    if not trainer.resume():
        trainer.prepare()
    trainer.fast_stem = compiled_stem(trainer.image)
    trainer.run()


if __name__ == "__main__":
    main()
