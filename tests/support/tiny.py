"""A real bundle, made in a blink: graphs of a few nodes whose rows a test can predict, and a tokenizer of bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows

WIDTH, HEIGHT, DIM, MAX_TOKENS = 12, 16, 16, 24
END = 256
"""Id of the end token; the ids below it are bytes."""

_RNG = np.random.default_rng(11)
PROJECTION: NDArray[np.float32] = _RNG.standard_normal((HEIGHT * WIDTH * 3, DIM), dtype=np.float32)
TABLE: NDArray[np.float32] = _RNG.standard_normal((END + 1, DIM), dtype=np.float32)


def tiny_bundle(folder: Path, **changes: Any) -> Path:
    """Write a whole bundle into a folder, made if it is missing, and give the folder.

    Args:
        folder: where.
        changes: values of `bundle.json` that should be other than usual, such as logit_bias=-5.0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(image_graph(), folder / "image.onnx")
    onnx.save(text_graph(), folder / "text.onnx")
    tokenizer().save(str(folder / "tokenizer.json"))
    seal(folder, **changes)
    return folder


def seal(folder: Path, **changes: Any) -> None:
    """Write `bundle.json` with the right checksums of the files as they are now."""
    facts = {
        "format": "catalens-bundle/3",
        "name": "tiny",
        "revision": "1",
        "dim": DIM,
        "input_size_wh": [WIDTH, HEIGHT],
        "resize": "pad",
        "resample": "bicubic",
        "max_tokens": MAX_TOKENS,
        "pad_id": None,
        "end_id": END,
        "precision": "bf16",
        "logit_scale": 20.0,
        "logit_bias": None,
        "unknown_texts": ["something else"],
        "probe": {"a shirt": ids("a shirt")},
        "sha256": {file.name: _sha256(file) for file in folder.iterdir() if file.name != "bundle.json"},
        "licence": "Apache-2.0",
        "source": "drawn by lot",
        "scores": {},
    }
    (folder / "bundle.json").write_text(json.dumps({**facts, **changes}), encoding="utf-8")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def tokenizer() -> Tokenizer:
    """One token for each byte, and the end token."""
    vocabulary = {letter: at for at, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(["<|end|>"])
    made.post_processor = processors.TemplateProcessing(single="$A <|end|>", special_tokens=[("<|end|>", END)])
    return made


def ids(text: str) -> list[int]:
    """Return the token ids of a text, uncut."""
    return list(tokenizer().encode(text).ids)


def image_rows(pixels: NDArray[np.uint8]) -> Vectors:
    """What the image graph should give for (n, height, width, 3) bytes."""
    return unit_rows((pixels.reshape(len(pixels), -1).astype(np.float32) / 127.5 - 1.0) @ PROJECTION)


def text_rows(texts: Sequence[str]) -> Vectors:
    """What the text graph should give for texts that are not too long."""
    return unit_rows(np.stack([TABLE[ids(text)].mean(axis=0) for text in texts]))


def image_graph(projection: NDArray[np.float32] = PROJECTION) -> onnx.ModelProto:
    """Scale the pixels of a picture to [-1, 1], project them all, and normalise."""
    half = np.array(127.5, dtype=np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["bytes", "half"], ["doubled"]),
        helper.make_node("Sub", ["doubled", "one"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["rows"]),
        *_normalised(),
    ]
    weights = {"half": half, "one": np.float32(1.0), "projection": projection}
    return model(nodes, weights, ("pixels", TensorProto.UINT8, ["n", HEIGHT, WIDTH, 3]))


def text_graph(table: NDArray[np.float32] = TABLE, length: int | str = "length") -> onnx.ModelProto:
    """Look up each token, take the mean, and normalise: a padded text would give another row."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
        helper.make_node("ReduceMean", ["tokens"], ["rows"], axes=[1], keepdims=0),
        *_normalised(),
    ]
    return model(nodes, {"table": table}, ("input_ids", TensorProto.INT64, ["n", length]))


def _normalised() -> list[onnx.NodeProto]:
    return [
        helper.make_node("ReduceL2", ["rows"], ["lengths"], axes=[1], keepdims=1),
        helper.make_node("Div", ["rows", "lengths"], ["vectors"]),
    ]


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, Any],
    graph_input: tuple[str, int, list[int | str]],
    outputs: Sequence[str] = ("vectors",),
) -> onnx.ModelProto:
    """Make a checked model of one input."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*graph_input)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "dim"]) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made
