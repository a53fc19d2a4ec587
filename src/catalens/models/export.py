"""Writes a pretrained encoder as a bundle: torch modules in, ONNX graphs out, which need no torch to run.

The inputs and outputs of the graphs are described in `catalens.models.bundle`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional

from catalens.core.errors import InputError, ModelError
from catalens.models.bundle import load_bundle
from catalens.models.facts import FACTS, FORMAT, Precision
from catalens.models.hub.causal import causal_text
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.parity import Parity, check_cosine, compare
from catalens.models.parts import EncoderParts, Preprocess

LEAST_COSINE: dict[Precision, float] = {"float32": 0.9999, "float16": 0.9999, "bf16": 0.995, "int8": 0.98}
"""Least cosine with the reference at which a bundle is accepted by default."""
_PROBES = ("a photo of a cat", "men's running shoes, 42")


def export(
    parts: EncoderParts,
    folder: Path,
    *,
    precision: Precision = "bf16",
    least_cosine: float | None = None,
    pictures: Sequence[Image],
    texts: Sequence[str],
    runtime: str = "auto",
) -> Parity:
    """Write a bundle and prove it against the encoder that it was made of.

    Args:
        parts: what to write; its modules are brought to float32 on the processor.
        folder: must not exist, or be empty.
        precision: see `catalens.models.facts.Precision`.
        least_cosine: below it the bundle is refused; None is `LEAST_COSINE`.
        pictures: to compare with, in RGB, at least one.
        texts: to compare with, at least one.
        runtime: what runs the bundle for the comparison.

    Raises:
        InputError: the folder is not empty, the least cosine is not a cosine, or the runtime is unknown.
        ModelError: a tower cannot be written as a graph, or the bundle's vectors are too far from the encoder's;
            nothing is left behind.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a folder that does not exist yet")
    least = LEAST_COSINE[precision] if least_cosine is None else least_cosine
    check_cosine(least)
    made = beside(folder)
    try:
        write_bundle(parts, made, precision)
        bundle = load_bundle(made, runtime=runtime)
        bundle.check()
        parity = compare(bundle, TorchEncoder(parts, device="cpu"), pictures, texts)
        if parity.least_cosine < least:
            raise ModelError(
                f"{parts.name} as {precision} is not accurate enough: its vectors agree with the model's to "
                f"a cosine of {parity.pictures.least_cosine:.5f} (images) and {parity.texts.least_cosine:.5f} (texts) "
                f"at worst, and {least} is required; choose another precision"
            )
        settle(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return parity


def beside(folder: Path) -> Path:
    """Create an empty working folder beside the target; `settle` moves it into place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))


def settle(made: Path, folder: Path) -> None:
    """Move a finished folder into place atomically.

    Raises:
        OSError: something is there already.
    """
    made.chmod(0o755)  # a temporary folder is its maker's alone
    made.replace(folder)


def write_bundle(parts: EncoderParts, folder: Path, precision: Precision) -> None:
    """Write both graphs, the tokenizer and `bundle.json` into a folder that exists.

    Raises:
        ModelError: a tower cannot be written as a graph, or onnx is not installed.
    """
    if parts.patches is not None:
        raise ModelError(f"{parts.name} keeps the aspect ratio of images, but a bundle's images have one size")
    export_image(parts.image, folder / "image.onnx", preprocess=parts.preprocess, precision=precision)
    causal = causal_text(parts.text) if parts.pad_id is None else None
    export_text(
        causal or parts.text,
        folder / "text.onnx",
        precision=precision,
        past=causal.nothing() if causal else None,
        length=None if parts.pad_id is None else parts.max_tokens,
    )
    parts.tokenizer.no_padding()
    parts.tokenizer.no_truncation()
    parts.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    seal(
        folder,
        {
            "name": parts.name,
            "revision": parts.revision,
            "dim": parts.dim,
            "input_size_wh": parts.preprocess.size_wh,
            "resize": parts.preprocess.resize,
            "resample": parts.preprocess.resample,
            "max_tokens": parts.max_tokens,
            "pad_id": parts.pad_id,
            "end_id": parts.end_id,
            "precision": precision,
            "logit_scale": parts.logit_scale,
            "logit_bias": parts.logit_bias,
            "unknown_texts": list(parts.unknown_texts),
            "probe": {text: parts.tokenizer.encode(text).ids for text in _PROBES},
            "licence": parts.licence,
            "source": parts.source,
            "scores": {},
        },
    )


def seal(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `bundle.json`: the facts, the format, and a checksum of every other file of the folder."""
    sums = {}
    for file in sorted(folder.iterdir()):
        if file.name != FACTS:
            with file.open("rb") as content:
                sums[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
    body = {"format": FORMAT, **facts, "sha256": sums}
    (folder / FACTS).write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def export_image(
    module: nn.Module,
    file: Path,
    *,
    preprocess: Preprocess,
    precision: Precision,
    outputs: Sequence[str] = ("vectors",),
) -> None:
    """Write an image tower as a graph that takes uint8 pixels and returns unit vectors.

    Args:
        module: normalised pixels (n, 3, height, width) → (n, dim); with more outputs, a tuple that begins with it.
        file: ends in .onnx.
        preprocess: the size, and the normalising, which goes into the graph.
        precision: storage type of the weights.
        outputs: their names, "vectors" first.

    Raises:
        ModelError: the tower cannot be written as a graph, or onnx is not installed.
    """
    width, height = preprocess.size_wh
    pixels = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    axes = {name: {0: "n"} for name in ("pixels", *outputs)}
    _write(_FromBytes(module, preprocess), {"pixels": pixels}, axes, file, precision)


def export_text(
    module: nn.Module,
    file: Path,
    *,
    precision: Precision,
    past: Tensor | None = None,
    length: int | None = None,
) -> None:
    """Write a text tower as a graph that returns unit vectors.

    Args:
        module: ids (n, length) → (n, dim); a causal one as `CausalText`.
        file: ends in .onnx.
        precision: storage type of the weights.
        past: an empty past, (layers, 2, heads, 0, head width), for a causal tower.
        length: the fixed length of texts, for a tower that pads; None for any length.

    Raises:
        ModelError: the tower cannot be written as a graph, or onnx is not installed.
    """
    ids = torch.ones(2, length or 4, dtype=torch.int64)
    axes: Mapping[str, Mapping[int, str]] = {
        "input_ids": {0: "n"} if length else {0: "n", 1: "length"},
        "vectors": {0: "n"},
    }
    inputs = {"input_ids": ids}
    if past is not None:
        inputs, axes = packed_example(past), PACKED_AXES
    _write(_Unit(module), inputs, axes, file, precision)


PACKED_AXES: Mapping[str, Mapping[int, str]] = {
    "input_ids": {0: "n", 1: "length"},
    "sees": {0: "n", 1: "length", 2: "length"},
    "ends": {0: "m"},
    "past": {3: "before"},
    "vectors": {0: "m"},
    "present": {3: "after"},
}
"""Dynamic axes of a causal text tower's inputs and outputs."""


def packed_example(nothing: Tensor) -> dict[str, Tensor]:
    """Return example inputs for tracing a causal text tower.

    Args:
        nothing: an empty past, (layers, 2, heads, 0, head width).
    """
    sees = torch.ones(5, 5, dtype=torch.bool).tril().repeat(2, 1, 1)
    # Three tokens stand before the texts; a trace over none would fold the past away.
    past = nothing.new_zeros(*nothing.shape[:3], 3, nothing.shape[4])
    return {
        "input_ids": torch.ones(2, 5, dtype=torch.int64),
        "sees": sees,
        "ends": torch.tensor([2, 4, 9]),
        "past": past,
    }


class _FromBytes(nn.Module):
    """Normalises uint8 pixels (n, height, width, 3), runs a tower, and scales its vectors to unit length."""

    scale: Tensor
    shift: Tensor

    def __init__(self, tower: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.unit = _Unit(tower)
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (preprocess.mean, preprocess.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        found: Tensor | tuple[Tensor, ...] = self.unit(pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift)
        return found


class _Unit(nn.Module):
    """A tower with its first output scaled to unit length."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        found = self.tower(*inputs)
        if isinstance(found, tuple):
            return functional.normalize(found[0], dim=-1), *found[1:]
        return functional.normalize(found, dim=-1)


def _write(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    axes: Mapping[str, Mapping[int, str]],
    file: Path,
    precision: Precision,
) -> None:
    """Trace a module; `axes` names the dynamic axes of the inputs, then of the outputs, in order."""
    try:
        import onnx

        from catalens.models.weights import save, store
    except ImportError as error:
        raise ModelError('writing a bundle needs onnx: pip install "catalens[hub]"') from error
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _plain_attention():
        warnings.simplefilter("ignore")  # tracing warns of every size that it takes for fixed
        whole = Path(folder) / "whole.onnx"
        try:
            with torch.inference_mode():
                torch.onnx.export(
                    module.float().eval(),
                    tuple(inputs.values()),
                    str(whole),
                    input_names=list(inputs),
                    output_names=[name for name in axes if name not in inputs],
                    dynamic_axes={name: dict(each) for name, each in axes.items()},
                    opset_version=17,
                    dynamo=False,
                )
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(f"{file.name} cannot be written, for torch cannot trace the tower: {reason}") from error
        model = onnx.load(whole)
    store(model, precision)
    save(model, file)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Disable torch's fused attention, which cannot be exported."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
