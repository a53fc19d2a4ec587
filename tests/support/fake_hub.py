"""A hub on this machine: it serves folders as repositories, and counts what is asked of it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "89abcdef" * 5


@dataclass
class Hub:
    """What the server knows.

    Attributes:
        folders: repository → the folder that holds it.
        revisions: branches and tags, which all are one commit.
        asked: the paths of every request.
        url: where it is.
    """

    folders: dict[str, Path] = field(default_factory=dict)
    revisions: set[str] = field(default_factory=lambda: {"main"})
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def fetched(self) -> set[str]:
        """Return the files whose content was asked for."""
        return {
            path.rpartition(f"{COMMIT}/")[2] for path in self.asked if path.startswith("GET ") and "/resolve/" in path
        }


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the hub while the block does."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append(f"{self.command} {path}")
            status, body, headers = _answered(hub, path)
            self._send(status, body, **headers)

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answered(hub: Hub, path: str) -> tuple[int, bytes, dict[str, str]]:
    """Return the status, the body and the headers for a path."""
    api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path)
    file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
    found = api or file
    if found is None or found[1] not in hub.folders:
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
    folder = hub.folders[found[1]]
    if file:
        content = (folder / file[3]).read_bytes()
        return 200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{_tag(content)}"'}
    if found[3] not in (None, COMMIT, *hub.revisions):
        return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
    return 200, json.dumps(_tree(folder) if found[2] == "tree" else _info(found[1], folder)).encode(), {}


def _names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _info(repository: str, folder: Path) -> dict[str, object]:
    return {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in _names(folder)]}


def _tree(folder: Path) -> list[dict[str, object]]:
    sizes = {name: (folder / name).read_bytes() for name in _names(folder)}
    return [{"type": "file", "path": name, "size": len(data), "oid": _tag(data)} for name, data in sizes.items()]


def _tag(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
