"""Run as a program with names of modules: imports each and prints a line of JSON about it before the next.

It imports nothing of Catalens, so that it works wherever Python does.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

DISTRIBUTIONS = {"PIL": "pillow", "yaml": "PyYAML", "pillow_heif": "pillow-heif", "open_clip": "open_clip_torch"}


def describe(name: str) -> dict[str, Any]:
    """Import a module and return its version and what decides its speed; or why it could not be imported."""
    try:
        module = import_module(name)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        return {"name": name, "error": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    return {"name": name, "version": _version(name, module), "facts": _facts(name, module)}


def _version(name: str, module: Any) -> str | None:  # noqa: ANN401 - any module
    try:
        found = version(DISTRIBUTIONS.get(name, name))
    except PackageNotFoundError:
        found = None
    return found or getattr(module, "__version__", None)


def _facts(name: str, module: Any) -> dict[str, Any]:  # noqa: ANN401 - any module
    asked = {"onnxruntime": _onnxruntime, "openvino": _openvino, "PIL": _pillow, "torch": _torch, "numkong": _numkong}
    try:
        return asked[name](module) if name in asked else {}
    except Exception as error:  # noqa: BLE001 - it imports, which is what was asked
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}


def _onnxruntime(module: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"providers": module.get_available_providers()}


def _openvino(module: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"devices": module.Core().available_devices}


def _pillow(_: Any) -> dict[str, Any]:  # noqa: ANN401
    from PIL import features

    return {"libjpeg_turbo": features.check_feature("libjpeg_turbo")}


def _numkong(module: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"kernels": [name for name, there in module.get_capabilities().items() if there]}


def _torch(module: Any) -> dict[str, Any]:  # noqa: ANN401
    cards = [module.cuda.get_device_name(at) for at in range(module.cuda.device_count())]
    return {"cuda_build": module.version.cuda, "devices": cards, "mps": module.backends.mps.is_available()}


if __name__ == "__main__":
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints while it is imported must not be taken for an answer
    for each in sys.argv[1:]:
        told.write(json.dumps(describe(each)) + "\n")
        told.flush()
