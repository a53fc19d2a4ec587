"""A bundle: an encoder as a folder of ONNX graphs, `tokenizer.json` and `bundle.json`; no torch is needed.

The graphs take raw input (uint8 RGB pixels, token ids); normalisation is inside them. Files are checked when a bundle
is opened; its parts are loaded when they are first needed.

`image.onnx`
    takes `pixels` (n, height, width, 3) uint8, resized as `bundle.json` says; returns `vectors` (n, dim), and may
    return other outputs, such as `features` (n, cells, channels), which a reader attends to.
`text.onnx`
    takes `input_ids` (n, length) int64, rows of equal length that end with the end token (or, where `bundle.json` has
    a `pad_id`, are padded to max_tokens); returns `vectors` (n, dim).
    A causal one takes texts packed in rows (`catalens.models.packing`), with the attention mask `sees` (n, length,
    length) bool, the positions `ends` (m,) int64, and `past` (layers, 2, heads, before, head width) float32: keys (0)
    and values (1) of a prefix that all rows share, possibly empty (before = 0). It returns `vectors` (m, dim), one
    for each end, and `present` (layers, 2, heads, before + length, head width): the past, followed by row 0.
`classes.json`, `classes.npz`
    may be there: sets of classes that the encoder was taught, their words and vectors (`catalens.models.class_files`).
`nouns.json.gz`
    may be there: further nouns that stand for such classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Image as Picture

from catalens.core.classes import ClassSets
from catalens.core.errors import ModelError
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.class_files import load_classes
from catalens.models.facts import FACTS, FILES, GRAPHS, LABELS, BundleFacts, read_facts
from catalens.models.fastest import load_fastest
from catalens.models.once import Once
from catalens.models.onnx_file import OnnxFile, read_onnx
from catalens.models.packing import Pack
from catalens.models.prefix import PrefixTower
from catalens.models.resizing import fit_all
from catalens.models.runtime import Arrays, Graph, choose_runtime
from catalens.models.tokens import Tokens, group_by_key, stack_ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer

T = TypeVar("T")
Load: TypeAlias = Callable[[], T]
EXACT = ("float32", "float16")
"""Precisions that are computed in float32 on every runtime, with images resized exactly as the model's library does."""
_IMAGE, _TEXT, _CAUSAL = (
    ({"pixels"}, {"vectors"}),
    ({"input_ids"}, {"vectors"}),
    ({"sees", "ends", "past"}, {"present"}),
)


_EXAMPLES, _EXAMPLE_TOKENS = 4, 48
"""Rows, and tokens of a row of texts, that a graph is measured with."""


