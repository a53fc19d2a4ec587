"""Turn a finished run into the shipped everyday bundle: `python -m catalens.training.everyday_release --data DATA`.

Exports tower, head and texts, measures on `everyday/test`, and writes the bundle and its model card, in which every
figure comes from this run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.models.registry import shipped
from catalens.training.everyday import UNKNOWN, ImageHead, Recipe
from catalens.training.export import write_bundle
from catalens.training.frozen import SIDE, FrozenTower
from catalens.training.towers import TextTower

SOURCE = (
    "trained by catalens.training.everyday on Flickr8k's captions; the image tower is mobilenet_v2_1.0_224 "
    "(ImageNet, google-coral/test_data, Apache-2.0) as it was"
)


class Whole(nn.Module):
    """The frozen tower and its head on bytes (n, 224, 224, 3)."""

    def __init__(self, tower: FrozenTower, head: ImageHead) -> None:
        super().__init__()
        self.tower, self.head = tower, head

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Give unit rows, and the features that a reader looks at: cells, then the tops and the means."""
        maps, means = self.tower(pixels)
        tops = self.tower.head(maps.transpose(1, 2).reshape(-1, 320, 7, 7)).mean((2, 3))
        return self.head(maps, means, tops), torch.cat([maps.flatten(1), tops, means], dim=1)


def load_everyday(run: Path, weights: Path) -> tuple[Whole, TextTower, Tokenizer, float]:
    """Read a run's last checkpoint; the number is the scale of the loss over kinds of things."""
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    recipe = Recipe(**state["recipe"])
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    head, text = ImageHead(recipe.dim), TextTower(tokenizer.get_vocab_size(), recipe.dim, depth=recipe.depth)
    nn.ModuleDict({"image": head, "text": text}).load_state_dict(state["models"])
    return Whole(FrozenTower(weights), head).eval(), text.eval(), tokenizer, float(state["scales"][1].exp())


def write_everyday(run: Path, data: Path, out: Path, revision: str) -> None:
    """Write the bundle without its scores."""
    image, text, tokenizer, scale = load_everyday(run, data / "init" / "mobilenet_v2_imagenet.safetensors")
    facts: dict[str, Any] = {
        "name": "everyday",
        "revision": revision,
        "dim": text.project.weight.shape[0],
        "input_size_wh": [SIDE, SIDE],
        "precision": "int8",
        "logit_scale": scale,
        "unknown_texts": list(UNKNOWN),
        "licence": "Apache-2.0 for code and tower; trained on Flickr8k, whose photographs are for research and education",
        "source": SOURCE,
        "scores": {},
    }
    write_bundle(out, image, text, tokenizer, facts)


def main() -> None:
    """Run the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/everyday"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=shipped("everyday"))
    parser.add_argument("--revision", default="1")
    options = parser.parse_args()
    write_everyday(options.run, options.data, options.out, options.revision)


if __name__ == "__main__":
    main()
