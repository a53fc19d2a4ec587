"""Mixed lists of texts and pictures, one row each."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import ImageError, InputError
from catalens.core.vectors import unit_rows
from catalens.models.fakes import FakeEncoder
from catalens.models.mixed import Input, encode, similarity


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def test_each_input_is_taken_for_what_it_is(red: Path) -> None:
    encoder = FakeEncoder()
    picture = Image.open(red).convert("RGB")
    data = f"data:image/png;base64,{base64.b64encode(red.read_bytes()).decode()}"
    rows = encode(encoder, ["a red shirt", str(red), red, picture, np.asarray(picture), red.read_bytes(), data])
    [text], [image] = encoder.encode_texts(["a red shirt"]), encoder.encode_images([picture])
    assert np.allclose(rows[0], text)
    assert np.allclose(rows[1:], image)


def test_a_dict_of_both_is_their_mean(red: Path) -> None:
    encoder = FakeEncoder()
    text, image, both = encode(encoder, [{"text": "a shirt"}, {"image": red}, {"text": "a shirt", "image": str(red)}])
    assert np.allclose(both, unit_rows((text + image)[None] / 2)[0], atol=1e-6)


def test_texts_that_are_no_paths_are_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FakeEncoder()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shirt").write_text("not a picture")
    texts = ["shirt", "this is red.png", "and/or", "notes.txt", "a\nb.png", "x" * 5000, "", "see http://a.b c"]
    assert np.allclose(encode(encoder, texts), encoder.encode_texts(texts))


@pytest.mark.parametrize("mistyped", ["rde.png", "shots/my coat.JPG", "/no/such/red.webp"])
def test_a_mistyped_path_is_no_text(mistyped: str) -> None:
    with pytest.raises(InputError, match=rf"input 1 looks like a picture's path, .*{mistyped}.*as a text, .*'text'"):
        encode(FakeEncoder(), ["fine", mistyped])
    rows = encode(FakeEncoder(), [{"text": mistyped}])
    assert np.array_equal(rows, FakeEncoder().encode_texts([mistyped]))


def test_a_path_of_what_is_no_picture_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    for path, said in (
        (tmp_path / "notes.txt", "notes.txt"),
        (tmp_path / "empty.png", "empty.png"),
        (tmp_path, "folder"),
    ):
        with pytest.raises(ImageError, match=said):
            encode(FakeEncoder(), [str(path)])


def test_one_by_itself_gives_one_row(red: Path) -> None:
    encoder = FakeEncoder()
    for each in ("a shirt", red, Image.new("RGB", (3, 3)), {"text": "a", "image": red}, np.zeros((4, 4, 3), np.uint8)):
        assert encode(encoder, each).shape == (encoder.dim,)
    assert encode(encoder, []).shape == (0, encoder.dim)


def test_the_batch_size_is_kept_and_changes_nothing(red: Path) -> None:
    encoder = FakeEncoder()
    inputs: list[Input] = ["a", red, "b", red, "c", {"text": "d", "image": red}]
    rows = encode(encoder, inputs, batch_size=2)
    assert encoder.batches == [2, 1, 2, 2]
    assert np.array_equal(rows, encode(encoder, inputs))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("https://shop.example/a.png", "input 1 is the URL https://shop.example/a.png; nothing is fetched"),
        ({"image": "http://shop.example/a.png"}, "nothing is fetched"),
        ({"text": "a", "audio": "b"}, r"keys \['audio', 'text'\]; accepted are text and image"),
        ({}, r"keys \[\]"),
        ({"text": None}, "neither a text nor an image"),
        ({"text": 7}, "its text is a int"),
        (7, "input 1 is a int; accepted are texts"),
        (None, "input 1 is a NoneType"),
    ],
)
def test_what_is_neither_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        encode(FakeEncoder(), ["fine", wrong])  # type: ignore[list-item]


def test_a_path_that_is_said_to_be_a_picture_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png"):
        encode(FakeEncoder(), [tmp_path / "gone.png"])
    with pytest.raises(InputError, match="batch_size is 0"):
        encode(FakeEncoder(), ["a"], batch_size=0)


def test_similarity_is_cosine_whatever_the_lengths() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 8)), rng.standard_normal((2, 8))
    expected = (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    assert np.allclose(similarity(a, b * 7), expected, atol=1e-6)
    assert similarity(a[0], b).shape == (1, 2)
    with pytest.raises(InputError, match=r"shapes \(3, 8\) and \(2, 7\) cannot be compared"):
        similarity(a, b[:, :7])
