"""Prompts against an honest search that encodes every text whole, over many encoders drawn by lot."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from catalens.core.errors import InputError
from catalens.core.types import Vectors
from catalens.tasks.interrogation import Plan, Prompt, Tables, Vocabulary, build_vocabulary, interrogate
from tests.support.reading_encoder import ReadingEncoder, ReadingPrefixEncoder, pictures, words_of

WORDS = [
    "sun",
    "rain",
    "fog",
    "snow",
    "red",
    "blue",
    "green",
    "gold",
    "old",
    "new",
    "soft",
    "hard",
    "light",
    "dark",
    "calm",
    "wild",
    "oil",
    "ink",
    "wood",
    "glass",
]
TABLES = Tables(
    artists=["Ada Gray", "Bo Lind", "Cy Ito"],
    flavors=[*WORDS, *(f"{a} {b}" for a, b in zip(WORDS, WORDS[3:], strict=False))],
    mediums=["a photo", "a drawing"],
    movements=["cubism", "realism"],
    sites=["Flickr"],
    negative=["blurry", "cropped", "bad hands", "sun"],
)
POSITIVE = ("artist", "flavor", "medium", "movement", "site")


def brute_force(
    cosine: Callable[[str], float], fits: Callable[[str], bool], start: str, phrases: Sequence[str], plan: Plan
) -> str:
    """The chain as one would write it down: every text whole, one at a time."""
    left = list(phrases)
    best = now = start
    for count in range(plan.most):
        fitting = [phrase for phrase in left if fits(f"{now}, {phrase}")]
        if not fitting:
            break
        phrase = max(fitting, key=lambda each: cosine(f"{now}, {each}"))
        longer = f"{now}, {phrase}"
        if cosine(longer) > cosine(best):
            best = longer
        if cosine(longer) <= cosine(now) and count >= plan.min_flavors:
            break
        now = longer
        left.remove(phrase)
    return best


@dataclasses.dataclass
class Case:
    """An encoder and a picture, with what can be asked of them by hand."""

    encoder: ReadingEncoder
    picture: Vectors
    plan: Plan

    def __post_init__(self) -> None:
        self.vocabulary = build_vocabulary(self.encoder, TABLES)

    def prompt(self, caption: str = "") -> Prompt:
        [found] = interrogate(self.encoder, self.vocabulary, self.picture, [caption], self.plan)
        return found

    def cosine(self, text: str) -> float:
        return float((self.encoder.encode_texts([text]) @ self.picture[0])[0])

    def fits(self, text: str) -> bool:
        return len(words_of(text)) + 2 <= min(self.plan.token_limit or 77, self.encoder.max_tokens)

    def ranked(self, kinds: Sequence[str], count: int, sign: float = 1.0) -> list[str]:
        terms = [term for kind in kinds for term in dict.fromkeys(TABLES.phrases()[kind])]  # type: ignore[index]
        return sorted(terms, key=lambda term: -sign * self.cosine(term))[:count]

    def joined(self, start: str, phrases: Sequence[str]) -> str:
        for phrase in phrases:
            if self.fits(f"{start}, {phrase}"):
                start = f"{start}, {phrase}"
        return start

    def classic(self, caption: str, count: int) -> str:
        medium, artist, site, movement = (
            self.ranked([kind], 1)[0] for kind in ("medium", "artist", "site", "movement")
        )
        start = f"{caption} {artist}" if caption.startswith(medium) else f"{caption}, {medium} {artist}"
        return self.joined(start, [site, movement, *self.ranked(["flavor"], count)])


def case(seed: int, encoder: type[ReadingEncoder] = ReadingPrefixEncoder, **plan: object) -> Case:
    plan = {"candidates": 25, **plan}
    return Case(encoder(seed, max_tokens=40), pictures(seed, 1), Plan(**plan))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(25))
def test_best_is_the_nearest_of_what_an_honest_search_finds(seed: int) -> None:
    given = case(seed, min_flavors=seed % 4, max_flavors=5 + seed % 9, token_limit=None if seed % 2 else 24)
    caption = "a photo of a dog"
    candidates = given.ranked(POSITIVE, 25)
    chained = brute_force(given.cosine, given.fits, caption, candidates, given.plan)
    fast = given.joined(caption, given.ranked(POSITIVE, given.plan.most))
    texts = [caption, given.classic(caption, given.plan.most), fast, chained]
    found = given.prompt(caption)
    assert found.text == max(texts, key=given.cosine)
    assert found.cosine == pytest.approx(given.cosine(found.text), abs=1e-6)
    assert found.tokens == len(words_of(found.text)) + 2
    assert given.fits(found.text)


@pytest.mark.parametrize("seed", range(25))
def test_negative_is_the_farthest_of_what_an_honest_search_finds(seed: int) -> None:
    given = case(seed, mode="negative", min_flavors=seed % 4, max_flavors=6)
    start, *rest = sorted({*given.ranked(["flavor"], 25, -1.0), *TABLES.negative}, key=given.cosine)
    wanted = brute_force(lambda text: -given.cosine(text), given.fits, start, rest, given.plan)
    found = given.prompt()
    assert found.text == wanted
    assert found.cosine == pytest.approx(given.cosine(wanted), abs=1e-6)
    assert found.cosine <= found.terms[0].cosine + 1e-6


@pytest.mark.parametrize("seed", range(10))
def test_without_a_caption_the_chain_begins_with_the_nearest_term(seed: int) -> None:
    given = case(seed, max_flavors=4)
    start, *rest = given.ranked(POSITIVE, 25)
    chained = brute_force(given.cosine, given.fits, start, rest, given.plan)
    assert given.cosine(given.prompt().text) >= given.cosine(chained) - 1e-6


@pytest.mark.parametrize("caption", ["a dog", "a photo of a dog", "a drawing of a dog"])
def test_classic_names_each_part_in_order(caption: str) -> None:
    given = case(3, mode="classic")
    assert given.prompt(caption).text == given.classic(caption, 3)


def test_fast_adds_the_nearest_terms_with_their_cosines() -> None:
    given = case(4, mode="fast", max_flavors=6)
    wanted = given.ranked(POSITIVE, 6)
    found = given.prompt("a dog")
    assert found.text == ", ".join(["a dog", *wanted])
    assert [term.text for term in found.terms] == wanted
    assert [term.cosine for term in found.terms] == pytest.approx([given.cosine(term) for term in wanted], abs=1e-6)


def test_an_encoder_that_knows_no_prefixes_finds_the_same_with_more_work() -> None:
    plain, causal = case(5, ReadingEncoder), case(5)
    assert plain.prompt("a dog").text == causal.prompt("a dog").text
    assert plain.prompt("a dog").tokens is None


@pytest.mark.parametrize("seed", range(5))
def test_many_pictures_get_what_each_gets_alone(seed: int) -> None:
    given = case(seed)
    captions = ["a dog", "", "a photo of two cats"]
    many = pictures(seed, 3)
    together = interrogate(given.encoder, given.vocabulary, many, captions, given.plan)
    for prompt, vector, caption in zip(together, many, captions, strict=True):
        [alone] = interrogate(given.encoder, given.vocabulary, vector[None], [caption], given.plan)
        assert alone.text == prompt.text
    assert interrogate(given.encoder, given.vocabulary, many[:0], [], given.plan) == []


def test_the_lazy_search_scores_less_and_loses_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalens.tasks.prompts.chain.LAZY_BATCH", 4)
    losses, exact_scored, lazy_scored = [], 0, 0
    for seed in range(20):
        exact, lazy = case(seed).prompt("a dog"), case(seed, search="lazy").prompt("a dog")
        losses.append(exact.cosine - lazy.cosine)
        exact_scored, lazy_scored = exact_scored + exact.scored, lazy_scored + lazy.scored
    assert lazy_scored < exact_scored
    assert np.mean(losses) < 0.05


def test_a_caption_that_is_too_long_is_cut_at_a_word_and_the_rest_is_reported() -> None:
    given = case(6, mode="fast", token_limit=10, max_flavors=2)
    found = given.prompt("one two three four five six seven eight nine ten")
    assert found.text == "one two three four five six seven eight"
    assert found.left_out[0] == "nine ten"
    assert len(found.left_out) == 3
    assert found.tokens == 10


def test_runners_up_are_the_next_terms_of_each_table() -> None:
    given = case(7, mode="classic", runners_up=2)
    found = given.prompt("a dog")
    used = {term.text for term in found.terms}
    for kind in POSITIVE:
        wanted = [term for term in given.ranked([kind], 99) if term not in used][:2]
        assert [term.text for term in found.runners_up if term.kind == kind] == wanted


def test_an_empty_table_is_left_out_and_an_empty_vocabulary_is_refused() -> None:
    given = case(8, mode="classic")
    tables = dataclasses.replace(TABLES, artists=[], sites=[""])
    vocabulary = build_vocabulary(given.encoder, tables)
    # An empty site leaves "trending on " and the like; the site itself is no term.
    assert all(term for bank in vocabulary.banks.values() for term in bank.terms)
    [found] = interrogate(given.encoder, vocabulary, given.picture, ["a dog"], given.plan)
    assert "by" not in words_of(found.text)
    empty = Tables(artists=[], flavors=[""], mediums=[], movements=[], sites=[], negative=[])
    with pytest.raises(InputError, match="no term"):
        build_vocabulary(given.encoder, empty)


def test_a_limit_that_no_term_keeps_is_refused() -> None:
    given = case(13, token_limit=8)
    long = Tables(
        artists=[], flavors=["one two three four five six seven"], mediums=[], movements=[], sites=[], negative=[]
    )
    vocabulary = build_vocabulary(given.encoder, long)
    with pytest.raises(InputError, match="8 tokens leaves no room"):
        interrogate(given.encoder, vocabulary, given.picture, [""], given.plan)


def test_vectors_come_from_the_cache_and_a_changed_table_costs_only_itself(tmp_path: Path) -> None:
    encoder = ReadingEncoder(9)
    first = build_vocabulary(encoder, TABLES, cache_dir=tmp_path)
    before = encoder.texts
    again = build_vocabulary(encoder, TABLES, cache_dir=tmp_path)
    assert encoder.texts == before
    for kind, bank in first.banks.items():
        assert np.array_equal(bank.vectors, again.banks[kind].vectors)
        assert again.banks[kind].vectors.dtype == np.float32
    build_vocabulary(encoder, dataclasses.replace(TABLES, mediums=["a photo", "a print"]), cache_dir=tmp_path)
    assert encoder.texts == before + 2


def test_the_nearest_of_a_large_table_are_exact() -> None:
    encoder = ReadingEncoder(10)
    terms = [f"term {at}" for at in range(5000)]
    tables = Tables(artists=[], flavors=terms, mediums=terms[:3], movements=[], sites=[], negative=[])
    vocabulary: Vocabulary = build_vocabulary(encoder, tables)
    many = pictures(1, 3)
    cosines = many @ vocabulary.banks["flavor"].vectors.T
    for farthest, sign in ((False, 1.0), (True, -1.0)):
        found = vocabulary.nearest(["flavor"], many, 2048, farthest=farthest)
        for row, ranked in zip(sign * cosines, found, strict=True):
            assert [term.text for term in ranked] == [terms[at] for at in np.argsort(-row, kind="stable")[:2048]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "worst"}, "best, fast"),
        ({"search": "quick"}, "exact, lazy"),
        ({"max_flavors": 0}, "at least 1"),
        ({"token_limit": 3}, "at least 8"),
    ],
)
def test_plans_that_make_no_sense_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Plan(**changes)  # type: ignore[arg-type]


def test_what_does_not_belong_together_is_refused() -> None:
    given = case(11)
    with pytest.raises(InputError, match="encoded by reading-11"):
        interrogate(ReadingEncoder(12), given.vocabulary, given.picture, [""], given.plan)
    with pytest.raises(InputError, match="n captions"):
        interrogate(given.encoder, given.vocabulary, given.picture, [], given.plan)
    compatible = Plan(compatible=True)
    with pytest.raises(InputError, match="starts from a caption"):
        interrogate(given.encoder, given.vocabulary, given.picture, [""], compatible)
    no_sites = build_vocabulary(given.encoder, dataclasses.replace(TABLES, sites=[]))
    with pytest.raises(InputError, match="every table"):
        interrogate(given.encoder, no_sites, given.picture, ["a dog"], compatible)
    plain = case(11, ReadingEncoder)
    with pytest.raises(InputError, match="does not count tokens"):
        interrogate(plain.encoder, plain.vocabulary, plain.picture, ["a dog"], compatible)
