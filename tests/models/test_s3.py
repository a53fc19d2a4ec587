"""Prefixes of a bucket, answered by botocore's stub: fetched once, resumed, checked."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from catalens.core.errors import ModelError
from catalens.models.hub.s3 import fetch_prefix, is_fetched, prefix_folder

botocore = pytest.importorskip("botocore", reason="boto3 is not installed: pip install 'catalens[aws]'")
from botocore.response import StreamingBody  # noqa: E402
from botocore.session import Session  # noqa: E402
from botocore.stub import Stubber  # noqa: E402

ADDRESS = "s3://shop/models/mine"
FILES = {"config.json": b'{"model_type": "clip"}', "0_CLIPModel/model.safetensors": b"weights" * 1000, "empty.txt": b""}


def etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class Bucket:
    """A stubbed client, and what it will be asked."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
        self.client: Any = Session().create_client("s3", **keys)
        self.stub = Stubber(self.client)
        self.stub.activate()

    def lists(self, files: dict[str, bytes], **tags: str) -> None:
        contents = [
            {"Key": f"models/mine/{name}", "Size": len(content), "ETag": f'"{tags.get(name, etag(content))}"'}
            for name, content in files.items()
        ]
        folders = [{"Key": "models/mine/", "Size": 0, "ETag": '"0"'}]
        answer = {"Contents": folders + contents, "IsTruncated": False}
        self.stub.add_response("list_objects_v2", answer, {"Bucket": "shop", "Prefix": "models/mine/"})

    def gives(self, name: str, content: bytes, *, start: int = 0, tag: str = "", broken: int | None = None) -> None:
        asked = {"Bucket": "shop", "Key": f"models/mine/{name}", "IfMatch": f'"{tag or etag(content)}"'}
        asked |= {"Range": f"bytes={start}-"} if start else {}
        rest = content[start:]
        body = StreamingBody(io.BytesIO(rest[:broken]), len(rest))
        self.stub.add_response("get_object", {"Body": body}, asked)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def test_everything_below_the_prefix_is_fetched_once(bucket: Bucket, tmp_path: Path) -> None:
    assert not is_fetched(prefix_folder(ADDRESS, tmp_path))
    bucket.lists(FILES)
    for name, content in FILES.items():
        bucket.gives(name, content)
    folder = fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
    assert folder == prefix_folder(ADDRESS, tmp_path)
    assert is_fetched(folder)
    for name, content in FILES.items():
        assert (folder / name).read_bytes() == content
    assert not list(folder.rglob("*.part"))
    bucket.stub.assert_no_pending_responses()


def test_a_second_time_only_what_changed_is_fetched(bucket: Bucket, tmp_path: Path) -> None:
    bucket.lists(FILES)
    for name, content in FILES.items():
        bucket.gives(name, content)
    fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
    changed = {**FILES, "config.json": b'{"model_type": "siglip"}'}
    bucket.lists(changed)
    bucket.gives("config.json", changed["config.json"])
    folder = fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
    assert (folder / "config.json").read_bytes() == changed["config.json"]
    bucket.stub.assert_no_pending_responses()


def test_a_broken_download_goes_on_where_it_stopped(bucket: Bucket, tmp_path: Path) -> None:
    weights = {"model.safetensors": bytes(range(256)) * 9000}
    [(name, content)] = weights.items()
    bucket.lists(weights)
    bucket.gives(name, content, broken=1_500_000)
    with pytest.raises(ModelError, match=r"s3://shop/models/mine cannot be fetched: .*; what has arrived is kept"):
        fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
    folder = prefix_folder(ADDRESS, tmp_path)
    assert not is_fetched(folder)
    [part] = folder.glob(".*.part")
    bucket.lists(weights)
    bucket.gives(name, content, start=part.stat().st_size)
    assert part.stat().st_size > 0
    assert (fetch_prefix(ADDRESS, tmp_path, client=bucket.client) / name).read_bytes() == content


def test_half_of_an_older_version_is_not_gone_on_with(bucket: Bucket, tmp_path: Path) -> None:
    folder = prefix_folder(ADDRESS, tmp_path)
    folder.mkdir(parents=True)
    (folder / f".a.bin.{etag(b'old content')}.part").write_bytes(b"old ")
    bucket.lists({"a.bin": b"new content"})
    bucket.gives("a.bin", b"new content")
    assert (fetch_prefix(ADDRESS, tmp_path, client=bucket.client) / "a.bin").read_bytes() == b"new content"


def test_other_bytes_than_the_bucket_says_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    bucket.lists({"a.bin": b"expected"})
    bucket.gives("a.bin", b"tampered", tag=etag(b"expected"))
    with pytest.raises(ModelError, match=r"a\.bin did not arrive whole: 8 of 8 bytes, or others"):
        fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
    assert not list(prefix_folder(ADDRESS, tmp_path).iterdir())


def test_files_uploaded_in_pieces_are_checked_by_size(bucket: Bucket, tmp_path: Path) -> None:
    tag = f"{etag(b'whatever')}-2"
    bucket.lists({"a.bin": b"content"}, **{"a.bin": tag})
    bucket.gives("a.bin", b"content", tag=tag)
    assert is_fetched(fetch_prefix(ADDRESS, tmp_path, client=bucket.client))


def test_names_that_leave_the_folder_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    bucket.lists({"../../outside": b"x"})
    with pytest.raises(ModelError, match="a name that leaves the prefix"):
        fetch_prefix(ADDRESS, tmp_path, client=bucket.client)


def test_an_empty_prefix_and_a_refusal_say_so(bucket: Bucket, tmp_path: Path) -> None:
    bucket.lists({})
    with pytest.raises(ModelError, match="s3://shop/models/mine is empty"):
        fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
    bucket.stub.add_client_error("list_objects_v2", "AccessDenied", "no right", 403)
    with pytest.raises(ModelError, match=r"cannot be fetched: .*AccessDenied"):
        fetch_prefix(ADDRESS, tmp_path, client=bucket.client)
