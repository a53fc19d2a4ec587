"""Adds what was learned to a graph of a bundle, by rewriting the ONNX file's bytes; no library is needed.

`write_map` multiplies all vectors by a matrix. `write_learned` changes the vectors of some texts: each learned text is
a key in the space of text vectors. A text whose vector has a cosine of 1 with a key gets exactly the learned vector;
the correction fades linearly and is zero below the cosine `REACH`, so that all other texts keep their vectors bit for
bit. The corrections are solved for together, because keys may lie within reach of each other.

A graph has one layer that it was released with at most, and one that a user learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import ModelError
from catalens.core.files import write_bytes_atomically
from catalens.core.types import Vectors
from catalens.models.protobuf import fields, message

REACH = 0.98
"""The lowest cosine with a learned text at which a text is corrected at all."""
Layer = Literal["released", "learned"]
_OUTPUT = "vectors"
_INNER: dict[Layer, str] = {"released": "vectors.trained", "learned": "vectors.pretrained"}
"""Layer → what the vectors before it are called in the graph."""
_SAME = 1e-4
"""Two keys with a cosine above 1 - _SAME are one text to the encoder."""

# Numbers of fields in onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_TENSOR = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR = 1, 2, 3, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_FLOAT = 1


def write_learned(source: Path, file: Path, keys: Vectors, learned: Vectors, *, layer: Layer = "learned") -> None:
    """Write a copy of a text graph that returns learned vectors for some texts.

    Args:
        source: a text graph of a bundle, with the output `vectors`.
        file: the graph to write.
        keys: (k, dim), unit vectors that the source gives the texts.
        learned: (k, dim), the vectors that they shall have.
        layer: "released" for what a bundle is released with.

    Raises:
        ModelError: two texts have the same vector and cannot both be learned, the source has no such output, or it has
            this layer already.
    """
    deltas = corrections(keys, learned)
    parts = [
        _tensor(f"{layer}.keys", np.ascontiguousarray(keys.T)),
        _tensor(f"{layer}.reach", np.array(REACH, dtype=np.float32)),
        _tensor(f"{layer}.deltas", deltas),
    ]
    nodes = [
        _node("MatMul", (_INNER[layer], f"{layer}.keys"), f"{layer}.cosines"),
        _node("Sub", (f"{layer}.cosines", f"{layer}.reach"), f"{layer}.above"),
        _node("Relu", (f"{layer}.above",), f"{layer}.weights"),
        _node("MatMul", (f"{layer}.weights", f"{layer}.deltas"), f"{layer}.corrections"),
        _node("Add", (_INNER[layer], f"{layer}.corrections"), _OUTPUT),
    ]
    _append(source, file, nodes, parts, layer)


def write_map(source: Path, file: Path, matrix: Vectors) -> None:
    """Write a copy of an image or text graph whose vectors are multiplied by a matrix.

    Args:
        source: a graph of a bundle, with the output `vectors`.
        file: the graph to write.
        matrix: (dim, dim); rows of vectors are multiplied from the left.

    Raises:
        ModelError: the source has no such output, or cannot be read.
    """
    _append(
        source,
        file,
        [_node("MatMul", (_INNER["learned"], "learned.map"), _OUTPUT)],
        [_tensor("learned.map", np.ascontiguousarray(matrix, dtype=np.float32))],
        "learned",
    )


def _append(source: Path, file: Path, nodes: Sequence[bytes], tensors: Sequence[bytes], layer: Layer) -> None:
    """Write a copy of a graph in which new nodes make the output `vectors` of the old one, which is renamed."""
    inner = _INNER[layer]
    try:
        model = source.read_bytes()
        if inner.encode() in model:
            raise ModelError(f"{source} was fine-tuned already; start from the bundle that it was made from")
        renamed = b"".join(_model_field(number, value, inner) for number, value in fields(model))
    except (OSError, ValueError) as error:
        raise ModelError(f"{source} cannot be read as an ONNX graph: {error}") from error
    added = b"".join(
        [*(_bytes(_GRAPH_NODE, each) for each in nodes), *(_bytes(_GRAPH_TENSOR, each) for each in tensors)]
    )
    # A message that occurs twice is merged by every parser; the new nodes follow the old ones.
    write_bytes_atomically(file, renamed + _bytes(_MODEL_GRAPH, added))


def corrections(keys: Vectors, learned: Vectors) -> Vectors:
    """Return (k, dim): what a weight of `cosine - REACH` for each key is multiplied by.

    Raises:
        ModelError: two keys are one text to the encoder.
    """
    cosines = keys.astype(np.float64) @ keys.astype(np.float64).T
    alike = np.argwhere(np.triu(cosines, 1) > 1 - _SAME)
    for one, other in alike.tolist():
        if not np.allclose(learned[one], learned[other], atol=1e-3):
            raise ModelError(f"the learned texts {one + 1} and {other + 1} have the same vector; word them differently")
    weights = np.maximum(cosines - REACH, 0.0)
    wanted = learned.astype(np.float64) - keys.astype(np.float64)
    return np.linalg.lstsq(weights, wanted, rcond=1e-6)[0].astype(np.float32)


def _model_field(number: int, value: int | memoryview, inner: str) -> bytes:
    if number != _MODEL_GRAPH:
        return _field(number, value)
    return _bytes(number, b"".join(_graph_field(at, each, inner) for at, each in fields(message(value))))


def _graph_field(number: int, value: int | memoryview, inner: str) -> bytes:
    if number != _GRAPH_NODE:
        return _field(number, value)
    renamed = [
        _bytes(at, inner.encode())
        if at in (_NODE_INPUT, _NODE_OUTPUT) and bytes(message(each)) == _OUTPUT.encode()
        else _field(at, each)
        for at, each in fields(message(value))
    ]
    return _bytes(number, b"".join(renamed))


def _node(operator: str, inputs: tuple[str, ...], output: str) -> bytes:
    parts = [_bytes(_NODE_INPUT, each.encode()) for each in inputs]
    parts += [_bytes(_NODE_OUTPUT, output.encode()), _bytes(_NODE_NAME, f"/{inputs[-1]}/{output}".encode())]
    return b"".join([*parts, _bytes(_NODE_OPERATOR, operator.encode())])


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(_number(_TENSOR_DIMS, size) for size in values.shape)
    raw = values.astype("<f4").tobytes()
    return dims + _number(_TENSOR_TYPE, _FLOAT) + _bytes(_TENSOR_NAME, name.encode()) + _bytes(_TENSOR_RAW, raw)


def _field(number: int, value: int | memoryview) -> bytes:
    """Write a field of a model, graph or node, which have no numbers of fixed size."""
    return _number(number, value) if isinstance(value, int) else _bytes(number, bytes(value))


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
