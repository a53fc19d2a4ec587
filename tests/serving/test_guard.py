"""Keys, limits, addresses and logs: what must not get through, and what must not get out."""

import asyncio
import ipaddress
import logging
import re
import socket
import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from catalens.core.errors import InputError
from catalens.core.images import Limits
from catalens.serving import remote
from catalens.serving.app import create_app
from catalens.serving.config import ModelConfig, ServeConfig, load_config
from catalens.serving.remote import fetch, is_public
from catalens.serving.runner import LocalRunner
from tests.support.serving import FAKE, b64, picture, serving

RED = picture("red")


def test_key_is_asked_for_in_the_header_alone():
    with serving(api_key="s3cret") as client:
        body = {"image": b64(RED)}
        assert client.get("/ping").status_code == 200
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "s3cret"}, {"x-api-key": "s3cret"}):
            response = client.post("/v1/captions", json=body, headers=headers)
            assert response.status_code == 401
            assert "s3cret" not in response.text
        assert client.post("/v1/captions?api_key=s3cret", json=body).status_code == 401
        assert client.get("/metrics").status_code == 401
        right = client.post("/v1/captions", json=body, headers={"authorization": "Bearer s3cret"})
        assert right.status_code == 200


@pytest.mark.parametrize(
    ("settings", "path", "body", "status"),
    [
        ({"max_body_bytes": 1024}, "/v1/tags", {"image": "A" * 2000}, 413),
        ({"max_pixels": 100}, "/v1/tags", {"image": b64(RED)}, 422),
        ({"max_pictures": 2}, "/v1/tags", {"images": [b64(RED)] * 3}, 422),
        ({"max_pictures": 2}, "/v1/tags", {"images": []}, 422),
        ({"max_labels": 2}, "/v1/tags", {"image": b64(RED), "labels": ["a", "b", "c"]}, 422),
        ({"max_text_chars": 10}, "/v1/tags", {"image": b64(RED), "labels": ["a" * 11, "b"]}, 422),
        ({"max_text_chars": 10}, "/v1/answers", {"image": b64(RED), "question": "a" * 11}, 422),
        ({"max_text_chars": 10}, "/v1/embeddings", {"input": "a b c d e f g h"}, 422),
        ({"max_texts": 1}, "/v1/embeddings", {"input": ["a", "b"]}, 422),
        ({"max_texts": 1}, "/invocations", {"inputs": ["a", "b"]}, 422),
        ({"max_labels": 1}, "/invocations", {"image": b64(RED), "prompt": ["a", "b"]}, 422),
    ],
)
def test_limits(settings: dict[str, Any], path: str, body: dict[str, Any], status: int):
    with serving(**settings) as client:
        response = client.post(path, json=body)
        assert response.status_code == status, response.text


def test_body_without_a_length_is_counted_as_it_comes():
    with serving(max_body_bytes=1024) as client:
        response = client.post("/v1/tags", content=iter([b"x" * 600, b"x" * 600]))
        assert (response.status_code, response.headers["connection"]) == (413, "close")


def test_cors_is_off_unless_configured():
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    with serving() as client:
        assert "access-control-allow-origin" not in client.options("/v1/tags", headers=asked).headers
    with serving(cors_origins="https://shop.example", api_key="k") as client:
        response = client.options("/v1/tags", headers=asked)
        assert response.headers["access-control-allow-origin"] == "https://shop.example"
        refused = client.post("/v1/tags", json={}, headers={"origin": "https://shop.example"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://shop.example")
        assert "X-Request-Id" in refused.headers["access-control-expose-headers"]


def test_logs_hold_no_pictures_texts_or_keys(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    with serving(api_key="s3cret") as client:
        key = {"authorization": "Bearer s3cret"}
        client.post("/v1/tags", json={"image": b64(RED), "labels": ["embarrassing", "words"]}, headers=key)
        client.post("/v1/tags", json={"image": "embarrassing"}, headers=key)
        client.post("/v1/tags/embarrassing?q=embarrassing", json={}, headers=key)
    kept = "\n".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records if "catalens" in each.name)
    assert kept
    for secret in ("embarrassing", "s3cret", b64(RED)[:40]):
        assert secret not in kept


def test_full_service_answers_429_with_retry_after():
    with serving(max_concurrency=1) as client:
        guard: Any = client.app
        guard._running = 1
        response = client.post("/v1/captions", json={"image": b64(RED)})
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "fec0::1",
        "100.64.0.1",
        "224.0.0.1",
    ],
)
def test_private_addresses_are_not_public(address: str):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public_also_inside_others(address: str):
    assert is_public(ipaddress.ip_address(address))


def test_only_listed_hosts_are_fetched_and_only_from_public_addresses(monkeypatch: pytest.MonkeyPatch):
    config = load_config(flags={"allowed_hosts": "pictures.example"})
    looked_up: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for address in ("http://other.example/a.jpg", "http://pictures.example@other.example/", "http://[::1]/a.jpg"):
        with pytest.raises(InputError, match="not fetched from that host"):
            asyncio.run(fetch(address, config))
    assert looked_up == []
    with pytest.raises(InputError, match="private address"):
        asyncio.run(fetch("http://pictures.example/a.jpg", config))
    assert looked_up == ["pictures.example"]
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: public)
    for address in ("http://pictures.example/\x00", "http://pictures.example/" + "a" * 70_000):
        with pytest.raises(InputError, match="cannot be read"):
            asyncio.run(fetch(address, config))


