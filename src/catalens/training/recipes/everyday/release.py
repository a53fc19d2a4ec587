"""Release the everyday bundle: `python -m catalens.training.recipes.everyday.release --data DATA`.

Exports the towers, measures on `everyday/test`, and writes the bundle and its model card from the measurements.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.core.images import read_image
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import batched, unit_rows
from catalens.models.bundle import BundleEncoder, load_bundle
from catalens.models.class_files import CLASS_FILES, NOUN_FILE, save_classes
from catalens.models.facts import read_facts
from catalens.models.readers.bundled import FACTS as READER_FACTS
from catalens.models.readers.bundled import FOLDER
from catalens.models.registry import CALIBRATION, PROMPT_TERMS, shipped
from catalens.tasks.calibration import save_calibration
from catalens.training.captions import read_captions
from catalens.training.drawn_subjects import teach_drawn
from catalens.training.evaluation import retrieval
from catalens.training.everyday_calibration import calibrate
from catalens.training.export import revision_of, write_bundle
from catalens.training.kinds import name_texts, read_classes
from catalens.training.known_classes import everyday_classes
from catalens.training.pixels import read_photographs
from catalens.training.recipes.everyday.features import CELLS, CHANNELS, SIDE, FrozenTower
from catalens.training.recipes.everyday.head import ImageHead
from catalens.training.recipes.everyday.recipe import LEAN, UNKNOWN, Recipe
from catalens.training.recipes.unified.figures import KEPT, quote, read_figures
from catalens.training.release import change_facts, share
from catalens.training.towers import TextTower

SOURCE = (
    "trained by `make everyday` on Flickr8k's captions; the image tower is mobilenet_v2_1.0_224 "
    "(ImageNet, google-coral/test_data, Apache-2.0) as it was"
)


class Whole(nn.Module):
    """The frozen tower and its head on bytes (n, 224, 224, 3)."""

    def __init__(self, tower: FrozenTower, head: ImageHead) -> None:
        super().__init__()
        self.tower, self.head = tower, head

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit rows, and the features that a reader looks at: cells, then the tops and the means."""
        maps, means = self.tower(pixels)
        tops = self.tower.head(maps.transpose(1, 2).reshape(-1, 320, 7, 7)).mean((2, 3))
        return self.head(maps, means, tops), torch.cat([maps.flatten(1), tops, means], dim=1)


def load_everyday(run: Path, weights: Path) -> tuple[Whole, TextTower, Tokenizer, float]:
    """Read a run's last checkpoint; the number is the scale of the loss over kinds of things."""
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    recipe = Recipe(**state["recipe"])
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    head = ImageHead(recipe.half)
    text = TextTower(tokenizer.get_vocab_size(), recipe.half, depth=recipe.depth, branch=recipe.branch)
    nn.ModuleDict({"image": head, "text": text}).load_state_dict(state["models"])
    assert text.branch_project is not None
    text.branch_project.weight.data *= LEAN
    return Whole(FrozenTower(weights), head).eval(), text.eval(), tokenizer, float(state["scales"][1].exp())


def write_everyday(run: Path, data: Path, out: Path, revision: str) -> None:
    """Write the bundle without its scores."""
    image, text, tokenizer, scale = load_everyday(run, data / "init" / "mobilenet_v2_imagenet.safetensors")
    facts: dict[str, Any] = {
        "name": "everyday",
        "revision": revision,
        "dim": 2 * text.project.weight.shape[0],
        "input_size_wh": [SIDE, SIDE],
        "resize": "squash",
        "precision": "int8",
        "exact_image": True,
        "logit_scale": scale,
        "unknown_texts": list(UNKNOWN),
        "licence": "Apache-2.0; trained on Flickr8k, whose photographs are for research and education",
        "source": SOURCE,
        "scores": {},
    }
    for name in (*CLASS_FILES, NOUN_FILE, PROMPT_TERMS):  # of other weights
        (out / name).unlink(missing_ok=True)
    write_bundle(out, image, text, tokenizer, facts)


def found(encoder: Encoder, data: Path) -> dict[str, float]:
    """Measure on `test`: captions to pictures, pictures to any of their captions, agreement with the teacher."""
    captions = read_captions(data, "test")
    images, features = _encoded(encoder, read_photographs(data, "test"))
    texts = encoder.encode_texts([text for texts in captions for text in texts])
    owner = np.repeat(np.arange(len(captions)), [len(each) for each in captions])
    forth = retrieval(texts, images, owner.tolist())
    scores = texts @ images.T
    best = np.array([scores[owner == i, i].max() for i in range(len(images))])
    rank = (scores > best[None, :]).sum(axis=0)
    return {
        "pictures": len(images),
        "recall_at_1": forth.recall_at_1,
        "recall_at_10": forth.recall_at_10,
        "back_recall_at_1": float((rank < 1).mean()),
        "back_recall_at_10": float((rank < 10).mean()),
        "agreement": _agreement(encoder, images, features, data),
    }


