"""The contract of a training container: where hyperparameters, channels and folders come from, and how it fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.deployment.training_job import TrainingJob, plain_arguments
from catalens.training.finetune.metrics import METRICS, metric_definitions, metric_line


def _base(tmp_path: Path, hyperparameters: object) -> Path:
    (tmp_path / "input" / "config").mkdir(parents=True)
    (tmp_path / "input" / "config" / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    return tmp_path


def test_outside_a_job_there_is_none(tmp_path: Path) -> None:
    assert TrainingJob.from_env({"SAGEMAKER_BASE_DIR": str(tmp_path)}) is None


def test_without_the_toolkit_the_files_say_everything(tmp_path: Path) -> None:
    given = {"epochs": "3", "batch-size": "8", "model": '"a/b"', "sagemaker_program": "x.py", "_tuning": "y"}
    base = _base(tmp_path, given)
    (base / "input" / "data" / "training").mkdir(parents=True)
    (base / "input" / "data" / "training" / "pairs.parquet").touch()
    (base / "input" / "data" / "training-manifest").touch()
    job = TrainingJob.from_env({"SAGEMAKER_BASE_DIR": str(base)})
    assert job is not None
    assert job.hyperparameters == {"epochs": "3", "batch_size": "8", "model": "a/b"}
    assert job.table("training", ["*.parquet"]) == base / "input" / "data" / "training" / "pairs.parquet"
    assert job.table("val", ["*.parquet"]) is None
    assert (job.model, job.data) == (base / "model", base / "output" / "data")
    assert job.failure == base / "output" / "failure"


def test_the_toolkits_variables_win(tmp_path: Path) -> None:
    base = _base(tmp_path, {"epochs": "3"})
    env = {
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_HPS": '{"epochs": 5, "dora": true, "rate": 1e-05}',
        "SM_MODEL_DIR": str(tmp_path / "m"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "d"),
        "SM_CHANNEL_BASE": str(tmp_path / "base"),
    }
    job = TrainingJob.from_env(env)
    assert job is not None
    assert job.hyperparameters == {"epochs": "5", "dora": "true", "rate": "1e-05"}
    assert job.base_model() == tmp_path / "base"
    assert (job.model, job.data) == (tmp_path / "m", tmp_path / "d")


@pytest.mark.parametrize("files", [[], ["a.parquet", "b.parquet"]])
def test_a_channel_without_its_one_file_is_named(tmp_path: Path, files: list[str]) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    env = {"SM_MODEL_DIR": "m", "SM_CHANNEL_TRAINING": str(folder), "SAGEMAKER_BASE_DIR": str(tmp_path)}
    job = TrainingJob.from_env(env)
    assert job is not None
    with pytest.raises(InputError, match=r"the channel 'training' .* must hold one of \*\.parquet"):
        job.table("training", ["*.parquet"])


@pytest.mark.parametrize("given", ["[1]", "{"])
def test_hyperparameters_that_cannot_be_read_are_named(tmp_path: Path, given: str) -> None:
    with pytest.raises(InputError, match="hyperparameters"):
        TrainingJob.from_env({"SM_MODEL_DIR": "m", "SM_HPS": given, "SAGEMAKER_BASE_DIR": str(tmp_path)})


def test_the_toolkits_arguments_become_options() -> None:
    given = ["pairs.parquet", "--batch_size", "4", "--dora", "True", "--rslora=x", "--json", "--rate=1e-5"]
    assert plain_arguments(given, ["--dora", "--json"]) == [
        *("pairs.parquet", "--batch-size", "4", "--dora", "--rslora=x", "--json", "--rate=1e-5")
    ]
    assert plain_arguments(["--dora", "false", "--seed", "1"], ["--dora"]) == ["--seed", "1"]
    with pytest.raises(InputError, match="must be true or false"):
        plain_arguments(["--dora", "maybe"], ["--dora"])


def test_a_failure_reason_has_the_length_that_is_shown(tmp_path: Path) -> None:
    job = TrainingJob.from_env({"SAGEMAKER_BASE_DIR": str(tmp_path), "SM_MODEL_DIR": "m"})
    assert job is not None
    job.fail("é" * 3000)
    assert (tmp_path / "output" / "failure").read_text() == "é" * 1024


def test_each_metric_is_read_by_its_own_expression_alone() -> None:
    definitions = metric_definitions()
    assert len(definitions) <= 40
    assert all(len(each["Regex"]) <= 500 for each in definitions)
    values = {name: (at + 1) * 1.5e-5 for at, name in enumerate(METRICS)}
    line = metric_line(values)
    for each in definitions:
        assert [float(found) for found in re.findall(each["Regex"], line)] == [pytest.approx(values[each["Name"]])]


def test_a_figure_that_is_in_no_table_is_not_printed() -> None:
    with pytest.raises(KeyError, match="accurracy"):
        metric_line({"accurracy": 1.0})


def test_an_adapter_without_a_merged_model_is_the_model(tmp_path: Path) -> None:
    """What a quantised base leaves."""
    job = TrainingJob.from_env({"SAGEMAKER_BASE_DIR": str(tmp_path), "SM_MODEL_DIR": str(tmp_path / "model")})
    assert job is not None
    adapter = tmp_path / "run" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
    job.publish(tmp_path / "run", tmp_path / "run" / "merged")
    assert (tmp_path / "model" / "adapter_config.json").is_file()
