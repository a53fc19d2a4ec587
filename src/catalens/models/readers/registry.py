"""From a reader's name to a reader: its family, its files, and suggestions for an unknown name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Answerer, Captioner
from catalens.models.hub.names import NO_REVISIONS, nearest, parse, split_revision
from catalens.models.known_readers import KNOWN_READERS
from catalens.models.readers.adapters import base_of_adapter, is_adapter, with_adapter

if TYPE_CHECKING:
    from catalens.models.readers.bundled import BundleReader
    from catalens.models.readers.loading import Loaded, Quantise, Wanted
    from catalens.models.readers.reader import Family

ACCEPTED = (
    "starter or everyday, which are bundled; a short name such as blip-base or blip2-2.7b, or a hub id such as "
    "Salesforce/blip-vqa-base, optionally with @REVISION; the folder of a model or of a bundle with a reader; "
    "https://host/v1#model for a chat completions server; fake"
)
QUANTISED = "the readers that torch runs on this machine, such as blip2-2.7b, qwen2.5-vl-7b or the folder of a model"
"""Where `quantise` applies."""
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_SERVER = re.compile(r"(remote:)?https?://")


class Reader(Captioner, Answerer, Protocol):
    """Describes images and answers questions about them; a model that does only one refuses the other by name."""


def _fake(_threads: int | None, _cache: Path | None) -> Reader:
    from catalens.models.readers.fake import FakeReader

    return FakeReader()


def _of_bundle(folder: Path, threads: int | None, cache: Path | None) -> BundleReader:
    from catalens.models.bundle import load_bundle
    from catalens.models.readers.bundled import FOLDER, load_bundle_reader

    if not (folder / FOLDER).is_dir():
        raise ModelError(f"{folder} is a bundle that encodes only; one that captions and answers has a folder {FOLDER}")
    encoder = load_bundle(folder, threads=threads, cache=cache)
    return load_bundle_reader(folder, encoder, threads=threads, cache=cache)


def _everyday(threads: int | None, cache: Path | None) -> BundleReader:
    from catalens.models.registry import shipped

    return _of_bundle(shipped("everyday"), threads, cache)


def _starter(threads: int | None, cache: Path | None) -> Reader:
    from catalens.models.gate import load_gate
    from catalens.models.readers.auto import AutoReader
    from catalens.models.registry import shipped

    product = _of_bundle(shipped("starter"), threads, cache)
    return AutoReader(product, _everyday(threads, cache), load_gate(shipped("starter"), product.encoder.dim))


SHIPPED: dict[str, Callable[[int | None, Path | None], Reader]] = {
    "starter": _starter,
    "everyday": _everyday,
    "fake": _fake,
}
"""Bundled readers by name; each factory takes the number of processor threads and the cache folder."""


def load_reader(
    name: str,
    *,
    device: str | None = None,
    dtype: str = "auto",
    quantise: Quantise | None = None,
    threads: int | None = None,
    api_key: str | None = None,
    timeout_s: float = 120.0,
    cache: Path | None = None,
) -> Reader:
    """Load a reader by name.

    Args:
        name: a bundled reader (`starter`, `everyday`, `fake`), a short name (`blip-base`) or a hub id, optionally with
            @REVISION, the folder of a model, of a bundle with a reader, or of an adapter of PEFT, which is merged into
            the base that its configuration names, or `https://host/v1#model`.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the fastest available.
        dtype: "float32", "float16", "bfloat16", or "auto" for the fastest that the device supports.
        quantise: "8bit" or "4bit" weights, for a model that torch runs; None for unquantised weights.
        threads: processor threads of torch, for the whole process; None for torch's default.
        api_key: bearer token for a server; None for none.
        timeout_s: total time of one request to a server.
        cache: the folder for things that can be made again, where compiled graphs of bundles are kept; None keeps none.

    Raises:
        InputError: the device or dtype does not exist, or the reader cannot be quantised.
        ModelError: the name is unknown (the message suggests similar ones), or the model cannot be loaded.
    """
    folder = _folder(name)
    is_server, is_bundle = bool(_SERVER.match(name)), (folder / "bundle.json").is_file()
    if quantise is not None and (is_server or is_bundle or name in SHIPPED):
        raise InputError(f"{name} cannot be quantised to {quantise}: that is for {QUANTISED}")
    if name in SHIPPED:
        return SHIPPED[name](threads, cache)
    if is_bundle:
        return _of_bundle(folder, threads, cache)
    if is_server:
        from catalens.models.remote import need_httpx

        need_httpx("readers behind a server")
        from catalens.models.readers.remote import RemoteReader
        from catalens.models.remote.chat import connect

        return RemoteReader(connect(name.removeprefix("remote:"), api_key=api_key, timeout_s=timeout_s))
    from catalens.models.readers.loading import Wanted, need_libraries

    if not _folder(name).is_dir():
        _repository(name)  # a mistyped name is reported before a missing library
    need_libraries()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from catalens.models.readers.reader import TorchReader
    from catalens.models.readers.vision import COMPILE_AFTER

    wanted = Wanted(device=device, dtype=dtype, quantise=quantise, compile_after=COMPILE_AFTER)
    return TorchReader(load_family(name, wanted)[1])


def load_family(name: str, wanted: Wanted) -> tuple[Loaded, Family]:
    """Load a model that torch runs, and the family that runs it; an adapter is merged into its base.

    Args:
        name: a short name or hub id, optionally with @REVISION, or the folder of a model or of an adapter.
        wanted: device, dtype and quantisation.

    Raises:
        InputError: the device or dtype does not exist.
        ModelError: the name is unknown, or the model cannot be loaded.
    """
    from catalens.models.readers.loading import load, read_config

    place = _folder(name)
    adapter = place if is_adapter(place) else None
    base = name if adapter is None else base_of_adapter(adapter)
    shown, folder = _find(base, _folder(base))
    model_class, family = _family(read_config(folder), shown)
    loaded = load(folder, shown, model_class, wanted)
    if adapter is not None:
        loaded = with_adapter(loaded, adapter)
    return loaded, family(loaded)


def merged_folder(adapter: Path, cache: Path) -> Path:
    """Return the folder of an adapter's base with the adapter merged into it, written now if the cache lacks it.

    Args:
        adapter: its folder, which names the base.
        cache: cache folder.

    Raises:
        ModelError: the base cannot be had, or the adapter does not fit it.
    """
    from catalens.models.readers.loading import Wanted, save_model

    loaded, _ = load_family(str(adapter), Wanted(device="cpu", dtype="float32"))
    folder = cache / "merged" / re.sub(r"[^\w.+@-]", "-", loaded.name)
    if not (folder / "config.json").is_file():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        save_model(loaded, part)
        part.replace(folder)
    return folder


def _folder(name: str) -> Path:
    """Return the folder that a name points to, directly or through a file in it; it need not exist."""
    path = Path(name).expanduser()
    return Path(parse(name).target) if path.is_file() else path


def _repository(name: str) -> str:
    """Return the hub repository of a name.

    Raises:
        ModelError: the name is unknown, or asks for a revision of something that has none.
    """
    bare, named = split_revision(name)
    if named is not None and (bare in SHIPPED or Path(bare).expanduser().is_dir()):
        raise ModelError(NO_REVISIONS.format(name=bare))
    repository = next((spec.repository for spec in KNOWN_READERS if spec.name == bare.lower()), bare)
    if not _HUB_ID.fullmatch(repository):
        raise ModelError(unknown(name))
    return repository


def _find(name: str, folder: Path) -> tuple[str, Path]:
    """Return a model's name with its revision, and the folder of its files, downloaded if necessary."""
    if folder.is_dir():
        from catalens.models.hub.layout import find_layout

        return f"{folder.resolve().name}@{find_layout(folder).revision()}", folder
    bare, named = split_revision(name)
    repository = _repository(name)
    from catalens.models.hub.download import cached, fetch

    found = cached(repository, revision=named) or fetch(repository, revision=named, name=bare)
    # The cache has a folder per commit; a short name and the hub id are the same model.
    return f"{repository}@{found.name[:12]}", found


