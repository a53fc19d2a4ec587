"""The check of a text against its facts: what is missing, what was added, which sentence says what."""

from __future__ import annotations

import pytest

from catalens.tasks.checking import check, check_marked, split
from catalens.tasks.facts import Fact, Facts
from catalens.tasks.lexicon import build_lexicon
from catalens.tasks.schema import load_schema, parse_schema

LEXICON = build_lexicon(load_schema())


def facts(**values: str | tuple[str, ...]) -> Facts:
    return tuple(Fact(name, (each,) if isinstance(each, str) else each) for name, each in values.items())


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (facts(type="Tshirts"), "A tee."),
        (facts(type="Tshirts"), "These T-Shirts."),
        (facts(colour="Grey"), "It is gray."),
        (facts(colour="Navy Blue"), "It is navy."),
        (facts(sleeve_length="Short Sleeves"), "It is short-sleeved."),
        (facts(sleeve_length="Short Sleeves"), "The sleeves are short."),
        (facts(sleeve_length="Sleeveless"), "It has no sleeves."),
        (facts(pattern="Striped"), "It comes with stripes."),
        (facts(gender="Women"), "A women's thing."),
        (facts(material="leather", type="Belts"), "A leather belt."),
        (facts(dial_shape="Round"), "It has a round dial."),
        (facts(brand="Blue Ridge"), "By blue ridge."),
        (facts(waterproof="yes"), "It is waterproof."),
        (facts(heel_height="5 cm"), "The heel measures 5 cm."),
        (facts(colour=("Red", "White")), "It is red and white."),
    ],
)
def test_a_fact_is_said_by_its_own_words_its_synonyms_and_their_inflections(known: Facts, text: str) -> None:
    found = check(text, known, LEXICON)
    assert found.problems == ()
    assert found.sentences[0].facts == tuple(fact.name for fact in known)


@pytest.mark.parametrize(
    ("known", "text", "missing"),
    [
        (facts(type="Shirts"), "A t-shirt.", ("type",)),
        (facts(colour="Blue"), "It is navy blue.", ("colour",)),
        (facts(colour="Blue"), "It is light blue.", ("colour",)),
        (facts(material="Leather"), "It is faux leather.", ("material",)),
        (facts(gender="Men"), "For women.", ("gender",)),
        (facts(colour=("Red", "White")), "It is red.", ("colour",)),
        (facts(length="Short", sleeve_length="Short Sleeves"), "It has short sleeves.", ("length",)),
        (facts(dial_shape="Round", neck="Round Neck"), "It has a round neck.", ("dial_shape",)),
    ],
)
def test_a_word_of_something_else_says_no_fact(known: Facts, text: str, missing: tuple[str, ...]) -> None:
    assert check(text, known, LEXICON).missing == missing


@pytest.mark.parametrize(
    ("known", "text", "invented"),
    [
        (facts(type="Belts"), "A leather belt.", ("leather", "material")),
        (facts(type="Jeans"), "Denim jeans.", ("denim", "material")),
        (facts(type="Shirts"), "A carefree, sky blue shirt.", ("sky blue", "colour")),
        (facts(type="Shirts", colour="Blue"), "A blue shirt with paisley.", ("paisley", "pattern")),
        (facts(type="Shirts"), "A shirt in size XL.", ("size xl", "size")),
        (facts(type="Dresses"), "A knee-length dress.", ("knee length", "size")),
        (facts(type="Shirts"), "A shirt with long sleeves.", ("long sleeves", "sleeves")),
        (facts(type="Shirts"), "A shirt for 499 rupees.", ("499", "number")),
        (facts(type="Shirts", fabric="Cotton"), "A shirt of 100% cotton.", ("100", "number")),
    ],
)
def test_what_the_facts_do_not_say_is_named_with_its_kind(known: Facts, text: str, invented: tuple[str, str]) -> None:
    assert check(text, known, LEXICON).invented == (invented,)


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (facts(type="Face Moisturisers"), "A face cream."),
        (facts(colour="Navy Blue", type="Shirts"), "A shirt in blue, navy blue."),
        (facts(type="denim jacket"), "A denim jacket."),
        (facts(colour="Silver", type="Watches"), "A silver watch."),
        (facts(print="Floral", type="Tops"), "A top with a floral print."),
        (facts(brand="Red Tape", type="Shirts"), "A shirt by Red Tape."),
        (facts(fastening="Lace-Ups", type="Casual Shoes"), "Casual shoes with laces."),
        (facts(sleeve_length="Three-Quarter Sleeves", type="Tops"), "A top with 3/4 sleeves."),
    ],
)
def test_words_that_a_fact_holds_are_not_added(known: Facts, text: str) -> None:
    assert check(text, known, LEXICON).invented == ()


