"""The template: good English, every fact, many ways to say it."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalens.core.errors import InputError
from catalens.tasks.checking import check
from catalens.tasks.facts import Fact, Facts
from catalens.tasks.lexicon import build_lexicon
from catalens.tasks.schema import load_schema
from catalens.tasks.template import LENGTHS, compose, tones
from catalens.tasks.vocabularies import load_vocabulary

SCHEMA = load_schema()
LEXICON = build_lexicon(SCHEMA)
VOCABULARIES = {
    "type": "fashion-types",
    "colour": "fashion-colours",
    "material": "fashion-materials",
    "pattern": "fashion-patterns",
    "neck": "fashion-necklines",
    "collar": "fashion-collars",
    "sleeve_length": "fashion-sleeves",
    "fit": "fashion-fits",
    "length": "fashion-lengths",
    "heel_type": "fashion-heels",
    "toe_shape": "fashion-toes",
    "fastening": "fashion-closures",
    "usage": "fashion-occasions",
    "gender": "fashion-audiences",
    "size": "fashion-sizes",
}
VALUES = {name: load_vocabulary(vocabulary) for name, vocabulary in VOCABULARIES.items()}
LABELS = {group.name: list(group.label_names) for group in SCHEMA.groups}


def facts(**values: str | tuple[str, ...]) -> Facts:
    return tuple(Fact(name, (each,) if isinstance(each, str) else each) for name, each in values.items())


def text(known: Facts, **style: object) -> str:
    return " ".join(each.text for each in compose(known, SCHEMA, **style))  # type: ignore[arg-type]


def some_of(values: dict[str, list[str]]) -> st.SearchStrategy[Facts]:
    names = st.lists(st.sampled_from(list(values)), min_size=1, max_size=12, unique=True)
    return names.flatmap(
        lambda chosen: st.tuples(
            *(
                st.builds(
                    lambda value, name=name: Fact(name, tuple(value)),
                    st.lists(
                        st.sampled_from(values[name]), min_size=1, max_size=1 if name == "type" else 2, unique=True
                    ),
                )
                for name in chosen
            )
        )
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(some_of(VALUES), some_of(LABELS)), st.sampled_from(tones()), st.sampled_from(LENGTHS), st.integers(0, 99)
)
def test_the_template_says_every_fact_and_adds_none(known: Facts, tone: str, length: str, seed: int) -> None:
    sentences = compose(known, SCHEMA, tone=tone, length=length, seed=seed)  # type: ignore[arg-type]
    written = " ".join(each.text for each in sentences)
    assert check(written, known, LEXICON).problems == (), written
    assert sorted(name for each in sentences for name in each.facts) == sorted(fact.name for fact in known)
    assert all(re.fullmatch(r"[A-Z].*\.", each.text) for each in sentences)
    assert not re.search(r"\s\s|\ba (?!one)[aeio]\w|\ban [b-df-gj-km-np-qt-w]\w|[{}]|\ba a\b", written), written


def test_what_the_template_writes_of_a_varied_table_passes_the_check() -> None:
    chance = random.Random(0)
    sizes = ("S", "M", "XL", "small", "Medium", "petite", "42", "one size")
    own = {"brand": ["Blue Ridge", "Not Just Denim"], "size": sizes, "waterproof": ["yes", "no"], "season": ["Summer"]}
    columns = {**VALUES, **own}
    for place in range(400):
        values = LABELS if place % 2 else columns
        names = [name for name in values if name == "type" or chance.random() < 0.5]
        known = tuple(Fact(name, (chance.choice(list(values[name])),)) for name in names)
        tone, length = chance.choice(tones()), chance.choice(LENGTHS)
        written = text(known, tone=tone, length=length, seed=place)
        assert check(written, known, LEXICON).problems == (), written


SHIRT = facts(type="Tshirts", colour="Navy Blue", pattern="Striped", sleeve_length="Short Sleeves", gender="Men")
JEANS = facts(type="Jeans", colour="Olive", fit="Slim Fit", material="Cotton")


def test_articles_numbers_and_verbs_agree() -> None:
    assert text(JEANS, length="short", seed=0).startswith(("This is a pair of", "A pair of", "Here is a pair of"))
    written = {text(JEANS, length="long", tone=tone, seed=seed) for tone in tones() for seed in range(12)}
    joined = " ".join(written)
    assert "The jeans have a slim fit." in joined
    assert "This pair of jeans has a slim fit." in joined
    assert "an olive" not in joined, "it is a pair that has the article"
    assert not re.search(r"jeans has a slim fit\.", joined.replace("pair of jeans has", "pair of trousers has"))
    laptops = text(facts(product="Laptops", colour="red", heel_type="x"), seed=3, length="medium")
    assert re.search(r"\b(These|these|Red|are)\b", laptops)
    assert not re.search(r"This|this|\bis\b|\bhas\b", laptops)


def test_of_several_things_every_opening_is_in_the_plural() -> None:
    tops = facts(type="T-shirts & tops", colour="Navy Blue")
    written = {text(tops, tone=tone, seed=seed) for tone in tones() for seed in range(20)}
    assert any(each.startswith("These are navy blue T-shirts & tops") for each in written)
    assert not any(re.search(r"\b(This|this|is)\b", each) for each in written), written


def test_the_seed_varies_what_is_said_and_how_and_the_same_seed_repeats_it() -> None:
    written = [text(SHIRT, seed=seed) for seed in range(30)]
    assert len(set(written)) >= 10
    assert written == [text(SHIRT, seed=seed) for seed in range(30)]
    reds = facts(type="Tshirts", colour="Red", pattern="Striped", sleeve_length="Short Sleeves", gender="Men")
    assert [text(reds, seed=seed).replace("red", "navy blue") for seed in range(30)] != written, "no mail merge"


def test_lengths_say_the_same_facts_in_fewer_or_more_sentences() -> None:
    counts = [[len(compose(SHIRT, SCHEMA, length=length, seed=seed)) for seed in range(20)] for length in LENGTHS]
    short, medium, long = map(sum, counts)
    assert short < medium < long


def test_tones_have_sentences_of_their_own() -> None:
    written = {
        tone: {compose(SHIRT, SCHEMA, tone=tone, seed=seed)[0].text.split()[0] for seed in range(20)}
        for tone in tones()
    }
    assert {"Meet", "Say"} <= written["friendly"]
    assert not {"Meet", "Say"} & (written["plain"] | written["formal"])


def test_attributes_that_it_does_not_know_are_said_too() -> None:
    written = text(
        facts(type="Shirts", brand="Blue Ridge", heel_height="5 cm", waterproof="yes", extras=("zip", "hood"))
    )
    assert "brand is Blue Ridge" in written
    assert "heel height is 5 cm" in written
    assert "Waterproof: yes." in written
    assert "extras are zip and hood" in written


def test_of_several_columns_for_the_kind_the_most_exact_is_the_noun() -> None:
    written = text(facts(category="Apparel", article_type="Shirts", colour="Red"))
    assert re.search(r"\bred shirt\b|shirt in red", written)
    assert "category is apparel" in written


def test_several_values_are_listed() -> None:
    assert re.search(r"red and white|red, white", text(facts(type="Dresses", colour=("Red", "White"))))


def test_two_attributes_with_one_value_are_said_once() -> None:
    written = {
        text(facts(type="Handbags", pattern="Self Design", print="Self Design"), seed=seed) for seed in range(20)
    }
    assert not any("self design and" in each for each in written)


def test_search_words_stand_in_a_sentence_that_says_what_they_are() -> None:
    *_, last = compose(SHIRT, SCHEMA, keywords=["summer shirts", "gifts"])
    assert last.text == "Related searches: summer shirts and gifts."
    assert (last.facts, last.keywords) == ((), ("summer shirts", "gifts"))


def test_braces_in_a_fact_are_only_characters() -> None:
    assert "{a} {this} {}" in text(facts(type="{a} {this} {}", colour="red"))


@pytest.mark.parametrize(
    ("style", "message"), [({"tone": "rude"}, "no tone 'rude'; it has: plain"), ({"length": "huge"}, "'huge'")]
)
def test_unknown_styles_are_named(style: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        text(SHIRT, **style)
