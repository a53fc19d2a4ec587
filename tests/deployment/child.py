"""Runs the code of an unpacked bundle, in an interpreter that sees no other Catalens; prints one JSON document."""

from __future__ import annotations

import base64
import importlib
import importlib.metadata
import json
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any


def of_sagemaker(folder: Path, image: bytes) -> dict[str, Any]:
    sys.path.insert(0, str(folder / "code"))
    module = importlib.import_module("inference")
    endpoint = module.model_fn(str(folder))
    text = base64.b64encode(image).decode()

    def invoke(body: bytes | str, kind: str) -> Any:
        return module.output_fn(module.predict_fn(module.input_fn(body, kind), endpoint), "application/json")

    def refused(body: bytes, kind: str) -> list[Any]:
        try:
            invoke(body, kind)
        except Exception as error:  # noqa: BLE001 - its class and status are what is asked for
            return [getattr(error, "status", None), str(error)]
        return [200, ""]

    labels = {"image": text, "prompt": ["a red dress", "a watch"]}
    question = {"image": text, "prompt": "what colour is it?"}
    lines = "\n".join(json.dumps(each) for each in (labels, {"image": "!"}, {"inputs": "a watch"}))
    return {
        "image": json.loads(invoke(image, "application/x-image")),
        "labels": json.loads(invoke(json.dumps(labels), "application/json")),
        "question": json.loads(invoke(json.dumps(question).encode(), "application/json; charset=utf-8")),
        "text": json.loads(invoke(json.dumps({"inputs": "a watch"}), "application/json")),
        "lines": [json.loads(line) for line in invoke(lines, "application/jsonlines").splitlines()],
        "wrong_type": refused(b"<a/>", "application/xml"),
        "bad_image": refused(b"not an image", "image/png"),
        "bad_json": refused(b"{", "application/json"),
    }


def of_djl(folder: Path, image: bytes, double: Path) -> dict[str, Any]:
    sys.path[:0] = [str(folder), str(double)]
    engine = importlib.import_module("djl_python")
    handle = importlib.import_module("model").handle
    warm = handle(engine.Input())
    text = base64.b64encode(image).decode()
    labels = json.dumps({"image": text, "prompt": ["a red dress", "a watch"]}).encode()
    items = [engine.Input(image, "image/png"), engine.Input(b"{}", "application/json"), engine.Input(labels)] * 2
    batch = handle(engine.Input(batch=tuple(items)))
    bad = handle(engine.Input(b"{}"))
    return {
        "warm": warm is None,
        "single": handle(engine.Input(labels)).content[None],
        "batch": [batch.content[at] for at in range(len(items))],
        "codes": [batch.code, bad.code],
    }


class OnlyInstalled:
    """Hides every library that the bundle's requirements would not install."""

    find_distributions = staticmethod(PathFinder.find_distributions)

    def __init__(self, installed: set[str]) -> None:
        self._installed, self._owners = installed, importlib.metadata.packages_distributions()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        owners = {each.lower().replace("_", "-") for each in self._owners.get(name, ())}
        hidden = owners and not owners & self._installed
        return None if hidden else PathFinder.find_spec(name, path, target)


def main() -> None:
    server, folder, image, installed, *rest = sys.argv[1:]
    sys.meta_path[:] = [each for each in sys.meta_path if each is not PathFinder]
    sys.meta_path.append(OnlyInstalled(set(json.loads(installed))))
    content = Path(image).read_bytes()
    if server == "sagemaker":
        found = of_sagemaker(Path(folder), content)
    else:
        found = of_djl(Path(folder), content, Path(rest[0]))

    found["catalens"] = sys.modules["catalens"].__file__
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
