"""The commands over an account whose endpoints answer: package → deploy → invoke → transform → undeploy."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import catalens
from catalens.catalogue.opening import open_index
from catalens.core.types import Record
from tests.deployment.conftest import BUCKET
from tests.support.gateway import Account
from tests.support.http_double import Reply, serving
from tests.support.model_server import ROOT
from tests.support.ran import Run

pytestmark = pytest.mark.deploy

WHERE = [
    *("--image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/serve:1"),
    *("--role", "arn:aws:iam::123456789012:role/serve-endpoints"),
]
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "A garment."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}
REAL_TIME = [*WHERE, "--instance-type", "ml.m5.xlarge"]


@pytest.fixture(autouse=True)
def _own_model(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands choose the bundled models, as the endpoint does."""
    monkeypatch.delenv("CATALENS_MODEL")


def everything(account: Account) -> dict[str, Any]:
    """Return what there is in the account."""
    client = account.sagemaker
    return {
        "endpoints": client.list_endpoints()["Endpoints"],
        "configurations": client.list_endpoint_configs()["EndpointConfigs"],
        "models": client.list_models()["Models"],
        "objects": account.keys(BUCKET),
    }


def ok(done: Any) -> Any:
    assert done.code == 0, done.err
    return done


def catalogue_of(photos: list[Path], path: Path) -> Path:
    """Make a catalogue whose ids are the pictures' names, as of a bucket."""
    lens = catalens.load(encoder="starter", cache=None, runtime="onnxruntime")
    vectors = lens.encode(photos)
    with open_index(path, encoder_name="starter", dim=vectors.shape[1]) as index:
        index.add([Record(photo.name, str(photo), {"price": 5}) for photo in photos], vectors)
    return path


def test_everything_from_package_to_undeploy_and_nothing_is_left(
    run: Run, aws_account: Account, archive: Path, photos: list[Path], tmp_path: Path
) -> None:
    before = everything(aws_account)
    ok(run("deploy", "shop", archive, "--upload", f"s3://{BUCKET}/flow", *REAL_TIME, "--wait"))
    local = ok(run("attributes", *photos, "--json")).rows
    wanted = {row["id"]: {name: each["value"] for name, each in row["attributes"].items()} for row in local}
    invoked = ok(run("invoke", "shop", *photos)).rows
    assert {row["id"]: row["attributes"] for row in invoked} == wanted
    described = ok(run("describe", stdin="\n".join(map(json.dumps, invoked)).encode())).rows
    assert [row["id"] for row in described] == [row["id"] for row in invoked]
    assert all(row["description"] for row in described)
    lines = ok(run("invoke", "shop", *photos[:3], "--labels", "a red dress, a watch", "--format", "jsonl")).rows
    assert all(sum(row["probabilities"]) == pytest.approx(1, abs=1e-5) for row in lines)
    (asked,) = ok(run("invoke", "shop", photos[0], "--question", "what colour is it?")).rows
    assert set(asked) == {"id", "source", "Colour"}

    for photo in photos:
        aws_account.put(f"s3://{BUCKET}/photos/{photo.name}", photo.read_bytes())
    aws_account.put(f"s3://{BUCKET}/photos/bad.png", b"no picture")
    table = tmp_path / "attributes.csv"
    asked = ["transform", "shop", f"s3://{BUCKET}/photos/", f"s3://{BUCKET}/answers/"]
    done = run(*asked, "--instance-type", "ml.m5.large", "--wait", "--output", table)
    assert done.code == 1, done.err  # one of the pictures is none
    assert "failed: bad.png: the transform gave no answer" in done.err
    with table.open() as file:
        rows = {Path(row["id"]).stem: row for row in csv.DictReader(file)}
    assert set(rows) == {photo.stem for photo in photos}
    for photo in photos:
        of = wanted[next(id for id in wanted if Path(id).stem == photo.stem)]
        assert {name: rows[photo.stem][name] for name in of if isinstance(of[name], str)} == {
            name: value for name, value in of.items() if isinstance(value, str)
        }
    catalogue = catalogue_of(photos, tmp_path / "shop.catalens")
    assert run(*asked, "--collect", "--catalogue", catalogue).code == 1
    with open_index(catalogue, read_only=True) as index:
        (record,) = index.get([photos[0].name])
    assert record is not None
    assert record.fields["price"] == 5
    assert record.fields["colour"] == rows[photos[0].stem]["colour"]

    removed = ok(run("undeploy", "shop")).out
    assert removed.count("removed: ") == 4
    ok(run("undeploy", "shop"))
    assert ok(run("deployments", "--json")).rows == []
    left = everything(aws_account)
    # The user's own pictures and answers are the only things that are there beside what was before.
    left["objects"] = [key for key in left["objects"] if not key.startswith(("photos/", "answers/"))]
    assert left == before


