"""`--timeout`: how long a command waits for one answer of a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalens.cli import app
from tests.support.hostile_images import encoded, scene
from tests.support.http_double import Reply, serving


@pytest.mark.parametrize("command", [("caption",), ("ask", "what is it?")])
def test_a_slow_reader_is_a_failure_of_its_picture(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "a.png").write_bytes(encoded(scene(), "PNG"))
    name, *questions = command
    with serving() as server:
        server.answer = lambda _: Reply(200, {}, delay_s=1.0)
        arguments = [name, str(tmp_path / "a.png"), *questions, "--model", f"{server.address}/v1#m"]
        ran = CliRunner().invoke(app, [*arguments, "--timeout", "0.2"])
    assert ran.exit_code == 1
    assert "did not answer in time (0.2 seconds)" in ran.stderr
