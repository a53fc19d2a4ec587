"""Learned texts in a text graph: they get their vectors, and every other text keeps its own, bit for bit."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from catalens.core.errors import ModelError
from catalens.core.vectors import unit_rows
from catalens.models.onnx_file import read_onnx
from catalens.models.registry import load_encoder, shipped
from catalens.models.runtime import Graph, load_graph
from catalens.training.finetune.text_graph import corrections, write_learned
from tests.support.tiny import DIM, ids, text_graph

LEARNED = ["shoes to party in", "a photo of shoes to party in", "warm things"]
OTHERS = ["a red dress", "warm", "shoes", "x"]


def _vectors(graph: Graph, texts: list[str]) -> NDArray[np.float32]:
    return np.concatenate([graph.run({"input_ids": np.array([ids(text)])}, ["vectors"])["vectors"] for text in texts])


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_learned_texts_change_and_others_do_not(tmp_path: Path, runtime: str) -> None:
    onnx.save(text_graph(), tmp_path / "text.onnx")
    before = load_graph(tmp_path / "text.onnx", runtime, exact=True)  # type: ignore[arg-type]
    keys = _vectors(before, LEARNED)
    learned = unit_rows(np.random.default_rng(0).normal(size=(len(LEARNED), DIM)).astype(np.float32))
    write_learned(tmp_path / "text.onnx", tmp_path / "new.onnx", keys, learned)
    after = load_graph(tmp_path / "new.onnx", runtime, exact=True)  # type: ignore[arg-type]
    np.testing.assert_allclose(_vectors(after, LEARNED), learned, atol=1e-3)
    np.testing.assert_array_equal(_vectors(after, OTHERS), _vectors(before, OTHERS))


def test_a_released_layer_and_a_learned_one_on_top(tmp_path: Path) -> None:
    onnx.save(text_graph(), tmp_path / "text.onnx")
    rng = np.random.default_rng(2)
    for layer, text in (("released", LEARNED[0]), ("learned", LEARNED[2])):
        keys = _vectors(load_graph(tmp_path / "text.onnx", "onnxruntime", exact=True), [text])
        learned = unit_rows(rng.normal(size=(1, DIM)).astype(np.float32))
        write_learned(tmp_path / "text.onnx", tmp_path / "text.onnx", keys, learned, layer=layer)  # type: ignore[arg-type]
        found = _vectors(load_graph(tmp_path / "text.onnx", "onnxruntime", exact=True), [text])
        np.testing.assert_allclose(found, learned, atol=1e-3)
        with pytest.raises(ModelError, match="fine-tuned already"):
            write_learned(tmp_path / "text.onnx", tmp_path / "again.onnx", keys, learned, layer=layer)  # type: ignore[arg-type]


def test_the_written_file_is_sound_onnx(tmp_path: Path) -> None:
    onnx.save(text_graph(), tmp_path / "text.onnx")
    keys = unit_rows(np.ones((1, DIM), dtype=np.float32))
    write_learned(tmp_path / "text.onnx", tmp_path / "new.onnx", keys, keys)
    onnx.checker.check_model(onnx.load(tmp_path / "new.onnx"), full_check=True)
    assert read_onnx(tmp_path / "new.onnx").inputs == read_onnx(tmp_path / "text.onnx").inputs


def test_neighbouring_keys_each_get_their_own_vector() -> None:
    rng = np.random.default_rng(1)
    base = unit_rows(rng.normal(size=(1, 32)).astype(np.float32))
    keys = unit_rows(base + rng.normal(0, 0.008, (5, 32)).astype(np.float32))  # all within reach of each other
    learned = unit_rows(rng.normal(size=(5, 32)).astype(np.float32))
    weights = np.maximum(keys @ keys.T - 0.98, 0)
    np.testing.assert_allclose(keys + weights @ corrections(keys, learned), learned, atol=5e-3)


def test_one_text_cannot_have_two_vectors() -> None:
    keys = unit_rows(np.ones((2, 4), dtype=np.float32))
    with pytest.raises(ModelError, match="have the same vector"):
        corrections(keys, np.eye(4, dtype=np.float32)[:2])


def test_the_shipped_text_graph(tmp_path: Path) -> None:
    """The real graph is causal: texts share rows, and a second output is the past."""
    encoder = load_encoder("starter", runtime="onnxruntime")
    keys = encoder.encode_texts(["party shoes"])
    learned = encoder.encode_texts(["a watch"])
    write_learned(shipped("starter") / "text.onnx", tmp_path / "text.onnx", keys, learned)
    onnx.checker.check_model(onnx.load(tmp_path / "text.onnx"))
    assert read_onnx(tmp_path / "text.onnx").outputs == ("vectors", "present")