def unknown(name: str) -> str:
    """Return the message for an unknown name, with similar known ones."""
    known = (each for spec in KNOWN_READERS for each in (spec.name, spec.repository))
    near = nearest(name, dict.fromkeys([*SHIPPED, *known]))
    meant = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    return f"there is no reader {name!r}{meant}; accepted are {ACCEPTED}"


def _family(config: Any, name: str) -> tuple[str, Callable[[Loaded], Family]]:
    """Return the transformers class that a configuration names, and the family that runs it."""
    from catalens.models.readers.blip import BlipAnswers, BlipCaptions
    from catalens.models.readers.blip2 import Blip2Opt, Blip2T5
    from catalens.models.readers.chat import Chat
    from catalens.models.readers.git import Git

    architecture = (getattr(config, "architectures", None) or [""])[0]
    blip2: Callable[[Loaded], Family] = Blip2T5 if getattr(config, "is_encoder_decoder", False) else Blip2Opt
    families: dict[str, Callable[[Loaded], Family]] = {
        "BlipForConditionalGeneration": BlipCaptions,
        "BlipForQuestionAnswering": BlipAnswers,
        "Blip2ForConditionalGeneration": blip2,
        "GitForCausalLM": Git,
    }
    if architecture in families:
        return architecture, families[architecture]
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    if config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return "AutoModelForImageTextToText", Chat
    raise ModelError(
        f"{name} is a {architecture or config.model_type}, which neither describes images nor answers questions; "
        "readers are BLIP, BLIP-2, GIT and the chat models of transformers' image-text-to-text family"
    )
