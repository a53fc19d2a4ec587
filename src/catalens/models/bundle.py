"""A bundle: an encoder as a folder of ONNX graphs, `tokenizer.json` and `bundle.json`; no torch is needed.

The graphs take raw input (bytes of RGB pixels, token ids) and give unit rows: normalisation is inside them,
where nobody can forget it. Everything that can be wrong with a folder is found when it is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Picture
from tokenizers import Tokenizer

from catalens.core.errors import InputError, ModelError
from catalens.core.types import Vectors
from catalens.core.vectors import batched, unit_rows
from catalens.models.facts import FACTS, FILES, GRAPHS, BundleFacts, read_facts
from catalens.models.runtime import Graph, choose_runtime, load_graph

TEXTS_AT_ONCE = 256
"""Texts of one length that go through the text graph together; bounds memory, not meaning."""


class BundleEncoder:
    """An `Encoder` over the two graphs of a bundle; several threads may use one at once."""

    def __init__(self, facts: BundleFacts, tokenizer: Tokenizer, image: Graph, text: Graph) -> None:
        self.facts = facts
        self.name = f"{facts.name}@{facts.revision}"
        self.dim = facts.dim
        self.input_size_wh = facts.input_size_wh
        self.logit_scale = facts.logit_scale
        self.logit_bias = facts.logit_bias
        self.unknown_texts: Sequence[str] = facts.unknown_texts
        self._tokenizer, self._image, self._text = tokenizer, image, text
        self._pool = ThreadPoolExecutor(thread_name_prefix="resize")

    def encode_images(self, images: Sequence[Picture]) -> Vectors:
        """Give (n, dim) unit rows for n RGB pictures of any size.

        Raises:
            InputError: a picture is not RGB.
            ModelError: the graph failed, or gave what is no vector.
        """
        if not images:
            return np.empty((0, self.dim), dtype=np.float32)
        width, height = self.input_size_wh
        pixels = np.empty((len(images), height, width, 3), dtype=np.uint8)
        # Pillow lets go of the interpreter while it resizes; one picture is not worth a thread.
        run = map if len(images) == 1 else self._pool.map
        for row, fitted in zip(pixels, run(self._fit, images), strict=True):
            row[:] = fitted
        return self._rows(self._image, pixels)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Give (n, dim) unit rows for n texts, each at its true length.

        Raises:
            InputError: a text is not a str, or holds half a character.
            ModelError: the graph failed, or gave what is no vector.
        """
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        ids = [self._cut(row) for row in self._ids(texts)]
        by_length: dict[int, list[int]] = {}
        for i, row in enumerate(ids):
            by_length.setdefault(len(row), []).append(i)
        for alike in by_length.values():
            for some in batched(alike, TEXTS_AT_ONCE):
                out[some] = self._rows(self._text, np.array([ids[i] for i in some], dtype=np.int64))
        return out

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Give how many tokens a text has, end token included, and how many are read.

        Raises:
            InputError: the text is not a str, or holds half a character.
        """
        [ids] = self._ids([text])
        return len(ids), len(self._cut(ids))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        for text in texts:
            if not isinstance(text, str):
                raise InputError(f"a text to encode must be a str, not {type(text).__name__}: {text!r}")
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"a text to encode holds half a character at place {error.start}: {text!r}") from error
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def _cut(self, ids: list[int]) -> list[int]:
        """Too long: keep the beginning and the end token."""
        most = self.facts.max_tokens
        return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]

    def _fit(self, image: Picture) -> NDArray[np.uint8]:
        """Bring a picture to the input size whole, white beside it: nothing is cropped or stretched."""
        if image.mode != "RGB":
            raise InputError(f"a picture to encode must be RGB, not {image.mode}; read_image gives such a one")
        width, height = self.input_size_wh
        scale = min(width / image.width, height / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # A reducing gap of 2 lets Pillow halve very large pictures cheaply first; the difference is not visible.
        small = image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        if size == (width, height):
            return np.asarray(small)
        canvas = Image.new("RGB", (width, height), "white")
        canvas.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
        return np.asarray(canvas)

    def _rows(self, graph: Graph, batch: NDArray[np.uint8] | NDArray[np.int64]) -> Vectors:
        """Run a graph; anything but one row with a direction for each item is its fault, and is never passed on."""
        rows = graph(batch)
        if rows.shape != (len(batch), self.dim):
            raise ModelError(f"{self.name} gave an array {rows.shape} where ({len(batch)}, {self.dim}) is due")
        lengths = np.linalg.norm(rows, axis=1)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ModelError(f"{self.name} gave a row of zeros or of numbers that are not finite")
        return unit_rows(rows)


def load_bundle(folder: Path, *, runtime: str = "auto", threads: int | None = None) -> BundleEncoder:
    """Load a bundle and prove that its parts belong together.

    Args:
        folder: where `bundle.json` is.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads for the graphs; None uses every core.

    Raises:
        InputError: no runtime is called so.
        ModelError: a file is missing, damaged or changed, the tokenizer gives other ids than the bundle was made
            with, a graph gives no vectors of the bundle's width, or the runtime is not installed.
    """
    facts = read_facts(folder)
    for name in FILES:
        if _sha256(folder / name) != facts.sha256.get(name):
            raise ModelError(
                f"{folder / name} is damaged or not the file this bundle was made with: its SHA-256 differs"
            )
    tokenizer = _load_tokenizer(folder / "tokenizer.json", facts)
    chosen = choose_runtime(runtime)
    image, text = (load_graph(folder / name, chosen, threads=threads) for name in GRAPHS)
    encoder = BundleEncoder(facts, tokenizer, image, text)
    _prove(folder, encoder)
    return encoder


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error}") from error


def _load_tokenizer(file: Path, facts: BundleFacts) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{file} is not a tokenizer: {error}") from error
    # A tokenizer file may bring padding and cutting of its own; a bundle's texts have their true length.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for text, ids in facts.probe.items():
        if tuple(tokenizer.encode(text).ids) != ids:
            raise ModelError(f"{file} is not this bundle's tokenizer: {text!r} gives other ids than {FACTS} says")
    return tokenizer


def _prove(folder: Path, encoder: BundleEncoder) -> None:
    """Run two blank pictures, and texts of two lengths up to the longest, and look at what comes out."""
    pictures = [Image.new("RGB", encoder.input_size_wh, "white")] * 2
    texts = ["word", "word", "word " * encoder.facts.max_tokens]
    name = "image.onnx"
    try:
        encoder.encode_images(pictures)
        name = "text.onnx"
        encoder.encode_texts(texts)
    except ModelError as error:
        raise ModelError(f"{folder / name} does not give vectors of width {encoder.dim}: {error}") from error
