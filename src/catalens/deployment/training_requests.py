"""Training jobs that run `catalens finetune`: their source archive and their request, built from values alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from catalens.core.errors import InputError
from catalens.deployment.archive import Members, files_below
from catalens.deployment.bundles import requirements
from catalens.deployment.requests import Call, TrainingCommand, check_name, split_address, tags_of, vpc_config
from catalens.training.finetune.metrics import metric_definitions

PROGRAM = "train.py"
SOURCE = "sourcedir.tar.gz"
_MAX_HYPERPARAMETERS, _MAX_VALUE = 100, 2500
_MAX_VOLUME_GB = 16_384
_IMPORTED = ("numkong", "onnxruntime", "pillow", "pyarrow", "pyyaml", "rich", "threadpoolctl", "tokenizers", "typer")
_IMPORTED_FOR_TORCH = ("accelerate", "huggingface_hub", "peft", "safetensors", "sentencepiece", "transformers")
"""What fine-tuning imports; numpy and torch are the container's, compiled for its hardware."""
_TRAIN = '''"""Catalens in a SageMaker training container: what the training toolkit runs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from catalens.__main__ import main  # noqa: E402

sys.argv[1:1] = ["finetune", "{command}"]
main()
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training job.

    Attributes:
        command: of `catalens finetune`.
        image: address of the container image.
        role: ARN that the container acts as.
        source: `s3://` address of the source archive, for an image with SageMaker's training toolkit; None for an
            image that has Catalens itself.
        channels: name → `s3://` prefix.
        output: `s3://` prefix of the model.
        hyperparameters: options of the command, without dashes.
        instance_type: such as "ml.g5.xlarge".
        instances: how many.
        volume_gb: of each instance's disk.
        max_hours: after which the job is stopped.
        spot: use spot instances, which may be interrupted; the job then continues from its checkpoints.
        checkpoints: `s3://` prefix that interrupted work is kept in.
        subnets: of the VPC; none runs outside a VPC.
        security_groups: likewise.
        kms_key: encrypts the volumes and the model.
    """

    command: TrainingCommand
    image: str
    role: str
    source: str | None
    channels: Mapping[str, str]
    output: str
    instance_type: str
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    instances: int = 1
    volume_gb: int = 50
    max_hours: float = 24.0
    spot: bool = False
    checkpoints: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str | None = None


def source_members(command: TrainingCommand) -> Members:
    """Return the files of the archive that the training toolkit unpacks and runs.

    Raises:
        InputError: a requirement is not installed, so that nobody has tried the archive with it.
    """
    lines = requirements((*_IMPORTED, *(_IMPORTED_FOR_TORCH if command == "answers" else ())))
    return {
        **files_below(Path(str(resources.files("catalens"))), "catalens"),
        PROGRAM: _TRAIN.replace("{command}", command).encode(),
        "requirements.txt": "".join(f"{line}\n" for line in lines).encode(),
    }


def training_call(name: str, training: Training) -> Call:
    """Return the call that starts a training job.

    Raises:
        InputError: a value is not what SageMaker accepts.
    """
    check_name(name)
    _check(training)
    seconds = round(training.max_hours * 3600)
    stop = {"MaxRuntimeInSeconds": seconds} | ({"MaxWaitTimeInSeconds": 2 * seconds} if training.spot else {})
    encrypted = {} if training.kms_key is None else {"KmsKeyId": training.kms_key}
    volume = {} if training.kms_key is None else {"VolumeKmsKeyId": training.kms_key}
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": _algorithm(training),
        "RoleArn": training.role,
        "InputDataConfig": [_channel(each, address) for each, address in training.channels.items()],
        "OutputDataConfig": {"S3OutputPath": training.output, **encrypted},
        "ResourceConfig": {
            "InstanceType": training.instance_type,
            "InstanceCount": training.instances,
            "VolumeSizeInGB": training.volume_gb,
            **volume,
        },
        "StoppingCondition": stop,
        "HyperParameters": _hyperparameters(training),
        "EnableManagedSpotTraining": training.spot,
        "Tags": tags_of(name),
        **vpc_config(training.subnets, training.security_groups),
    }
    if training.checkpoints is not None:
        request["CheckpointConfig"] = {"S3Uri": training.checkpoints}
    return Call("sagemaker", "create_training_job", request)


def _check(training: Training) -> None:
    for address in filter(None, (training.source, training.checkpoints, training.output, *training.channels.values())):
        split_address(address)
    if not training.channels:
        raise InputError("a training job needs data: --channel training=s3://BUCKET/PREFIX")
    if training.spot and training.checkpoints is None:
        raise InputError("spot instances can be taken away; keep the work with --checkpoints s3://BUCKET/PREFIX")
    if not 1 <= training.volume_gb <= _MAX_VOLUME_GB:
        raise InputError(f"{training.volume_gb} GB: a volume has 1 to {_MAX_VOLUME_GB}")
    if not 0 < training.max_hours <= 28 * 24:
        raise InputError(f"{training.max_hours:g} hours: a training job runs for at most 28 days")


def _algorithm(training: Training) -> dict[str, Any]:
    found = {
        "TrainingImage": training.image,
        "TrainingInputMode": "File",
        "MetricDefinitions": metric_definitions(),
    }
    if training.source is None:
        found["ContainerEntrypoint"] = ["catalens", "finetune", training.command]
    return found


def _hyperparameters(training: Training) -> dict[str, str]:
    """Return options as text, and what the toolkit needs to know as JSON texts, which is how it reads them."""
    own = {}
    if training.source is not None:
        own = {"sagemaker_program": PROGRAM, "sagemaker_submit_directory": training.source}
    found = {name: json.dumps(value) for name, value in own.items()} | {
        name.removeprefix("--").replace("-", "_"): value for name, value in training.hyperparameters.items()
    }
    if len(found) > _MAX_HYPERPARAMETERS:
        raise InputError(f"{len(found)} hyperparameters; SageMaker takes at most {_MAX_HYPERPARAMETERS}")
    for name, value in found.items():
        if len(value) > _MAX_VALUE:
            raise InputError(f"the hyperparameter {name} is longer than SageMaker's {_MAX_VALUE} characters")
    return found


def _channel(name: str, address: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": address, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}
