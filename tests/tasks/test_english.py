from __future__ import annotations

import pytest

from catalens.tasks.english import article, is_plural, lowered, stems, with_article


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("striped", "stripes"),
        ("short sleeves", "Short-Sleeved"),
        ("polka dots", "polka dotted"),
        ("colour", "COLOR"),
        ("men's watch", "man watches"),
        ("women’s", "woman"),
        ("accessories", "accessory"),
        ("dresses", "dress"),
        ("grey", "gray"),
    ],
)
def test_inflections_and_spellings_of_one_word_are_equal(one: str, other: str) -> None:
    assert stems(one) == stems(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("red", "rod"), ("cap", "cape"), ("men", "women"), ("dress", "dres"), ("canvas", "canva"), ("lace", "place")],
)
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert stems(one) != stems(other)


def test_numbers_are_words_and_keep_their_fractions() -> None:
    assert stems("3/4 sleeves, 2.5 cm") == ("3/4", *stems("sleeve"), "2.5", "cm")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        *(("orange bag", "an"), ("unisex top", "a"), ("uniform", "a"), ("uninspired top", "an"), ("U-neck", "a")),
        *(("hourglass dress", "an"), ("A-line skirt", "an"), ("V-neck", "a"), ("off-white shirt", "an")),
    ],
)
def test_articles_follow_the_sound(words: str, expected: str) -> None:
    assert article(words) == expected


def test_one_thing_has_an_article_and_several_have_none() -> None:
    assert [with_article(noun) for noun in ("round neck", "short sleeves", "the zip", "pair of jeans")] == [
        *("a round neck", "short sleeves", "the zip", "a pair of jeans")
    ]
    assert not is_plural("neckline with shoulder straps")


def test_capitals_that_mean_something_stay() -> None:
    assert lowered("Three-Quarter Sleeves of PVC") == "three-quarter sleeves of PVC"
