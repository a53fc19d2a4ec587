"""Bundles: their bytes, their layout, and that their code answers as the local pipeline does."""

import json
import os
import re
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import catalens
from catalens.core.errors import InputError
from catalens.deployment.archive import write_archive
from catalens.deployment.bundles import BundleOptions, package, properties
from catalens.deployment.weights import find_weights
from tests.support import djl_python
from tests.support.ran import Run
from tests.support.shares import shares_of

pytestmark = pytest.mark.slow

CHILD = Path(__file__).with_name("child.py")
LABELS = ["a red dress", "a watch"]


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder


def ran(server: str, folder: Path, image: Path, *arguments: Path, **variables: str) -> dict[str, Any]:
    """Run a bundle's code with nothing but what its requirements install."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CATALENS_", "PYTHONPATH"))}
    code = folder / "code" if server == "sagemaker" else folder
    installed = json.dumps(sorted(needed(pinned(code / "requirements.txt"))))
    command = [sys.executable, str(CHILD), server, str(folder), str(image), installed, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=env | variables, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["catalens"]).is_relative_to(folder)
    return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sagemaker")
    made = package("sagemaker", "bundled", folder, BundleOptions(task="attributes"), cache=folder / "cache")
    assert made.size == made.path.stat().st_size
    return unpacked(made.path, folder / "model")


@pytest.fixture(scope="module")
def answers(bundle: Path, shop: Path) -> dict[str, Any]:
    """What the packaged functions answer; loading the models for them takes seconds."""
    return ran("sagemaker", bundle, min((shop / "photos").iterdir()))


def test_sagemaker_functions_answer_as_the_local_pipeline(answers: dict[str, Any], photos: list[Path]) -> None:
    lens, found = catalens.load(cache=None, runtime="onnxruntime"), answers
    local = {name: row["value"] for name, row in lens.attributes(photos[0]).to_dict().items()}
    assert found["image"] == {"attributes": local}
    assert len(local) > 3
    starter = catalens.load(encoder="starter", cache=None, runtime="onnxruntime")
    np.testing.assert_allclose(found["text"], starter.encode("a watch"), atol=1e-5)
    np.testing.assert_allclose(found["labels"]["probabilities"], shares_of(starter, photos[0], LABELS), atol=1e-5)
    assert list(found["question"]) == ["Colour"]
    assert found["lines"][0] == found["labels"]
    assert found["lines"][1]["error"]["status"] == 422
    np.testing.assert_allclose(found["lines"][2], found["text"], atol=1e-5)
    assert [found[each][0] for each in ("wrong_type", "bad_image", "bad_json")] == [415, 422, 400]
    assert "application/xml" in found["wrong_type"][1]


def test_variables_of_the_published_examples_choose_the_encoder_and_vectors(bundle: Path, photos: list[Path]) -> None:
    found = ran("sagemaker", bundle, photos[0], ENCODE_TYPE="IMAGE", MODEL_NAME="everyday")
    everyday = catalens.load(encoder="everyday", cache=None, runtime="onnxruntime")
    np.testing.assert_allclose(found["image"], everyday.encode(photos[0]), atol=1e-5)
    np.testing.assert_allclose(found["text"], everyday.encode("a watch"), atol=1e-5)


def test_requirements_are_pinned_to_what_is_installed(bundle: Path) -> None:
    lines = (bundle / "code" / "requirements.txt").read_text().splitlines()
    assert all(metadata.version(line.split("==")[0]) == line.split("==")[1] for line in lines)


def pinned(file: Path) -> set[str]:
    """Return the distributions of a requirements file, and what every container has."""
    return {line.split("==")[0] for line in file.read_text().splitlines()} | {"numpy", "setuptools"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(names: set[str]) -> set[str]:
    """Return the distributions with what they need themselves, as pip would install them."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = plain(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            lines = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        waiting += [match[0] for line in lines if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))]
    return found


def test_djl_handler_warms_up_and_keeps_a_bad_item_to_itself(tmp_path: Path, photos: list[Path]) -> None:
    made = package("djl", "starter", tmp_path, BundleOptions(task="embeddings"), cache=tmp_path / "cache")
    folder = unpacked(made.path, tmp_path / "model")
    double = tmp_path / "double"
    double.mkdir()
    (double / "djl_python.py").write_bytes(Path(djl_python.__file__).read_bytes())
    found = ran("djl", folder, photos[0], double)
    starter = catalens.load(encoder="starter", cache=None, runtime="onnxruntime")
    assert found["warm"]
    assert len(found["batch"]) == 6
    for start in (0, 3):
        np.testing.assert_allclose(found["batch"][start], starter.encode(photos[0]), atol=1e-5)
        assert found["batch"][start + 1]["error"]["status"] == 422
        assert found["batch"][start + 2] == found["single"]
    assert found["codes"] == [200, 422]


