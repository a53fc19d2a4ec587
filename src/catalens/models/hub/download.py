"""Fetches what a model needs from the hub into the cache that every Hugging Face library shares.

Cached files are used without network access; only files with known names are fetched, and no code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from catalens.core.caching import CACHE_ERRORS
from catalens.core.errors import ModelError
from catalens.models.hub.files import TOKENIZER_FILES, first_line
from catalens.models.hub.layout import SMALL_FILES, choose_weights, is_whole, model_folder, shards
from catalens.models.hub.names import hint, unknown
from catalens.models.hub.text_modules import dense_folders, dense_weights, read_modules

ANSWER_S = 10.0
"""Timeout of the hub's first answer."""
NO_WEIGHTS = "none"
"""Fetch no weights."""
INSTALL = 'pip install "catalens[hub]"'
WITHOUT_NETWORK = (
    "what works without one: `starter`, a model that is in the cache (`catalens models` shows them), "
    "or the folder of a model or bundle"
)


def cached(repository: str, *, revision: str | None = None, open_clip: bool = False, weights: str = "") -> Path | None:
    """Return the folder of a completely cached model, without network access.

    Args:
        repository: such as "openai/clip-vit-base-patch32".
        revision: a commit, branch or tag; None is the branch `main`, as it was when it was fetched last.
        open_clip: whether open_clip's files are meant.
        weights: the file that holds the weights, where it has a name of its own.
    """
    names = ("open_clip_config.json", "config.json", "modules.json")
    for name in names if open_clip else reversed(names):
        found = _cached(repository, name, revision)
        if found is not None and is_whole(found.parent, open_clip=open_clip):
            return found.parent
    own = (_cached(repository, name, revision) for name in _alternatives(weights))
    return next((file.parent for file in own if file is not None), None)


def _cached(repository: str, name: str, revision: str | None) -> Path | None:
    try:
        from huggingface_hub import errors, try_to_load_from_cache
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(repository, name, revision=revision)
    except errors.HFValidationError:  # not a valid repository id
        return None
    return Path(found) if isinstance(found, str) else None


def cached_tokenizer(repository: str) -> Path | None:
    """Return the folder of a repository with a cached tokenizer, without network access."""
    found = (_cached(repository, name, None) for name in TOKENIZER_FILES)
    return next((file.parent for file in found if file is not None), None)


def fetch(
    repository: str, *, revision: str | None = None, open_clip: bool = False, weights: str = "", name: str = ""
) -> Path:
    """Fetch a model's new or changed files; return their folder.

    Args:
        repository: such as "openai/clip-vit-base-patch32".
        revision: a commit, branch or tag; None is the newest of the branch `main`.
        open_clip: whether open_clip's weights are wanted.
        weights: the file that holds the weights, where it has a name of its own, or `NO_WEIGHTS`.
        name: the model's name in messages; by default, the repository.

    Raises:
        ModelError: the network, the model, the revision or the right to it is missing, or nothing in it can be loaded.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise ModelError(f"models of the hub need more libraries: {INSTALL}") from error
    try:
        with _quiet_hub():
            # A single request without retries: a missing network is noticed at once.
            found = HfApi().model_info(repository, revision=revision, timeout=ANSWER_S)
            files = [file.rfilename for file in found.siblings or ()]
            small = [file for file in files if PurePosixPath(file).name in SMALL_FILES and _at_hand(file)]
            folder = Path(snapshot_download(repository, revision=revision, allow_patterns=small))
            chosen = [] if weights == NO_WEIGHTS else _weights(folder, files, open_clip=open_clip, weights=weights)
            if chosen:
                snapshot_download(repository, revision=folder.name, allow_patterns=chosen)
            if chosen and chosen[0].endswith(".index.json"):
                index = PurePosixPath(chosen[0])
                named = [str(index.with_name(name)) for name in shards(folder / index)]
                snapshot_download(repository, revision=folder.name, allow_patterns=named)
    except ModelError:
        raise
    except Exception as error:
        raise _translated(error, name or repository, revision) from error
    return folder


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Silence the warnings of the hub's library; its progress bars stay."""
    from huggingface_hub.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _at_hand(file: str) -> bool:
    """Return whether a file is in the root, or in the folder of one of sentence-transformers' modules."""
    return "/" not in file or re.match(r"\d+_\w*/[^/]*$", file) is not None


def _weights(folder: Path, files: list[str], *, open_clip: bool, weights: str) -> list[str]:
    """Choose the weight files of a repository, by its configuration."""
    own = next((name for name in _alternatives(weights) if name in files), None)
    if own is not None:
        return [own]
    inner, library = model_folder(folder, open_clip=open_clip)
    parent = inner.relative_to(folder)
    here = {PurePosixPath(file).name: file for file in files if PurePosixPath(file).parent == PurePosixPath(parent)}
    chosen = [here[name] for name in choose_weights(here, open_clip=library == "open_clip")]
    for module in dense_folders(read_modules(folder)):
        names = [PurePosixPath(file).name for file in files if PurePosixPath(file).parent == PurePosixPath(module)]
        chosen += [f"{module}/{name}" for name in dense_weights(names)]
    return chosen


def _alternatives(weights: str) -> list[str]:
    """Return the names of a weights file, safetensors first."""
    return [str(PurePosixPath(weights).with_suffix(".safetensors")), weights] if weights not in ("", NO_WEIGHTS) else []


def _translated(error: Exception, name: str, revision: str | None) -> ModelError:
    """Return an error of the hub as one sentence."""
    from huggingface_hub import errors

    kinds: tuple[tuple[Any, str], ...] = (
        (errors.GatedRepoError, f"{name} is gated: accept its terms on the hub, then `hf auth login`"),
        (errors.RevisionNotFoundError, f"{name} has no revision {revision!r}"),
        (errors.RepositoryNotFoundError, f"on the hub, {unknown(name)}"),
        (errors.HFValidationError, unknown(name)),
        (errors.HfHubHTTPError, f"the hub refused {name}: {first_line(error)}; {WITHOUT_NETWORK}"),
    )
    for kind, sentence in kinds:
        if isinstance(error, kind):
            return ModelError(sentence)
    if isinstance(error, OSError) and error.errno in CACHE_ERRORS:
        from huggingface_hub import constants

        return ModelError(
            f"{name} cannot be kept in the hub's cache {constants.HF_HUB_CACHE} ({error.strerror}); set HF_HOME to a "
            "folder that can be written"
        )
    return ModelError(
        f"{name} is not in the cache, and the hub cannot be reached ({first_line(error)}){hint(name)}; "
        f"{WITHOUT_NETWORK}"
    )
