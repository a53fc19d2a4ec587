"""Writes trained towers as a bundle, and a trained reader into it; the release modules are what calls it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.models.export import PACKED_AXES, packed_example
from catalens.models.facts import FACTS, FILES, FORMAT
from catalens.models.readers import bundled
from catalens.models.readers.rerank import RerankConfig
from catalens.training.loop import CHECKPOINT
from catalens.training.onnx_graphs import write_graph
from catalens.training.reader import Reader, Shape
from catalens.training.towers import ImageTower, PackedTower, TextTower


class Normalised(nn.Module):
    """The starter's image tower on bytes (n, height, width, 3): nobody can normalise them wrongly."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit rows (n, dim), and the features (n, cells × channels + means) that a reader looks at."""
        cells, means = self.tower.seen(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0)
        vectors = self.tower.project(self.tower.norm(means))
        return nn.functional.normalize(vectors, dim=-1), torch.cat([cells.flatten(1), means], dim=1)


class Looking(nn.Module):
    """A reader's look at features (n, cells × channels + means), as they come from the image graph."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, features: Tensor) -> Tensor:
        """Return keys and values (depth, 2, n, heads, tokens, width / heads)."""
        shape = self.reader.shape
        cells = features[:, : shape.cells * shape.channels].reshape(-1, shape.cells, shape.channels)
        return self.reader.encode_memory(cells, features[:, shape.cells * shape.channels :])


class After(nn.Module):
    """A text tower over packed texts that go on from a past, which may be empty."""

    def __init__(self, tower: PackedTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, input_ids: Tensor, sees: Tensor, ends: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit rows, and the past with row 0 after it."""
        return self.tower.after(input_ids, sees, ends, past)


def write_bundle(
    folder: Path, image: nn.Module, text: PackedTower, tokenizer: Tokenizer, facts: dict[str, Any]
) -> None:
    """Write both graphs, the tokenizer and `bundle.json` with the checksums of the rest.

    Args:
        folder: made if it is missing.
        image: bytes (n, height, width, 3) to vectors and features, such as `Normalised`.
        text: in evaluation mode.
        tokenizer: the one that the text tower was trained with.
        facts: what `bundle.json` says besides what is the same for every bundle made here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder, image, facts["input_size_wh"], as_bytes=facts["precision"] == "int8")
    write_text(folder, text)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    same = {"resample": "bicubic", "pad_id": None, "max_tokens": 64, "logit_bias": None}
    probe = {text: tokenizer.encode(text).ids for text in ("a red striped t-shirt", "a black dog, running")}
    end = {"end_id": tokenizer.get_vocab_size() - 1}
    body = {"format": FORMAT, **same, **end, **facts, "probe": probe, "sha256": sums(folder, FILES)}
    (folder / FACTS).write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_image(folder: Path, image: nn.Module, size_wh: Sequence[int], *, as_bytes: bool) -> None:
    """Write the image graph of a bundle, for pictures of a width and height; its weights as bytes or as float16."""
    width, height = size_wh
    write_graph(
        image,
        {"pixels": torch.zeros(2, height, width, 3, dtype=torch.uint8)},
        ["vectors", "features"],
        {"pixels": {0: "n"}, "vectors": {0: "n"}, "features": {0: "n"}},
        folder / "image.onnx",
        as_bytes=as_bytes,
    )


def write_text(folder: Path, text: PackedTower) -> None:
    """Write the text graph of a bundle."""
    write_graph(
        After(text),
        packed_example(text.nothing()),
        ["vectors", "present"],
        PACKED_AXES,
        folder / "text.onnx",
        as_bytes=True,
    )


def write_reader(
    bundle: Path, reader: Reader, tokenizer: Tokenizer, scores: Mapping[str, Any], belief: RerankConfig | None = None
) -> None:
    """Write a trained reader into its encoder's bundle, and how far its captions are believed."""
    folder = bundle / bundled.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    shape = reader.shape
    features = torch.zeros(2, shape.cells * shape.channels + shape.means)
    write_graph(
        Looking(reader),
        {"features": features},
        ["memory"],
        {"features": {0: "n"}, "memory": {2: "n"}},
        folder / "look.onnx",
        as_bytes=True,
    )
    past = torch.zeros(shape.depth, 2, 6, shape.heads, 3, shape.width // shape.heads)
    write_graph(
        reader,
        {"ids": torch.randint(0, 100, (6, 4)), "past": past, "memory": Looking(reader)(features)},
        ["logits", "present"],
        {
            "ids": {0: "rows", 1: "length"},
            "past": {2: "rows", 4: "before"},
            "memory": {2: "n"},
            "logits": {0: "rows", 1: "length"},
            "present": {2: "rows", 4: "length"},
        },
        folder / "words.onnx",
        as_bytes=True,
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    body = {"sha256": sums(folder, bundled.FILES), "belief": belief and asdict(belief), "scores": scores}
    (folder / bundled.FACTS).write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def change_reader(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - values of JSON
    """Change keys of a bundle's `reader.json`."""
    file = folder / bundled.FOLDER / bundled.FACTS
    body = {**json.loads(file.read_text(encoding="utf-8")), **changes}
    file.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sums(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the SHA-256 of files."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def revision_of(run: Path) -> str:
    """Name what a run made by its weights, so that no other weights are ever taken for them.

    Indexes, banks of labels and calibrations are kept under an encoder's name and revision.
    """
    with (run / CHECKPOINT).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def load_towers(run: Path) -> tuple[ImageTower, TextTower, Tokenizer]:
    """Read a run's last checkpoint: halfway between the last weights and their running mean, where there is one.

    The mean lags behind a rate that falls to nothing, and the last weights are noisier; on `val` both and their middle
    are within a few rows of each other (`docs/decisions/003-starter-training.md`).
    """
    state = torch.load(run / CHECKPOINT, weights_only=True, map_location="cpu")
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    image, text = ImageTower(), TextTower(tokenizer.get_vocab_size())
    for name, tower in (("image", image), ("text", text)):
        tower.load_state_dict(_halfway(state["mean"].get(name, state[name]), state[name]))
    return image.eval(), text.eval(), tokenizer


def _halfway(mean: Mapping[str, Tensor], last: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: torch.lerp(mean[name], value, 0.5) if value.is_floating_point() else value for name, value in last.items()
    }


def load_reader(run: Path) -> tuple[Reader, Tokenizer]:
    """Read the last checkpoint of a reader's run."""
    state = torch.load(run / CHECKPOINT, weights_only=True, map_location="cpu")
    reader = Reader(Shape(**state["shape"]))
    reader.load_state_dict(state["reader"])
    return reader.eval(), Tokenizer.from_file(str(run / "tokenizer.json"))
