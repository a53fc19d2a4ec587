"""DJL Serving's own Python worker, `djl_python`, out of Maven Central, and the server's side of its socket."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.model_server import ENVIRONMENTS, environment

_VERSION = "0.34.0"
"""The newest on Maven Central."""
_START_S = 120
Pairs = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the worker answers: a status, its message, and entries by key (the first without one)."""

    code: int
    message: str
    content: list[tuple[str | None, bytes]]


class Worker:
    """One worker process, spoken to as the server does."""

    def __init__(self, connection: socket.socket, properties: Mapping[str, str]) -> None:
        """Take a connection, and the model's properties."""
        self._connection, self._properties = connection, dict(properties)

    def warm_up(self) -> Reply:
        """Load the model, as the server does: all properties and no content."""
        return self._ask(self._properties, [])

    def single(self, body: bytes, kind: str | None = None) -> Reply:
        """Send one request."""
        return self._ask({} if kind is None else {"Content-Type": kind}, [("data", body)])

    def batch(self, items: Sequence[tuple[bytes, str]]) -> Reply:
        """Send requests that the server has joined."""
        properties = {f"batch_{at:03d}.Content-Type": kind for at, (_, kind) in enumerate(items)}
        content = [(f"batch_{at:03d}.data", body) for at, (body, _) in enumerate(items)]
        return self._ask({**properties, "batch_size": str(len(items))}, content)

    def _ask(self, properties: Mapping[str, str], content: Pairs) -> Reply:
        texts = {**properties, "handler": "handle"}
        message = struct.pack(">h", len(texts))
        message += b"".join(_text(name) + _text(value) for name, value in texts.items())
        message += struct.pack(">h", len(content))
        message += b"".join(_text(key) + struct.pack(">i", len(body)) + body for key, body in content)
        self._connection.sendall(message)
        code, said = self._short(), self._entry() or b""
        for _ in range(self._short()):
            self._entry(), self._entry()
        found = []
        for _ in range(self._short()):
            key = self._entry()
            found.append((None if key is None else key.decode(), self._entry() or b""))
        return Reply(code, said.decode(), found)

    def _short(self) -> int:
        number: int = struct.unpack(">h", self._read(2))[0]
        return number

    def _entry(self) -> bytes | None:
        (length,) = struct.unpack(">i", self._read(4))
        return None if length < 0 else self._read(length)

    def _read(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = self._connection.recv(length - len(found))
            if not part:
                raise ConnectionError("the worker has gone")
            found += part
        return found


@contextmanager
def worker(bundle: Path, folder: Path, **variables: str) -> Iterator[Worker]:
    """Start a worker over an unpacked bundle, with what the bundle's requirements install and nothing else."""
    engine = _engine()
    home = environment("djl", (f"numpy=={_numpy()}",), bundle / "requirements.txt")
    properties = dict(line.split("=", 1) for line in (bundle / "serving.properties").read_text().splitlines())
    given = {name.removeprefix("option."): value for name, value in properties.items()}
    place = folder / "worker.sock"
    command: list[str | Path] = [home / "bin" / "python", engine / "djl_python_engine.py", "--sock-type", "unix"]
    command += ["--sock-name", place, "--model-dir", bundle, "--entry-point", given["entryPoint"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CATALENS_", "PYTHON"))}
    # The server puts the model's folder and its own first.
    paths = {"PYTHONPATH": f"{bundle}{os.pathsep}{engine}", "CATALENS_CACHE": str(folder / "cache")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=kept | paths | variables, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        end_s = time.monotonic() + _START_S
        while not place.exists() or "Python engine started" not in (folder / "log").read_text():
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"the worker does not start:\n{(folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_START_S)
            connection.connect(str(place))
            yield Worker(connection, given)
    finally:
        process.kill()
        process.wait()


def _engine() -> Path:
    """Return the folder of `djl_python`, which Maven fetches once."""
    folder = ENVIRONMENTS / f"djl-python-{_VERSION}"
    if not (folder / "djl_python_engine.py").exists():
        if shutil.which("mvn") is None:
            pytest.skip("djl_python comes from Maven Central, and this machine has no Maven")
        fetched = folder / "jar"
        artifact = f"-Dartifact=ai.djl.python:python:{_VERSION}"
        copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
        command = ["mvn", "-B", "-q", "-ntp", copy, artifact, f"-DoutputDirectory={fetched}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Maven cannot fetch djl_python: {done.stdout[-2000:]}")
        with zipfile.ZipFile(next(fetched.glob("*.jar"))) as jar:
            jar.extractall(folder, [name for name in jar.namelist() if name.startswith("djl_python")])
    return folder


def _numpy() -> str:
    from importlib import metadata

    return metadata.version("numpy")


def _text(value: str) -> bytes:
    content = value.encode()
    return struct.pack(">i", len(content)) + content
