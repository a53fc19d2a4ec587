"""`catalens finetune answers` as a training job, with and without SageMaker's toolkit, and in two processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from catalens.training.finetune.metrics import metric_definitions
from tests.hub.test_cli_finetune_answers import pairs as pairs
from tests.support.ran import Run
from tests.support.tiny_readers import BUILD

pytestmark = pytest.mark.slow
SETTINGS = {"epochs": "2", "batch_size": "8", "rate": "0.02", "dropout": "0", "device": "cpu", "dtype": "float32"}
SCRIPT = """import sys
from catalens.__main__ import main
sys.argv[1:1] = ["finetune", "answers"]
main()
"""


@pytest.fixture
def job(pairs: Path, tmp_path: Path) -> Path:
    """The folders of a training job, as SageMaker lays them out."""
    base = tmp_path / "ml"
    for name in ("input/config", "input/data/training", "input/data", "model", "output/data", "code"):
        (base / name).mkdir(parents=True, exist_ok=True)
    pairs.rename(base / "input" / "data" / "training" / "pairs.parquet")
    BUILD["blip-vqa"](base / "input" / "data" / "model")
    _write(base, "hyperparameters", SETTINGS)
    return base


def _write(base: Path, name: str, content: object) -> None:
    (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def _start(*command: str | Path, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    return subprocess.run(
        [str(each) for each in command],
        env={**inherited, "CATALENS_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1", **env},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _check_done(base: Path, log: str, run: Run) -> None:
    """The model is where SageMaker takes it from, answers by its path, and every metric is in the log."""
    assert (base / "model" / "config.json").is_file()
    assert (base / "model" / "adapter" / "adapter_config.json").is_file()
    assert (base / "output" / "data" / "loss.png").is_file()
    assert not (base / "output" / "failure").exists()
    found = {each["Name"]: re.findall(each["Regex"], log) for each in metric_definitions()}
    assert {name for name, values in found.items() if values} >= {
        *("step", "train_loss", "val_loss", "samples_per_s", "exact_before", "exact_after")
    }
    assert len(found["val_loss"]) == 2
    photo = next((base.parent / "photos").glob("*.png"))
    ran = run("ask", photo, "What colour is it?", "--model", base / "model", "--json")
    assert ran.code == 0, ran.err


def test_without_the_toolkit(job: Path, run: Run) -> None:
    env = {"SAGEMAKER_BASE_DIR": str(job)}
    ran = _start(sys.executable, "-m", "catalens", "finetune", "answers", env=env, cwd=job)
    assert ran.returncode == 0, ran.stderr
    _check_done(job, ran.stdout + ran.stderr, run)


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        ({"epoch": "2"}, 2, "the hyperparameter 'epoch' is no option of this command (did you mean 'epochs'?)"),
        ({"model": "/nowhere/model"}, 3, "there is no reader '/nowhere/model'"),
        ({"epochs": "two"}, 2, "Invalid value for '--epochs'"),
    ],
)
def test_a_failure_leaves_its_reason_and_its_exit_code(
    job: Path, changed: Mapping[str, str], code: int, reason: str
) -> None:
    _write(job, "hyperparameters", {**SETTINGS, **changed})
    env = {"SAGEMAKER_BASE_DIR": str(job)}
    ran = _start(sys.executable, "-m", "catalens", "finetune", "answers", env=env, cwd=job)
    assert ran.returncode == code, ran.stderr
    assert reason in (job / "output" / "failure").read_text()
    assert not list((job / "model").iterdir())


@pytest.mark.skipif(find_spec("sagemaker_training") is None, reason="needs sagemaker-training")
@pytest.mark.parametrize("fails", [False, True])
def test_through_the_toolkit(job: Path, run: Run, *, fails: bool) -> None:
    (job / "code" / "train.py").write_text(SCRIPT)
    own = {"sagemaker_program": "train.py", "dora": "true", "rslora": "false"}
    _write(job, "hyperparameters", {**SETTINGS, **own, **({"model": "/nowhere/model"} if fails else {})})
    _write(job, "resourceconfig", {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"})
    _write(job, "inputdataconfig", {"training": {"TrainingInputMode": "File"}, "model": {"TrainingInputMode": "File"}})
    env = {"SAGEMAKER_BASE_DIR": str(job), "AWS_DEFAULT_REGION": "eu-west-1"}
    ran = _start(Path(sys.executable).with_name("train"), env=env, cwd=job)
    log = ran.stdout + ran.stderr
    if fails:
        assert ran.returncode != 0, log
        assert "there is no reader '/nowhere/model'" in log
        assert (job / "output" / "failure").read_text()
    else:
        assert ran.returncode == 0, log
        _check_done(job, log, run)


def test_two_processes_do_what_one_does_with_twice_the_batch(pairs: Path, tmp_path: Path) -> None:
    base = BUILD["blip-vqa"](tmp_path / "base")
    losses: list[list[float]] = []
    two = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "-m")
    for at, (launcher, size) in enumerate([((), 8), (two, 4)]):
        command = ["-m", *launcher, "catalens", "finetune", "answers"]
        settings = {**SETTINGS, "batch_size": str(size), "out": str(tmp_path / f"out{at}"), "model": str(base)}
        options = [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", value)]
        ran = _start(sys.executable, *command, pairs, *options, env={}, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        losses.append([float(found) for found in re.findall(r"\b(?:train|val)_loss=([0-9.e+-]+);", ran.stderr)])
        assert len(ran.stdout.splitlines()) == 1
    assert len(losses[0]) >= 4
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