ADDED = {
    "colour": "crimson scarlet reddish gilded multi-color monochrome neon pinkish greenish bluish azure cyan ecru "
    "ochre anthracite silvery aubergine champagne iridescent translucent",
    "material": "elastane lycra acrylic bamboo hemp merino modal lyocell tencel polyamide woollen silky PU TPU EVA "
    "velvety leathery poplin neoprene titanium wooden",
    "pattern": "tartan gingham printed spotted zebra camo plaid pinstriped chequered flowery dotty patterned",
    "size": "petite outsize S M L XXS",
}


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in ADDED.items() for word in words.split()])
def test_words_of_catalogues_that_no_fact_holds_are_named(kind: str, word: str) -> None:
    known = facts(type="Tshirts", colour="Navy Blue")
    found = check(f"A navy blue {word} t-shirt in {word}.", known, LEXICON)
    assert [of for _, of in found.invented] == [kind], found.problems


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("in small", "size"),
        ("in small, medium and large sizes", "size"),
        ("in a medium", "size"),
        ("in size medium", "size"),
        ("in a natural shade", "colour"),
        ("in pale green", "colour"),
        ("with a smoke tone", "colour"),
        ("with a print", "pattern"),
        ("with spots", "pattern"),
        ("with a foam sole", "material"),
        ("lined with down", "material"),
    ],
)
def test_everyday_words_are_claims_where_they_claim(words: str, kind: str) -> None:
    found = check(f"A navy blue t-shirt {words}.", facts(type="Tshirts", colour="Navy Blue"), LEXICON)
    assert kind in {of for _, of in found.invented}, found.problems


@pytest.mark.parametrize(
    "text",
    [
        "A navy blue t-shirt with small details.",
        "A natural choice: this navy blue t-shirt.",
        "A navy blue t-shirt of medium rise, down to the hem.",
        "With a clear cut, this navy blue t-shirt is a small wonder.",
        "This navy blue t-shirt, set in stone fences, has a simple design.",
    ],
)
def test_everyday_words_are_no_claims_elsewhere(text: str) -> None:
    assert check(text, facts(type="Tshirts", colour="Navy Blue"), LEXICON).problems == ()


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (facts(type="Tshirts", material="Spandex"), "A lycra t-shirt."),
        (facts(type="Tshirts", material="Wool"), "A woollen t-shirt."),
        (facts(type="Tshirts", colour="Multi"), "A colourful t-shirt."),
        (facts(type="Tshirts", pattern="camouflage"), "A camo t-shirt."),
        (facts(type="Tshirts", print="Floral"), "A printed t-shirt with a floral print."),
        (facts(type="Tshirts", size="M"), "A t-shirt in size M."),
        (facts(type="Tshirts", size=("S", "M", "L")), "A t-shirt in S, M and L."),
        (facts(type="Tshirts", length="Regular"), "A t-shirt whose length is regular."),
        (facts(type="Shirts", brand="M&S"), "A shirt by M&S."),
        (facts(type="Shirts", colour="Crimson"), "A crimson shirt."),
    ],
)
def test_words_for_one_thing_say_its_fact(known: Facts, text: str) -> None:
    assert check(text, known, LEXICON).problems == ()


