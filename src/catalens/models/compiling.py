"""Compiles a pretrained encoder in a process of its own, so that torch and transformers are never in the caller's.

They take 0.8 GB as soon as they are imported, and a process that has imported them never gives it back.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from catalens.core.caching import try_to_keep
from catalens.core.errors import CatalensError, ModelError
from catalens.models.child_process import ChildError, answer_with, run_in_child

if TYPE_CHECKING:
    from catalens.models.hub.loading import Files

_log = logging.getLogger(__name__)

Failure: TypeAlias = tuple[str, Exception]
"""Whether "loading" or "compiling" failed, and how."""


def compile_and_keep(files: Files, folder: Path, runtime: str, threads: int | None) -> bool:
    """Compile a model into its folder of the cache.

    Args:
        files: of the model, on this machine.
        folder: from `compiled_folder`.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads; None uses every core.

    Returns:
        Whether it was compiled; if not, the log says why.

    Raises:
        CatalensError: the model cannot be loaded.
    """

    def compile_it() -> None:
        failure = _run((files, folder, runtime, threads))
        if failure is None:
            return
        part, error = failure
        if part == "loading" or isinstance(error, OSError):
            raise error
        raise _NotCompiledError(error)

    try:
        return try_to_keep(compile_it, folder.parent)
    except _NotCompiledError as error:
        _log.warning("%s cannot be compiled, so torch runs it: %s", files.place.name, error)
        return False


class _NotCompiledError(Exception):
    """The model can be loaded, but not compiled."""


def _run(task: tuple[Files, Path, str, int | None]) -> Failure | None:
    """Run a task in a child process and return why it failed, or None."""
    try:
        failure: Failure | None = run_in_child(__name__, task)
    except ChildError as error:
        return "compiling", ModelError(f"its compiler {error}")
    return failure


def _compile(files: Files, folder: Path, runtime: str, threads: int | None) -> Failure | None:
    from catalens.models.hub.loading import load_parts

    try:
        parts = load_parts(files)
    except CatalensError as error:
        return "loading", error
    from catalens.models.compiled import compile_bundle

    try:
        compile_bundle(parts, folder, runtime, threads)
    except (CatalensError, OSError) as error:
        return "compiling", error
    return None


if __name__ == "__main__":
    answer_with(_compile)
