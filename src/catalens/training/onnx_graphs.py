"""Writes a torch module as an ONNX graph with float16 or 8-bit weights."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

SMALL = 256
"""Tensors below this many values stay float32: they cost nothing and are scales, biases, shapes."""
LARGE = 16384
"""Matrices from this many values on are worth a byte a weight."""


def write_graph(
    module: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    file: Path,
    *,
    as_bytes: bool,
) -> None:
    """Export a module.

    Args:
        module: takes the examples in their order.
        examples: input name → a tensor of the right type.
        outputs: names of what it gives.
        axes: input or output name → its axes of any length, with a name each.
        file: where the graph goes.
        as_bytes: store large matrices as bytes with a scale for each channel; otherwise as float16.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = Path(folder) / "whole.onnx"
        torch.onnx.export(
            module.eval(),
            tuple(examples.values()),
            str(whole),
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_axes={name: dict(named) for name, named in axes.items()},
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(whole)
    onnx.save(_smaller(model, as_bytes=as_bytes), file)


def _smaller(model: onnx.ModelProto, *, as_bytes: bool) -> onnx.ModelProto:
    """Keep large float32 weights smaller, each behind a node that the runtime folds away when it loads."""
    channels = _channels(model)
    nodes, extra = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < SMALL:
            continue
        name = tensor.name
        axis = channels.get(name)
        if as_bytes and axis is not None and array.size >= LARGE:
            stored, scale, zero = quantised(array, axis)
            tensor.CopyFrom(numpy_helper.from_array(stored, f"{name}.bytes"))
            extra += [numpy_helper.from_array(scale, f"{name}.scale"), numpy_helper.from_array(zero, f"{name}.zero")]
            inputs = [f"{name}.bytes", f"{name}.scale", f"{name}.zero"]
            more: dict[str, Any] = {"axis": axis} if scale.ndim else {}
            nodes.append(helper.make_node("DequantizeLinear", inputs, [name], **more))
        else:
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
            nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    model.graph.initializer.extend(extra)
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.checker.check_model(model)
    return model


def _channels(model: onnx.ModelProto) -> dict[str, int]:
    """Return, for every weight, the axis of its quantisation scales."""
    out: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "Gather":
            out[node.input[0]] = 0
        elif node.op_type == "Conv":
            out[node.input[1]] = 0
        elif node.op_type == "MatMul":
            out.setdefault(node.input[1], 1)
        elif node.op_type == "Gemm":
            flipped = any(each.name == "transB" and each.i for each in node.attribute)
            out[node.input[1]] = 0 if flipped else 1
    return out


def quantised(
    array: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.generic], NDArray[np.float32], NDArray[np.generic]]:
    """Return bytes, scale and zero point: without loss where the weights lie on one grid of 256, else by channel."""
    values = np.unique(array)
    if len(values) <= 256:
        step = np.diff(values).min()
        low = values[0]
        places = np.round((array - low) / step)
        zero = np.round(-low / step)
        if places.max() <= 255 and 0 <= zero <= 255 and np.abs((places - zero) * step - array).max() < step / 50:
            return places.astype(np.uint8), np.array(step, np.float32), np.array(zero, np.uint8)
    others = tuple(i for i in range(array.ndim) if i != axis)
    scale = np.maximum(np.abs(array).max(axis=others), 1e-12).astype(np.float32) / 127
    wide = np.expand_dims(scale, others)
    stored = np.clip(np.round(array / wide), -127, 127).astype(np.int8)
    return stored, scale, np.zeros(len(scale), np.int8)