@pytest.mark.parametrize(
    "text",
    [
        "A t-shirt which is not navy blue.",
        "This t-shirt isn't available in navy blue.",
        "A t-shirt that is anything but navy blue.",
        "A t-shirt, neither navy blue nor plain.",
        "A navy blue-free t-shirt.",
        "A navy blue t-shirt that is not navy blue.",
    ],
)
def test_a_fact_that_is_denied_is_not_said_and_is_a_complaint(text: str) -> None:
    known = facts(type="Tshirts", colour="Navy Blue")
    found = check(text, known, LEXICON)
    assert found.denied == ("colour",)
    assert "the fact 'colour' is denied" in found.problems
    assert found.missing == (() if text.startswith("A navy blue t") else ("colour",))


@pytest.mark.parametrize(
    "text",
    [
        "Do not miss this navy blue t-shirt.",
        "No wardrobe is complete without this navy blue t-shirt.",
        "Not only navy blue, this is also a t-shirt.",
        "This is no ordinary t-shirt: it is navy blue.",
        "A navy blue t-shirt, no more.",
    ],
)
def test_a_not_of_something_else_denies_no_fact(text: str) -> None:
    assert check(text, facts(type="Tshirts", colour="Navy Blue"), LEXICON).problems == ()


def test_a_fact_that_something_is_not_so_is_said_by_denying_it() -> None:
    known = facts(type="Watches", waterproof="no")
    for text in ("A watch which is not waterproof.", "A watch. Waterproof: no.", "A non-waterproof watch."):
        assert check(text, known, LEXICON).problems == (), text
    assert check("A waterproof watch.", known, LEXICON).denied == ("waterproof",)
    assert check("A watch which is not waterproof.", facts(type="Watches", waterproof="yes"), LEXICON).denied


def test_every_sentence_is_traced_and_those_that_say_nothing_are_named() -> None:
    known = facts(type="Tshirts", colour="Red", gender="Men")
    found = check("A red tee. You will love it!\n- For men", known, LEXICON)
    assert [each.facts for each in found.sentences] == [("type", "colour"), (), ("gender",)]
    assert found.untraced == ("You will love it!",)
    assert found.problems == ("the sentence 'You will love it!' states none of the facts",)


def test_search_words_that_were_asked_for_must_be_there() -> None:
    found = check("A red tee for summer days.", facts(type="Tshirts", colour="Red"), LEXICON, ["summer day", "gift"])
    assert found.keywords == ("gift",)
    assert found.sentences[0].keywords == ("summer day",)


def test_a_schema_of_ones_own_brings_its_own_words() -> None:
    schema = parse_schema(
        "name: cars\n"
        "groups: {color: {labels: {Rosso: [rosso corsa], Giallo: [giallo]}}, body: {labels: [coupe, estate]}}",
        origin="cars",
    )
    lexicon = build_lexicon(schema)
    found = check("A giallo coupe.", facts(color="Rosso", body="coupe"), lexicon)
    assert (found.missing, found.invented) == (("color",), (("giallo", "colour"),))


def test_marks_say_in_any_language_which_words_say_which_fact() -> None:
    known = facts(colour="Navy Blue", type="Tshirts", sleeve_length="Short Sleeves")
    text = "Ein [[colour|marineblaues]] [[type|T-Shirt]]. Kurze Ärmel. Nur 20 Stück, [[brand|Nike]]."
    found = check_marked(text, known, ["T-Shirt", "Sommer"])
    assert [each.text for each in found.sentences] == [
        *("Ein marineblaues T-Shirt.", "Kurze Ärmel.", "Nur 20 Stück, Nike.")
    ]
    assert found.sentences[0].facts == ("colour", "type")
    assert found.missing == ("sleeve_length",)
    assert found.invented == (("20", "number"),)
    assert found.untraced == ("Kurze Ärmel.", "Nur 20 Stück, Nike.")
    assert found.keywords == ("Sommer",)


def test_sentences_are_told_apart_by_their_ends_and_by_lines() -> None:
    assert split('* One.  "Two!" Three?\n\n- four, 5.5 cm') == ["One.", '"Two!', "Three?", "four, 5.5 cm"]
    assert split(" \n ... ") == []
