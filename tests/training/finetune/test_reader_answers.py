"""The reader of a bundle, read back out of its graphs and fine-tuned: the same module, and never silently worse."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")
pytest.importorskip("onnx", reason="onnx is not installed: make test-models")

import onnx
import torch
from PIL import Image
from tokenizers import Tokenizer

from catalens.core.errors import ModelError
from catalens.models.bundle import load_bundle
from catalens.models.readers.bundled import FILES, FOLDER, load_bundle_reader
from catalens.models.registry import shipped
from catalens.training.export import Looking, write_reader
from catalens.training.finetune.answers import Row
from catalens.training.finetune.reader_answers import fitting
from catalens.training.reader_examples import ReaderText
from catalens.training.reader_weights import read_weights

QUESTION, ANSWERS = "what is the colour of this shirt?", ["navy blue", "black", "red"]


@pytest.mark.parametrize("name", ["starter", "everyday"])
def test_the_module_says_what_the_graphs_say(name: str) -> None:
    folder = shipped(name)
    encoder = load_bundle(folder, runtime="onnxruntime")
    graphs = load_bundle_reader(folder, encoder, runtime="onnxruntime")
    graphs.cosine, graphs.temperature = 0.0, 1.0
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (160, 120, 3), dtype=np.uint8)) for _ in range(3)]
    vectors, features = encoder.encode_images_with(images, "features")
    seen = graphs.look(vectors, features)
    scores = graphs.score(seen, QUESTION, ANSWERS)
    module, text = read_weights(folder), ReaderText(Tokenizer.from_file(str(folder / FOLDER / FILES[2])))
    with torch.inference_mode():
        memory = Looking(module)(torch.from_numpy(features))
        assert np.abs(memory.numpy() - seen.memory).max() < 1e-4
        for place, answer in enumerate(ANSWERS):
            ids, wanted = text.answer(QUESTION, answer)
            logits, _ = module(torch.tensor([ids] * 3), module.no_past(3), memory)
            said = logits.log_softmax(-1)
            total = sum(said[:, at, want] for at, want in enumerate(wanted) if want >= 0)
            assert np.abs(np.asarray(total) - scores[:, place]).max() < 1e-4
    assert scores.std() > 0.1


def test_writing_what_was_read_changes_no_weight(tmp_path: Path) -> None:
    folder = shipped("starter")
    read = read_weights(folder)
    write_reader(tmp_path, read, Tokenizer.from_file(str(folder / FOLDER / FILES[2])), {})
    again = read_weights(tmp_path).state_dict()
    for name, weight in read.state_dict().items():
        assert torch.equal(weight, again[name]), name


def test_graphs_of_another_reader_are_refused(tmp_path: Path) -> None:
    shutil.copytree(shipped("starter") / FOLDER, tmp_path / FOLDER)
    words = onnx.load(tmp_path / FOLDER / "words.onnx")
    [cast] = [node for node in words.graph.node if node.op_type == "Cast" and node.output[0] == "norm.weight"]
    cast.input[0] = "norm.bias.half"
    bias = next(each for each in words.graph.initializer if each.name == "blocks.0.up.bias.half")
    bias.name = "other"
    onnx.save(words, tmp_path / FOLDER / "words.onnx")
    with pytest.raises(ModelError, match=r"cannot be trained: its graphs lack 'blocks.0.up.weight'"):
        read_weights(tmp_path)


def test_pairs_that_the_reader_cannot_hold_are_left_out() -> None:
    folder, long = shipped("starter"), "unpronounceable " * 30
    rows = [Row("1", "a", *pair) for pair in (("what is it?", "a shirt"), (long, "a shirt"), ("what is it?", long))]
    assert fitting(rows, folder) == rows[:1]