def test_certificates_are_read_once_for_all_pictures_that_are_fetched(monkeypatch: pytest.MonkeyPatch):
    async def here(*_: Any) -> str:
        return "127.0.0.1"

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["host"].encode())

        def log_message(self, *_: object) -> None:
            pass

    create, read = ssl.create_default_context, 0

    def counted(*given: Any, **named: Any) -> ssl.SSLContext:
        nonlocal read
        read += 1
        return create(*given, **named)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    monkeypatch.setattr(remote, "_public_address", here)
    remote._tls.cache_clear()
    config = load_config(flags={"allowed_hosts": "pictures.example"})
    with HTTPServer(("127.0.0.1", 0), Pictures) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            address = f"http://pictures.example:{server.server_port}/a.jpg"
            found = [asyncio.run(fetch(address, config)) for _ in range(2)]
        finally:
            server.shutdown()
    assert found == [f"pictures.example:{server.server_port}".encode()] * 2
    assert read == 1


def test_a_host_that_does_not_answer_is_the_picture_s_fault(monkeypatch: pytest.MonkeyPatch):
    async def never(*_: Any) -> str:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(remote, "_public_address", never)
    monkeypatch.setattr(remote, "_TIMEOUT_S", 0.01)
    with serving(allowed_hosts="pictures.example") as client:
        for path in ("/invocations", "/v1/captions"):
            response = client.post(path, json={"image": "http://pictures.example/a.jpg"})
            assert (response.status_code, response.json()["detail"]) == (
                422,
                "the picture's host did not answer within 0.01 s",
            )


def test_large_request_does_not_fill_the_queue_by_itself():
    with serving(max_queue=40) as client:
        response = client.post("/v1/embeddings", json={"input": [f"text {at}" for at in range(200)]})
        assert response.status_code == 200, response.text
        assert len(response.json()["data"]) == 200


def test_every_setting_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    for name in (*ServeConfig.model_fields, *ModelConfig.model_fields):
        assert f"| `{name}` |" in text


def test_readiness_waits_for_the_models_and_is_lost_at_shutdown():
    service = create_app(load_config(flags={"models": {"default": FAKE}}), LocalRunner).service

    async def states() -> list[bool]:
        seen = [service.is_ready]
        await service.start()
        seen.append(service.is_ready)
        async with asyncio.timeout(60):
            while not service.is_ready:
                await asyncio.sleep(0.01)
        seen.append(service.is_ready)
        await service.stop()
        return [*seen, service.is_ready]

    assert asyncio.run(states()) == [False, False, True, False]


def test_file_variables_and_flags_in_rising_precedence(tmp_path: Path):
    path = tmp_path / "serve.yaml"
    path.write_text("port: 1\ntask: tags\nmax_labels: 7\nmodels: {shop: {reader: fake}}\n", encoding="utf-8")
    config = load_config(path, {"port": "2", "task": "prompt"}, {"port": 3, "host": None})
    assert (config.port, config.task, config.max_labels, config.default_model) == (3, "prompt", 7, "shop")
    assert config.limits == Limits(max_bytes=config.max_body_bytes, max_pixels=config.max_pixels)
    for wrong in ({"prot": "1"}, {"port": "x"}, {"models": "{}"}, {"models": '{"a/b": {}}'}):
        with pytest.raises(InputError):
            load_config(variables=wrong)


def test_a_misspelt_setting_is_told_what_it_may_mean():
    for wrong, said in (
        ({"prot": 1}, "prot is not a setting; did you mean port?"),
        ({"models": {"a": {"reeder": "x"}}}, "models.a.reeder is not a setting; did you mean reader?"),
        ({"zzz": 1}, "zzz is not a setting; docs/serve.md lists them"),
        ({"catalogues": {"a b": "x"}}, "configuration: 'a b' is not a name; use letters"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            load_config(flags=wrong)


def test_flags_of_a_model_change_the_first_one_and_defaults_change_nothing_that_is_given(tmp_path: Path):
    path = tmp_path / "serve.yaml"
    path.write_text("cache: here\nmodels: {shop: {reader: fake, load: lazy}, other: {}}\n", encoding="utf-8")
    config = load_config(path, first_model={"encoder": "fake", "reader": None}, defaults={"cache": "x", "port": 7})
    assert config.models["shop"] == ModelConfig(encoder="fake", reader="fake", load="lazy")
    assert config.models["other"] == ModelConfig()
    assert (config.cache, config.port) == (Path("here"), 7)
    assert load_config(first_model={"encoder": "fake"}).models == {"default": ModelConfig(encoder="fake")}
    with pytest.raises(InputError, match="models: not JSON"):
        load_config(variables={"models": "{"}, first_model={"encoder": "fake"})


def test_a_file_that_is_no_yaml_is_one_line(tmp_path: Path):
    (tmp_path / "serve.yaml").write_text("port: [1\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1, column 7") as caught:
        load_config(tmp_path / "serve.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"none\.yaml cannot be read: No such file or directory"):
        load_config(tmp_path / "none.yaml")


def test_key_is_not_shown():
    assert "s3cret" not in repr(load_config(flags={"api_key": "s3cret"}))
