"""Write trained towers as a bundle: `catalens.training.release` is what calls it.

Weights are stored as float16 and computed with as float32: half the size, and the same arithmetic at run time.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.models.facts import FACTS, FILES, FORMAT
from catalens.training.towers import ImageTower, TextTower

SMALL = 256
"""Tensors below this many values stay float32: they cost nothing and are scales, biases, shapes."""


class Normalised(nn.Module):
    """An image tower that takes bytes (n, height, width, 3), so that no caller can normalise them wrongly."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        """Scale to [-1, 1], bring channels first, encode."""
        return self.tower(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0)


def write_bundle(folder: Path, image: ImageTower, text: TextTower, tokenizer: Tokenizer, facts: dict[str, Any]) -> None:
    """Write both graphs, the tokenizer and `bundle.json` with the checksums of the rest.

    Args:
        folder: made if it is missing.
        image: in evaluation mode.
        text: in evaluation mode.
        tokenizer: the one that the text tower was trained with.
        facts: what `bundle.json` says besides format, probe and checksums.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width, height = facts["input_size_wh"]
    pixels = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    ids = torch.randint(0, 100, (2, 7))
    _export(Normalised(image), pixels, folder / "image.onnx", "pixels", {0: "n"})
    _export(text, ids, folder / "text.onnx", "input_ids", {0: "n", 1: "length"})
    tokenizer.save(str(folder / "tokenizer.json"))
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    probe = {text: tokenizer.encode(text).ids for text in ("a red striped t-shirt", "women's black heels, 7 cm")}
    body = {"format": FORMAT, **facts, "probe": probe, "sha256": sums}
    (folder / FACTS).write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _export(module: nn.Module, example: Tensor, file: Path, name: str, axes: dict[int, str]) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = Path(folder) / "whole.onnx"
        torch.onnx.export(
            module.eval(),
            (example,),
            str(whole),
            input_names=[name],
            output_names=["vectors"],
            dynamic_axes={name: axes, "vectors": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(whole)
    onnx.save(_halved(model), file)


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep large float32 weights as float16, each behind a Cast that the runtime folds away when it loads."""
    casts = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < SMALL:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    return model


def load_towers(run: Path) -> tuple[ImageTower, TextTower, Tokenizer]:
    """Read a run's last checkpoint."""
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    image, text = ImageTower(), TextTower(tokenizer.get_vocab_size())
    image.load_state_dict(state["image"])
    text.load_state_dict(state["text"])
    return image.eval(), text.eval(), tokenizer
