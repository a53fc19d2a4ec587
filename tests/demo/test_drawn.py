"""The drawn catalogue: the truth it claims is in the pictures."""

from __future__ import annotations

import math
from importlib.resources import files

import numpy as np
import pytest
import yaml
from PIL import Image

from catalens.core.errors import InputError
from catalens.demo.drawn import ARTICLE_TYPES, DrawnProduct, draw_catalogue
from catalens.demo.drawn.fabrics import COLOURS
from tests.support.drawings import drawn, drawn_at


@pytest.fixture(scope="module")
def products() -> list[DrawnProduct]:
    return drawn(2 * len(ARTICLE_TYPES), seed=7)


@pytest.fixture(scope="module")
def t_shirts() -> list[DrawnProduct]:
    assert ARTICLE_TYPES[0] == "Tshirts"
    return [drawn_at(0, seed) for seed in range(15)]


def pixels_of_product(image: Image.Image) -> np.ndarray:
    """Return (n, 3) pixels, one in sixteen, that are drawn on, without the paper and the soft shadow."""
    pixels = np.asarray(image, dtype=np.float32)[::4, ::4]
    grey = pixels.max(axis=-1) - pixels.min(axis=-1) < 12
    paper = grey & (pixels.min(axis=-1) > 205)
    return np.asarray(pixels[~paper])


def test_every_kind_once_before_any_comes_twice(products: list[DrawnProduct]) -> None:
    kinds = [product.article_type for product in products]
    assert tuple(kinds[: len(ARTICLE_TYPES)]) == ARTICLE_TYPES
    assert len(ARTICLE_TYPES) >= 12
    assert len({product.id for product in products}) == len(products)


def test_pictures_are_upright_centred_and_on_white(products: list[DrawnProduct]) -> None:
    for product in products:
        assert (product.picture.mode, product.picture.size) == ("RGB", (300, 400)), product.id
        pixels = np.asarray(product.picture)
        assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all(), product.id
        rows, columns = np.nonzero((pixels < 200).any(axis=-1))
        assert abs((columns.min() + columns.max()) / 2 - 150) < 22, product.id
        assert abs((rows.min() + rows.max()) / 2 - 200) < 22, product.id
        assert columns.max() - columns.min() > 65, product.id
        assert rows.max() - rows.min() > 95, product.id


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    short, long = list(draw_catalogue(3, seed=1)), list(draw_catalogue(5, seed=1))
    assert [p.picture.tobytes() for p in short] == [p.picture.tobytes() for p in long[:3]]
    others = list(draw_catalogue(5, seed=2))
    assert [p.picture.tobytes() for p in others] != [p.picture.tobytes() for p in long]


def test_the_truth_is_in_words_of_the_shipped_schema(products: list[DrawnProduct]) -> None:
    schema = yaml.safe_load(files("catalens.tasks").joinpath("data/fashion.yaml").read_text(encoding="utf-8"))
    known = {name: set(group["labels"]) for name, group in schema["groups"].items()}
    for product in products:
        assert product.article_type in known["type"]
        assert product.colour in known["colour"]
        assert product.pattern is None or product.pattern in known["pattern"]
        assert product.sleeve_length is None or product.sleeve_length in known["sleeve_length"]


def test_solid_clothes_show_their_colour(products: list[DrawnProduct]) -> None:
    uncoloured = ("White", "Black", "Grey")
    solid = [product for product in products if product.pattern == "Solid" and product.colour not in uncoloured]
    assert len(solid) > 5
    for product in solid:
        shown = np.median(pixels_of_product(product.picture), axis=0)
        nearest = min(COLOURS, key=lambda name: math.dist(COLOURS[name], shown))
        assert nearest == product.colour, product.id


def test_stripes_lie_across_a_t_shirt(t_shirts: list[DrawnProduct]) -> None:
    unevenness: dict[str | None, list[float]] = {"Solid": [], "Striped": [], "Printed": []}
    for product in t_shirts:
        grey = np.asarray(product.picture.convert("L"), dtype=np.float32)[120:340, 100:200]
        unevenness[product.pattern].append(grey.mean(axis=1).std() / (1 + grey.mean(axis=0).std()))
    assert min(unevenness["Striped"]) > max(unevenness["Solid"])
    assert unevenness["Printed"]


def test_long_sleeves_reach_further_down(t_shirts: list[DrawnProduct]) -> None:
    reach: dict[str | None, list[int]] = {"Long Sleeves": [], "Short Sleeves": []}
    for product in t_shirts:
        low = np.asarray(product.picture)[240:330]
        reach[product.sleeve_length].append(int((low.min(axis=-1) < 240).any(axis=0).sum()))
    assert min(reach["Long Sleeves"]) > max(reach["Short Sleeves"])


def test_titles_say_the_truth(t_shirts: list[DrawnProduct]) -> None:
    for product in t_shirts:
        pattern, sleeves = str(product.pattern).lower(), str(product.sleeve_length).lower()
        assert product.title == f"{product.colour} {pattern} t-shirt, {sleeves}"


def test_a_negative_number_is_refused_at_the_call() -> None:
    with pytest.raises(InputError, match="-1 products"):
        draw_catalogue(-1)


def test_black_jeans_are_not_blue() -> None:
    place = ARTICLE_TYPES.index("Jeans")
    jeans = [drawn_at(place, seed) for seed in range(6)]
    shown = {product.colour: np.median(pixels_of_product(product.picture), axis=0) for product in jeans}
    assert shown["Black"].max() < 80
    assert np.ptp(shown["Black"]) < 12, "no tint"
    assert shown["Navy Blue"][2] - shown["Navy Blue"][0] > 20


def test_the_peak_of_a_cap_reaches_beyond_its_crown_to_one_side(products: list[DrawnProduct]) -> None:
    for product in (each for each in products if each.article_type == "Caps"):
        ink = np.asarray(product.picture).min(axis=-1) < 200
        crown, peak = np.flatnonzero(ink[150:200].any(axis=0)), np.flatnonzero(ink[250:270].any(axis=0))
        assert peak.max() - crown.max() > 60
