"""No message, JSON line or traceback has a credential, and none drives the terminal, whoever wrote it."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from catalens import cli
from catalens.core.redaction import redact
from tests.support.ran import Run

SECRET = "s3cret-of-bob"


@pytest.mark.parametrize(
    "text",
    [
        f"https://bob:{SECRET}@host/v1 cannot be reached",
        f"https://{SECRET}@host/v1",
        f"postgresql://bob:{SECRET}@host/db: refused",
        f"GET https://host/v1?api_key={SECRET}&n=1",
        f"https://host/x?X-Amz-Security-Token={SECRET}",
        f"connection to host=db user=bob password={SECRET} failed",
        f'{{"x-api-key": "{SECRET}"}}',
        f"Authorization: Bearer {SECRET}",
    ],
)
def test_credentials_are_known_by_their_place(text: str) -> None:
    assert SECRET not in redact(text)


@pytest.mark.parametrize(
    "text", ["https://host/a@2x.png", "me@host", "https://host/?page=2&monkey", "a password is short"]
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "PHOTO", "--server", f"http://bob:{SECRET}@127.0.0.1:1", "--json"],
        ["caption", "PHOTO", "--model", f"openai:http://bob:{SECRET}@127.0.0.1:1/v1#m"],
        ["search", f"postgresql://bob:{SECRET}@[bad/db", "red"],
        ["search", f"opensearch://bob:{SECRET}@[bad/shop", "red"],
        ["search", f"opensearch://bob:{SECRET}@host:99999/shop", "red"],
        ["index", "info", f"postgresql://bob:{SECRET}@127.0.0.1:1/db"],
    ],
)
def test_passwords_of_addresses_are_not_printed(run: Run, photos: list[Path], command: list[str]) -> None:
    ran = run(*[str(photos[0]) if each == "PHOTO" else each for each in command])
    assert ran.code in (1, 2, 3)
    assert SECRET not in ran.out + ran.err
    assert ran.out + ran.err


def test_a_server_that_echoes_a_key_without_its_form_is_redacted(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CATALENS_SERVER_KEY", SECRET)
    cli.output.messages.cache_clear()
    cli.output.say(f"the server said: no such key {SECRET}")
    assert capsys.readouterr().err == "the server said: no such key [redacted]\n"
    cli.output.messages.cache_clear()


def test_a_traceback_neither_drives_the_terminal_nor_tells_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"\x1b]0;owned\x07 https://bob:{SECRET}@host")

    cli.output.messages.cache_clear()
    monkeypatch.setattr("catalens.cli.inputs.entries", fail)
    monkeypatch.setattr(sys, "argv", ["catalens", "tag", "photo.jpg"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 4
    said = capsys.readouterr().err
    cli.output.messages.cache_clear()
    assert "Traceback" in said
    assert SECRET not in said
    assert not {"\x1b", "\x07"} & set(said)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_log_of_the_service_is_plain(*, as_json: bool) -> None:
    from catalens.serving.logs import Formatter

    record = logging.LogRecord("x", logging.INFO, "", 0, "lost %s", (f"\x1b[31m\u202e https://b:{SECRET}@h",), None)
    record.about = {"id": "\x9b31m"}
    line = Formatter(as_json=as_json).format(record)
    assert not {"\x1b", "\x9b", "\u202e"} & set(line)
    assert SECRET not in line
    if as_json:
        assert json.loads(line)["level"] == "INFO"
