"""Bodies of requests: formats, limits, and what is made of answers."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.catalogue.sources import Item
from catalens.core.errors import CatalensError, ImageError, InputError
from catalens.core.types import Outcome
from catalens.deployment.invocation import (
    IMAGE,
    JSON,
    LINES,
    MAX_LINES,
    Asked,
    Request,
    fit,
    requests_of,
    rows_of,
    text_request,
)

MOST = 6_291_456


def noise(side: int, kind: str = "PNG") -> bytes:
    """Return a picture that no format makes small."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def items(photos: list[Path]) -> list[Item]:
    return [Item(photo.stem, photo, str(photo)) for photo in photos]


def test_a_picture_alone_is_the_body_itself(photos: list[Path]) -> None:
    found = list(requests_of(items(photos), Asked(), most=MOST))
    assert [each.body for each in found if isinstance(each, Request)] == [photo.read_bytes() for photo in photos]
    assert {each.content_type for each in found if isinstance(each, Request)} == {IMAGE}


def test_what_is_asked_goes_into_json(photos: list[Path]) -> None:
    asked = Asked(labels=("a dress", "a watch"), parameters={"format": "list"})
    (found,) = requests_of(items(photos[:1]), asked, most=MOST)
    assert isinstance(found, Request)
    assert found.content_type == JSON
    assert json.loads(found.body) == {
        "image": base64.b64encode(photos[0].read_bytes()).decode(),
        "prompt": ["a dress", "a watch"],
        "parameters": {"format": "list"},
    }
    with pytest.raises(InputError, match="use json or jsonl"):
        list(requests_of(items(photos), asked, format="image", most=MOST))
    with pytest.raises(InputError, match="labels or a question"):
        Asked(labels=("a",), question="what?")


def test_lines_are_joined_up_to_the_limit_and_keep_the_order_of_failures(photos: list[Path]) -> None:
    bad = Outcome("bad", "bad: not there")
    one = max(len(json.dumps({"image": base64.b64encode(photo.read_bytes()).decode()})) for photo in photos) + 1
    found = list(requests_of([*items(photos[:5]), bad, *items(photos[5:])], Asked(), format="jsonl", most=2 * one))
    shape = [each.id if isinstance(each, Outcome) else len(each.items) for each in found]
    assert shape[-2:] == ["bad", 1]
    assert sum(each for each in shape if isinstance(each, int)) == 6
    for each in found:
        if isinstance(each, Request):
            assert each.content_type == LINES
            assert len(each.body) <= 2 * one
            assert len(each.body.splitlines()) == len(each.items)


@pytest.mark.parametrize("format", ["image", "json", "jsonl"])
def test_pictures_over_the_limit_are_sent_smaller_with_a_notice(tmp_path: Path, format: str) -> None:
    content = noise(400)
    (tmp_path / "large.png").write_bytes(content)
    most = 60_000
    assert len(content) > 4 * most
    (found,) = requests_of(items([tmp_path / "large.png"]), Asked(), format=format, most=most)  # type: ignore[arg-type]
    assert isinstance(found, Request)
    assert len(found.body) <= most
    (notice,) = found.notices
    assert "are over the endpoint's limit; sent as a JPEG of" in notice
    assert notice.endswith("instead of 400 × 400")
    sent = found.body if format == "image" else base64.b64decode(json.loads(found.body)["image"])
    with Image.open(io.BytesIO(sent)) as image:
        assert image.format == "JPEG"
        assert 100 < image.width == image.height < 400


def test_a_picture_that_fits_by_itself_but_not_in_base64_is_sent_smaller(tmp_path: Path) -> None:
    content = noise(100)
    (tmp_path / "a.png").write_bytes(content)
    most = len(content) * 6 // 5
    for format, is_changed in (("image", False), ("json", True), ("jsonl", True)):
        (found,) = requests_of(items([tmp_path / "a.png"]), Asked(), format=format, most=most)  # type: ignore[arg-type]
        assert isinstance(found, Request)
        assert len(found.body) <= most
        assert bool(found.notices) is is_changed


def test_a_body_has_no_more_lines_than_a_service_takes(photos: list[Path]) -> None:
    many = [Item(str(n), photos[0], "a.png") for n in range(MAX_LINES + 1)]
    found = requests_of(many, Asked(), format="jsonl", most=1 << 40)
    assert [len(each.items) for each in found if isinstance(each, Request)] == [MAX_LINES, 1]


def test_picture_that_cannot_fit_is_a_failure_of_its_own(tmp_path: Path, photos: list[Path]) -> None:
    with pytest.raises(ImageError, match="cannot be made to fit into 100"):
        fit(noise(100), "noise", 100)
    (tmp_path / "bad.png").write_bytes(b"no picture" * 20)
    missing = Item("gone", tmp_path / "gone.png", "gone.png")
    bad, gone, good = requests_of(
        [*items([tmp_path / "bad.png"]), missing, *items(photos[:1])], Asked(), most=len(photos[0].read_bytes())
    )
    # What fits is sent as it is: whether it is a picture is the endpoint's to say.
    assert isinstance(bad, Request)
    assert isinstance(gone, Outcome)
    assert "gone.png" in str(gone.error)
    assert isinstance(good, Request)


def test_texts_are_checked_too() -> None:
    assert json.loads(text_request("a watch", Asked(), most=MOST).body) == {"inputs": "a watch"}
    with pytest.raises(InputError, match="the endpoint takes 20"):
        text_request("a watch with a long name", Asked(), most=20)
    with pytest.raises(InputError, match="about pictures"):
        text_request("a watch", Asked(labels=("a",)), most=MOST)


def test_answers_become_rows() -> None:
    one = Request((("a", "a.png"),), b"", JSON)
    assert rows_of(one, b'{"caption": "a dress"}') == [{"id": "a", "source": "a.png", "caption": "a dress"}]
    assert rows_of(one, b"[0.6, 0.8]") == [{"id": "a", "source": "a.png", "embedding": [0.6, 0.8]}]
    two = Request((("a", "a"), ("b", "b")), b"", LINES)
    found = rows_of(two, b'{"caption": "x"}\n{"error": {"detail": "not a picture", "status": 422}}\n')
    assert found[1] == {"id": "b", "source": "b", "error": "not a picture"}
    with pytest.raises(CatalensError, match="1 answers to 2 lines"):
        rows_of(two, b"{}\n")
    with pytest.raises(CatalensError, match="not JSON"):
        rows_of(one, b"<html>")
