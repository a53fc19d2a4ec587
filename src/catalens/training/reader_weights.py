"""Reads a bundled reader back out of its graphs as the module that they were exported from, so that it can be trained.

Exporting keeps the names of biases and tables, and transposes and renames the weights of linear layers: each of those
is found by the bias that its product is added to. Weights come out as the runtime computes them, in float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from catalens.core.errors import ModelError
from catalens.models.readers.bundled import FILES, FOLDER
from catalens.training.reader import Reader, Shape

Weights = dict[str, NDArray[np.float32]]
_PREFIX = "reader."
"""Of names in `look.onnx`, which is exported from a module around the reader."""


def read_weights(bundle: Path, dropout: float = 0.0) -> Reader:
    """Return the reader of a bundle as a module, in evaluation mode.

    Args:
        bundle: its folder, whose files have been checked.
        dropout: for training.

    Raises:
        ModelError: the graphs are not those of such a reader.
    """
    look, words = (onnx.load(bundle / FOLDER / name) for name in FILES[:2])
    weights = {**_weights_of(look), **_weights_of(words)}
    try:
        reader = Reader(_shape(weights, words), dropout)
        own = reader.state_dict()
        reader.load_state_dict({name: torch.from_numpy(weights[name].copy()) for name in own})
    except (LookupError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the reader in {bundle / FOLDER} cannot be trained: its graphs lack {error}; take the reader of a bundle "
            "that this version of Catalens wrote"
        ) from error
    reader.eval()
    return reader


def _shape(weights: Weights, words: onnx.ModelProto) -> Shape:
    past = next(each for each in words.graph.input if each.name == "past")
    depth, _, _, heads, _, _ = (size.dim_value for size in past.type.tensor_type.shape.dim)
    vocabulary, width = weights["token.weight"].shape
    return Shape(
        vocabulary=vocabulary,
        cells=len(weights["place.weight"]),
        channels=len(weights["cell_norm.weight"]),
        means=len(weights["mean_norm.weight"]),
        width=width,
        depth=depth,
        heads=heads,
        max_tokens=len(weights["position.weight"]),
    )


def _weights_of(model: onnx.ModelProto) -> Weights:
    """Return the weights of a graph by their names in the module."""
    values = _values(model)
    products = {
        node.output[0]: values[node.input[1]]
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in values
    }
    found = {name.removeprefix(_PREFIX): value for name, value in values.items()}
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        for product, bias in (tuple(node.input), tuple(reversed(node.input))):
            if product in products and bias in values and bias.endswith(".bias"):
                layer = bias.removeprefix(_PREFIX).removesuffix(".bias")
                found[f"{layer}.weight"] = products[product].T
    return found


def _values(model: onnx.ModelProto) -> Weights:
    """Return what a graph's initializers are as float32, behind the nodes that `storing` keeps them small with."""
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    values = {name: array for name, array in stored.items() if array.dtype == np.float32}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            values[node.output[0]] = stored[node.input[0]].astype(np.float32)
        elif node.op_type == "DequantizeLinear" and node.input[0] in stored:
            steps, scale, zero = (stored[name] for name in node.input)
            axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
            shape = [-1 if at == axis else 1 for at in range(steps.ndim)] if scale.ndim else []
            values[node.output[0]] = (steps.astype(np.float32) - zero.reshape(shape)) * scale.reshape(shape)
    return values
