"""Hyperparameters of the everyday encoder."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = ("something else", "nothing that can be told", "noise", "a blank picture", "a picture of nothing")
"""Texts that mean "none of these"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Epochs under one falling learning rate."""

    epochs: int
    rate: float
    names: int
    """Texts for kinds of things in a batch: those that the teacher thinks of, and others by chance."""
    own: float
    """Share of the batches in which every class is called by a name of its own."""
    taught: float
    """Weight of the names' losses beside the captions'."""
    dropout: float
    merges: float
    """Share of the tokenizer's merges that are dropped (Provilkov et al. 2020)."""
    branch_only: bool
    """Whether all but the branch of the text tower stays as it is."""
    batch: int


STAGES = (
    Stage(epochs=48, rate=1e-3, names=256, own=0.5, taught=1.0, dropout=0.2, merges=0.05, branch_only=False, batch=512),
    # A thousand names want many steps and exact places: classes that the teacher finds nearly as likely are told apart
    # by the smallest difference. What captions have learned stays as it is meanwhile.
    Stage(epochs=18, rate=1e-3, names=500, own=0.7, taught=3.0, dropout=0.0, merges=0.0, branch_only=True, batch=256),
    # Every name in every batch, and few captions, which only keep the two halves in proportion.
    Stage(epochs=36, rate=1e-3, names=1000, own=0.8, taught=3.0, dropout=0.0, merges=0.0, branch_only=True, batch=64),
    Stage(epochs=3, rate=6e-4, names=1000, own=0.7, taught=3.0, dropout=0.0, merges=0.0, branch_only=True, batch=64),
)
LEAN = 0.8
"""How much of a text's half for classes is kept in the released tower: less of it finds pictures better and agrees with
the teacher worse (docs/decisions/005)."""
TEACHER_STEPS = 2000
"""Batches in which the classes' half learns to give the teacher's probabilities, before all else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything else that decides the result."""

    products: int = 48
    nonsense: int = 24
    captions: int = 1
    """Captions of each picture in a batch."""
    decay: float = 0.1
    vocabulary: int = 5000
    half: int = 256
    """Width of each half of a vector."""
    depth: int = 2
    branch: int = 2
    """Blocks of the text tower for captions, and further ones for the classes' half."""
    average: float = 0.995
    """Decay of the running mean of the weights, which is what is kept."""
    seed: int = 0
