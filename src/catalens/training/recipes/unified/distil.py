"""Distils a text tower into a copy of it with a new vocabulary."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import cache

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from catalens.tasks.schema import Group, load_schema
from catalens.training.kinds import ALIASES, SEVERAL, TEMPLATES, Class, many
from catalens.training.losses import encode_texts
from catalens.training.towers import TextTower

BATCH = 128
TABLE_RATE, RATE = 3e-3, 2e-4
"""Peak learning rates of the token embeddings, which are new, and of everything else, which is not."""
SHARES = (0.6, 0.25, 0.15)
"""Shares of a batch: names of classes, wordings of the schemas, captions."""


def names_texts(classes: Sequence[Class], rng: random.Random, n: int) -> list[str]:
    """Return n texts with names of classes or of kinds above them, some of them in the plural."""
    out = []
    for each in rng.choices(classes, k=n):
        word = rng.choice((*each.names, *each.kinds)) if rng.random() < 0.5 else each.names[0]
        word = rng.choice(ALIASES.get(word, (word,)))
        plural = rng.random() < 0.2
        out.append(rng.choice(SEVERAL).format(many(word)) if plural else rng.choice(TEMPLATES).format(word))
    return out


def schema_texts(rng: random.Random, n: int) -> list[str]:
    """Return n wordings of the shipped schemas' labels in their templates."""
    groups = _groups()
    found = [(group, rng.choice(group.labels)) for group in rng.choices(groups, [len(g.labels) for g in groups], k=n)]
    return [rng.choice(group.templates).format(rng.choice(label.wordings)) for group, label in found]


@cache
def _groups() -> list[Group]:
    """Return the groups of the shipped schemas that pictures of all kinds are asked about."""
    return [group for name in ("everyday", "fashion") for group in load_schema(name).groups[:4]]


def distil(
    tower: TextTower,
    tokenizer: Tokenizer,
    teacher: Callable[[list[str]], Tensor],
    draw: Callable[[], list[str]],
    steps: int,
) -> list[float]:
    """Train a tower on the vectors that its teacher gives to the same texts.

    Args:
        tower: changed in place.
        tokenizer: the tower's.
        teacher: texts to unit rows.
        draw: returns the texts of a batch.
        steps: batches under one falling rate.

    Returns:
        The mean cosine with the teacher at each step.
    """
    others = [value for name, value in tower.named_parameters() if name != "token.weight"]
    sets = [{"params": [tower.token.weight], "peak": TABLE_RATE}, {"params": others, "peak": RATE}]
    tower.requires_grad_(requires_grad=True)
    optimiser = torch.optim.AdamW(sets, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
    cosines = []
    for step in range(steps):
        share = min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for part in optimiser.param_groups:
            part["lr"] = share * part["peak"]
        texts = draw()
        with torch.no_grad():
            wanted = teacher(texts)
        rows = encode_texts(tower, tokenizer, texts)
        cosine = functional.cosine_similarity(rows, wanted).mean()
        optimiser.zero_grad(set_to_none=True)
        (1 - cosine).backward()
        optimiser.step()
        cosines.append(cosine.item())
    return cosines
