"""What every encoder promises. A new implementation is one line in `ENCODERS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.core.protocols import Encoder
from catalens.models.bundle import load_bundle
from catalens.models.facts import FACTS, FILES
from catalens.models.fakes import FakeEncoder
from catalens.models.registry import shipped
from catalens.tasks.labels import build_bank
from catalens.tasks.tagging import tag
from tests.support.tiny import tiny_bundle


def bundle(folder: Path, runtime: str) -> Encoder:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    return load_bundle(tiny_bundle(folder, logit_bias=-5.0), runtime=runtime, threads=1)


def shipped_bundle(name: str, runtime: str, kept: Path | None = None) -> Encoder:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    folder = shipped(name)
    missing = [file for file in (*FILES, FACTS) if not (folder / file).is_file()]
    if missing:
        pytest.skip(f"{folder} has no {', '.join(missing)}")
    return load_bundle(folder, runtime=runtime, threads=1, cache=kept)


ENCODERS: dict[str, Callable[[Path, Path], Encoder]] = {
    "fake": lambda *_: FakeEncoder(),
    "fake with a bias": lambda *_: FakeEncoder(24, logit_bias=-5.0),
    "bundle on ONNX Runtime": lambda folder, _: bundle(folder, "onnxruntime"),
    "bundle on OpenVINO": lambda folder, _: bundle(folder, "openvino"),
    "the shipped starter": lambda _, kept: shipped_bundle("starter", "onnxruntime", kept),
    "the shipped everyday one": lambda _, kept: shipped_bundle("everyday", "onnxruntime", kept),
    "the shipped starter on OpenVINO": lambda _, kept: shipped_bundle("starter", "openvino", kept),
    "the shipped everyday one on OpenVINO": lambda _, kept: shipped_bundle("everyday", "openvino", kept),
}
WITHIN = 1e-5
"""How far a row may be from the same item's row in other company."""
TEXTS = ["a red shirt", "shoe", "a long text about a handbag with two straps, a zip and a golden buckle " * 3, "été 夏"]


@pytest.fixture(params=list(ENCODERS), scope="module")
def encoder(request: pytest.FixtureRequest, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return ENCODERS[request.param](tmp_path_factory.mktemp("bundle"), kept)


def pictures(n: int) -> list[Image.Image]:
    """RGB pictures of different sizes, shapes and colours, with a bar across and some noise."""
    rng = np.random.default_rng(7)
    kinds = [((60, 80), "red"), ((150, 200), "navy"), ((8, 300), "lime"), ((1, 1), "white"), ((224, 224), "black")]
    drawn = []
    for (width, height), colour in (kinds[at % len(kinds)] for at in range(n)):
        pixels = np.array(Image.new("RGB", (width, height), colour))
        pixels[height // 3 : height // 2] = rng.integers(0, 256, 3)
        drawn.append(Image.fromarray(pixels ^ rng.integers(0, 16, pixels.shape, dtype=np.uint8)))
    return drawn


def both(encoder: Encoder) -> Sequence[tuple[Callable[[list[object]], np.ndarray], list[object]]]:
    """Each way to encode, with something to encode."""
    return [(encoder.encode_images, [*pictures(5)]), (encoder.encode_texts, [*TEXTS])]  # type: ignore[list-item]


def test_it_says_what_it_is(encoder: Encoder) -> None:
    assert encoder.name.strip()
    assert encoder.dim > 0
    assert min(encoder.input_size_wh) > 0
    assert encoder.logit_scale > 0
    assert encoder.logit_bias is None or isinstance(encoder.logit_bias, float)
    assert all(isinstance(text, str) and text.strip() for text in encoder.unknown_texts)


def test_one_float32_unit_row_for_each_item(encoder: Encoder) -> None:
    for encode, items in both(encoder):
        vectors = encode(items)
        assert vectors.shape == (len(items), encoder.dim)
        assert vectors.dtype == np.float32
        assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1.0).max() < 1e-5


def test_nothing_in_gives_no_rows(encoder: Encoder) -> None:
    for encode, _ in both(encoder):
        vectors = encode([])
        assert vectors.shape == (0, encoder.dim)
        assert vectors.dtype == np.float32


def test_the_same_input_gives_the_same_output(encoder: Encoder) -> None:
    for encode, items in both(encoder):
        assert np.array_equal(encode(items), encode(items))


def test_rows_keep_the_order_and_do_not_depend_on_batch_mates(encoder: Encoder) -> None:
    for encode, items in both(encoder):
        together, backwards = encode(items), encode(items[::-1])
        assert np.abs(together - backwards[::-1]).max() < WITHIN
        for row, item in zip(together, items, strict=True):
            assert np.abs(row - encode([item])[0]).max() < WITHIN


def test_different_items_are_told_apart(encoder: Encoder) -> None:
    for encode, items in both(encoder):
        vectors = encode(items)
        assert (np.triu(vectors @ vectors.T, k=1) < 0.9999).all()


def test_what_is_returned_belongs_to_the_caller(encoder: Encoder) -> None:
    for encode, items in both(encoder):
        first = encode(items)
        kept = first.copy()
        encode(items[::-1])
        assert np.array_equal(first, kept), "a later call must not write into an earlier result"


def test_inputs_are_left_as_they_were(encoder: Encoder) -> None:
    items = pictures(5)
    before = [(image.size, image.tobytes()) for image in items]
    encoder.encode_images(items)
    assert [(image.size, image.tobytes()) for image in items] == before


def test_odd_texts_are_texts_too(encoder: Encoder) -> None:
    odd = ["", " ", "x" * 10_000, "{}", "\N{WAVING HAND SIGN}", "a\nb"]
    vectors = encoder.encode_texts(odd)
    assert vectors.shape == (len(odd), encoder.dim)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max() < 1e-5


def test_a_label_bank_and_tags_can_be_made_with_it(encoder: Encoder, tmp_path: Path) -> None:
    bank = build_bank(encoder, ["shirt", "shoe", "handbag"], cache_dir=tmp_path)
    found = tag(encoder.encode_images(pictures(3)), bank, top_k=2)
    assert len(found) == 3
    assert all(0.0 <= each.score <= 1.0 for tags in found for each in tags)
