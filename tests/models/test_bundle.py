"""What a bundle gives: predictable rows, whole pictures, texts at their true length, from any thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.vectors import unit_rows
from catalens.models import bundle
from catalens.models.bundle import BundleEncoder, load_bundle
from catalens.models.facts import read_facts
from catalens.models.fastest import load_fastest
from catalens.models.runtime import Arrays, Compute, Graph
from catalens.models.tokens import TEXTS_AT_ONCE
from tests.support.tiny import (
    DIM,
    END,
    HEIGHT,
    MAX_TOKENS,
    TABLE,
    WIDTH,
    ids,
    image_rows,
    seal,
    text_graph,
    text_rows,
    tiny_bundle,
    tokenizer,
)

RUNTIMES = ("onnxruntime", "openvino")
ALIKE = {"onnxruntime": 0.999999, "openvino": 0.999}
"""Least cosine with the predicted row: OpenVINO computes in bfloat16, three digits, where the processor has it."""
TEXTS = ("ab", "a longer text", "xy", "", "été", "a longer test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture(scope="module")
def encoder(folder: Path, runtime: str) -> BundleEncoder:
    return load_bundle(folder, runtime=runtime, threads=1)


class Recorder:
    """What a graph computes with: it remembers what it was given, and gives the same row for everything."""

    def __init__(self) -> None:
        self.batches: list[NDArray[Any]] = []

    def __call__(self, inputs: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        [batch] = inputs.values()
        self.batches.append(batch)
        return [np.ones((len(batch), DIM), dtype=np.float32) for _ in outputs]


def encoder_of(folder: Path, compute: Compute) -> BundleEncoder:
    """An encoder whose image and text graphs compute so."""
    image = Graph(Path("image.onnx"), {"pixels": (None, HEIGHT, WIDTH, 3)}, ("vectors",), compute)
    text = Graph(Path("text.onnx"), {"input_ids": (None, None)}, ("vectors",), compute)
    return BundleEncoder(read_facts(folder), tokenizer, lambda: image, lambda: text)


def recorded(folder: Path) -> tuple[BundleEncoder, Recorder]:
    recorder = Recorder()
    return encoder_of(folder, recorder), recorder


def seen(folder: Path, picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels that the graph gets for a picture."""
    encoder, recorder = recorded(folder)
    encoder.encode_images([picture])
    [batch] = recorder.batches
    assert batch.shape == (1, HEIGHT, WIDTH, 3)
    assert batch.dtype == np.uint8
    return np.asarray(batch[0])


