"""A bundle with its wheels inside is installed on a network without an index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

from catalens.deployment.bundles import BundleOptions, package

pytestmark = pytest.mark.deploy
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the bundle requires, fetched where there is an index; numpy is the container's own."""
    folder = tmp_path_factory.mktemp("wheels")
    made = package("sagemaker", "fake", folder / "first", BundleOptions(), cache=folder)
    with tarfile.open(made.path) as file:
        content = file.extractfile("code/requirements.txt")
        assert content is not None
        lines = content.read().decode().split()
    numpy = f"numpy=={metadata.version('numpy')}"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "-d", folder]
    done = subprocess.run([*pip, *lines, numpy], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("server", ["sagemaker", "djl"])
def test_wheels_in_a_bundle_are_all_that_pip_needs(server: str, wheels: Path, tmp_path: Path) -> None:
    options = BundleOptions(wheels=wheels)
    made = package(server, "fake", tmp_path / "bundle", options, cache=tmp_path)  # type: ignore[arg-type]
    with tarfile.open(made.path) as file:
        file.extractall(tmp_path / "model", filter="data")
    code = tmp_path / "model" / ("code" if server == "sagemaker" else "")
    # DJL Serving adds these flags where DJL_OFFLINE is set; for SageMaker they are in the file.
    flags = ["--no-index", "-f", str(code / "requirements")] if server == "djl" else []
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", *flags]
    done = subprocess.run(
        [*pip, "-r", str(code / "requirements.txt")],
        env=os.environ | NOWHERE,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(r"onnxruntime-[\d.]+", done.stdout.splitlines()[-1])
    assert found == [f"onnxruntime-{metadata.version('onnxruntime')}"]