def _agreement(encoder: Encoder, images: Vectors, features: NDArray[np.float32], data: Path) -> float:
    """Return how often the most probable of the 1,000 classes, by name through the text tower, is the teacher's."""
    head = load_file(data / "init" / "mobilenet_v2_imagenet_head.safetensors")
    tops = features[:, CELLS * CHANNELS : CELLS * CHANNELS + 1280]
    teacher = tops @ head["classifier.weight"][1:].float().numpy().T + head["classifier.bias"][1:].float().numpy()
    said, owner = name_texts(read_classes())
    rows = encoder.encode_texts(said)
    bank = np.zeros((1000, rows.shape[1]), np.float32)
    np.add.at(bank, owner, rows)
    return float(((images @ unit_rows(bank).T).argmax(1) == teacher.argmax(1)).mean())


def _encoded(encoder: Encoder, pictures: Sequence[bytes]) -> tuple[Vectors, NDArray[np.float32]]:
    assert isinstance(encoder, BundleEncoder)
    parts = [
        encoder.encode_images_with([read_image(each) for each in some], "features") for some in batched(pictures, 64)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def write_card(folder: Path) -> None:
    """Fill what was measured, of the encoder and of its reader if it has one, into the model card."""
    scores = read_facts(folder).scores
    file = folder / FOLDER / READER_FACTS
    read = json.loads(file.read_text(encoding="utf-8"))["scores"] if file.is_file() else {}
    reader = answers = ""
    if read:
        bleu = " / ".join(f"{each:.3f}" for each in read["bleu"])
        reader = f"| captions: BLEU-1 to 4 | {bleu} |\n| captions: CIDEr-D | **{read['cider']:.3f}** |"
        rows = [
            f"| {kind} | {each['rows']} | {each['majority']:.3f} | **{each['right']:.3f}** |"
            for kind, each in read["answers"].items()
        ]
        head = (
            "\nClosed answers of the reader, over all answers of a kind, beside the share of the most frequent one:\n\n"
        )
        answers = head + "| question | rows | most frequent | right |\n|---|---|---|---|\n" + "\n".join(rows)
    calibration = [
        f"| {group} | {name} | {given} | {share(right / given if given else None)} "
        f"| {share(right / there if there else None)} |"
        for group, row in scores["calibration"].items()
        for name, (right, given, there) in row.items()
        if given or there
    ]
    drawn = scores["drawn"]
    rows = [
        f"| {kind.replace('_', ' ')} | {value:.2f} | {drawn['wrong'][kind]:.2f} |"
        for kind, value in drawn["right"].items()
    ]
    false = [f"| {name} | {value:.4f} |" for name, value in drawn["false"].items()]
    recipe = Recipe()
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6
    text = (Path(__file__).parent / "card.md").read_text(encoding="utf-8")
    filled = text.format(
        depth=recipe.depth,
        branch=recipe.branch,
        megabytes=size,
        reader=reader,
        answers=answers,
        **{**scores, "calibration": "\n".join(calibration), "drawn": "\n".join(rows), "drawn_false": "\n".join(false)},
    )
    seen, card = Path(__file__).parent / "spot_checks.md", folder / "README.md"
    card.write_text(filled + seen.read_text(encoding="utf-8"), encoding="utf-8")
    quote(card, "everyday", read_figures(KEPT))


def main() -> None:
    """Run the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/everyday"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=shipped("everyday"))
    parser.add_argument("--revision", help="what these weights are called; without it by a hash of them")
    options = parser.parse_args()
    write_everyday(options.run, options.data, options.out, options.revision or revision_of(options.run))
    teach_drawn(options.out, options.data)
    encoder = load_bundle(options.out, runtime="onnxruntime")
    save_classes(options.out, encoder.name, everyday_classes(encoder, options.data))
    encoder = load_bundle(options.out, runtime="onnxruntime")
    calibration, measured = calibrate(encoder, options.data)
    save_calibration(calibration, options.out / CALIBRATION.format(schema="everyday"))
    scores = {**found(encoder, options.data), **measured}
    change_facts(options.out, scores=scores)
    write_card(options.out)
    print(json.dumps(scores, indent=1))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
