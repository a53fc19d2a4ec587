"""Hyperparameters of the starter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Epochs under one falling learning rate."""

    epochs: int
    large_epochs: int
    """The last epochs see the full input size; the others see small_hw, at two thirds of the work."""
    rate: float
    contrast: float
    """Weight of the contrastive loss beside the labels'."""
    strengths: tuple[float, float]
    """Of the augmentation, for the small and the large epochs."""
    batch: int = 384
    mixing: float = 0.0
    """Parameter of mixup: two products are blended by a factor from Beta(mixing, mixing); 0 turns it off."""
    whole: bool = False
    """The stem is trained too, norms keep their statistics, and a running mean of all weights is kept."""
    texts: bool = True
    """The text tower is trained too."""
    taught: float = 0.0
    """Share in a product's labels of what the towers said of it before the stage; all there is where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the result, kept beside the checkpoint."""

    stages: tuple[Stage, ...] = (
        Stage(epochs=12, large_epochs=4, rate=1e-3, contrast=1.0, strengths=(1.0, 0.4)),
        # Titles find their pictures well enough by then; labels are still getting better.
        Stage(epochs=6, large_epochs=3, rate=7e-4, contrast=0.3, strengths=(0.7, 0.3)),
        # By then the features know the training pictures by heart: 0.95 of the types there, 0.86 elsewhere.
        Stage(
            epochs=12,
            large_epochs=7,
            rate=7e-4,
            contrast=0.4,
            strengths=(0.8, 0.5),
            batch=256,
            mixing=0.2,
            whole=True,
        ),
        # Shops call one thing by two names; what the towers themselves make of a product is the softer label.
        Stage(
            epochs=18,
            large_epochs=11,
            rate=7e-4,
            contrast=0.4,
            strengths=(0.7, 0.3),
            batch=256,
            mixing=0.2,
            whole=True,
            texts=False,
            taught=0.4,
        ),
    )
    others: int = 32
    """Pictures of the batch that are no products."""
    small_hw: tuple[int, int] = (128, 96)
    large_hw: tuple[int, int] = (160, 120)
    tower_share: float = 0.4
    decay: float = 0.05
    memory: float = 0.998
    """What the running mean of the weights keeps of itself at each step."""
    vocabulary: int = 6000
    seed: int = 0

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def stage(self, epoch: int) -> tuple[Stage, int]:
        """Return the stage of an epoch, and how many of the stage's epochs come before it."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage, epoch
            epoch -= stage.epochs
        return self.stages[-1], self.stages[-1].epochs - 1
