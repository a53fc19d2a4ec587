"""The clients: the local API's values over the wire, retries, shrinking, and OpenAI's own client."""

import asyncio
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import catalens
from catalens.client import AsyncClient, Client, Retries, ServerError
from catalens.client.calls import picture_field
from catalens.core.content import read_content
from catalens.core.errors import ImageError, InputError
from catalens.core.images import read_image
from catalens.core.types import Turn
from tests.support.serving import b64, listening, picture

RED = picture("red")
QUICK = Retries(first_s=0.0, longest_s=0.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("served") / "shop.catalens"
    with catalens.load(encoder="fake", reader="fake", cache=None) as lens:
        lens.index(path).add([picture("red"), picture("blue")])
    with listening(catalogues={"shop": str(path)}, writable=True) as address:
        yield address


@pytest.fixture(scope="module")
def lens() -> catalens.Lens:
    return catalens.load(encoder="fake", reader="fake", cache=None)


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server, shrink_to=None, retries=QUICK) as client:
        yield client


def test_values_are_those_of_the_local_api(client: Client, lens: catalens.Lens):
    assert [tag.to_dict() for tag in client.tag(RED, ["a", "b"])] == [
        tag.to_dict() for tag in lens.tag(RED, ["a", "b"])
    ]
    assert client.caption(RED, count=2) == lens.caption(RED, count=2)
    assert client.answer(RED, "what colour?") == lens.answer(RED, "what colour?")
    before = [Turn("is it new?", "no"), Turn("is it old?", "no")]
    assert client.answer(RED, "sure?", history=before) == lens.answer(RED, "sure?", history=before)
    assert client.choose(RED, "colour?", ["red", "blue"]) == lens.choose(RED, "colour?", ["red", "blue"])
    assert client.prompt(RED, mode="fast") == lens.prompt(RED, mode="fast")
    facts = {"type": "Tshirts", "colour": "Red"}
    assert client.describe(facts) == lens.describe(facts)
    assert client.attributes(RED, schema="fashion", threshold=0) == lens.attributes(RED, schema="fashion", threshold=0)
    np.testing.assert_array_equal(client.encode(["a shirt", RED]), lens.encode(["a shirt", RED]))
    assert client.encode("a shirt").shape == (16,)


def test_catalogue_is_searched_changed_and_searched_again(client: Client):
    http = client._http
    assert http.get("/v1/catalogues").json()["catalogues"] == [{"name": "shop", "records": 2}]
    hits = client.search(image=picture("blue"), k=1)
    assert hits[0].score == pytest.approx(1.0, abs=1e-3)
    record = {"id": "p/1 ü", "image": b64(picture("green")), "fields": {"colour": "Green", "price": 3}}
    added = http.post("/v1/catalogues/shop/records", json=record)
    assert added.json() == {"id": "p/1 ü", "outcome": "added"}
    assert client.search(image=picture("green"), where="price < 5")[0].record.id == "p/1 ü"
    assert http.post("/v1/catalogues/shop/records", json=record | {"id": "q"}).status_code == 200
    assert http.get("/v1/catalogues/shop/records/q").json()["fields"]["colour"] == "Green"
    assert http.delete("/v1/catalogues/shop/records/q").json()["outcome"] == "removed"
    assert http.delete("/v1/catalogues/shop/records/q").status_code == 404
    assert http.get("/v1/catalogues/shop/records/q").status_code == 404
    assert http.get("/v1/catalogues/shop/records/p/1 ü").json()["fields"] == {"colour": "Green", "price": 3}
    with pytest.raises(ServerError, match="no catalogue"):
        client.search("x", catalogue="../../etc/passwd")
    with pytest.raises(InputError):
        client.search("x", where="price <")


def test_what_is_wrong_raises_the_local_errors(client: Client):
    with pytest.raises(ImageError):
        client.tag(RED[:50], ["a", "b"])
    with pytest.raises(InputError, match="top"):
        client.tag(RED, top=0)
    with pytest.raises(ImageError):
        client.caption("no-such-file.jpg")


def test_async_client_gives_the_same(server: str, client: Client):
    async def ask() -> Any:
        async with AsyncClient(server, shrink_to=None) as asynchronous:
            return await asyncio.gather(asynchronous.encode(["a shirt", RED]), asynchronous.caption(RED))

    vectors, caption = asyncio.run(ask())
    np.testing.assert_array_equal(vectors, client.encode(["a shirt", RED]))
    assert caption == client.caption(RED)


