"""Looking around in catalogues over HTTP: pictures, what is like a record, fields, duplicates."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

import catalens
from tests.support.serving import picture, serving


def shop(folder: Path) -> str:
    """Return a catalogue of three pictures, two of them the same."""
    (folder / "shots").mkdir()
    for name, colour in (("red", "red"), ("blue", "blue"), ("also-red", "red")):
        (folder / "shots" / f"{name}.png").write_bytes(picture(colour, (90, 60)))
    (folder / "shop.csv").write_text(
        "image,title,price\nshots/red.png,Red,5\nshots/blue.png,Blue,7.5\nshots/also-red.png,Red too,5\n"
    )
    path = folder / "shop.catalens"
    with catalens.load(encoder="fake", reader="fake", cache=None).index(path) as index:
        assert index.add(folder / "shop.csv").added == 3
    return str(path)


def ids(client: TestClient) -> dict[str, str]:
    hits = client.post("/v1/search", json={"text": ["anything"]}).json()["hits"]
    return {hit["fields"]["title"]: hit["id"] for hit in hits}


def test_what_is_like_a_record_leaves_the_record_out(tmp_path: Path) -> None:
    with serving(catalogues={"shop": shop(tmp_path)}) as client:
        by_title = ids(client)
        hits = client.get(f"/v1/catalogues/shop/similar/{by_title['Red']}", params={"k": 1}).json()["hits"]
        assert [hit["fields"]["title"] for hit in hits] == ["Red too"]
        assert hits[0]["score"] > 0.999
        filtered = client.get(f"/v1/catalogues/shop/similar/{by_title['Red']}", params={"where": "price > 6"})
        assert [hit["fields"]["title"] for hit in filtered.json()["hits"]] == ["Blue"]
        assert client.get("/v1/catalogues/shop/similar/nobody").status_code == 422


@pytest.mark.parametrize("where", ["colr = 'Red'", "colr != 'Red'"])
def test_a_filter_on_a_field_that_no_record_has_is_refused(tmp_path: Path, where: str) -> None:
    with serving(catalogues={"shop": shop(tmp_path)}) as client:
        id = ids(client)["Red"]
        for refused in (
            client.post("/v1/search", json={"text": ["a"], "where": where}),
            client.get(f"/v1/catalogues/shop/similar/{id}", params={"where": where}),
        ):
            assert refused.status_code == 422
            assert refused.json()["detail"].startswith("no record has a field 'colr'; there are: ")
        sound = client.post("/v1/search", json={"text": ["a"], "where": "price > 100"})
        assert (sound.status_code, sound.json()) == (200, {"hits": []})


def test_fields_say_what_can_be_filtered(tmp_path: Path) -> None:
    with serving(catalogues={"shop": shop(tmp_path)}) as client:
        fields = {each["name"]: each for each in client.get("/v1/catalogues/shop/fields").json()["fields"]}
    assert fields["price"] == {"name": "price", "records": 3, "kind": "number", "least": 5, "most": 7.5}
    assert fields["title"]["values"] == [["Red", 1], ["Blue", 1], ["Red too", 1]]


def test_duplicates_come_in_groups(tmp_path: Path) -> None:
    with serving(catalogues={"shop": shop(tmp_path)}) as client:
        groups = client.get("/v1/catalogues/shop/duplicates").json()["groups"]
        assert [[each["fields"]["title"] for each in group] for group in groups] == [["Red", "Red too"]]
        assert client.get("/v1/catalogues/none/duplicates").status_code == 404


def test_pictures_are_shown_only_where_the_configuration_says_so(tmp_path: Path) -> None:
    path = shop(tmp_path)
    with serving(catalogues={"shop": path}) as client:
        assert client.get("/v1/catalogues").json()["pictures"] is False
        assert client.get(f"/v1/catalogues/shop/pictures/{ids(client)['Red']}").status_code == 404
    with serving(catalogues={"shop": path}, pictures=True) as client:
        by_title = ids(client)
        found = client.get(f"/v1/catalogues/shop/pictures/{by_title['Blue']}", params={"size": 30})
        assert found.headers["content-type"] == "image/jpeg"
        image = Image.open(io.BytesIO(found.content))
        assert image.size == (30, 20)
        assert image.getpixel((10, 10))[2] > 240  # type: ignore[index]
        (tmp_path / "shots" / "red.png").unlink()
        gone = client.get(f"/v1/catalogues/shop/pictures/{by_title['Red']}")
        assert gone.status_code == 404
        assert str(tmp_path) not in gone.text


def test_a_record_that_a_request_added_shows_no_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture("green"))
    secret = str(tmp_path / "secret.png")
    with serving(catalogues={"shop": shop(tmp_path)}, pictures=True, writable=True) as client:
        body = {"id": secret, "image": "data:image/png;base64," + __import__("base64").b64encode(picture()).decode()}
        assert client.post("/v1/catalogues/shop/records", json=body).status_code == 200
        assert client.get(f"/v1/catalogues/shop/pictures/{secret}").status_code == 404
    with serving(catalogues={"shop": str(tmp_path / "shop.catalens")}, pictures=True) as client:
        assert client.get(f"/v1/catalogues/shop/records/{secret}").status_code == 200
        assert client.get(f"/v1/catalogues/shop/pictures/{secret}").status_code == 404
