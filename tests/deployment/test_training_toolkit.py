"""A training job from end to end: SageMaker's training toolkit runs the source archive, and its model is served."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from catalens.training.finetune.metrics import metric_definitions
from tests.deployment.conftest import BUCKET
from tests.deployment.test_flow import WHERE
from tests.support.gateway import Account, post
from tests.support.model_server import ModelServer, environment
from tests.support.ran import Run

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(
        not all(map(find_spec, ("torch", "transformers", "peft"))), reason="fine-tuning needs catalens[finetune]"
    ),
    pytest.mark.skipif(shutil.which("cc") is None, reason="sagemaker-training is compiled, and there is no cc"),
]
TOOLKIT = ("sagemaker-training==5.1.4", "setuptools==80.9.0")
QUESTION = "What colour is it?"


@pytest.fixture
def channels(run: Run, tmp_path: Path) -> Path:
    """The folders of the job's data: pairs of drawn pictures, and a tiny BLIP-2."""
    from tests.hub.test_cli_finetune_answers import write_pairs
    from tests.support.tiny_readers import BUILD

    for name in ("training", "model"):
        (tmp_path / "ml" / "input" / "data" / name).mkdir(parents=True)
    write_pairs(run, tmp_path).rename(tmp_path / "ml" / "input" / "data" / "training" / "pairs.parquet")
    BUILD["blip2-t5"](tmp_path / "ml" / "input" / "data" / "model")
    return tmp_path / "ml"


def start(run: Run, account: Account, base: Path, name: str, **changed: str) -> tuple[int, str]:
    """Start a job with `catalens train`, and run it as its container would; return its exit code and log."""
    given = {"epochs": "2", "batch_size": "8", "rate": "0.02", "device": "cpu", "dtype": "float32", **changed}
    hyperparameters = [text for each, value in given.items() for text in ("--hyperparameter", f"{each}={value}")]
    data = ["--channel", f"training=s3://{BUCKET}/pairs/", "--channel", f"model=s3://{BUCKET}/base/"]
    where = [*WHERE, "--instance-type", "ml.g5.xlarge", "--output", f"s3://{BUCKET}/models"]
    done = run("train", name, "answers", *data, *where, *hyperparameters, "--upload", f"s3://{BUCKET}/source")
    assert done.code == 0, done.err
    job = account.sagemaker.describe_training_job(TrainingJobName=name)
    (base / "output" / "data").mkdir(parents=True, exist_ok=True)
    (base / "model").mkdir(exist_ok=True)
    inputs = {each["ChannelName"]: {"TrainingInputMode": "File"} for each in job["InputDataConfig"]}
    hosts = {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
    for file, content in (
        ("hyperparameters", job["HyperParameters"]),
        ("resourceconfig", hosts),
        ("inputdataconfig", inputs),
    ):
        (base / "input" / "config").mkdir(exist_ok=True)
        (base / "input" / "config" / f"{file}.json").write_text(json.dumps(content))
    home = environment("training", TOOLKIT, borrowing=True)
    kept = {each: value for each, value in os.environ.items() if not each.startswith(("SM_", "CATALENS_", "PYTHON"))}
    own = {
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SAGEMAKER_BASE_DIR": str(base),
        "CATALENS_CACHE": str(base / "cache"),
        **account.variables,
    }
    ran = subprocess.run(
        [home / "bin" / "train"], env=kept | own, cwd=base, capture_output=True, text=True, timeout=400, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def served(tmp_path: Path) -> Iterator[list[ModelServer]]:
    servers: list[ModelServer] = []
    yield servers
    for each in servers:
        each.stop()


def test_toolkit_runs_the_job_and_its_model_is_served(
    run: Run, aws_account: Account, channels: Path, tmp_path: Path, served: list[ModelServer]
) -> None:
    code, log = start(run, aws_account, channels, "colours")
    assert code == 0, log[-3000:]
    assert not (channels / "output" / "failure").exists()
    found = {each["Name"]: re.findall(each["Regex"], log) for each in metric_definitions()}
    assert len(found["val_loss"]) == 2
    assert all(0 < float(loss) < 100 for loss in (*found["train_loss"], *found["val_loss"]))
    assert (channels / "output" / "data" / "loss.png").is_file()

    made = run("package", "sagemaker", channels / "model", tmp_path / "bundle", "--task", "answers", "--json")
    assert made.code == 0, made.err
    with tarfile.open(made.rows[0]["path"]) as file:
        file.extractall(tmp_path / "served", filter="data")
    server = ModelServer(tmp_path / "served", tmp_path / "mms", borrowing=True)
    served.append(server)
    server.start()
    photos = sorted((channels.parent / "photos").glob("*.png"))[:3]
    local = run("ask", *photos, QUESTION, "--model", channels / "model", "--json")
    assert local.code == 0, local.err
    wanted = [row["answers"][0]["answer"] for row in local.rows]
    assert [asked(server, photo) for photo in photos] == wanted


def asked(server: ModelServer, photo: Path) -> Any:
    import base64

    image = base64.b64encode(photo.read_bytes()).decode()
    body = json.dumps({"inputs": {"image": image, "question": QUESTION}}).encode()
    answer = post(server.url, body, {"Content-Type": "application/json"}, 120)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)[0]["answer"]


def test_toolkit_passes_on_why_a_job_failed(run: Run, aws_account: Account, channels: Path) -> None:
    code, log = start(run, aws_account, channels, "typo", epoch="2")
    assert code != 0
    assert "the hyperparameter 'epoch' is no option of this command" in log
    assert (channels / "output" / "failure").read_text()
    assert not list((channels / "model").iterdir())