def test_an_asynchronous_endpoint_answers_through_s3(
    run: Run, aws_account: Account, archive: Path, photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    asked = ["--mode", "async", "--output", f"s3://{BUCKET}/later"]
    ok(run("deploy", "later", archive, "--upload", f"s3://{BUCKET}/flow2", *REAL_TIME, *asked, "--wait"))
    done = run("invoke", "later", photos[0], tmp_path / "bad.png", "--timeout", "120")
    assert done.code == 1
    good, bad = done.rows
    assert good["attributes"]
    assert "not a picture" in bad["error"]
    keys = [key for key in aws_account.keys(BUCKET) if key.startswith("later/")]
    assert [key for key in keys if key.startswith("later/inputs/")] == []
    assert f"left: s3://{BUCKET}/later: answers" in run("undeploy", "later").out


def test_a_picture_over_a_serverless_limit_is_sent_smaller(
    run: Run, aws_account: Account, archive: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 4 * 2**20
    ok(run("deploy", "small", archive, "--upload", f"s3://{BUCKET}/flow3", *WHERE, "--mode", "serverless", "--wait"))
    done = ok(run("invoke", "small", tmp_path / "large.png"))
    assert "over the endpoint's limit; sent as a JPEG of" in done.err
    assert done.rows[0]["attributes"]
    # Believing that it is a real-time endpoint, the client sends it whole, and SageMaker refuses it.
    refused = run("invoke", "small", tmp_path / "large.png", "--mode", "real-time")
    assert refused.code == 3
    assert "exceeded 4194304 bytes" in " ".join(refused.err.split())
    ok(run("undeploy", "small"))


def test_an_endpoint_that_is_not_there_ends_the_command(run: Run, aws_account: Account, photos: list[Path]) -> None:
    done = run("invoke", "nowhere", photos[0])
    assert done.code == 3
    assert "the endpoint nowhere cannot be described" in done.err
    assert run("invoke", "nowhere").code == 2


def test_the_script_of_the_whole_flow_runs_and_leaves_nothing(
    aws_account: Account, photos: list[Path], tmp_path: Path
) -> None:
    before = everything(aws_account)
    _, image, _, role = WHERE
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CATALENS_")}
    with serving() as bedrock:
        bedrock.answer = lambda _: Reply(200, CONVERSE)
        own = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "CATALENS_CACHE": str(tmp_path / "cache"),
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.address,
            **aws_account.variables,
            "IMAGE": image,
            "ROLE": role,
            "BUCKET": BUCKET,
            "NAME": "flow",
            "WRITER": "bedrock:maker.model-v1",
        }
        script = [ROOT / "scripts" / "sagemaker_flow.sh", photos[0]]
        done = subprocess.run(script, env=kept | own, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    package, labels, prompt, restyled, described = rows[0], rows[1], rows[2], rows[3], rows[-1]
    assert package["bytes"] > 1_000_000
    assert sum(labels["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert prompt["prompt"]
    assert "Van Gogh" in json.dumps(restyled)
    assert prompt["prompt"].split(",")[0] in json.dumps(restyled)
    assert described["description"]
    (path, body, _), *_ = bedrock.asked
    assert path == "/model/maker.model-v1/converse"
    told = body["messages"][0]["content"][0]["text"]
    assert described["facts"]
    assert all(f'{{"fact": "{name}"' in told for name in described["facts"])
    assert "removed: endpoint flow" in done.stdout
    assert everything(aws_account) == before
