"""Release the late stage of the starter: `python -m catalens.training.recipes.starter.late_release --data DATA`.

Writes the image graph of a run of `at_home` into the bundle that the run started from, and measures,
calibrates and describes the bundle and its reader as every release of the starter does. The text graph stays as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import nn

from catalens.core.errors import InputError
from catalens.models.class_files import CLASS_FILES
from catalens.models.facts import FILES, read_facts
from catalens.models.readers.bundled import FOLDER
from catalens.models.readers.support_files import SUPPORT_FILES
from catalens.models.registry import shipped
from catalens.training.export import Normalised, revision_of, sums, write_image
from catalens.training.loop import load_checkpoint
from catalens.training.recipes.readers.release import refit
from catalens.training.recipes.starter.release import SOURCE, finish
from catalens.training.recipes.starter.upper_half import UpperHalf, interpolated
from catalens.training.recipes.unified.export import read_image_tower
from catalens.training.release import change_facts

SHARE = 0.4
"""Of the run's weights in what is released, the rest being those that it started from (`docs/decisions/071`)."""
_SOURCE = f"{SOURCE}; clothes photographed at home (alexeygrigorev/clothing-dataset, CC0) in a late stage"


def read_tower(run: Path, bundle: Path) -> nn.Module:
    """Return the image tower between that of a bundle and that of a run which started from it.

    Args:
        run: folder of the run.
        bundle: which the run started from; its lower half stays.

    Raises:
        InputError: the run has no checkpoint.
    """
    state = load_checkpoint(run)
    if state is None:
        raise InputError(f"{run} holds no checkpoint; train it first: make starter has the commands")
    tower = read_image_tower(bundle)
    upper = UpperHalf(tower)
    upper.load_state_dict(interpolated(upper.state_dict(), state["student"], SHARE))
    return Normalised(tower.eval())


def write_late(run: Path, bundle: Path, revision: str | None = None) -> None:
    """Write the image graph of a run into a bundle; without a revision it is called by a hash of the checkpoint.

    Classes and the support of captions, which belong to the weights before, are deleted; `make starter` has the
    commands that learn them again.
    """
    write_image(bundle, read_tower(run, bundle), read_facts(bundle).input_size_wh, as_bytes=False)
    for names, place in ((CLASS_FILES, bundle), (SUPPORT_FILES, bundle / FOLDER)):
        for name in names:
            (place / name).unlink(missing_ok=True)
    change_facts(bundle, revision=revision or revision_of(run), source=_SOURCE, scores={}, sha256=sums(bundle, FILES))


def main() -> None:
    """Run the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/at-home"), help="folder of the run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=shipped("starter"))
    parser.add_argument("--revision", help="what these weights are called; without it by a hash of them")
    options = parser.parse_args()
    write_late(options.run, options.out, options.revision)
    finish(options.out, options.data)
    refit(options.out, options.data, everyday=False)


if __name__ == "__main__":
    main()
