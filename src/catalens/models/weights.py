"""Stores the weights of an ONNX graph as float32, float16 or int8, cast back to float32 where they are used.

A runtime casts them once, when it loads a graph, or computes with the small form.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from catalens.models.facts import Precision

SMALL = 256
"""Tensors with fewer values stay float32: scales, biases, shapes."""
LARGEST = 1_500_000_000
"""Most bytes of weights in the graph's own file, as protobuf is limited to 2 GB; more go into a file beside it."""


def store(model: onnx.ModelProto, precision: Precision) -> None:
    """Change the storage type of a float32 graph's weights, in place.

    Args:
        model: the graph.
        precision: float32 changes nothing; float16 and bf16 store large tensors as float16; int8 stores the weights of
            matrix products as 8-bit integers with a scale per output channel, and the rest as float16.
    """
    if precision == "float32":
        return
    channels = _products(model) if precision == "int8" else {}
    tensors, casts = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < SMALL:
            tensors.append(tensor)
        elif tensor.name in channels:
            made, cast = _bytes(tensor.name, array, channels[tensor.name])
            tensors += made
            casts.append(cast)
        else:
            half = f"{tensor.name}.half"
            tensors.append(numpy_helper.from_array(array.astype(np.float16), half))
            casts.append(helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(tensors)
    model.graph.node.extend([*casts, *nodes])


def save(model: onnx.ModelProto, file: Path, *, largest: int = LARGEST) -> None:
    """Write a graph; more than `largest` bytes of weights go into `FILE.data` beside it."""
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    onnx.save(model, file, save_as_external_data=size > largest, location=f"{file.name}.data")


def _products(model: onnx.ModelProto) -> dict[str, int]:
    """Return the weight matrices of products, with the axis of their output channels."""
    names = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    found = {}
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in names:
            turned = any(each.name == "transB" and each.i for each in node.attribute)
            found[node.input[1]] = 0 if turned else 1
    return found


def _bytes(name: str, weights: NDArray[np.float32], axis: int) -> tuple[list[onnx.TensorProto], onnx.NodeProto]:
    largest = np.abs(weights).max(axis=1 - axis, keepdims=True)
    scale = np.maximum(largest, np.finfo(np.float32).tiny) / np.float32(127)
    rounded = np.round(weights / scale).astype(np.int8)
    tensors = [
        numpy_helper.from_array(rounded, f"{name}.bytes"),
        numpy_helper.from_array(scale.reshape(-1).astype(np.float32), f"{name}.scale"),
    ]
    return tensors, helper.make_node("DequantizeLinear", [each.name for each in tensors], [name], axis=axis)
