"""What is known of models without loading them: the well-known ones, and those on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalens.models.registry import SHIPPED, ModelSpec, describe, find_place, list_models, size_mb

if TYPE_CHECKING:
    from catalens.models.hub.loading import Files


def list_known(cache: Path) -> list[dict[str, Any]]:
    """Return a row for each well-known model, and for each model in a cache: what it is, and whether it is here."""
    from catalens.models.cached import list_cached

    rows = [_facts(spec) | {"here": _state(spec, cache)} for spec in list_models()]
    return rows + [_facts(spec) | {"here": "cached"} for spec in list_cached()]


def describe_model(name: str, cache: Path) -> dict[str, Any]:
    """Return what is known of a model by name, hub id or folder, without a network.

    Args:
        name: any name that commands take.
        cache: folder of fetched models.

    Raises:
        InputError: the name is not that of a model.
    """
    known = describe(name)
    facts: dict[str, Any] = _facts(known) | {"here": _state(known, cache)} if known else {}
    if name in SHIPPED and known is not None and known.folder is not None:
        return facts | _facts_of_bundle(known.folder)
    if name == "fake":
        return facts
    place, found = find_place(name), _on_disk(name, cache)
    if known and found.get("licence") == "unknown":
        del found["licence"]
    return {"name": place.name, **facts, "from": place.kind, "target": place.target, **found}


def facts_of_files(files: Files) -> dict[str, Any]:
    """Return what the files of a model say of it: kind, revision, licence, size, width and folder."""
    from catalens.models.hub.kinds import ENCODER, dim_of, kind_of
    from catalens.models.hub.layout import licence_of

    facts: dict[str, Any] = {"name": files.place.name, "kind": ENCODER, "revision": files.revision}
    if files.place.kind == "file" and files.weights is not None:
        # What else lies in its folder is not the model's.
        return facts | {"size_mb": round(files.weights.stat().st_size / 1e6, 1), "folder": str(files.folder)}
    kind, dim = kind_of(files.folder) if files.place.kind != "zoo" else ENCODER, dim_of(files.folder)
    facts |= {"kind": kind, "licence": licence_of(files.folder), "size_mb": size_mb(files.folder), "dim": dim}
    facts |= {"folder": str(files.folder)}
    if files.pictures is not None:
        of_pictures = facts_of_files(files.pictures)
        licences = dict.fromkeys(each["licence"] for each in (facts, of_pictures) if "licence" in each)
        size = round(facts["size_mb"] + of_pictures.get("size_mb", 0), 1)
        facts |= {"kind": ENCODER, "licence": ", ".join(licences), "size_mb": size, "pictures": of_pictures["folder"]}
    if (files.folder / "bundle.json").is_file():
        facts |= _facts_of_bundle(files.folder)
    return {name: value for name, value in facts.items() if value is not None}


def _facts(spec: ModelSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in ("name", "kind", "about", "licence", "size_mb")}


def _state(spec: ModelSpec, cache: Path) -> str:
    """Return in a word whether a model is on this machine."""
    if spec.folder is not None:
        return "shipped" if spec.folder.is_dir() else "missing"
    return "" if spec.name == "fake" else "cached" if _on_disk(spec.name, cache) else "to fetch"


def _on_disk(name: str, cache: Path) -> dict[str, Any]:
    from catalens.models.hub.loading import files_here

    files = files_here(find_place(name), cache=cache)
    return facts_of_files(files) if files else {}


def _facts_of_bundle(folder: Path) -> dict[str, Any]:
    from catalens.models.facts import read_facts

    if not folder.is_dir():
        return {}
    facts = read_facts(folder)
    return {
        "revision": facts.revision,
        "licence": facts.licence,
        "dim": facts.dim,
        "pixels": "×".join(map(str, facts.input_size_wh)),
        "max_tokens": facts.max_tokens,
        "source": facts.source,
        "folder": str(folder),
    }