def test_clients_differ_only_in_waiting():
    folder = Path(catalens.__file__).parent / "client"
    synchronous = (folder / "synchronous.py").read_text(encoding="utf-8")
    asynchronous = (folder / "asynchronous.py").read_text(encoding="utf-8")
    for there, here in (
        ("Asynchronous", "Synchronous"),
        ("asyncio", "time"),
        ("__aenter__", "__enter__"),
        ("__aexit__", "__exit__"),
        ("aclose", "close"),
        ("AsyncBaseTransport", "BaseTransport"),
        ("AsyncClient", "Client"),
    ):
        asynchronous = asynchronous.replace(there, here)
    asynchronous = re.sub(r"\basync |\bawait ", "", asynchronous)
    assert re.sub(r"\s+", "", asynchronous) == re.sub(r"\s+", "", synchronous)


def answering(*statuses: int) -> tuple[httpx.MockTransport, list[Any]]:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        status = statuses[min(len(seen), len(statuses)) - 1]
        body = {"caption": "red", "captions": ["red"]} if status == 200 else {"detail": "later", "status": status}
        return httpx.Response(status, json=body, headers={"retry-after": "0"})

    return httpx.MockTransport(answer), seen


def test_refusals_are_retried_and_faults_of_the_caller_are_not():
    for busy in ((429, 503), (502, 504)):
        transport, seen = answering(*busy, 200)
        with Client("http://test", transport=transport, retries=QUICK) as client:
            assert client.caption(RED).text == "red"
        assert len(seen) == 3
    transport, seen = answering(422)
    with Client("http://test", transport=transport, retries=QUICK) as client, pytest.raises(InputError):
        client.caption(RED)
    assert len(seen) == 1
    transport, seen = answering(429)
    with Client("http://test", transport=transport, retries=QUICK) as client, pytest.raises(ServerError) as refused:
        client.caption(RED)
    assert (refused.value.status, len(seen)) == (429, 4)


def test_server_that_is_not_there_is_named():
    def lost(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with Client("http://nowhere:1", transport=httpx.MockTransport(lost), retries=QUICK) as client:  # noqa: SIM117
        with pytest.raises(ServerError, match="nowhere:1"):
            client.caption(RED)


def test_delays_grow_have_jitter_and_keep_to_what_the_server_asks():
    retries = Retries(first_s=1.0, longest_s=5.0, chance=lambda: 0.5)
    assert [retries.delay_s(each) for each in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 2.5]
    assert retries.delay_s(1, "2") == 2.5
    assert retries.delay_s(1, "60") == 5.0
    assert retries.delay_s(1, "soon") == retries.delay_s(1, "²") == 0.5
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < replace(retries, longest_s=4000.0).delay_s(1, in_an_hour) <= 3600.5
    assert retries.delay_s(1, "Wed, 21 Oct 2015 07:28:00 GMT") == 0.5


@pytest.mark.parametrize(
    "url", ["http://h:abc", "http://h:99999", "http://[::1", "h:80", "http://", "http://h?a=b", ""]
)
def test_what_is_no_address_of_a_server_is_refused_at_once(url: str):
    with pytest.raises(InputError, match="not the address of a server"):
        Client(url)


def test_an_address_may_be_the_one_that_openais_client_takes(server: str):
    for url in (f"{server}/v1", f"{server}/v1/", f" {server}/", server.replace("http", "HTTP")):
        with Client(url, retries=QUICK) as client:
            assert client.caption(RED).text == "a picture that is mostly red"


def test_a_password_in_an_address_is_in_no_message():
    with Client("http://me:s3cret@nowhere.invalid", retries=Retries(attempts=1)) as client:  # noqa: SIM117
        with pytest.raises(ServerError, match="cannot be reached") as caught:
            client.caption(RED)
    assert "s3cret" not in str(caught.value)


def test_large_pictures_are_shrunk_upright_and_small_ones_sent_as_they_are():
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (900, 600, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(noise).save(file, "JPEG", exif=exif)
    content, _ = read_content(picture_field(file.getvalue(), 300), max_bytes=2**24)
    assert read_image(content).size == (450, 300)
    small, _ = read_content(picture_field(RED, 300), max_bytes=2**24)
    assert small == RED
    whole, _ = read_content(picture_field(file.getvalue(), None), max_bytes=2**24)
    assert whole == file.getvalue()


def test_openais_own_client_reads_the_embeddings(server: str, lens: catalens.Lens):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{server}/v1", api_key="any") as client:
        inputs = ["a shirt", f"data:image/png;base64,{b64(RED)}"]
        for encoding in ({}, {"encoding_format": "float"}):
            found = client.embeddings.create(model="default", input=inputs, **encoding)
            np.testing.assert_allclose([row.embedding for row in found.data], lens.encode(["a shirt", RED]), atol=1e-6)
        assert [model.id for model in client.models.list()] == ["default"]
        assert client.models.retrieve("default").id == "default"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt")
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="gpt", input="a")
