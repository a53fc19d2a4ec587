"""What the shipped readers say of pictures whose truth anybody can see, and what they refuse to read."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.types import Decoding, Scores, Turn
from catalens.demo.drawn import DrawnProduct
from catalens.models.bundle import load_bundle
from catalens.models.readers.auto import AutoReader
from catalens.models.readers.bundled import MAX_POSITIONS, MAX_TEXT_TOKENS, BundleReader, load_bundle_reader
from catalens.models.readers.registry import load_reader
from catalens.models.readers.support import UNKNOWN
from catalens.models.registry import shipped
from catalens.tasks.answers import choose
from catalens.tasks.captions import clean_caption
from catalens.tasks.schema import load_schema
from tests.support.drawings import drawn

FASHION = Path(os.environ.get("CATALENS_DATA", "../shared/data")) / "fashion"
CLEAR = ("Handbags", "Watches", "Sunglasses", "Shorts", "Ties", "Backpacks", "Socks", "Belts", "Wallets")
"""Kinds whose drawings are like their photographs."""
LONG = "what colour is the wonderful shirt that hangs on the wall beside the extraordinarily large window " * 4

pytestmark = pytest.mark.skipif(
    not all((shipped(name) / "reader" / "reader.json").is_file() for name in ("starter", "everyday")),
    reason="no readers are shipped yet",
)


@pytest.fixture(scope="module")
def reader(kept: Path) -> AutoReader:
    made = load_reader("starter", cache=kept)
    assert isinstance(made, AutoReader)
    return made


@pytest.fixture(scope="module", params=["starter", "everyday"])
def alone(reader: AutoReader, request: pytest.FixtureRequest) -> BundleReader:
    """Each of the two by itself."""
    return reader.product if request.param == "starter" else reader.everyday


@pytest.fixture(scope="module")
def products() -> list[DrawnProduct]:
    # Three of each kind.
    return drawn(51, seed=5)


@pytest.fixture(scope="module")
def captions(reader: AutoReader, products: list[DrawnProduct]) -> list[str]:
    encoded = reader.encode_images([product.picture for product in products])
    return [clean_caption(texts[0]) for texts in reader.caption(encoded)]


@pytest.fixture(scope="module")
def white() -> Image.Image:
    return Image.new("RGB", (120, 160), "white")


def names(products: list[DrawnProduct]) -> list[str]:
    """The everyday word for each product's type."""
    usual = {label.name: label.wordings[0].lower() for label in load_schema("fashion").group("type").labels}
    return [usual[product.article_type] for product in products]


def test_captions_name_the_kind_of_thing(products: list[DrawnProduct], captions: list[str]) -> None:
    told = [
        (product.article_type, name.split()[-1] in said.split(), said)
        for product, name, said in zip(products, names(products), captions, strict=True)
    ]
    clear = [right for kind, right, _ in told if kind in CLEAR]
    assert np.mean(clear) >= 0.75, told
    assert np.mean([right for _, right, _ in told]) >= 0.5, told


def test_captions_name_the_colour(products: list[DrawnProduct], captions: list[str]) -> None:
    right = [
        product.colour.lower().removeprefix("navy ") in said
        for product, said in zip(products, captions, strict=True)
        if product.pattern in (None, "Solid") and product.article_type != "Watches"
    ]
    assert np.mean(right) >= 0.6, captions


def test_closed_answers_in_words_that_were_taught_are_right(reader: AutoReader, products: list[DrawnProduct]) -> None:
    encoded = reader.product.encode_images([product.picture for product in products])
    kinds = sorted({product.article_type.lower() for product in products})
    told = choose(reader.product, encoded, "what is this?", kinds)
    assert np.mean([each.value == p.article_type.lower() for each, p in zip(told, products, strict=True)]) >= 0.6, told
    colours = sorted({product.colour.lower() for product in products})
    told = choose(reader.product, encoded, "what colour is it?", colours)
    assert np.mean([each.value == p.colour.lower() for each, p in zip(told, products, strict=True)]) >= 0.55, told


def test_few_products_are_unknown_to_a_reader(captions: list[str]) -> None:
    assert np.mean([clean_caption(UNKNOWN) in said for said in captions]) < 0.3, captions


