"""From a reader's name to a reader: which family it is, where its files are, and the nearest names for a wrong one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Answerer, Captioner
from catalens.models.hub.names import NO_REVISIONS, Place, nearest, parse, split_revision
from catalens.models.known_readers import KNOWN_READERS

if TYPE_CHECKING:
    from catalens.models.readers.bundled import BundleReader
    from catalens.models.readers.loading import Loaded, Quantise
    from catalens.models.readers.reader import Family

ACCEPTED = (
    "starter or everyday, which come with the package; a short name such as blip-base or blip2-2.7b, or a hub id such "
    "as Salesforce/blip-vqa-base, with @REVISION or without; the folder of a model or of a bundle with a reader; "
    "https://host/v1#model for a server of chat completions; fake"
)
QUANTISED = "the readers that torch runs on this machine, such as blip2-2.7b, qwen2.5-vl-7b or the folder of a model"
"""What `quantise` is for."""
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_SERVER = re.compile(r"(remote:)?https?://")


class Reader(Captioner, Answerer, Protocol):
    """Describes images and answers questions about them; a model that does only one refuses the other by name."""


def _fake(_threads: int | None) -> Reader:
    from catalens.models.readers.fake import FakeReader

    return FakeReader()


def _of_bundle(folder: Path, threads: int | None) -> BundleReader:
    from catalens.models.bundle import load_bundle
    from catalens.models.readers.bundled import FOLDER, load_bundle_reader

    if not (folder / FOLDER).is_dir():
        raise ModelError(f"{folder} is a bundle that encodes only; one that captions and answers has a folder {FOLDER}")
    return load_bundle_reader(folder, load_bundle(folder, threads=threads), threads=threads)


def _everyday(threads: int | None) -> BundleReader:
    from catalens.models.registry import shipped

    return _of_bundle(shipped("everyday"), threads)


def _starter(threads: int | None) -> Reader:
    from catalens.models.gate import load_gate
    from catalens.models.readers.auto import AutoReader
    from catalens.models.registry import shipped

    product = _of_bundle(shipped("starter"), threads)
    return AutoReader(product, _everyday(threads), load_gate(shipped("starter"), product.encoder.dim))


SHIPPED: dict[str, Callable[[int | None], Reader]] = {"starter": _starter, "everyday": _everyday, "fake": _fake}
"""Readers that come with the package, by name; each is made for a number of processor threads."""


def load_reader(
    name: str,
    *,
    device: str | None = None,
    dtype: str = "auto",
    quantise: Quantise | None = None,
    revision: str | None = None,
    threads: int | None = None,
    api_key: str | None = None,
) -> Reader:
    """Load a reader by its name.

    Args:
        name: a shipped one (`starter`, `everyday`, `fake`), a short name (`blip-base`) or a hub id, with @REVISION or
            without, the folder of a model or of a bundle with a reader, or `https://host/v1#model`.
        device: "cpu", "cuda", "cuda:1", "mps"; None for the best there is.
        dtype: "float32", "float16", "bfloat16", or "auto" for the fastest that the device computes in.
        quantise: "8bit" or "4bit" weights, of a model that torch runs; None for as they are.
        revision: a commit, branch or tag of the hub; None for the name's own, or for the branch `main`: as it is in
            the cache, else the newest.
        threads: processor threads of torch, for the whole process; None leaves them as they are.
        api_key: what a server asks for; None for none.

    Raises:
        InputError: no device or dtype is called so, the name asks for another revision, or the reader cannot be
            quantised.
        ModelError: nothing is called so (the message gives the nearest names), or it cannot be had.
    """
    folder = _folder(name)
    is_server, is_bundle = bool(_SERVER.match(name)), (folder / "bundle.json").is_file()
    if quantise is not None and (is_server or is_bundle or name in SHIPPED):
        raise InputError(f"{name} cannot be kept in {quantise}: that is for {QUANTISED}")
    if name in SHIPPED:
        return SHIPPED[name](threads)
    if is_bundle:
        return _of_bundle(folder, threads)
    if is_server:
        from catalens.models.readers.remote import connect

        return connect(name.removeprefix("remote:"), api_key=api_key)
    shown, folder = _find(name, folder, revision)
    from catalens.models.readers.loading import Wanted, load, need_libraries, read_config

    need_libraries()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    from catalens.models.readers.reader import TorchReader

    model_class, family = _family(read_config(folder), shown)
    wanted = Wanted(device=device, dtype=dtype, quantise=quantise)
    return TorchReader(family(load(folder, shown, model_class, wanted)))


def _folder(name: str) -> Path:
    """Return the folder that a name means where it is one, or a file in one; else what is not there."""
    path = Path(name).expanduser()
    return Path(parse(name).target) if path.is_file() else path


def _find(name: str, folder: Path, revision: str | None) -> tuple[str, Path]:
    """Return a model's name with its revision, and the folder of its files, fetched if need be."""
    if folder.is_dir():
        from catalens.models.hub.layout import find_layout

        return f"{folder.resolve().name}@{find_layout(folder).revision()}", folder
    bare, named = split_revision(name)
    if named is not None and (bare in SHIPPED or Path(bare).expanduser().is_dir()):
        raise ModelError(NO_REVISIONS.format(name=bare))
    repository = next((spec.repository for spec in KNOWN_READERS if spec.name == bare.lower()), bare)
    if not _HUB_ID.fullmatch(repository):
        raise ModelError(unknown(name))
    from catalens.models.hub.download import cached, fetch

    wanted = Place(bare, "hub", repository, revision=named).at(revision).revision
    found = cached(repository, revision=wanted) or fetch(repository, revision=wanted, name=bare)
    # The cache keeps each commit in a folder of its name; a short name and the hub's own are one model.
    return f"{repository}@{found.name[:12]}", found


def unknown(name: str) -> str:
    """Return the sentence that answers a name nobody knows, with the nearest known ones."""
    known = (each for spec in KNOWN_READERS for each in (spec.name, spec.repository))
    near = nearest(name, dict.fromkeys([*SHIPPED, *known]))
    meant = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    return f"there is no reader {name!r}{meant}; accepted are {ACCEPTED}"


def _family(config: Any, name: str) -> tuple[str, Callable[[Loaded], Family]]:
    """Return the class of transformers that a configuration names, and the family of ours that runs it."""
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
        f"{name} is a {architecture or config.model_type}, which neither describes pictures nor answers questions; "
        "readers are BLIP, BLIP-2, GIT and the chat models of transformers' image-text-to-text family"
    )
