"""Rows of the fashion table, and what may be said of them: only what is true."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from catalens.core.errors import InputError
from catalens.demo.drawn import DrawnProduct
from catalens.tasks.schema import load_schema
from catalens.training.fashion import Phrasebook, Product, first_sentence, label_texts, read_products
from tests.support.drawn_table import SCHEMA, row, write_table

TOP = DrawnProduct("1", Image.new("RGB", (60, 80), "red"), "Tshirts", "Red", "Striped", "Short Sleeves")
GLUE = {"a", "photo", "of", "picture", "with", "and", "made", "product", "women's"}


def product(**changes: object) -> Product:
    facts = {
        "id": "1",
        "picture": b"",
        "title": "Acme Women Red T-shirt",
        "brand": "Acme",
        "sentence": "Red T-shirt with a fine seam",
        "labels": {
            "type": "Tshirts",
            "colour": "Red",
            "gender": "Women",
            "pattern": "Striped",
            "sleeve_length": "Short Sleeves",
            "neck": "Round Neck",
            "material": "Cotton",
        },
    }
    return Product(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_row_becomes_a_product(tmp_path: Path) -> None:
    write_table(tmp_path / "train-0.parquet", [row(7, TOP)])
    write_table(tmp_path / "train-1.parquet", [row(8, TOP, brandName=None, attributes=None, description=None)])
    first, second = read_products(tmp_path, "train")
    assert (first.id, first.brand, first.title) == ("7", "Acme", "Acme Red striped t-shirt, short sleeves")
    assert first.sentence == "Red striped t-shirt, short sleeves with a fine seam"
    assert first.picture.startswith(b"\xff\xd8")
    assert first.labels == {
        "type": "Tshirts",
        "colour": "Red",
        "gender": "Women",
        "usage": "Casual",
        "pattern": "Striped",
        "sleeve_length": "Short Sleeves",
    }
    assert (second.id, second.brand, second.sentence) == ("8", "", "")
    assert "pattern" not in second.labels


def test_the_first_key_wins_and_like_values_are_one(tmp_path: Path) -> None:
    attributes = [("Fabric", "Silk"), ("Material", "Pure Cotton"), ("Neck", "")]
    write_table(tmp_path / "val.parquet", [row(1, TOP, attributes=attributes)])
    [found] = read_products(tmp_path, "val")
    assert found.labels["material"] == "Cotton"
    assert "neck" not in found.labels


def test_a_folder_without_the_split_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no test\*\.parquet"):
        list(read_products(tmp_path, "test"))


def test_a_table_of_other_columns_names_what_is_missing(tmp_path: Path) -> None:
    write_table(tmp_path / "val.parquet", [], SCHEMA.remove(SCHEMA.get_field_index("baseColour")))
    with pytest.raises(InputError, match=r"val\.parquet has no column baseColour"):
        list(read_products(tmp_path, "val"))


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "val.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InputError, match=r"val\.parquet cannot be read as parquet"):
        list(read_products(tmp_path, "val"))


def test_without_pyarrow_the_command_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r'pip install "catalens\[parquet\]"'):
        list(read_products(tmp_path, "val"))


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("<p>Light pink T-shirt, print on front. Wash cold.</p>", "Light pink T-shirt, print on front"),
        ("<ul><li>Round neck &amp; short sleeves</li><li>Fit</li></ul>", "Round neck & short sleeves"),
        ("Black leather belt with buckle.", "Black leather belt with buckle"),
        ("Fits 2.5 inch belts well", "Fits 2.5 inch belts well"),
        ("Team it with your jeans and go", ""),
        ("Must-have shirt of the year", ""),
        ("Blue shirt", ""),
        ("word " * 41, ""),
        ("", ""),
        ("<br/>", ""),
    ],
)
def test_first_sentence(description: str, sentence: str) -> None:
    assert first_sentence(description) == sentence


def true_words(of: Product) -> set[str]:
    """Return every word that a phrase about a product may hold."""
    wordings = [
        label.wordings
        for name, value in of.labels.items()
        for label in load_schema("fashion").group(name).labels
        if label.name == value
    ]
    return GLUE | {word for each in wordings for wording in each for word in wording.split()}


def test_a_phrase_says_only_what_is_true() -> None:
    shirt, book = product(), Phrasebook(load_schema("fashion"), random.Random(3))
    words = true_words(shirt)
    phrases = {book.phrase(shirt) for _ in range(400)}
    assert len(phrases) > 100
    for phrase in phrases:
        assert set(phrase.split()) <= words, phrase
    said = " / ".join(phrases)
    for expected in ("women's", "red", "striped", "made of cotton", "round neck"):
        assert expected in said


def test_a_product_of_which_nothing_is_known_is_a_product() -> None:
    book = Phrasebook(load_schema("fashion"), random.Random(0))
    unknown = product(labels={"type": "Spaceship", "gender": "Robots"}, title="X", sentence="")
    said = {book.phrase(unknown) for _ in range(50)}
    assert said == {"product", "a product", "a photo of product", "a picture of a product"}


def test_what_is_said_comes_from_the_seed() -> None:
    def said(seed: int) -> list[str]:
        book = Phrasebook(load_schema("fashion"), random.Random(seed))
        return [book.say(product()) for _ in range(60)]

    assert said(4) == said(4)
    assert said(4) != said(5)


def test_titles_sentences_and_phrases_are_all_said() -> None:
    book = Phrasebook(load_schema("fashion"), random.Random(1))
    said = [book.say(product()) for _ in range(1000)]
    titles = [text for text in said if text in {"Acme Women Red T-shirt", "Women Red T-shirt"}]
    sentences = [text for text in said if text == "Red T-shirt with a fine seam"]
    assert 430 < len(titles) < 570
    assert 0.1 < titles.count("Women Red T-shirt") / len(titles) < 0.3
    assert 130 < len(sentences) < 230
    phrases = [text for text in said if text not in {*titles, *sentences}]
    words = true_words(product())
    mistyped = [text for text in phrases if not set(text.split()) <= words]
    assert 0 < len(mistyped) < 0.1 * len(phrases), mistyped


def test_every_label_of_a_group_is_worded_in_order() -> None:
    schema = load_schema("fashion")
    group = schema.group("colour")
    plain = label_texts(schema, "colour", lambda options: options[0])
    assert plain == [group.templates[0].format(label.wordings[0]) for label in group.labels]
    last = label_texts(schema, "colour", lambda options: options[-1])
    assert last == [group.templates[-1].format(label.wordings[-1]) for label in group.labels]