class BundleEncoder:
    """An `Encoder` over the two graphs of a bundle; several threads may use one at once.

    Args:
        facts: what `bundle.json` says.
        tokenizer: loads the tokenizer; called when the first text is encoded.
        image: loads the image graph; called when the first image is encoded.
        text: loads the text graph; called when the first text is encoded.
        classes: loads the sets of classes that it was taught; called when they are first needed.
    """

    def __init__(
        self,
        facts: BundleFacts,
        tokenizer: Load[Tokenizer],
        image: Load[Graph],
        text: Load[Graph],
        classes: Load[ClassSets] = dict,
    ) -> None:
        self.facts = facts
        self.name = f"{facts.name}@{facts.revision}"
        self.fingerprint = f"{self.name}#{facts.text_digest}"
        self.dim = facts.dim
        self.input_size_wh = facts.input_size_wh
        self.logit_scale = facts.logit_scale
        self.logit_bias = facts.logit_bias
        self.unknown_texts: Sequence[str] = facts.unknown_texts
        self.label_folder: Path | None = None
        """Vectors of labels that came with the bundle, as `build_bank` keeps them; None where there are none."""
        self._tokens = Once(
            lambda: Tokens(tokenizer(), max_tokens=facts.max_tokens, pad_id=facts.pad_id, end_id=facts.end_id)
        )
        self._image, self._text, self._classes = Once(image), Once(text), Once(classes)
        self._exact = facts.precision in EXACT
        self._pool = ThreadPoolExecutor(thread_name_prefix="resize")

    @property
    def classes(self) -> ClassSets:
        """The sets of classes that it was taught to tell apart; none where the bundle has no such files.

        Raises:
            ModelError: their files are damaged.
        """
        return self._classes()

    def encode_images(self, images: Sequence[Picture]) -> Vectors:
        """Return (n, dim) unit vectors of n RGB images of any size.

        Raises:
            InputError: an image is not RGB.
            ModelError: the graph failed, or returned an invalid vector.
        """
        if not images:
            return np.empty((0, self.dim), dtype=np.float32)
        pixels = fit_all(images, self.facts.preprocess, self._pool, exact=self._exact)
        return self._unit(self._image().run({"pixels": pixels}, ["vectors"])["vectors"], len(images))

    def encode_images_with(self, images: Sequence[Picture], output: str) -> tuple[Vectors, NDArray[Any]]:
        """Return (n, dim) unit vectors of n RGB images, and another output of the image graph from the same run.

        Args:
            images: at least one.
            output: its name, such as "grid".

        Raises:
            InputError: an image is not RGB.
            ModelError: the image graph has no such output, failed, or returned an invalid vector.
        """
        pixels = fit_all(images, self.facts.preprocess, self._pool, exact=self._exact)
        found = self._image().run({"pixels": pixels}, ["vectors", output])
        return self._unit(found["vectors"], len(images)), found[output]

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of n texts.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
            ModelError: the graph failed, or returned an invalid vector.
        """
        ids = self._tokens().read(texts)
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        for places in group_by_key(map(len, ids)):
            found = self._text().run({"input_ids": stack_ids(ids, places)}, ["vectors"])
            out[places] = self._unit(found["vectors"], len(places))
        return out

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Return the number of tokens of a text, special tokens included, and the number that is encoded.

        Raises:
            InputError: the text is not a str, or contains a lone surrogate.
        """
        return self._tokens().count(text)

    def check(self) -> None:
        """Load every part and run it: blank images, and texts of two lengths up to the longest.

        Raises:
            ModelError: the parts do not belong together; the message names the one at fault.
        """
        images = [Image.new("RGB", self.input_size_wh, "white")] * 2
        most = self.facts.max_tokens
        has, read = self.count_tokens("word " * most)
        # As many words as fit with two special tokens: a truncated text would be logged.
        texts = ["word", "word", "word " * (most * (read - 2) // has)]
        self._classes()
        graph = self._image()
        try:
            self.encode_images(images)
            graph = self._text()
            self.encode_texts(texts)
        except ModelError as error:
            raise ModelError(f"{graph.file} does not return vectors of width {self.dim}: {error}") from error

    def _unit(self, rows: NDArray[Any], n: int) -> Vectors:
        """Check for one finite, non-zero row per item; anything else is the graph's fault."""
        if rows.shape != (n, self.dim):
            raise ModelError(f"{self.name} returned an array {rows.shape}; expected ({n}, {self.dim})")
        lengths = np.linalg.norm(rows, axis=1)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ModelError(f"{self.name} returned a row that is all zeros or not finite")
        return unit_rows(rows)


class CausalBundleEncoder(BundleEncoder):
    """A `PrefixEncoder`: a bundle with a text graph that takes past keys and values."""

    def __init__(
        self,
        facts: BundleFacts,
        tokenizer: Load[Tokenizer],
        image: Load[Graph],
        text: Load[Graph],
        classes: Load[ClassSets] = dict,
    ) -> None:
        super().__init__(facts, tokenizer, image, text, classes)
        self._tower = Once(self._make_tower)

    def _make_tower(self) -> PrefixTower:
        layers, two, heads, _, width = (size or 0 for size in self._text().inputs["past"])
        nothing = np.empty((layers, two, heads, 0, width), dtype=np.float32)
        return PrefixTower(self._vectors, self._present, nothing, self.dim)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of n texts.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
            ModelError: the graph failed, or returned an invalid vector.
        """
        return self._tower().rows(self._tokens().read(texts))

    def encode_after(self, prefix: str, endings: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of the n texts `prefix + ending`, encoding the prefix once.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
            ModelError: the graph failed, or returned an invalid vector.
        """
        texts = self._tokens().read([prefix + ending for ending in endings])
        return self._tower().rows(texts, prefix=self._tokens().open_end(prefix))

    def _vectors(self, pack: Pack, past: NDArray[np.float32]) -> Vectors:
        return self._unit(self._run(pack, past, "vectors"), len(pack.ends))

    def _present(self, pack: Pack, past: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._run(pack, past, "present")

    def _run(self, pack: Pack, past: NDArray[np.float32], output: str) -> NDArray[Any]:
        arrays = {"input_ids": pack.input_ids, "sees": pack.attention_mask, "ends": pack.ends}
        return self._text().run({**arrays, "past": np.ascontiguousarray(past)}, [output])[output]


def load_bundle(
    folder: Path, *, runtime: str = "auto", threads: int | None = None, cache: Path | None = None
) -> BundleEncoder:
    """Open a bundle: its files are checked now, and each part is loaded when it is first needed.

    Encoding an image loads the image graph; encoding a text loads the tokenizer and the text graph.

    Args:
        folder: where `bundle.json` is.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads for the graphs; None uses every core.
        cache: the folder for things that can be made again, where "auto" keeps which runtime was the faster one for
            each graph; None measures nothing and takes OpenVINO where it is installed.

    Returns:
        A `CausalBundleEncoder`, which is a `PrefixEncoder`, where the text graph takes a past.

    Raises:
        InputError: the runtime is unknown.
        ModelError: a file is missing, damaged or changed, a graph has other inputs or outputs than a bundle's, or the
            runtime is not installed. What only shows when a part is loaded or run is raised then; `BundleEncoder.check`
            finds all of it at once.
    """
    facts = read_facts(folder)
    for name in dict.fromkeys((*FILES, *facts.sha256)):
        if _sha256(folder / name) != facts.sha256.get(name):
            raise ModelError(
                f"{folder / name} is damaged or not the file this bundle was made with: its SHA-256 differs"
            )
    choose_runtime(runtime)
    exact = facts.precision in EXACT or facts.exact_image
    load = partial(load_fastest, runtime=runtime, threads=threads, cache=cache)
    image_file, text_file = (folder / name for name in GRAPHS)
    text = read_onnx(text_file)
    causal = "past" in text.inputs
    _check_graph(image_file, facts, read_onnx(image_file), *_IMAGE)
    _check_graph(text_file, facts, text, *((a | b for a, b in zip(_TEXT, _CAUSAL, strict=True)) if causal else _TEXT))
    encoder = (CausalBundleEncoder if causal else BundleEncoder)(
        facts,
        lambda: _load_tokenizer(folder / "tokenizer.json", facts),
        lambda: load(image_file, partial(_example_images, facts), exact=exact, rows=True),
        # Texts share rows, and rounding would make a vector depend on its batch-mates: always float32.
        lambda: load(text_file, partial(_example_texts, facts), exact=True),
        lambda: load_classes(folder, f"{facts.name}@{facts.revision}", facts.dim),
    )
    if (folder / LABELS).is_dir():
        encoder.label_folder = folder / LABELS
    return encoder


def _example_images(facts: BundleFacts, _: Graph) -> Arrays:
    width, height = facts.input_size_wh
    return {"pixels": np.random.default_rng(0).integers(0, 256, (_EXAMPLES, height, width, 3), dtype=np.uint8)}


def _example_texts(facts: BundleFacts, graph: Graph) -> Arrays:
    length = min(_EXAMPLE_TOKENS, facts.max_tokens) if facts.pad_id is None else facts.max_tokens
    ids = np.full((_EXAMPLES, length), facts.end_id, dtype=np.int64)
    if "past" not in graph.inputs:
        return {"input_ids": ids}
    layers, two, heads, _, width = (size or 0 for size in graph.inputs["past"])
    return {
        "input_ids": ids,
        "sees": np.broadcast_to(np.tri(length, dtype=np.bool_), (_EXAMPLES, length, length)).copy(),
        "ends": np.arange(1, _EXAMPLES + 1) * length - 1,
        "past": np.empty((layers, two, heads, 0, width), dtype=np.float32),
    }


def _check_graph(file: Path, facts: BundleFacts, found: OnnxFile, inputs: set[str], outputs: set[str]) -> None:
    if inputs != {*found.inputs} or not outputs <= {*found.outputs}:
        raise ModelError(
            f"{file} takes {', '.join(found.inputs)} and returns {', '.join(found.outputs)}; "
            f"it should take {', '.join(sorted(inputs))} and return {', '.join(sorted(outputs))}"
        )
    if unsealed := sorted(found.external - {*facts.sha256}):
        raise ModelError(f"{file} keeps weights in {unsealed[0]}, for which {FACTS} has no checksum")


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error}") from error


def _load_tokenizer(file: Path, facts: BundleFacts) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{file} is not a tokenizer: {error}") from error
    # A tokenizer file may bring padding and cutting of its own; the probe's ids are whole.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for text, ids in facts.probe.items():
        if tuple(tokenizer.encode(text).ids) != ids:
            raise ModelError(f"{file} is not this bundle's tokenizer: {text!r} has other ids than {FACTS} lists")
    return tokenizer
