"""Graphs that OpenVINO has compiled, kept in the cache: reading one takes a quarter of compiling it.

What is read computes bit for bit what was written (docs/decisions/210-starting.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from catalens.core.caching import keep_file
from catalens.models.onnx_file import read_onnx
from catalens.models.processor import processor_lines

GRAPHS_FOLDER = "graphs"
"""Folder of the cache."""
MOST_FILES = 20
"""The graphs that are kept: those of both bundles (their image graphs twice) and readers, for two counts of threads."""
_MOST_BYTES = 64 << 20
"""Of an ONNX file; a kept graph is up to twice as large."""
_DIGEST_BYTES = hashlib.sha256().digest_size


def compile_graph(core: Any, file: Path, settings: Mapping[str, Any], version: str, cache: Path) -> Any:  # noqa: ANN401 - OpenVINO's objects
    """Return a compiled graph: read from the cache, or compiled now and kept there where that is possible.

    Args:
        core: OpenVINO's.
        file: an ONNX file.
        settings: of the compilation.
        version: OpenVINO's; another version compiles again.
        cache: the cache folder.
    """
    kept = cache / GRAPHS_FOLDER / f"{_key(file, settings, version)}.blob"
    if (content := _read(kept)) is not None:
        with suppress(RuntimeError):  # OpenVINO's, of content that it cannot read
            return core.import_model(content, "CPU", settings)
    compiled = core.compile_model(core.read_model(file), "CPU", settings)
    if file.stat().st_size <= _MOST_BYTES and not read_onnx(file).external:
        content = compiled.export_model().getbuffer()
        if keep_file(kept, lambda out: out.writelines([hashlib.sha256(content).digest(), content])):
            _forget_oldest(kept.parent)
    return compiled


def _read(kept: Path) -> bytes | None:
    """Return the content of a file, unless it is missing or damaged."""
    try:
        whole = kept.read_bytes()
    except OSError:
        return None
    digest, content = whole[:_DIGEST_BYTES], whole[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def _key(file: Path, settings: Mapping[str, Any], version: str) -> str:
    with file.open("rb") as content:
        graph = hashlib.file_digest(content, "sha256").hexdigest()
    about = [graph, version, dict(settings), processor_lines()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def _forget_oldest(folder: Path) -> None:
    with suppress(OSError):  # another process forgets them too
        for old in sorted(folder.glob("*.blob"), key=lambda each: each.stat().st_mtime)[:-MOST_FILES]:
            old.unlink()