def noise(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (n, HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_it_says_what_bundle_json_says(encoder: BundleEncoder) -> None:
    assert encoder.name == "tiny@1"
    assert encoder.dim == DIM
    assert encoder.input_size_wh == (WIDTH, HEIGHT)
    assert (encoder.logit_scale, encoder.logit_bias) == (20.0, None)
    assert tuple(encoder.unknown_texts) == ("something else",)


def test_rows_are_those_of_the_graphs(encoder: BundleEncoder, runtime: str) -> None:
    pixels = noise(5)
    pictures = encoder.encode_images([Image.fromarray(each) for each in pixels])
    assert (pictures * image_rows(pixels)).sum(axis=1).min() > ALIKE[runtime]
    assert (encoder.encode_texts(TEXTS) * text_rows(TEXTS)).sum(axis=1).min() > ALIKE[runtime]


def test_several_threads_may_encode_at_once(encoder: BundleEncoder) -> None:
    pictures = [Image.fromarray(each) for each in noise(24)]
    texts = [f"text number {at} {'x' * (at % 7)}" for at in range(24)]
    images, words = encoder.encode_images(pictures), encoder.encode_texts(texts)

    def off(turn: int) -> float:
        some = slice(turn, turn + 12)
        again = encoder.encode_images(pictures[some]), encoder.encode_texts(texts[some])
        return max(float(np.abs(again[0] - images[some]).max()), float(np.abs(again[1] - words[some]).max()))

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(off, range(12))) < 1e-5


def test_a_picture_of_the_input_size_is_taken_as_it_is(folder: Path) -> None:
    [pixels] = noise(1)
    assert np.array_equal(seen(folder, Image.fromarray(pixels)), pixels)


def test_a_square_picture_gets_white_above_and_below(folder: Path) -> None:
    pixels = seen(folder, Image.new("RGB", (48, 48), "red"))
    assert (pixels[2:14] == (255, 0, 0)).all()
    assert (pixels[:2] == 255).all()
    assert (pixels[14:] == 255).all()


def test_a_wide_picture_is_neither_cropped_nor_stretched(folder: Path) -> None:
    picture = Image.new("RGB", (12, 4), "red")
    picture.paste("blue", (6, 0, 12, 4))
    pixels = seen(folder, picture)
    assert (pixels[6:10, :6] == (255, 0, 0)).all()
    assert (pixels[6:10, 6:] == (0, 0, 255)).all()
    assert (np.delete(pixels, range(6, 10), axis=0) == 255).all()


@pytest.mark.parametrize(
    ("size_wh", "inside"),
    [
        ((1, 300), (slice(None), slice(5, 6))),
        ((5000, 3), (slice(7, 8), slice(None))),
        ((1, 1), (slice(2, 14), slice(None))),
        ((9, 12), (slice(None), slice(None))),
    ],
    ids=["one pixel wide", "panorama", "one pixel", "small, same shape"],
)
def test_extreme_shapes_stay_whole(folder: Path, size_wh: tuple[int, int], inside: tuple[slice, slice]) -> None:
    pixels = seen(folder, Image.new("RGB", size_wh, "navy"))
    expected = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    expected[inside] = (0, 0, 128)
    assert np.array_equal(pixels, expected)


def test_pictures_of_mixed_shapes_are_one_call_in_their_order(folder: Path) -> None:
    encoder, recorder = recorded(folder)
    colours = [(10, 0, 0), (0, 20, 0), (0, 0, 30)]
    sizes = [(WIDTH, HEIGHT), (30, 40), (100, 7)]
    encoder.encode_images([Image.new("RGB", size, colour) for size, colour in zip(sizes, colours, strict=True)])
    [batch] = recorder.batches
    assert [tuple(picture[7, 6].tolist()) for picture in batch] == colours


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_a_picture_that_is_not_rgb_is_refused(folder: Path, mode: str) -> None:
    encoder, _ = recorded(folder)
    with pytest.raises(InputError, match=f"RGB, not {mode}"):
        encoder.encode_images([Image.new("RGB", (9, 12)), Image.new(mode, (9, 12))])


def test_texts_are_encoded_at_their_true_length(folder: Path) -> None:
    encoder, recorder = recorded(folder)
    encoder.encode_texts(TEXTS)
    given = sorted(row.tolist() for batch in recorder.batches for row in batch)
    assert given == sorted(ids(text) for text in TEXTS)
    assert all(row.index(END) == len(row) - 1 for row in given)
    assert len(recorder.batches) == len({len(ids(text)) for text in TEXTS})


def test_many_texts_of_one_length_are_cut_into_batches(folder: Path) -> None:
    encoder, recorder = recorded(folder)
    rows = encoder.encode_texts([f"{at:04}" for at in range(TEXTS_AT_ONCE + 3)])
    assert [len(batch) for batch in recorder.batches] == [TEXTS_AT_ONCE, 3]
    assert len(rows) == TEXTS_AT_ONCE + 3


def test_a_long_text_loses_its_tail_and_keeps_the_end_token(folder: Path) -> None:
    encoder, recorder = recorded(folder)
    text = "x" * 10 + "y" * 90
    encoder.encode_texts([text])
    [batch] = recorder.batches
    assert batch.tolist() == [[*ids(text)[: MAX_TOKENS - 1], END]]
    assert encoder.count_tokens(text) == (101, MAX_TOKENS)
    assert encoder.count_tokens("shirt") == (6, 6)


def test_padding_and_cutting_of_the_tokenizer_file_are_not_used(tmp_path: Path) -> None:
    made = tokenizer()
    made.enable_padding(pad_id=0, pad_token="!")
    made.enable_truncation(8)
    made.save(str(tiny_bundle(tmp_path) / "tokenizer.json"))
    seal(tmp_path)
    encoder = load_bundle(tmp_path, runtime="onnxruntime", threads=1)
    texts = ["ab", "longer than eight"]
    assert np.abs(encoder.encode_texts(texts) - text_rows(texts)).max() < 1e-5
    assert encoder.count_tokens(texts[1]) == (18, 18)


def test_the_longest_text_reaches_the_graph_whole(encoder: BundleEncoder, runtime: str) -> None:
    text = "z" * 200
    expected = unit_rows(TABLE[[*ids(text)[: MAX_TOKENS - 1], END]].mean(axis=0, keepdims=True))
    assert (encoder.encode_texts([text]) * expected).sum() > ALIKE[runtime]


@pytest.mark.parametrize("text", [None, 7, b"bytes", ("a", "pair")])
def test_what_is_no_text_is_refused(folder: Path, text: object) -> None:
    encoder, _ = recorded(folder)
    wrong: Sequence[Any] = ["fine", text]
    with pytest.raises(InputError, match=type(text).__name__):
        encoder.encode_texts(wrong)


def test_half_a_character_is_refused(folder: Path) -> None:
    encoder, _ = recorded(folder)
    with pytest.raises(InputError, match="lone surrogate at position 4"):
        encoder.encode_texts(["red \ud83d dress"])
    with pytest.raises(InputError, match="lone surrogate"):
        encoder.count_tokens("\udc00")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_row_without_a_direction_is_never_given(folder: Path, bad: float) -> None:
    def spoilt(inputs: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        [batch] = inputs.values()
        rows = np.ones((len(batch), DIM), dtype=np.float32)
        rows[-1] = bad
        return [rows]

    encoder = encoder_of(folder, spoilt)
    with pytest.raises(ModelError, match="tiny@1"):
        encoder.encode_images([Image.new("RGB", (3, 4))] * 2)
    with pytest.raises(ModelError, match="all zeros or not finite"):
        encoder.encode_texts(["a", "b"])


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that `load_bundle` has loaded since."""
    names: list[str] = []
    load_tokenizer = bundle._load_tokenizer

    def graph(file: Path, *given: Any, **more: Any) -> Graph:
        names.append(file.name)
        return load_fastest(file, *given, **more)

    def words(file: Path, *given: Any) -> Any:
        names.append(file.name)
        return load_tokenizer(file, *given)

    monkeypatch.setattr(bundle, "load_fastest", graph)
    monkeypatch.setattr(bundle, "_load_tokenizer", words)
    return names


def test_only_what_is_needed_is_loaded_and_only_once(folder: Path, loaded: list[str]) -> None:
    encoder = load_bundle(folder, runtime="onnxruntime", threads=1)
    assert loaded == []
    for _ in range(2):
        encoder.encode_images([Image.new("RGB", (9, 12))])
    assert loaded == ["image.onnx"]
    for _ in range(2):
        encoder.encode_texts(["a"])
    assert sorted(loaded) == ["image.onnx", "text.onnx", "tokenizer.json"]


def test_threads_that_come_first_together_load_once(folder: Path, loaded: list[str]) -> None:
    encoder = load_bundle(folder, runtime="onnxruntime", threads=1)
    with ThreadPoolExecutor(8) as pool:
        rows = [*pool.map(lambda _: encoder.encode_texts(["a"]), range(8))]
    assert sorted(loaded) == ["text.onnx", "tokenizer.json"]
    assert all(np.array_equal(row, rows[0]) for row in rows)


def test_a_bundle_rebuilt_under_its_old_name_has_another_fingerprint(tmp_path: Path) -> None:
    before = load_bundle(tiny_bundle(tmp_path / "a")).fingerprint
    assert load_bundle(tiny_bundle(tmp_path / "b")).fingerprint == before
    onnx.save(text_graph(TABLE[::-1].copy()), tmp_path / "b" / "text.onnx")
    seal(tmp_path / "b")
    again = load_bundle(tmp_path / "b")
    assert again.name == "tiny@1"
    assert again.fingerprint != before
