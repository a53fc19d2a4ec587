"""The engines that bundles are served by, where they are asked for: building their environments takes a minute."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalens.deployment.bundles import BundleOptions, package
from tests.support.gateway import Account, account
from tests.support.model_server import need_java

BUCKET = "shop-models"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the real engines to `make test-deploy`."""
    if os.environ.get("DEPLOY_TESTS") == "1":
        return
    skip = pytest.mark.skip(reason="deployment on real engines is tested by `make test-deploy`")
    for item in items:
        if item.get_closest_marker("deploy"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both shipped models, for attributes."""
    folder = tmp_path_factory.mktemp("archive")
    return package("sagemaker", "bundled", folder, BundleOptions(task="attributes"), cache=folder / "cache").path


@pytest.fixture(scope="session")
def running_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    need_java()
    with account(tmp_path_factory.mktemp("account")) as made:
        made.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": made.variables["AWS_DEFAULT_REGION"]}
        )
        yield made


@pytest.fixture
def aws_account(running_account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account on this machine, which commands and boto3 reach by their usual variables."""
    for name, value in running_account.variables.items():
        monkeypatch.setenv(name, value)
    return running_account
