"""What an ONNX file holds, read from its bytes: no runtime is started and no weight is loaded.

An encoder's graph is a fixed sequence of operations. A file can hold more than that: loops that never end, and
references to other files. Both are found here, before a runtime sees the file.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catalens.core.errors import ModelError
from catalens.models.protobuf import fields, message

_LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})
"""Operators that repeat a graph as often as their input says."""
_DEEPEST = 16
"""Graphs within graphs; those of encoders have none."""

# Numbers of fields in onnx.proto.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_FUNCTION_NODE = 7
_NODE_OPERATOR, _NODE_ATTRIBUTE = 4, 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_EXTERNAL = 13
_VALUE_NAME = 1
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """The outside of a graph.

    Attributes:
        inputs: names of what it takes.
        outputs: names of what it returns.
        operators: types of all nodes, those of nested graphs and functions too.
        external: names of the files that hold weights outside this one.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: frozenset[str]
    external: frozenset[str]


def read_onnx(file: Path) -> OnnxFile:
    """Read and check the outside of an ONNX file.

    Raises:
        ModelError: the file is damaged, repeats a part of itself an unknown number of times, or keeps weights
            anywhere but in a file beside it.
    """
    try:
        with file.open("rb") as stream:
            found = _summary(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)))
    except (OSError, ValueError) as error:  # an empty file cannot be mapped: ValueError
        raise ModelError(f"{file} cannot be loaded as an ONNX graph: {error}") from error
    if loops := sorted(found.operators & _LOOPS):
        raise ModelError(
            f"{file} holds {' and '.join(loops)}, which may run without end; an encoder's graph has no loops"
        )
    if outside := sorted(name for name in found.external if PurePosixPath(name).name != name or "\\" in name):
        raise ModelError(f"{file} keeps weights in {outside[0]!r}; they belong into a file beside it")
    return found


def _summary(model: memoryview) -> OnnxFile:
    inputs: list[str] = []
    outputs: list[str] = []
    operators: set[str] = set()
    external: set[str] = set()
    for number, value in fields(model):
        if number == _MODEL_FUNCTIONS:
            for at, inner in fields(message(value)):
                if at == _FUNCTION_NODE:
                    _node(message(inner), operators, external, depth=0)
        if number != _MODEL_GRAPH:
            continue
        graph = message(value)
        names = [(at, _text(graph_value, _VALUE_NAME)) for at, graph_value in _values(graph)]
        inputs += [name for at, name in names if at == _GRAPH_INPUT]
        outputs += [name for at, name in names if at == _GRAPH_OUTPUT]
        _graph(graph, operators, external, depth=0)
    return OnnxFile(tuple(inputs), tuple(outputs), frozenset(operators), frozenset(external))


def _values(graph: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, value in fields(graph):
        if number in (_GRAPH_INPUT, _GRAPH_OUTPUT):
            yield number, message(value)


def _graph(graph: memoryview, operators: set[str], external: set[str], *, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"graphs are nested more than {_DEEPEST} deep")
    for number, value in fields(graph):
        if number == _GRAPH_NODE:
            _node(message(value), operators, external, depth=depth)
        elif number == _GRAPH_TENSOR:
            external.update(_files(message(value)))


def _node(node: memoryview, operators: set[str], external: set[str], *, depth: int) -> None:
    for number, value in fields(node):
        if number == _NODE_OPERATOR:
            operators.add(bytes(message(value)).decode(errors="replace"))
        elif number == _NODE_ATTRIBUTE:
            for kind, inner in fields(message(value)):
                if kind in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    _graph(message(inner), operators, external, depth=depth + 1)
                elif kind in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                    external.update(_files(message(inner)))


def _files(tensor: memoryview) -> Iterator[str]:
    for number, value in fields(tensor):
        if number == _TENSOR_EXTERNAL and _text(message(value), _ENTRY_KEY) == "location":
            yield _text(message(value), _ENTRY_VALUE)


def _text(part: memoryview, wanted: int) -> str:
    found = (bytes(message(value)) for number, value in fields(part) if number == wanted)
    return next(found, b"").decode(errors="replace")
