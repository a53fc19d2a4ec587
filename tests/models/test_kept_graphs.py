"""OpenVINO's compiled graphs are read from the cache, compute what they computed, and are never trusted blindly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from catalens.core import caching
from catalens.models import kept_graphs
from catalens.models.bundle import load_bundle
from catalens.models.kept_graphs import GRAPHS_FOLDER
from catalens.models.runtime import load_graph
from catalens.models.weights import save
from tests.support.tiny import tiny_bundle

openvino = pytest.importorskip("openvino", reason="openvino is not installed")
PICTURES = [Image.new("RGB", (12, 16), colour) for colour in ("red", "blue")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which each compilation adds its file."""
    seen: list[str] = []
    read = openvino.Core.read_model

    def counting(core: object, file: Path) -> object:
        seen.append(Path(file).name)
        return read(core, file)

    monkeypatch.setattr(openvino.Core, "read_model", counting)
    return seen


def _vectors(folder: Path, cache: Path | None, threads: int = 1) -> np.ndarray:
    encoder = load_bundle(folder, runtime="openvino", threads=threads, cache=cache)
    return np.concatenate([encoder.encode_images(PICTURES), encoder.encode_texts(["a", "a red cup"])])


def test_a_graph_is_compiled_once_and_computes_the_same_bits(folder: Path, tmp_path: Path, compiled: list[str]) -> None:
    first = _vectors(folder, tmp_path / "cache")
    assert sorted(compiled) == ["image.onnx", "text.onnx"]
    assert np.array_equal(_vectors(folder, tmp_path / "cache"), first)
    assert len(compiled) == 2
    assert np.array_equal(_vectors(folder, None), first)
    assert len(list((tmp_path / "cache" / GRAPHS_FOLDER).iterdir())) == 2


def test_other_threads_are_another_graph(folder: Path, tmp_path: Path, compiled: list[str]) -> None:
    _vectors(folder, tmp_path / "cache", threads=1)
    _vectors(folder, tmp_path / "cache", threads=2)
    assert len(compiled) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-100],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: hashlib.sha256(b"whole").digest() + b"whole",
    ],
    ids=["empty", "cut short", "one bit", "whole, but no graph"],
)
def test_a_damaged_graph_is_compiled_again(
    folder: Path, tmp_path: Path, compiled: list[str], damage: Callable[[bytes], bytes]
) -> None:
    first = _vectors(folder, tmp_path / "cache")
    for kept in (tmp_path / "cache" / GRAPHS_FOLDER).iterdir():
        kept.write_bytes(damage(kept.read_bytes()))
    assert np.array_equal(_vectors(folder, tmp_path / "cache"), first)
    assert len(compiled) == 4
    assert np.array_equal(_vectors(folder, tmp_path / "cache"), first)
    assert len(compiled) == 4, "the damaged ones were replaced"


def test_a_graph_with_weights_beside_it_is_not_kept(folder: Path, tmp_path: Path) -> None:
    save(onnx.load(folder / "image.onnx"), tmp_path / "large.onnx", largest=0)
    load_graph(tmp_path / "large.onnx", "openvino", threads=1, exact=True, cache=tmp_path / "cache")
    assert (tmp_path / "large.onnx.data").is_file()
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caching._noticed.clear()
    (tmp_path / "cache").write_text("in the way")
    assert np.array_equal(_vectors(folder, tmp_path / "cache"), _vectors(folder, None))
    assert [each for each in caplog.messages if "CATALENS_CACHE" in each]


def test_old_graphs_are_forgotten(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_graphs, "MOST_FILES", 2)
    for threads in (1, 2, 3):
        _vectors(folder, tmp_path / "cache", threads=threads)
    assert len(list((tmp_path / "cache" / GRAPHS_FOLDER).iterdir())) == 2