@pytest.mark.skipif(not FASHION.is_dir(), reason="the fashion tables are not here (CATALENS_DATA)")
def test_captions_never_say_a_brand(captions: list[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = [row for file in FASHION.glob("*.parquet") for row in parquet.read_table(file, columns=["brandName"])[0]]
    labels = (label for group in load_schema("fashion").groups for label in group.labels)
    plain = {word for label in labels for text in (label.name, *label.wordings) for word in text.lower().split()}
    brands = {name.strip().lower() for name in map(str, rows)} - plain
    assert len(brands) > 100
    text = "\n".join(captions).lower()
    assert [brand for brand in brands if len(brand) > 2 and re.search(rf"\b{re.escape(brand)}\b", text)] == []


def test_a_reader_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from catalens.demo.drawn import draw_catalogue\n"
        "from catalens.models.readers import load_reader\n"
        "reader = load_reader('starter', threads=1)\n"
        "encoded = reader.encode_images([each.picture for each in draw_catalogue(2)])\n"
        "reader.caption(encoded), reader.answer(encoded, ['what is this?'])\n"
        "reader.score(encoded, 'what?', ['a', 'b'])\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_long_question_is_cut_at_a_word_and_never_silently(
    alone: BundleReader, white: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    encoded = alone.encode_images([white])
    with caplog.at_level(logging.WARNING, logger="catalens"):
        found = alone.score(encoded, LONG, ["red", "blue"])
    assert "were truncated, such as 'what colour is the wonderful" in caplog.text
    words = LONG.split()
    kept = [alone.score(encoded, " ".join(words[:count]), ["red", "blue"]) for count in range(20, 36)]
    assert any(np.allclose(found, each, atol=1e-4) for each in kept), "whole words are read"
    caplog.clear()
    alone.score(encoded, LONG, ["red", "blue"])
    alone.score(encoded, "what colour is it?", ["red"])
    assert not caplog.text, "it was told already"


def test_a_prompt_and_an_answer_that_are_too_long_are_refused(alone: BundleReader, white: Image.Image) -> None:
    encoded = alone.encode_images([white])
    with pytest.raises(InputError, match=rf"'what colour is .* tokens; {alone.name} reads at most {MAX_TEXT_TOKENS}"):
        alone.caption(encoded, prompt=LONG)
    with pytest.raises(InputError, match=r"tokens; .* reads at most"):
        alone.score(encoded, "what is it?", ["red", LONG])
    assert alone.caption(alone.encode_images([]), prompt=LONG) == []
    [[said]] = alone.caption(
        encoded, prompt="a shirt that hangs on a wall beside a window", decoding=Decoding(max_tokens=3)
    )
    assert said.startswith("a shirt that hangs on a wall beside a window")


def test_no_more_is_written_than_the_reader_holds(alone: BundleReader, white: Image.Image) -> None:
    encoded = alone.encode_images([white])
    [[most]] = alone.answer(
        encoded, ["what is this?"], decoding=Decoding(max_tokens=500, min_tokens=MAX_POSITIONS - 10)
    )
    assert len(most.split()) <= MAX_POSITIONS
    with pytest.raises(InputError, match=r"min_tokens is 70; after the prompt there is room for \d+ tokens"):
        alone.answer(encoded, ["what is this?"], decoding=Decoding(max_tokens=500, min_tokens=70))


@pytest.mark.parametrize("wrong", [Decoding(beams=0), Decoding(temperature=0.5, beams=2), Decoding(top_p=0.0)], ids=str)
def test_a_senseless_decoding_is_refused(reader: AutoReader, white: Image.Image, wrong: Decoding) -> None:
    encoded = reader.encode_images([white])
    with pytest.raises(InputError):
        reader.caption(encoded, decoding=wrong)
    with pytest.raises(InputError):
        reader.answer(encoded, ["what is this?"], decoding=wrong)


def test_half_a_character_is_named(alone: BundleReader, white: Image.Image) -> None:
    encoded = alone.encode_images([white])
    for ask in (
        lambda: alone.answer(encoded, ["what \udcff is it?"]),
        lambda: alone.caption(encoded, prompt="a \udcff"),
        lambda: alone.score(encoded, "what?", ["a \udcff"]),
    ):
        with pytest.raises(InputError, match="lone surrogate"):
            ask()


def test_a_conversation_is_refused_and_known_to_be(reader: AutoReader, white: Image.Image) -> None:
    assert not reader.keeps_history
    encoded, history = reader.encode_images([white]), [Turn("what is it?", "a shirt")]
    with pytest.raises(ModelError, match="conversation"):
        reader.answer(encoded, ["what colour?"], history=history)
    with pytest.raises(ModelError, match="conversation"):
        reader.score(encoded, "what colour?", ["red"], history=history)


def test_a_temperature_makes_chosen_answers_less_sure_and_changes_none(
    products: list[DrawnProduct], kept: Path, tmp_path: Path
) -> None:
    shutil.copytree(shipped("starter") / "reader", tmp_path / "reader")
    facts = tmp_path / "reader" / "reader.json"
    whole = {name: value for name, value in json.loads(facts.read_text()).items() if name != "temperature"}
    encoder = load_bundle(shipped("starter"), cache=kept)

    def chosen(**changed: object) -> list[tuple[str, float]]:
        facts.write_text(json.dumps(whole | changed))
        made = load_bundle_reader(tmp_path, encoder, cache=kept)
        encoded = made.encode_images([product.picture for product in islice(products, 4)])
        told = choose(made, encoded, "what colour is it?", ["red", "blue", "black"])
        return [(each.value, each.probability) for each in told]

    plain, mild = chosen(), chosen(temperature=2.0)
    assert plain == chosen(temperature=1)
    assert [value for value, _ in plain] == [value for value, _ in mild]
    assert all(less < more for (_, more), (_, less) in zip(plain, mild, strict=True))
    for wrong in (0, -1.0, "warm", float("inf"), None):
        with pytest.raises(ModelError, match=r"temperature is .*above 0"):
            chosen(temperature=wrong)
    for wrong in (-1.0, "near", float("nan")):
        with pytest.raises(ModelError, match=r"weight of cosines is .*at least 0"):
            chosen(cosine=wrong)


def test_the_encoder_s_cosine_counts_among_closed_answers_as_much_as_the_bundle_says(
    products: list[DrawnProduct], kept: Path, tmp_path: Path
) -> None:
    shutil.copytree(shipped("starter") / "reader", tmp_path / "reader")
    facts = tmp_path / "reader" / "reader.json"
    whole = json.loads(facts.read_text())
    encoder = load_bundle(shipped("starter"), cache=kept)
    pictures, answers = [product.picture for product in islice(products, 4)], ["a t-shirt", "a wristwatch", "jeans"]

    def scored(**changed: object) -> Scores:
        facts.write_text(json.dumps(whole | {"temperature": 1.0} | changed))
        made = load_bundle_reader(tmp_path, encoder, cache=kept)
        return made.score(made.encode_images(pictures), "what is it?", answers)

    near = encoder.encode_images(pictures) @ encoder.encode_texts(answers).T
    assert np.allclose(scored(cosine=20.0) - scored(cosine=0.0), 20.0 * near, atol=1e-3)
