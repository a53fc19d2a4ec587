"""Training jobs: their requests, their source archive, and the command against moto."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalens.core.errors import InputError
from catalens.deployment import aws
from catalens.deployment.archive import write_archive
from catalens.deployment.requests import Call
from catalens.deployment.training_requests import SOURCE, Training, source_members, training_call
from catalens.training.finetune.metrics import METRICS
from tests.deployment.test_aws import account as account
from tests.deployment.test_requests import CONTAINER, check
from tests.support.ran import Run

pytestmark = pytest.mark.slow

TRAINING = Training(
    command="answers",
    image=CONTAINER.image,
    role=CONTAINER.role,
    source="s3://bucket/source/shirts/sourcedir.tar.gz",
    channels={"training": "s3://bucket/pairs/", "model": "s3://bucket/blip2/"},
    output="s3://bucket/models",
    instance_type="ml.g5.xlarge",
    hyperparameters={"epochs": "3", "--batch-size": "8"},
)
FLAGS = [
    *("--channel", "training=s3://bucket/pairs/", "--output", "s3://bucket/models", "--role", CONTAINER.role),
    *("--image", CONTAINER.image, "--instance-type", "ml.g5.xlarge", "--hyperparameter", "epochs=3"),
]


def test_jobs_are_what_sagemaker_accepts() -> None:
    call = training_call("shirts", TRAINING)
    spot = replace(
        TRAINING,
        source=None,
        spot=True,
        checkpoints="s3://bucket/work/",
        subnets=("subnet-1",),
        security_groups=("sg-1",),
        kms_key="key",
    )
    own = training_call("shirts", spot)
    check([call, own])
    algorithm = call.request["AlgorithmSpecification"]
    assert [each["Name"] for each in algorithm["MetricDefinitions"]] == list(METRICS)
    assert call.request["HyperParameters"] == {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://bucket/source/shirts/sourcedir.tar.gz"',
        "epochs": "3",
        "batch_size": "8",
    }
    assert "ContainerEntrypoint" not in algorithm
    assert own.request["AlgorithmSpecification"]["ContainerEntrypoint"] == ["catalens", "finetune", "answers"]
    assert set(own.request["HyperParameters"]) == {"epochs", "batch_size"}
    assert own.request["CheckpointConfig"] == {"S3Uri": "s3://bucket/work/"}
    assert own.request["StoppingCondition"]["MaxWaitTimeInSeconds"] >= 24 * 3600


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"channels": {}}, "needs data"),
        ({"channels": {"training": "pairs/"}}, "not an S3 address"),
        ({"spot": True}, "keep the work with --checkpoints"),
        ({"volume_gb": 0}, "a volume has 1 to"),
        ({"max_hours": 0.0}, "at most 28 days"),
        ({"hyperparameters": {"a": "x" * 2501}}, "hyperparameter a is longer"),
        ({"subnets": ("subnet-1",)}, "needs both"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_before(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        training_call("shirts", replace(TRAINING, **wrong))


def test_source_archive_has_the_package_and_a_program(tmp_path: Path) -> None:
    write_archive(source_members("starter"), tmp_path / SOURCE)
    with tarfile.open(tmp_path / SOURCE) as file:
        names = file.getnames()
        file.extract("train.py", tmp_path, filter="data")
    assert {"train.py", "requirements.txt", "catalens/cli/finetune.py"} <= set(names)
    assert 'sys.argv[1:1] = ["finetune", "starter"]' in (tmp_path / "train.py").read_text()


def test_a_job_is_started_with_its_source_and_watched(run: Run, account: aws.Clients) -> None:
    done = run("train", "shop", "starter", *FLAGS, "--upload", "s3://bucket/source", "--wait")
    assert done.code == 0, done.err
    assert "the model: s3://" in done.err
    job = account("sagemaker").describe_training_job(TrainingJobName="shop")
    key = "source/shop/sourcedir.tar.gz"
    assert job["HyperParameters"]["sagemaker_submit_directory"] == f'"s3://bucket/{key}"'
    assert account("s3").head_object(Bucket="bucket", Key=key)["ContentLength"] > 1_000_000


def test_dry_run_prints_the_job(run: Run) -> None:
    done = run("train", "shop", "starter", *FLAGS, "--dry-run")
    assert done.code == 0, done.err
    check([Call(**row) for row in done.rows])
    assert run("train", "shop", "starter", *FLAGS, "--dry-run", "--channel", "training").code == 2
