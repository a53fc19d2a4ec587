"""multi-model-server with SageMaker's inference toolkit, as the containers run it: real, and on this machine only."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "build" / "engines"
SERVER = ("multi-model-server==1.1.11", "sagemaker-inference==1.10.1", "setuptools==80.9.0")
"""The newest of each; the server imports pkg_resources, which setuptools 81 no longer has."""
_START_S, _STOP_S = 120, 15
_PROPERTIES = """\
inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{management}
default_service_handler=sagemaker_inference.default_handler_service
default_workers_per_model=1
decode_input_request=false
load_models=ALL
max_request_size=6291456
vmargs=-Xmx256m
"""


def environment(
    name: str, lines: tuple[str, ...], requirements: Path | None = None, *, borrowing: bool = False
) -> Path:
    """Return a virtual environment with some requirements, which is made once and kept.

    Args:
        name: of the folder's beginning.
        lines: requirements.
        requirements: file of more.
        borrowing: see the libraries of this interpreter too, after its own; torch is too large to have twice.

    Raises:
        RuntimeError: pip cannot install them.
    """
    asked = "\n".join((*lines, requirements.read_text() if requirements else "", sys.version, str(borrowing)))
    folder = ENVIRONMENTS / f"{name}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    file = ["--requirement", str(requirements)] if requirements else []
    install: list[str | Path] = [
        folder / "bin" / "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *lines,
        *file,
    ]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip cannot install {', '.join(lines)}: {done.stderr[-2000:]}")
    if borrowing:
        (site,) = folder.glob("lib/*/site-packages")
        (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (folder / "complete").touch()
    return folder


def need_java() -> None:
    """Skip where there is no Java."""
    if shutil.which("java") is None:
        pytest.skip("multi-model-server needs Java, and this machine has none")


class ModelServer:
    """A container without the container: the server over one unpacked archive, in a session of its own."""

    def __init__(
        self, model: Path, folder: Path, variables: Mapping[str, str] | None = None, *, borrowing: bool = False
    ) -> None:
        """Take an unpacked archive, a folder for logs and sockets, and the container's variables.

        The libraries are those that the archive requires; or, `borrowing`, this interpreter's.
        """
        numpy = f"numpy=={metadata.version('numpy')}"  # the containers' own, which a bundle does not pin
        own = None if borrowing else model / "code" / "requirements.txt"
        self._home = environment("mms", (*SERVER, numpy), own, borrowing=borrowing)
        self._model, self._folder, self._variables = model, folder, dict(variables or {})
        self._port, management = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        (folder / "mms.properties").write_text(_PROPERTIES.format(port=self._port, management=management))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until `/ping` answers; requests wait for the model."""
        command = ["multi-model-server", "--start", "--foreground", "--model-store", "/"]
        command += ["--mms-config", str(self._folder / "mms.properties"), "--models", f"model={self._model}"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CATALENS_", "PYTHON"))}
        places = {name: str(self._folder) for name in ("LOG_LOCATION", "METRICS_LOCATION")}
        paths = {
            "PATH": f"{self._home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self._model / "code"),
            "TEMP": str(self._folder / "tmp"),
            "CATALENS_CACHE": str(self._folder / "cache"),
        }
        (self._folder / "tmp" / ".model_server.pid").unlink(missing_ok=True)  # of a server that was killed
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=kept | places | paths | self._variables, stdout=log, stderr=log, start_new_session=True
            )
        end_s = time.monotonic() + _START_S
        while time.monotonic() < end_s and self._process.poll() is None:
            try:
                with urlopen(f"{self.url}/ping", timeout=2):
                    return
            except URLError:
                time.sleep(0.1)
        raise RuntimeError(f"multi-model-server does not start:\n{self.log[-3000:]}")

    def stop(self) -> None:
        """End every process of the session."""
        if self._process is None:
            return
        _send(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        for pid in _session(self._process.pid):
            _send(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def signal_worker(self, number: int) -> None:
        """Send a signal to the process that runs the model; the server forks it from one that listens."""
        assert self._process is not None
        workers = [pid for pid in _session(self._process.pid) if b"model_service_worker" in _command_line(pid)]
        parents = {_parent(pid) for pid in workers}
        (worker,) = (pid for pid in workers if pid not in parents)
        _send(worker, number)

    @property
    def log(self) -> str:
        """What the server and the model have written."""
        return (self._folder / "log").read_text(errors="replace")


def _session(leader: int) -> list[int]:
    """Return the processes of a session that are there."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _numbers(pid)[2:3] == [leader]]


def _parent(pid: int) -> int:
    return _numbers(pid)[0]


def _numbers(pid: int) -> list[int]:
    """Return the parent, the group and the session of a process; nothing where it has gone."""
    try:
        # The command's name stands in brackets and may hold spaces; the state follows it.
        return [int(each) for each in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1:4]]
    except OSError:
        return []


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def free_port() -> int:
    """Return a port of this machine that nothing listens on; the server takes none above 32767."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 50):
        with socket.socket() as bound:
            try:
                bound.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