def test_djl_model_names_of_the_published_example(tmp_path: Path, photos: list[Path]) -> None:
    from catalens.serving.embedded import endpoint_config

    (tmp_path / "model_name.json").write_text('{"clip_model_name": "everyday", "caption_model_name": "blip-large"}')
    config = endpoint_config(tmp_path, {})
    assert config.models["default"].encoder == "everyday"
    assert config.models["default"].reader == "blip-large"
    (tmp_path / "endpoint.json").write_text('{"weights_are": ["reader"], "task": "caption"}')
    assert endpoint_config(tmp_path, {}, tmp_path / "fetched").models["default"].reader == "blip-large"
    (tmp_path / "model_name.json").unlink()
    assert endpoint_config(tmp_path, {}, tmp_path / "fetched").models["default"].reader == str(tmp_path / "fetched")
    with pytest.raises(InputError, match="ENCODE_TYPE is 'SOUND'; use TEXT or IMAGE"):
        endpoint_config(tmp_path, {"ENCODE_TYPE": "SOUND"})


def test_properties_leave_nothing_for_the_server_to_choose() -> None:
    lines = dict(line.split("=", 1) for line in properties(BundleOptions(model_address="s3://b/m/")).splitlines())
    assert lines["option.rolling_batch"] == "disable"
    assert lines["option.async_mode"] == "false"
    assert lines["option.entryPoint"] == "model.py"
    assert lines["option.model_id"] == "s3://b/m/"
    assert (lines["minWorkers"], lines["batch_size"]) == ("2", "8")


def test_batches_of_djl_are_flags(run: Run, tmp_path: Path) -> None:
    done = run("package", "djl", "fake", tmp_path, "--batch-size", 4, "--batch-delay", 25)
    assert done.code == 0, done.err
    folder = unpacked(tmp_path / "model.tar.gz", tmp_path / "model")
    lines = (folder / "serving.properties").read_text().splitlines()
    assert {"batch_size=4", "max_batch_delay=25"} <= set(lines)


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = tmp_path / "first.tar.gz"
    write_archive({"b/c": tmp_path / "a", "a": b"2"}, first)
    os.utime(tmp_path / "a", (1, 1))
    (tmp_path / "a").chmod(0o600)
    second = tmp_path / "second.tar.gz"
    write_archive({"a": b"2", "b/c": tmp_path / "a"}, second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as file:
        assert [(each.name, each.mtime, each.uid, each.mode) for each in file] == [
            ("a", 0, 0, 0o644),
            ("b/c", 0, 0, 0o644),
        ]


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/./b", "a\\b", ""])
def test_members_that_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be a member"):
        write_archive({name: b""}, tmp_path / "a.tar.gz")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_deployed_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="runs on another server"):
        find_weights("openai:http://localhost#m", cache=tmp_path)
    with pytest.raises(InputError, match="--model-address"):
        package("sagemaker", "fake", tmp_path, BundleOptions(model_address="s3://b/m"), cache=tmp_path)
    with pytest.raises(InputError, match="has no wheels"):
        package("djl", "fake", tmp_path, BundleOptions(wheels=tmp_path), cache=tmp_path)


def test_wheels_and_weights_ride_inside(run: Run, tmp_path: Path) -> None:
    from catalens.models.registry import shipped

    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "x-1-py3-none-any.whl").write_bytes(b"")
    done = run("package", "sagemaker", shipped("starter"), tmp_path / "m.tar.gz", "--offline", wheels, "--json")
    assert done.code == 0, done.err
    assert done.rows[0]["bytes"] == (tmp_path / "m.tar.gz").stat().st_size
    folder = unpacked(tmp_path / "m.tar.gz", tmp_path / "model")
    assert (folder / "code" / "wheels" / "x-1-py3-none-any.whl").is_file()
    assert (folder / "code" / "requirements.txt").read_text().startswith("--no-index\n--find-links wheels\n")
    assert (folder / "weights" / "image.onnx").read_bytes() == (shipped("starter") / "image.onnx").read_bytes()
    about = json.loads((folder / "endpoint.json").read_text())
    assert about["weights"] == "weights"
    assert about["weights_are"] == ["encoder", "reader"]
