"""The built bundle in the worker program of DJL Serving, over its socket."""

from __future__ import annotations

import base64
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import catalens
from catalens.deployment.bundles import BundleOptions, Task, package
from tests.support.djl_engine import Reply, worker

pytestmark = pytest.mark.deploy


@pytest.fixture(autouse=True)
def _short_folder(tmp_path: Path) -> None:
    assert len(str(tmp_path)) < 90, "the address of a Unix socket is at most 108 bytes long"


def bundle(folder: Path, task: Task) -> Path:
    made = package("djl", "starter", folder, BundleOptions(task=task), cache=folder / "cache")
    with tarfile.open(made.path) as file:
        file.extractall(folder / "model", filter="data")
    return folder / "model"


def values(reply: Reply) -> list[Any]:
    return [json.loads(content) for _, content in reply.content]


def test_worker_warms_up_and_answers_singles_and_batches(tmp_path: Path, photos: list[Path]) -> None:
    starter = catalens.load(encoder="starter", cache=None, runtime="onnxruntime")
    image = photos[0].read_bytes()
    labels = json.dumps({"image": base64.b64encode(image).decode(), "prompt": ["a red dress", "a watch"]}).encode()
    with worker(bundle(tmp_path, "embeddings"), tmp_path) as engine:
        warm = engine.warm_up()
        assert (warm.code, warm.content) == (204, [])
        vector = engine.single(image, "image/png")
        assert vector.code == 200
        np.testing.assert_allclose(values(vector)[0], starter.encode(photos[0]), atol=1e-5)
        chosen = values(engine.single(labels, "application/json"))[0]
        assert values(engine.single(labels))[0] == chosen  # JSON, where no type is given
        assert sum(chosen["probabilities"]) == pytest.approx(1, abs=1e-5)
        bad = engine.single(b"no image", "image/png")
        assert (bad.code, values(bad)[0]["code"]) == (422, 422)
        assert "not a picture" in values(bad)[0]["error"]
        items = [(photo.read_bytes(), "image/png") for photo in [*photos, photos[0], photos[1]]]
        items[3] = (b"no image", "image/png")
        assert len(items) == 8
        batch = engine.batch(items)
    assert batch.code == 200
    assert [key for key, _ in batch.content] == [f"batch_{at}." for at in range(8)]
    for at, (photo, found) in enumerate(zip([*photos, photos[0], photos[1]], values(batch), strict=True)):
        if at == 3:
            assert found["error"]["status"] == 422
        else:
            np.testing.assert_allclose(found, starter.encode(photo), atol=1e-5)


def test_worker_follows_the_model_names_of_the_published_example(tmp_path: Path, photos: list[Path]) -> None:
    folder = bundle(tmp_path, "embeddings")
    (folder / "model_name.json").write_text('{"clip_model_name": "everyday", "caption_model_name": "everyday"}')
    with worker(folder, tmp_path) as engine:
        assert engine.warm_up().code == 204
        found = values(engine.single(photos[0].read_bytes(), "image/png"))[0]
    everyday = catalens.load(encoder="everyday", cache=None, runtime="onnxruntime")
    np.testing.assert_allclose(found, everyday.encode(photos[0]), atol=1e-5)


def test_worker_refuses_to_warm_up_with_a_model_that_is_not_there(tmp_path: Path) -> None:
    folder = bundle(tmp_path, "captions")
    (folder / "model_name.json").write_text('{"clip_model_name": "no-such-model"}')
    with worker(folder, tmp_path) as engine:
        reply = engine.warm_up()
    assert reply.code == 424
    assert "no-such-model" in values(reply)[0]["error"]
