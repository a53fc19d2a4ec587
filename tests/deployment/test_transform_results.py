"""Answers of a batch transform: read from S3, joined by id, into tables and catalogues."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalens.catalogue.opening import open_index
from catalens.core.errors import CatalogueError, InputError, ModelError
from catalens.core.types import Outcome, Record
from catalens.deployment import aws
from catalens.deployment.transform_results import read_answers, write_catalogue, write_table
from catalens.pipelines.output import OutputRow
from tests.deployment.test_aws import account as account
from tests.support.ran import Run

pytestmark = pytest.mark.slow

IN, OUT = "s3://bucket/photos/", "s3://bucket/answers"


def store(clients: aws.Clients, answers: dict[str, Any], *, without: tuple[str, ...] = ()) -> None:
    client = clients("s3")
    for id, answer in answers.items():
        client.put_object(Bucket="bucket", Key=f"photos/{id}", Body=b"picture")
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        client.put_object(Bucket="bucket", Key=f"answers/{id}.out", Body=body)
    for id in without:
        client.put_object(Bucket="bucket", Key=f"photos/{id}", Body=b"picture")


def rows_and_failures(clients: aws.Clients) -> tuple[list[OutputRow], list[Outcome]]:
    found = list(read_answers(IN, OUT, clients))
    rows = [each for each in found if isinstance(each, OutputRow)]
    return rows, [each for each in found if isinstance(each, Outcome)]


def test_answers_are_joined_with_their_objects(account: aws.Clients) -> None:
    answers = {
        "a.png": {"attributes": {"colour": "Red", "type": "Shirts"}},
        "sub/b.png": [0.6, 0.8],
        "c.png": {"error": {"detail": "not a picture"}},
        "d.png": b"<html>",
        "lines.jsonl": b'{"caption": "one"}\n{"caption": "two"}\n',
    }
    store(account, answers, without=("e.png",))
    rows, failures = rows_and_failures(account)
    assert {row.record.id: row.values for row in rows} == {
        "a.png": {"attributes": {"colour": "Red", "type": "Shirts"}},
        "sub/b.png": {"embedding": [0.6, 0.8]},
        "lines.jsonl": {"caption": "one"},
        "lines.jsonl#2": {"caption": "two"},
    }
    assert rows[0].record.source == "s3://bucket/photos/a.png"
    assert [each.id for each in failures] == ["c.png", "d.png", "e.png"]
    assert "gave no answer" in str(failures[2].error)


def test_a_table_has_a_column_for_each_attribute(account: aws.Clients, tmp_path: Path) -> None:
    answers = {
        "a.png": {"attributes": {"colour": "Red", "pattern": ["plain", "striped"]}},
        "b.png": {"attributes": {"colour": "Blue", "type": "Jeans"}},
    }
    store(account, answers)
    write_table(rows_and_failures(account)[0], tmp_path / "found.csv")
    with (tmp_path / "found.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["id"], first["colour"], first["pattern"], first["type"]) == ("a.png", "Red", "plain; striped", "")
    assert (second["id"], second["colour"], second["type"]) == ("b.png", "Blue", "Jeans")
    with pytest.raises(InputError, match="no answers"):
        write_table([], tmp_path / "none.csv")


def test_a_catalogue_keeps_its_vectors_and_gets_the_answers_as_fields() -> None:
    with open_index("memory:", encoder_name="e", dim=2) as index:
        index.add([Record("a", "a.png", {"price": 5})], np.array([[1, 0]], dtype=np.float32))
        rows = [
            OutputRow(Record("a", "s3://b/a"), {"attributes": {"colour": "Red"}}),
            OutputRow(Record("b", "s3://b/b"), {"embedding": [0.6, 0.8]}),
            OutputRow(Record("c", "s3://b/c"), {"caption": "a dress"}),
        ]
        homeless = write_catalogue(rows, index)
        assert [each.id for each in homeless] == ["c"]
        first, second = index.get(["a", "b"])
        assert first == Record("a", "a.png", {"price": 5, "colour": "Red"})
        assert second == Record("b", "s3://b/b", {})
        np.testing.assert_allclose(index.vectors(["a", "b"]), np.array([[1, 0], [0.6, 0.8]]), atol=1e-3)
        with pytest.raises(CatalogueError, match="vectors of 2 dimensions"):
            write_catalogue([OutputRow(Record("d", "d"), {"embedding": [1.0, 0.0, 0.0]})], index)


def test_answers_of_a_job_that_has_ended_are_collected(run: Run, account: aws.Clients, tmp_path: Path) -> None:
    store(account, {"a.png": {"caption": "a dress"}}, without=("b.png",))
    done = run("transform", "shop", IN, OUT, "--collect", "--output", tmp_path / "captions.csv")
    assert done.code == 1
    assert "failed: b.png" in done.err
    assert "a dress" in (tmp_path / "captions.csv").read_text()
    assert run("transform", "shop", IN, OUT, "--output", tmp_path / "x.csv", "--instance-type", "ml.m5.large").code == 2
    assert run("transform", "shop", IN, OUT).code == 2


@pytest.mark.parametrize(("answers", "code"), [({"a.png": {"caption": "a dress"}}, 1), ({}, 1)])
def test_the_reason_of_a_failed_job_is_told_beside_its_answers(
    run: Run,
    account: aws.Clients,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    code: int,
) -> None:
    def failing(*_: Any) -> None:
        raise ModelError("Failed: the container did not answer")

    monkeypatch.setattr("catalens.deployment.waiting.wait_for", failing)
    store(account, answers, without=("b.png",))
    account("sagemaker").create_model(ModelName="shop", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    asked = ["transform", "shop", IN, OUT, "--instance-type", "ml.m5.large", "--wait"]
    done = run(*asked, "--output", tmp_path / "found.csv")
    assert done.code == code, done.err
    assert "the container did not answer" in done.err
    assert "failed: b.png" in done.err
    assert (tmp_path / "found.csv").exists() == bool(answers)
    assert run(*asked).code == 3


def test_a_failed_job_whose_answers_are_all_there_has_failed(
    run: Run, account: aws.Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise ModelError("Stopped: somebody did it")

    monkeypatch.setattr("catalens.deployment.waiting.wait_for", failing)
    store(account, {"a.png": {"caption": "a dress"}})
    asked = ["transform", "shop", IN, OUT, "--instance-type", "ml.m5.large", "--wait"]
    done = run(*asked, "--output", tmp_path / "found.csv")
    assert done.code == 3
    assert "somebody did it" in done.err
