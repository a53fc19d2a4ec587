"""The page without a browser: its files, its headers, whom it refuses, and the server behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from catalens.core.errors import InputError
from catalens.serving.app import create_app
from catalens.serving.config import load_config
from catalens.serving.guard import Receive, Scope, Send
from catalens.serving.runner import LocalRunner
from catalens.ui.files import files
from catalens.ui.page import Page
from catalens.ui.proxy import Proxy
from catalens.ui.running import catalogues_named, models_named
from tests.support.serving import FAKE, listening, picture

STATIC = Path(__file__).parents[2] / "src" / "catalens" / "ui" / "static"
MAX_LINES = 350


def page(host: str = "127.0.0.1", **settings: object) -> TestClient:
    config = load_config(flags={"models": {"default": FAKE}, **settings})
    return TestClient(Page(create_app(config, LocalRunner), host), base_url="http://127.0.0.1:8090")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with page() as client:
        yield client


def test_the_page_asks_nobody_else_for_anything() -> None:
    for path, file in files().items():
        if file.kind.startswith(("text/html", "text/css", "text/javascript")):
            text = file.content.decode()
            assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), path
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), path


def test_no_file_of_the_page_is_too_long() -> None:
    assert {each.name for each in STATIC.glob("*.*") if each.suffix != ".jpg"} >= {"index.html", "app.js"}
    long = [
        each.name
        for each in STATIC.iterdir()
        if each.suffix != ".jpg" and len(each.read_text().splitlines()) > MAX_LINES
    ]
    assert long == []


def test_every_module_that_is_imported_is_served(client: TestClient) -> None:
    for path, file in files().items():
        for name in re.findall(r'from "\./([\w.-]+)"', file.content.decode(errors="replace")):
            assert client.get(f"/ui/{name}").status_code == 200, (path, name)


def test_the_page_comes_with_strict_headers(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_no_path_leads_out_of_the_folder(client: TestClient) -> None:
    for path in ("/ui/../page.py", "/ui/..%2fpage.py", "/ui/%2e%2e/page.py", "/ui/"):
        assert client.get(path).status_code == 404


def test_answers_of_the_service_are_not_kept(client: TestClient) -> None:
    answer = client.post("/v1/tags", content=picture(), headers={"content-type": "image/png"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


def test_a_name_that_leads_here_from_elsewhere_is_refused(client: TestClient) -> None:
    answer = client.get("/v1/models", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "localhost" in answer.json()["detail"]
    assert client.get("/", headers={"host": "localhost:8090"}).status_code == 200


@pytest.mark.parametrize("headers", [{"host": "[::1"}, {"host": "[x]:9"}, {"origin": "http://["}])
def test_a_header_that_is_no_address_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/tags", content=picture(), headers=headers).status_code == 400


def test_a_page_of_another_site_may_not_send() -> None:
    with page(host="0.0.0.0") as client:
        form = {"image": ("x.png", picture())}
        assert client.post("/v1/tags", files=form, headers={"origin": "http://evil.example"}).status_code == 403
        assert client.post("/v1/tags", files=form, headers={"origin": "http://127.0.0.1:8090"}).status_code == 200


def test_the_files_need_no_key_and_the_service_does() -> None:
    with page(api_key="sesame") as client:
        assert client.get("/").status_code == 200
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"authorization": "Bearer sesame"}).status_code == 200


def behind(server: str, **options: object) -> TestClient:
    given = {"server_key": None, "api_key": None, "max_body_bytes": 10_000, "timeout_s": 30.0, **options}
    return TestClient(Page(Proxy(server, **given), "127.0.0.1"), base_url="http://127.0.0.1:8090")  # type: ignore[arg-type]


def test_a_server_behind_the_page_gets_its_key_from_the_page_alone() -> None:
    with listening(api_key="theirs") as server, behind(server, server_key="theirs", api_key="ours") as client:
        assert client.get("/v1/models").status_code == 401
        found = client.get("/v1/models", headers={"authorization": "Bearer ours"})
        assert found.json()["data"][0]["id"] == "default"
        tags = client.post(
            "/v1/tags?labels=cats,dogs",
            content=picture(),
            headers={"content-type": "image/png", "authorization": "Bearer ours"},
        )
        assert [each["label"] for each in tags.json()["tags"]]
        direct = httpx.post(
            f"{server}/v1/tags?labels=cats,dogs",
            content=picture(),
            headers={"content-type": "image/png", "authorization": "Bearer theirs"},
        )
        assert tags.json() == direct.json()


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with behind("http://127.0.0.1:9") as client:
        answer = client.get("/v1/models")
        assert answer.status_code == 502
        assert "check that `catalens serve` runs there" in answer.json()["detail"]
        assert client.post("/v1/tags", content=b"x" * 10_001).status_code == 413
        assert client.get("/metrics").status_code == 404


def test_no_dots_lead_to_what_the_server_does_not_show_the_page() -> None:
    async def dotted(scope: Scope, receive: Receive, send: Send) -> None:
        path = "/v1/../metrics"  # httpx, which sends for the test, would resolve it
        await proxy({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    with listening() as server:
        proxy = Proxy(server, server_key=None, api_key=None, max_body_bytes=1000, timeout_s=30)
        with TestClient(dotted) as client:
            assert client.get("/").status_code == 404


def test_catalogues_are_named_after_their_files(tmp_path: Path) -> None:
    shop = tmp_path / "my shop.catalens"
    shop.touch()
    assert catalogues_named([str(shop), f"b={shop}"]) == {"my-shop": str(shop), "b": str(shop)}
    with pytest.raises(InputError, match="two catalogues are named 'my-shop'"):
        catalogues_named([str(shop), str(shop)])
    with pytest.raises(InputError, match="catalens index add"):
        catalogues_named([str(tmp_path / "none.catalens")])


def test_models_to_compare_are_loaded_when_they_are_used() -> None:
    assert [each.load for each in models_named((), "starter").values()] == ["eager", "lazy", "lazy"]
    assert {name: each.encoder for name, each in models_named(("a/b", "c"), "starter").items()} == {
        "a-b": "a/b",
        "c": "c",
    }
