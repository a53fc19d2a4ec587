"""Commands with --server: the same results as with the models here, and refusals of what a server does not do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalens.client.stages import RemoteStage
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.session import Session
from catalens.pipelines.stages import identity
from tests.support.ran import Run
from tests.support.serving import listening, picture


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    path = tmp_path_factory.mktemp("served") / "shop.catalens"
    with listening(catalogues={"shop": str(path)}, api_key="k3y") as address:
        yield address, path


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CATALENS_READER", "fake")
    monkeypatch.setenv("CATALENS_SERVER_KEY", "k3y")
    path = tmp_path / "red.png"
    path.write_bytes(picture("red"))
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "PHOTO", "--labels", "cats,dogs"],
        ["attributes", "PHOTO", "--schema", "fashion", "--threshold", "0"],
        ["caption", "PHOTO", "--count", "2"],
        ["caption", "PHOTO", "--template", "{name}: {caption}"],
        ["ask", "PHOTO", "what colour is it?", "who is there?"],
        ["ask", "PHOTO", "what colour is it?", "--answers", "red,blue"],
        ["prompt", "PHOTO", "--mode", "fast"],
        ["embed", "PHOTO", "--texts", "a shirt"],
    ],
)
def test_results_are_those_of_the_models_here(run: Run, photo: Path, server: tuple[str, Path], command: list[str]):
    words = [str(photo) if each == "PHOTO" else each for each in command]

    def rows(*more: str) -> list[Any]:
        ran = run(*words, "--json", *more)
        assert ran.code == 0, ran
        return [json.loads(line) for line in ran.out.splitlines()]

    assert rows("--server", server[0]) == rows()


def test_a_conversation_is_that_of_the_reader_here(run: Run, photo: Path, server: tuple[str, Path]):
    def chat(*more: str) -> list[Any]:
        ran = run("ask", photo, "is it new?", "is it old?", "--chat", *more, stdin=b"are you sure?\n\n")
        assert ran.code == 0, ran
        return ran.rows

    assert len(chat()) == 3
    assert chat("--server", server[0]) == chat()


def test_a_conversation_at_no_address_ends_before_the_first_question(run: Run, photo: Path):
    ran = run("ask", photo, "is it new?", "--chat", "--server", "host:8080")
    assert (ran.code, ran.rows) == (2, [])


def test_server_s_catalogue_is_searched_by_its_name(run: Run, photo: Path, server: tuple[str, Path]):
    assert run("index", "add", server[1], photo.parent).code == 0
    ran = run("search", "shop", "--image", photo, "--server", server[0], "--json")
    assert json.loads(ran.out)["score"] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["tag", "PHOTO", "--schema", "PHOTO"], "schema"),
        (["caption", "PHOTO", "--template", "{caption} {tags}"], "without tags"),
        (["search", "shop", "x", "--sheet", "hits.png"], "--sheet"),
    ],
)
def test_what_a_server_does_not_do_is_refused(
    run: Run, photo: Path, server: tuple[str, Path], command: list[str], said: str
):
    words = [str(photo) if each == "PHOTO" else each for each in command]
    ran = run(*words, "--server", server[0])
    assert ran.code in {1, 2}
    assert said in ran.err


def test_key_is_no_part_of_what_a_journal_keeps():
    stage = RemoteStage(CaptionStage(), "http://host", "k3y")
    assert stage == RemoteStage(CaptionStage(), "http://host", "other")
    assert "k3y" not in f"{stage}{identity([stage], Session())}"


def test_wrong_key_and_wrong_address_end_the_command(
    run: Run, photo: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
):
    for url in ("host:8080", "http://host:port", "http://[::1", "http://"):
        ran = run("embed", photo, "--server", url)
        assert (ran.code, ran.err) == (
            2,
            f"error: --server: {url!r} is not the address of a server, such as http://host:8080\n",
        )
    monkeypatch.setenv("CATALENS_SERVER_KEY", "other")
    assert run("embed", photo, "--server", server[0]).code == 3
