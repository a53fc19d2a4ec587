"""Which files of a model go into a bundle, and what cannot be deployed at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalens.core.errors import InputError, ModelError
from catalens.models.hub.kinds import BOTH, ENCODER, READER, kind_of
from catalens.models.hub.layout import licence_of
from catalens.models.hub.loading import find_files
from catalens.models.readers.adapters import is_adapter
from catalens.models.readers.registry import merged_folder
from catalens.models.registry import SHIPPED, find_place

BUNDLED = "bundled"
"""The name for every model that is shipped with the package, with routing between them."""
_REMOTE = ("openai:", "bedrock:", "http://", "https://")


@dataclass(frozen=True, slots=True)
class Weights:
    """A model to deploy.

    Attributes:
        encoder: name that the endpoint loads, if the files are in the package.
        reader: likewise.
        folder: files that go into the bundle; None where they are in the package.
        roles: what the folder is: "encoder", "reader" or both.
        licence: SPDX identifier or words.
        needs_torch: whether torch and transformers run it.
    """

    encoder: str | None = None
    reader: str | None = None
    folder: Path | None = None
    roles: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    needs_torch: bool = False


def find_weights(model: str, *, cache: Path) -> Weights:
    """Find a model's files, from the package, a folder, the cache, the hub or `s3://`.

    Args:
        model: "bundled", the name of a shipped model, a folder, a hub id or an `s3://` address; the folder of an
            adapter gives its base with the adapter merged into it.
        cache: cache folder.

    Raises:
        InputError: it cannot run on an endpoint.
        ModelError: it cannot be had.
    """
    if model.startswith(_REMOTE):
        raise InputError(f"{model} runs on another server and has no weights to deploy; name a model with files")
    if model == BUNDLED:
        return Weights()
    if model in (*SHIPPED, "fake"):
        return Weights(encoder=model, reader="fake" if model == "fake" else None)
    if is_adapter(folder := Path(model).expanduser()):
        model = str(merged_folder(folder, cache))
    files = find_files(find_place(model), cache=cache)
    if files.weights is not None or files.place.kind == "zoo":
        raise InputError(f"{model} is a weights file without a configuration; run `catalens export` and package that")
    if files.pictures is not None:
        raise InputError(f"{model} is two models, of texts and of pictures; run `catalens export` and package that")
    kind = kind_of(files.folder)
    roles = {ENCODER: (ENCODER,), READER: (READER,), BOTH: (ENCODER, READER)}.get(kind or "", ())
    if not roles:
        raise ModelError(f"{model} is neither an encoder nor a reader that Catalens can load")
    return Weights(
        folder=files.folder,
        roles=roles,
        licence=licence_of(files.folder) or "unknown",
        needs_torch=not (files.folder / "bundle.json").is_file(),
    )
