"""Finds the files of a pretrained encoder, and loads its parts.

Finding needs no torch (except for open_clip's zoo), so a compiled encoder starts fast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import ModelError
from catalens.models.hub.download import INSTALL, cached, fetch
from catalens.models.hub.known import KNOWN
from catalens.models.hub.layout import Layout, find_layout
from catalens.models.hub.names import Place
from catalens.models.hub.s3 import fetch_prefix, is_fetched, prefix_folder

if TYPE_CHECKING:
    from catalens.models.parts import EncoderParts


@dataclass(frozen=True, slots=True)
class Files:
    """A model's files on this machine.

    Attributes:
        place: of the model.
        folder: of the files.
        revision: the hub's commit, or a hash of the files.
        layout: None for a bundle, for a pair of the zoo and for a single file, which open_clip knows.
        weights: file with the weights, where open_clip knows the rest.
        pictures: files of the model that encodes pictures, where this is a text model.
    """

    place: Place
    folder: Path
    revision: str
    layout: Layout | None
    weights: Path | None = None
    pictures: Files | None = None


def files_here(place: Place, *, cache: Path) -> Files | None:
    """Return a model's files if they are on this machine, without network access.

    Args:
        place: of the model.
        cache: cache folder; models from S3 are stored there.

    Raises:
        ModelError: a folder does not contain a model.
    """
    files = _own_files_here(place, cache)
    return None if files is None else _with_pictures(files, lambda pictures: files_here(pictures, cache=cache))


def _own_files_here(place: Place, cache: Path) -> Files | None:
    if place.kind in ("hub", "zoo"):
        repository, file = _repository(place)
        folder = cached(repository, revision=place.revision, open_clip=place.open_clip, weights=file)
        return None if folder is None else _from_hub(place, folder, file)
    if place.kind == "s3":
        copy = prefix_folder(place.target, cache)
        return _from_folder(place, copy) if is_fetched(copy) else None
    return _from_folder(place, Path(place.target))


def find_files(place: Place, *, cache: Path, revision: str | None = None, refresh: bool = False) -> Files:
    """Return a model's files, fetched if they are not on this machine.

    Args:
        place: of the model.
        cache: cache folder; models from S3 are stored there.
        revision: a commit, branch or tag of the hub; None is the name's own, or else the branch `main`.
        refresh: check the hub or the bucket for changes.

    Raises:
        InputError: the name asks for another revision.
        ModelError: they cannot be fetched; the message says what works instead.
    """
    place = place.at(revision)
    files = (None if refresh else _own_files_here(place, cache)) or _fetched(place, cache)
    found = _with_pictures(files, lambda pictures: find_files(pictures, cache=cache, refresh=refresh))
    return files if found is None else found


def _fetched(place: Place, cache: Path) -> Files:
    if place.kind in ("hub", "zoo"):
        repository, file = _repository(place)
        folder = fetch(repository, revision=place.revision, open_clip=place.open_clip, weights=file, name=place.name)
        return _from_hub(place, folder, file)
    folder = fetch_prefix(place.target, cache) if place.kind == "s3" else Path(place.target)
    return _from_folder(place, folder)


def _with_pictures(files: Files, find: Callable[[Place], Files | None]) -> Files | None:
    """Return the files of a text model with those of its pictures' model; any other model's as they are.

    Args:
        files: of a model.
        find: returns the files of the pictures' model, or None where they are not here.

    Raises:
        ModelError: no model for the pictures is known, or one is named for a model that needs none.
    """
    place, pictures = files.place, files.place.pictures
    if files.layout is None or files.layout.modules is None:
        if "+" in place.name and pictures is not None:
            raise ModelError(f"{place.name}: what follows the + is not a text model of sentence-transformers")
        return files
    if pictures is None:
        raise ModelError(
            f"{place.name} encodes texts only; name the CLIP model for whose pictures it was trained before it, such "
            f"as clip-ViT-B-32+{place.target}"
        )
    found = find(pictures)
    if found is None:
        return None
    revision = hashlib.sha256(f"{files.revision}+{found.revision}".encode()).hexdigest()[:12]
    return replace(files, revision=revision, pictures=found)


def load_parts(files: Files) -> EncoderParts:
    """Load a model from its files.

    Raises:
        ModelError: a library is missing, the files are damaged, or the model is of a kind that is not supported.
    """
    try:
        if files.layout is None or files.layout.library == "open_clip":
            return _open_clip_parts(files)
        if files.layout.modules is not None and files.pictures is not None:
            from catalens.models.hub.sentence_text import sentence_parts

            pictures, name = load_parts(files.pictures), files.place.name
            return sentence_parts(files.layout, files.layout.modules, pictures, name, files.revision, files.folder)
        return _transformers_parts(files.layout, files.place.name, files.revision)
    except ImportError as error:
        raise ModelError(f"{files.place.name} needs libraries that are not installed ({error}): {INSTALL}") from error


def keeps_aspect(files: Files) -> bool:
    """Return whether a model takes images of any shape (NaFlex), whose size a graph could not know."""
    layout = (files.pictures or files).layout
    return layout is not None and layout.config.get("model_type") == "siglip2"


def _open_clip_parts(files: Files) -> EncoderParts:
    from catalens.models.hub.openclip import folder_recipe, open_clip_parts, zoo_recipe

    name, layout = files.place.name, files.layout
    if layout is not None:
        return open_clip_parts(folder_recipe(layout), layout.folder, name, files.revision)
    if files.weights is None:
        raise ModelError(f"{files.folder} is a bundle, which has no parts to load")
    return open_clip_parts(zoo_recipe(files.place, files.weights), files.folder, name, files.revision)


def _transformers_parts(layout: Layout, name: str, revision: str) -> EncoderParts:
    kind = layout.config.get("model_type")
    if kind == "clip":
        from catalens.models.hub.clip import clip_parts

        return clip_parts(layout, name, revision)
    if kind == "siglip":
        from catalens.models.hub.siglip import siglip_parts

        return siglip_parts(layout, name, revision)
    if kind == "siglip2":
        from catalens.models.hub.siglip import naflex_parts

        return naflex_parts(layout, name, revision)
    known = "clip, siglip or siglip2"
    said = f"has the model_type {kind!r}" if kind else "names no model_type in its config.json"
    raise ModelError(f"{name} {said}; encoders of transformers have {known}")


def _repository(place: Place) -> tuple[str, str]:
    """Return the hub's repository, and the name of the file with the weights where it has one of its own."""
    if place.kind == "hub":
        return place.target, ""
    known = next((each.repository for each in KNOWN if each.name == place.name), "")
    if known:
        return known, ""
    try:
        from catalens.models.hub.openclip import zoo_repository
    except ImportError as error:
        raise ModelError(f"{place.name} is a model of open_clip, which is not installed: {INSTALL}") from error
    return zoo_repository(place)


def _from_hub(place: Place, folder: Path, file: str) -> Files:
    revision = folder.name[:12]
    if place.kind == "hub":
        return Files(place, folder, revision, find_layout(folder, open_clip=place.open_clip))
    weights = folder / file if file else find_layout(folder, open_clip=True).weights[0]
    safe = weights.with_suffix(".safetensors")
    return Files(place, folder, revision, None, safe if safe.is_file() else weights)


def _from_folder(place: Place, folder: Path) -> Files:
    """Return the files of a model's or bundle's folder, or of a single weights file."""
    if folder.is_file():
        layout = Layout(folder.parent, "open_clip", {}, (folder,))
        return Files(place, folder.parent, layout.revision(), None, folder)
    if (folder / "bundle.json").is_file():
        return Files(place, folder, "", None)
    layout = find_layout(folder, open_clip=place.open_clip)
    return Files(place, folder, layout.revision(), layout)
