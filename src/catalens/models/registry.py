"""Lists the models and loads an encoder by its name.

Facts about models are data (`list_models`); code runs only for the model that is loaded.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError, ModelError
from catalens.models.cache import default_cache
from catalens.models.hub.kinds import ENCODER, READER, kind_of
from catalens.models.hub.known import KNOWN, Known
from catalens.models.hub.names import NO_REVISIONS, Place, parse, split_revision
from catalens.models.known_readers import KNOWN_READERS, KnownReader

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder
    from catalens.models.hub.loading import Files

_log = logging.getLogger(__name__)

SHIPPED = {
    "starter": "clothes, shoes, bags, jewellery, watches and beauty products; shipped with the package",
    "everyday": "photographs of people, animals, things and places; shipped with the package",
}
"""Bundled encoders, with a line of description."""

CALIBRATION = "{schema}.calibration.json"
"""File in a bundle with the score thresholds learned for a schema."""

CUTOFF = "cutoff.json"
PROMPT_TERMS = "prompt_terms.json"
"""File in a bundle with its relevance cut-off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Facts about a model, available without loading it.

    Attributes:
        name: what users call it.
        kind: "encoder", "reader" for what captions and answers, or "encoder, reader".
        about: one line of description.
        licence: SPDX identifier or words.
        size_mb: size of its files on disk.
        folder: where its files are, if that is known; None for a model without weights, or a well-known one of the hub.
    """

    name: str
    kind: str
    about: str
    licence: str
    size_mb: float
    folder: Path | None


_FAKE = ModelSpec(
    name="fake",
    kind=ENCODER,
    about="no weights and no meaning: hashes, to try the plumbing",
    licence="Apache-2.0",
    size_mb=0.0,
    folder=None,
)


def shipped(name: str) -> Path:
    """Return the folder of a bundle inside the package."""
    return Path(str(resources.files("catalens.models"))) / name


def list_models() -> list[ModelSpec]:
    """Return the bundled models and the well-known ones of the hub, without loading one."""
    return [
        *(_shipped_spec(name, about) for name, about in SHIPPED.items()),
        _FAKE,
        *(_hub_spec(each, ENCODER) for each in KNOWN),
        *(_hub_spec(each, READER) for each in KNOWN_READERS),
    ]


def describe(name: str) -> ModelSpec | None:
    """Return the facts about a model by any spelling of its name; None if `list_models` does not have it.

    Raises:
        ModelError: the name means nothing; the message lists the nearest known ones.
    """
    if name not in (*SHIPPED, "fake"):
        place, reader = find_place(name), known_reader(name)
        if place.kind not in ("hub", "zoo"):
            return None
        name = place.name if reader is None else reader.name
    return next((spec for spec in list_models() if spec.name == name), None)


def find_place(name: str) -> Place:
    """Return where the files of an encoder or reader are.

    Raises:
        ModelError: the name means nothing (the message lists the nearest known ones), or has no revisions.
    """
    bare, revision = split_revision(name)
    if revision is not None and bare in (*SHIPPED, "fake"):
        raise ModelError(NO_REVISIONS.format(name=bare))
    reader = next((each for each in KNOWN_READERS if each.name == bare.lower()), None)
    if reader is not None:
        return Place(reader.name, "hub", reader.repository).at(revision)
    return parse(name, among=(*SHIPPED, "fake"))


def known_reader(name: str) -> KnownReader | None:
    """Return the facts about a reader by its short name or repository; None for an encoder or an unknown name."""
    bare = split_revision(name)[0].lower()
    return next((each for each in KNOWN_READERS if bare in (each.name, each.repository.lower())), None)


def name_here(encoder_name: str, *, cache: Path | None = None) -> str | None:
    """Return the name that loads an encoder, from its own name; None where its files are not on this machine.

    The local files may be another revision. Nothing is fetched or loaded.

    Args:
        encoder_name: as an index remembers it, such as "everyday@3".
        cache: cache folder; None is `default_cache()`.

    >>> name_here("everyday@1"), name_here("nobody@1")
    ('everyday', None)
    """
    name = encoder_name.rpartition("@")[0] or encoder_name
    if name in SHIPPED or (Path(name) / "bundle.json").is_file():
        return name
    from catalens.models.hub.loading import files_here

    try:
        files = files_here(find_place(name), cache=cache or default_cache())
    except ModelError:
        return None
    return name if files is not None else None


def load_encoder(
    name: str = "starter",
    *,
    runtime: str = "auto",
    threads: int | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    cache: Path | None = None,
) -> Encoder:
    """Load an encoder by its name; only a hub model is downloaded, once.

    A pretrained model runs on the best accelerator. On the CPU it is compiled the first time, cached, and needs no
    torch from then on.

    Args:
        name: a name of `list_models()`; any open_clip pair, hub id or sentence-transformers name (see
            `catalens.models.hub.names.parse`), with @REVISION or without; or the folder of a bundle or of a model.
        runtime: "onnxruntime", "openvino", "auto" for the faster one on this machine, or "torch" for a pretrained
            model as its own library runs it.
        threads: CPU threads of a bundle or a compiled model; None uses every core.
        revision: a commit, branch or tag of the hub; None takes the name's own, or the branch `main`: as it is in the
            cache, else the newest.
        device: torch device, such as "cpu" or "cuda:0"; None takes the fastest.
        dtype: "float32", "float16" or "bfloat16" for torch; None is the device's usual one.
        cache: cache folder; None is `default_cache()`.

    Raises:
        InputError: the runtime, device or dtype is unknown, or the name asks for another revision.
        ModelError: the name is unknown (the message lists the nearest names), or the model cannot be fetched or loaded.
    """
    if name == "fake":
        from catalens.models.fakes import FakeEncoder

        return FakeEncoder()
    folder = shipped(name) if name in SHIPPED else Path(name).expanduser()
    if name in SHIPPED:
        return _bundle(folder, runtime, threads, cache or default_cache())
    if (folder / "bundle.json").is_file():
        return _foreign_bundle(folder, runtime, threads, cache or default_cache())
    if known_reader(name):
        raise ModelError(f"{name} is a reader, which captions and answers; name an encoder, such as starter")
    from catalens.models.hub.loading import find_files, load_parts

    place, accelerated = find_place(name), _accelerated(device)
    files = find_files(place, cache=cache or default_cache(), revision=revision)
    if files.layout is None and files.weights is None:
        return _foreign_bundle(files.folder, runtime, threads, cache or default_cache())
    if runtime == "torch" or dtype is not None or accelerated:
        from catalens.models.hub.causal_encoder import torch_encoder

        return torch_encoder(load_parts(files), device=device, dtype=dtype)
    return _compiled(files, cache or default_cache(), runtime, threads)


def _compiled(files: Files, cache: Path, runtime: str, threads: int | None) -> Encoder:
    """Run a pretrained model in compiled form, compiled now if it is not in the cache."""
    from catalens.models.compiled import compiled_folder, is_compiled
    from catalens.models.compiling import compile_and_keep
    from catalens.models.hub.loading import keeps_aspect, load_parts
    from catalens.models.runtime import choose_runtime

    choose_runtime(runtime)
    folder = compiled_folder(cache, files.place.name, files.revision)
    if not is_compiled(folder) and keeps_aspect(files):
        _log.debug("%s keeps the aspect ratio of images, which a graph cannot: torch runs it", files.place.name)
    elif is_compiled(folder) or compile_and_keep(files, folder, runtime, threads):
        return _bundle(folder, runtime, threads, cache)
    from catalens.models.hub.causal_encoder import torch_encoder

    return torch_encoder(load_parts(files), device="cpu")


def _bundle(folder: Path, runtime: str, threads: int | None, cache: Path) -> Encoder:
    from catalens.models.bundle import load_bundle

    return load_bundle(folder, runtime=runtime, threads=threads, cache=cache)


def _foreign_bundle(folder: Path, runtime: str, threads: int | None, cache: Path) -> Encoder:
    """Open a bundle that did not come with the package, after it passed a trial once."""
    from catalens.models.probing import probe

    encoder = _bundle(folder, runtime, threads, cache)
    probe(folder, runtime=runtime, cache=cache)
    return encoder


def _accelerated(device: str | None) -> bool:
    """Return whether torch would use an accelerator, without importing it where there can be none.

    Raises:
        InputError: there is no such device.
    """
    if device == "cpu":
        return False
    if device in (None, "auto"):
        drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
        if not find_spec("torch") or (sys.platform == "linux" and not any(Path(each).exists() for each in drivers)):
            return False
    from catalens.models.device import choose_device

    return str(choose_device(device)) != "cpu"


def _shipped_spec(name: str, about: str) -> ModelSpec:
    folder = shipped(name)
    return ModelSpec(
        name=name,
        kind=kind_of(folder) or ENCODER,
        about=about,
        licence="Apache-2.0",
        size_mb=size_mb(folder),
        folder=folder,
    )


def size_mb(folder: Path) -> float:
    """Return the size of a folder in MB; 0 if it is missing."""
    return round(sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6, 1)


def _hub_spec(known: Known | KnownReader, kind: str) -> ModelSpec:
    return ModelSpec(
        name=known.name,
        kind=kind,
        about=known.about,
        licence=known.licence,
        size_mb=float(known.size_mb),
        folder=None,
    )


def shipped_calibration(encoder_name: str, schema: str) -> Path | None:
    """Return the calibration bundled with an encoder for a schema, if any.

    Args:
        encoder_name: with its revision, such as "starter@1"; other revisions have no calibration.
        schema: the schema's name, such as "fashion".
    """
    from catalens.models.facts import read_facts

    name, _, revision = encoder_name.partition("@")
    for spec in list_models():
        if spec.name == name and spec.folder is not None:
            file = spec.folder / CALIBRATION.format(schema=schema)
            if file.is_file() and read_facts(spec.folder).revision == revision:
                return file
    return None


def bundled_cutoff(encoder_name: str) -> Path:
    """Return the relevance cut-off bundled with an encoder.

    Raises:
        InputError: none is; the message says how to learn one.
    """
    file = shipped(encoder_name.partition("@")[0]) / CUTOFF
    if not file.is_file():
        raise InputError(f"no cut-off came with {encoder_name}; learn one with `catalens search learn`")
    return file


def shipped_answers(encoder_name: str) -> Path | None:
    """Return the answer weights that came with an encoder and its reader, if there are any."""
    file = shipped(encoder_name.partition("@")[0]) / "answers.json"
    return file if file.is_file() else None


def bundled_prompt_terms(encoder_name: str) -> Path | None:
    """Return the file of the terms that a bundled encoder knows; None for other encoders and revisions."""
    from catalens.models.facts import read_facts

    name, _, revision = encoder_name.partition("@")
    file = shipped(name) / PROMPT_TERMS
    return file if file.is_file() and read_facts(file.parent).revision == revision else None
