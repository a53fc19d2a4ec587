"""Release the starter's fifth stage: `python -m catalens.training.recipes.starter.at_home_release --data DATA`.

Writes the image graph of a run of `at_home` into the bundle that the run started from, and measures, calibrates and
describes the bundle and its reader as every release of the starter does. The text graph stays as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from catalens.core.errors import InputError
from catalens.models.facts import FILES, read_facts
from catalens.models.registry import shipped
from catalens.training.export import Normalised, revision_of, sums, write_image
from catalens.training.loop import load_checkpoint
from catalens.training.recipes.readers.release import refit
from catalens.training.recipes.starter.at_home import UpperHalf
from catalens.training.recipes.starter.release import SOURCE, finish
from catalens.training.recipes.unified.export import read_image_tower
from catalens.training.release import change_facts

AT_HOME = "; clothes photographed at home (alexeygrigorev/clothing-dataset, CC0) in a last stage"


SHARE = 0.4
"""Share of the run's weights in what is released; the rest are those that it started from (`docs/decisions/071`)."""


def read_tower(run: Path, bundle: Path, share: float = SHARE) -> nn.Module:
    """Return the image tower between that of a bundle and that of a run which started from it.

    Args:
        run: folder of the run.
        bundle: which the run started from; its lower half stays.
        share: how far from the bundle's weights to the run's, in [0, 1].

    Raises:
        InputError: the run has no checkpoint.

    Source:
        Wortsman et al. 2022, Robust fine-tuning of zero-shot models.
    """
    state = load_checkpoint(run)
    if state is None:
        raise InputError(f"{run} holds no checkpoint; train it first: python -m {UpperHalf.__module__} --out {run}")
    tower = read_image_tower(bundle)
    upper = UpperHalf(tower)
    pairs = {name: (value, state["student"][name]) for name, value in upper.state_dict().items()}
    upper.load_state_dict(
        {name: torch.lerp(old, new, share) if old.is_floating_point() else new for name, (old, new) in pairs.items()}
    )
    return Normalised(tower.eval())


def write_at_home(run: Path, bundle: Path, revision: str | None = None) -> None:
    """Write the image graph of a run into a bundle; without a revision it is called by a hash of the checkpoint."""
    write_image(bundle, read_tower(run, bundle), read_facts(bundle).input_size_wh, as_bytes=False)
    change_facts(
        bundle, revision=revision or revision_of(run), source=SOURCE + AT_HOME, scores={}, sha256=sums(bundle, FILES)
    )


def main() -> None:
    """Run the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/at-home"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=shipped("starter"))
    parser.add_argument("--revision", help="what these weights are called; without it by a hash of them")
    options = parser.parse_args()
    write_at_home(options.run, options.out, options.revision)
    finish(options.out, options.data)
    refit(options.out, options.data, everyday=False)


if __name__ == "__main__":
    main()
