"""Bundles: a model, the code that serves it and what it needs, in the layout of a model server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Literal

from catalens.core.errors import InputError
from catalens.deployment.archive import Members, files_below, write_archive
from catalens.deployment.weights import Weights, find_weights

Server = Literal["sagemaker", "djl"]
Task = Literal["tags", "embeddings", "captions", "answers", "prompts", "attributes", "descriptions"]
SERVED: dict[Task, str] = {
    "tags": "tags",
    "embeddings": "embedding",
    "captions": "caption",
    "answers": "caption",  # a question comes with its image; an image alone gets a caption
    "prompts": "prompt",
    "attributes": "attributes",
    "descriptions": "description",
}
"""Task → what the endpoint does with an image alone."""
ARCHIVE = "model.tar.gz"
_IMPORTED = (
    *("numkong", "onnxruntime", "pillow", "prometheus-client", "pybase64", "pydantic", "pyyaml"),
    *("starlette", "threadpoolctl", "tokenizers"),
)
"""What the serving code imports; numpy and torch are the container's, compiled for its hardware."""
_IMPORTED_FOR_TORCH = ("huggingface_hub", "open_clip_torch", "safetensors", "sentencepiece", "timm", "transformers")
_INFERENCE = '''"""Catalens on SageMaker: the functions that the inference toolkit calls."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from catalens.serving.sagemaker import input_fn, model_fn, output_fn, predict_fn  # noqa: E402

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]
'''
_MODEL = '''"""Catalens on DJL Serving: the function that the Python engine calls."""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))
from catalens.serving.djl import Handler  # noqa: E402

handle = Handler(_HERE).handle
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """What a bundle does.

    Attributes:
        task: what the endpoint does with an image alone.
        wheels: folder of wheels to install from, without a package index; None installs from the index.
        model_address: `s3://` prefix that DJL Serving fetches the weights from; None puts them into the bundle.
        batch_size: most requests that DJL Serving joins.
        max_batch_delay_ms: how long DJL Serving waits for more; a lone request waits the whole time.
    """

    task: Task = "captions"
    wheels: Path | None = None
    model_address: str | None = None
    batch_size: int = 8
    max_batch_delay_ms: int = 10


@dataclass(frozen=True, slots=True)
class Bundle:
    """A written bundle.

    Attributes:
        path: of the archive.
        size: in bytes, of the archive.
        unpacked_size: in bytes, of its members.
        members: number of files.
    """

    path: Path
    size: int
    unpacked_size: int
    members: int


def package(server: Server, model: str, out: Path, options: BundleOptions, *, cache: Path) -> Bundle:
    """Write the archive of a model for a server.

    Args:
        server: whose layout.
        model: as `weights.find_weights` takes it.
        out: archive that ends in .tar.gz, or a folder for `model.tar.gz`.
        options: what the bundle does.
        cache: cache folder.

    Raises:
        InputError: the model cannot run there, or an option does not fit the server.
        ModelError: the model cannot be had.
    """
    if options.model_address is not None and (server != "djl" or not options.model_address.startswith("s3://")):
        raise InputError(f"--model-address {options.model_address} must be an s3:// prefix, for DJL Serving")
    weights = find_weights(model, cache=cache)
    members = bundle_members(server, weights, options)
    path = out if out.name.endswith(".tar.gz") else out / ARCHIVE
    unpacked = sum(len(each) if isinstance(each, bytes) else each.stat().st_size for each in members.values())
    return Bundle(path, write_archive(members, path), unpacked, len(members))


def bundle_members(server: Server, weights: Weights, options: BundleOptions) -> Members:
    """Return the files of a bundle."""
    code = "code/" if server == "sagemaker" else ""
    members: dict[str, Path | bytes] = dict(files_below(Path(str(resources.files("catalens"))), f"{code}catalens"))
    endpoint: dict[str, object] = {"task": SERVED[options.task], "encoder": weights.encoder, "reader": weights.reader}
    if weights.folder is not None:
        endpoint["weights_are"] = weights.roles
        if options.model_address is None:
            members |= files_below(weights.folder, "weights")
            endpoint["weights"] = "weights"
    members["endpoint.json"] = _text(json.dumps(endpoint, indent=1, sort_keys=True))
    members["LICENCES.txt"] = _text(f"catalens: Apache-2.0\nmodel weights: {weights.licence}")
    wheel_folder = "wheels" if server == "sagemaker" else "requirements"
    lines = requirements((*_IMPORTED, *_IMPORTED_FOR_TORCH) if weights.needs_torch else _IMPORTED)
    if options.wheels is not None:
        members |= _wheels(options.wheels, f"{code}{wheel_folder}")
        if server == "sagemaker":
            lines = ["--no-index", f"--find-links {wheel_folder}", *lines]
    members[f"{code}requirements.txt"] = _text("\n".join(lines))
    if server == "sagemaker":
        members["code/inference.py"] = _text(_INFERENCE)
    else:
        members |= {"model.py": _text(_MODEL), "serving.properties": _text(properties(options))}
    return members


def properties(options: BundleOptions) -> str:
    """Return `serving.properties`."""
    lines = {
        "engine": "Python",
        "option.entryPoint": "model.py",
        # Left to itself, the server chooses vLLM's asynchronous mode for some architectures.
        "option.rolling_batch": "disable",
        "option.async_mode": "false",
        "batch_size": options.batch_size,
        "max_batch_delay": options.max_batch_delay_ms,
        # A worker that dies while idle is not replaced; the other one answers meanwhile.
        "minWorkers": 2,
        "maxWorkers": 2,
    }
    if options.model_address is not None:
        lines["option.model_id"] = options.model_address
    return "\n".join(f"{name}={value}" for name, value in lines.items())


def requirements(names: Iterable[str]) -> list[str]:
    """Return libraries as requirements, pinned to the versions that are installed here.

    Raises:
        InputError: one of them is not installed, so that nobody has tried the bundle with it.
    """
    try:
        return sorted(f"{name}=={metadata.version(name)}" for name in names)
    except metadata.PackageNotFoundError as error:
        raise InputError(f"a bundle pins {error.name}, which is missing here: pip install {error.name}") from error


def _wheels(folder: Path, prefix: str) -> dict[str, Path]:
    found = {f"{prefix}/{path.name}": path for path in sorted(folder.glob("*.whl"))}
    if not found:
        raise InputError(f"{folder} has no wheels; fill it with `pip download -d {folder} -r requirements.txt`")
    return found


def _text(content: str) -> bytes:
    return f"{content}\n".encode()
