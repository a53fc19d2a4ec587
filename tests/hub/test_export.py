"""Every family becomes a bundle that gives its vectors, keeps its facts, and is refused when it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import PrefixEncoder
from catalens.models.bundle import load_bundle
from catalens.models.compiled import LEAST_BYTES, compile_bundle, compiled_folder, is_compiled
from catalens.models.export import export, export_image, seal
from catalens.models.facts import Precision
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.hub.loading import find_files, load_parts
from catalens.models.hub.names import parse
from catalens.models.parts import EncoderParts
from catalens.models.weights import save
from tests.support import tiny_encoders
from tests.support.tiny_encoders import Tiny

TEXTS = [*tiny_encoders.SENTENCES, "a", "a photo of a cat, " * 40]
FAMILIES = ["clip", "siglip", "siglip2", "open_clip ViT", "open_clip ResNet"]


@pytest.fixture(scope="module")
def parts(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> EncoderParts:
    return load(tiny("clip"))


def load(folder: Path) -> EncoderParts:
    return load_parts(find_files(parse(str(folder)), cache=folder.parent))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_becomes_a_bundle_of_the_same_vectors(
    family: str, tiny: Tiny, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    made = load(tiny(family))
    parity = export(made, tmp_path / "out", precision="float32", pictures=pictures, texts=TEXTS, runtime="onnxruntime")
    assert parity.least_cosine > 0.99999
    assert parity.pictures.items == len(pictures)
    assert min(parity.texts.per_s, parity.texts.reference_per_s, parity.pictures.per_s) > 0
    bundle = load_bundle(tmp_path / "out", runtime="onnxruntime", threads=1)
    assert bundle.name == f"{made.name}@{made.revision}"
    assert (bundle.dim, bundle.input_size_wh) == (made.dim, made.preprocess.size_wh)
    assert (bundle.logit_scale, bundle.logit_bias) == (made.logit_scale, made.logit_bias)
    assert (bundle.facts.preprocess.resize, bundle.facts.pad_id) == (made.preprocess.resize, made.pad_id)
    assert bundle.count_tokens(TEXTS[0]) == TorchEncoder(made, device="cpu").count_tokens(TEXTS[0])
    assert isinstance(bundle, PrefixEncoder) == (made.pad_id is None)
    assert "\n" not in (tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"), "half of it would be blanks"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_bundle_shares_prefixes(
    parts: EncoderParts, tmp_path: Path, runtime: str, pictures: list[Image.Image]
) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    export(parts, tmp_path / "out", precision="float16", pictures=pictures, texts=TEXTS, runtime=runtime)
    bundle = load_bundle(tmp_path / "out", runtime=runtime, threads=1)
    assert isinstance(bundle, PrefixEncoder)
    endings = [", red", "s", "", " and a t-shirt", ", by Vincent van Gogh " * 30]
    for prefix in ("a photo of a cat", "a photo of a cat, oil on canvas", "a pho", ""):
        whole = bundle.encode_texts([prefix + ending for ending in endings])
        assert np.abs(bundle.encode_after(prefix, endings) - whole).max() < 1e-4


@pytest.mark.parametrize(("precision", "least", "share"), [("float16", 0.99999, 0.6), ("int8", 0.999, 0.6)])
def test_smaller_weights_cost_little(
    parts: EncoderParts, tmp_path: Path, pictures: list[Image.Image], precision: Precision, least: float, share: float
) -> None:
    for each in ("float32", precision):
        parity = export(parts, tmp_path / each, precision=each, pictures=pictures, texts=TEXTS, runtime="onnxruntime")
    assert parity.least_cosine > least
    sizes = {each: (tmp_path / each / "text.onnx").stat().st_size for each in ("float32", precision)}
    assert sizes[precision] < share * sizes["float32"]


def test_a_bundle_below_the_cosine_is_refused_and_leaves_nothing(
    parts: EncoderParts, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    with pytest.raises(ModelError, match=r"as int8 is not accurate enough: .* at worst, and 1.0 is required"):
        export(parts, tmp_path / "out", precision="int8", least_cosine=1.0, pictures=pictures[:2], texts=TEXTS[:2])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_refused(parts: EncoderParts, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        export(parts, tmp_path, pictures=[], texts=[])


def test_a_tower_that_cannot_be_traced_is_named(parts: EncoderParts, tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eig(pixels[:, 0, :8, :8])[0].real

    with pytest.raises(ModelError, match=r"image.onnx cannot be written, for torch cannot trace the tower: [^\n]*$"):
        export(replace(parts, image=Odd()), tmp_path / "out", pictures=[], texts=[])
    assert not list(tmp_path.iterdir())


def test_another_output_comes_from_the_same_run(
    parts: EncoderParts, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    class WithGrid(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = parts.image

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.tower(pixels), pixels.flatten(2).transpose(1, 2)

    folder = tmp_path / "out"
    export(parts, folder, precision="float32", pictures=pictures, texts=TEXTS)
    export_image(
        WithGrid(), folder / "image.onnx", preprocess=parts.preprocess, precision="float32", outputs=("vectors", "grid")
    )
    reseal(folder)
    bundle = load_bundle(folder, runtime="onnxruntime", threads=1)
    vectors, grid = bundle.encode_images_with(pictures, "grid")
    assert np.abs(vectors - bundle.encode_images(pictures)).max() < 1e-6
    assert grid.shape == (len(pictures), 32 * 32, 3)
    mean, std = np.array(parts.preprocess.mean), np.array(parts.preprocess.std)
    first = (np.asarray(pictures[2], dtype=np.float32) / 255 - mean) / std
    assert np.abs(grid[2] - first.reshape(-1, 3)).max() < 1e-5
    with pytest.raises(ModelError, match="attention does not fit"):
        bundle.encode_images_with(pictures, "attention")


def reseal(folder: Path) -> None:
    """Write the right checksums of the files as they are now."""
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    seal(folder, {key: value for key, value in facts.items() if key not in ("format", "sha256")})


def test_a_large_graph_keeps_its_weights_beside_it(
    parts: EncoderParts, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    folder = tmp_path / "out"
    export(parts, folder, precision="float16", pictures=pictures, texts=TEXTS)
    before = load_bundle(folder, runtime="onnxruntime", threads=1).encode_images(pictures)
    save(onnx.load(folder / "image.onnx"), folder / "image.onnx", largest=1000)
    assert (folder / "image.onnx.data").stat().st_size > 10_000
    reseal(folder)
    after = load_bundle(folder, runtime="onnxruntime", threads=1).encode_images(pictures)
    assert np.abs(before - after).max() < 1e-6
    (folder / "image.onnx.data").write_bytes(bytes(20_000))
    with pytest.raises(ModelError, match=r"image.onnx.data is damaged or not the file"):
        load_bundle(folder)
    (folder / "image.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"an incomplete bundle: image.onnx.data is missing"):
        load_bundle(folder)


def test_a_compiled_encoder_is_made_once(parts: EncoderParts, tmp_path: Path) -> None:
    folder = compiled_folder(tmp_path, parts.name, parts.revision)
    assert not is_compiled(folder)
    compile_bundle(parts, folder, "onnxruntime", 1)
    assert is_compiled(folder)
    written = (folder / "bundle.json").stat().st_mtime_ns
    compile_bundle(parts, folder, "onnxruntime", 1)
    assert (folder / "bundle.json").stat().st_mtime_ns == written, "who comes second takes what is there"
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("least_bytes", "least_cosine", "least_gain", "precision"),
    [(0, 0.999, 0.0, "int8"), (0, 1.1, 0.0, "bf16"), (0, 0.999, 1e9, "bf16"), (LEAST_BYTES, 0.999, 0.0, "bf16")],
)
def test_large_image_towers_are_computed_in_bytes_where_that_agrees_and_pays(
    parts: EncoderParts,
    tmp_path: Path,
    pictures: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    least_bytes: int,
    least_cosine: float,
    least_gain: float,
    precision: Precision,
) -> None:
    monkeypatch.setattr("catalens.models.compiled.LEAST_BYTES", least_bytes)
    monkeypatch.setattr("catalens.models.compiled.LEAST_COSINE", least_cosine)
    monkeypatch.setattr("catalens.models.compiled.LEAST_GAIN", least_gain)
    folder = compiled_folder(tmp_path, parts.name, parts.revision)
    compile_bundle(parts, folder, "onnxruntime", 1)
    encoder = load_bundle(folder, runtime="onnxruntime", threads=1)
    assert encoder.facts.precision == precision
    stored = {tensor.data_type for tensor in onnx.load(folder / "image.onnx").graph.initializer}
    assert (onnx.TensorProto.INT8 in stored) == (precision == "int8")
    assert [each.name for each in folder.parent.iterdir()] == [folder.name], "nothing is left beside it"
    exact = TorchEncoder(parts, device="cpu")
    assert (encoder.encode_images(pictures) * exact.encode_images(pictures)).sum(axis=1).min() > 0.999
    assert (encoder.encode_texts(TEXTS) * exact.encode_texts(TEXTS)).sum(axis=1).min() > 0.9999
