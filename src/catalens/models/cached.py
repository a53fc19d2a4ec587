"""Lists the models in the hub's cache on this machine, without network access and without loading one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from catalens.models.hub.download import cached
from catalens.models.hub.kinds import kind_of
from catalens.models.hub.known import KNOWN
from catalens.models.hub.layout import licence_of
from catalens.models.hub.names import parse
from catalens.models.known_readers import KNOWN_READERS
from catalens.models.registry import ModelSpec, size_mb


def list_cached() -> list[ModelSpec]:
    """Return the cached models that can be loaded and are not in `list_models`, pinned revisions of known ones too."""
    known = {each.repository or parse(each.name).target for each in (*KNOWN, *KNOWN_READERS)}
    found = (_spec(name) for name in _names() if name not in known)
    return [spec for spec in found if spec is not None]


def _spec(name: str) -> ModelSpec | None:
    repository, _, revision = name.partition("@")
    folder = cached(repository, revision=revision or None)
    kind = kind_of(folder) if folder is not None else None
    if folder is None or kind is None:
        return None
    return ModelSpec(
        name=name,
        kind=kind,
        about="in the hub's cache",
        licence=licence_of(folder),
        size_mb=size_mb(folder),
        folder=folder,
    )


def _names() -> Iterator[str]:
    """Return the name of every repository and branch or tag in the cache; the branch `main` needs no @."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return
    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        repository = folder.name.removeprefix("models--").replace("--", "/", 1)
        refs = folder / "refs"
        for revision in sorted(each.relative_to(refs).as_posix() for each in refs.rglob("*") if each.is_file()):
            yield repository if revision == "main" else f"{repository}@{revision}"
