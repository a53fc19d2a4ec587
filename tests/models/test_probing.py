"""A bundle of a few kilobytes that asks for terabytes: refused by name, before it is run here."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from catalens.core.errors import ModelError
from catalens.models import probing
from catalens.models.registry import load_encoder
from tests.support.tiny import seal, tiny_bundle

pytestmark = pytest.mark.slow

HUGE = 1 << 36
"""Numbers: 256 GB of float32."""


def constant(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


Bomb = tuple[list[onnx.TensorProto], list[onnx.NodeProto]]


def constant_of_shape() -> Bomb:
    return [constant("n", HUGE)], [node("ConstantOfShape", ["n"], "huge")]


def expand() -> Bomb:
    one = numpy_helper.from_array(np.ones(1, dtype=np.float32), "unit")
    return [constant("n", HUGE), one], [node("Expand", ["unit", "n"], "huge")]


def tile() -> Bomb:
    one = numpy_helper.from_array(np.ones(1, dtype=np.float32), "unit")
    return [constant("n", HUGE), one], [node("Tile", ["unit", "n"], "huge")]


def numbers() -> Bomb:
    ends = {"a": 0.0, "b": 7e10, "c": 1.0}
    values = [numpy_helper.from_array(np.array(each, dtype=np.float32), name) for name, each in ends.items()]
    return values, [node("Range", ["a", "b", "c"], "huge")]


def doubled() -> Bomb:
    """No number in the file says how much: 36 concatenations of a number with itself."""
    one = numpy_helper.from_array(np.ones(1, dtype=np.float32), "d0")
    return [one], [node("Concat", [f"d{at}"] * 2, "huge" if at == 35 else f"d{at + 1}", axis=0) for at in range(36)]


def outer() -> Bomb:
    """The shape comes of the picture, so that nothing can be folded."""
    more = [constant("axes", 0, 1, 2, 3), constant("n", 1 << 18, 1), constant("m", 1, 1 << 18)]
    return more, [
        node("Cast", ["pixels"], "cast", to=TensorProto.FLOAT),
        node("ReduceSum", ["cast", "axes"], "sum", keepdims=0),
        node("Expand", ["sum", "n"], "column"),
        node("Expand", ["sum", "m"], "row"),
        node("Mul", ["column", "row"], "huge"),
    ]


def with_bomb(folder: Path, bomb: Bomb) -> None:
    """Let the vectors depend on the sum of something huge."""
    model = onnx.load(folder / "image.onnx")
    model.graph.initializer.extend(bomb[0])
    for each in model.graph.node:
        each.output[:] = ["before" if name == "vectors" else name for name in each.output]
    model.graph.node.extend(
        [
            *bomb[1],
            node("ReduceMean", ["huge"], "mean", keepdims=0),
            node("Mul", ["mean", "zero"], "nothing"),
            node("Add", ["before", "nothing"], "vectors"),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), dtype=np.float32), "zero"))
    onnx.save(model, folder / "image.onnx")
    seal(folder)


@pytest.mark.parametrize("runtime", ["onnxruntime", "auto"])
@pytest.mark.parametrize("bomb", [constant_of_shape, expand, tile, numbers, doubled, outer])
def test_a_graph_that_expands_is_refused_before_it_is_run(
    tmp_path: Path, bomb: Callable[[], Bomb], runtime: str
) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    assert (folder / "image.onnx").stat().st_size < 100_000
    with_bomb(folder, bomb())
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ModelError, match=r"bundle failed its first run, which may take 2.0 GiB and 120 s: .*(alloc|memory|maximum)"
    ):
        load_encoder(str(folder), runtime=runtime, cache=tmp_path / "cache")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000
    assert not list((tmp_path / "cache" / "probed").glob("*"))


def test_a_sound_bundle_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_bundle(tmp_path / "bundle")
    load_encoder(str(folder), runtime="onnxruntime", cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "probed").iterdir())) == 1

    def tried(*_: object) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(probing, "_trial", tried)
    load_encoder(str(folder), runtime="onnxruntime", cache=tmp_path / "cache")
    seal(folder, logit_scale=21.0)
    with pytest.raises(AssertionError, match="tried again"):
        load_encoder(str(folder), runtime="onnxruntime", cache=tmp_path / "cache")


def test_a_graph_that_never_ends_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TIME_S", 0.05)
    folder = tiny_bundle(tmp_path / "bundle")
    with pytest.raises(ModelError, match="the process did not end"):
        load_encoder(str(folder), runtime="onnxruntime", cache=tmp_path / "cache")
