"""Words drawn one after the other, against looking at every possible text."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from catalens.core.types import Decoding
from catalens.models.readers.generate_numpy import LENGTH, Floats, Ids, SpecialIds, generate

WORDS, END, NEVER = 6, 5, 0
SPECIAL = SpecialIds(end=END, never=(NEVER,))


class Chain:
    """A model in which the next word depends on the last two; its past holds the words themselves."""

    def __init__(self, pictures: int, seed: int = 0) -> None:
        self.logits = np.random.default_rng(seed).normal(size=(pictures, WORDS, WORDS, WORDS)).astype(np.float32) * 2
        self.pictures = pictures

    def step(self, ids: Ids, past: Floats) -> tuple[Floats, Floats]:
        words = np.concatenate([past[0, 0, :, 0, :, 0].astype(np.int64), ids], axis=1)
        owner = np.arange(len(words)) // (len(words) // self.pictures)
        before = words[:, -2] if words.shape[1] > 1 else np.zeros(len(words), np.int64)
        return self.logits[owner, before, words[:, -1]], ids[None, None, :, None, :, None].astype(np.float32)

    def nothing(self) -> Floats:
        return np.empty((1, 1, self.pictures, 1, 0, 1), dtype=np.float32)

    def log_likelihood(self, picture: int, prompt: list[int], text: list[int], most: int) -> float:
        words, total = [*prompt], 0.0
        for word in [*text, END][:most]:
            logits = self.logits[picture, words[-2] if len(words) > 1 else 0, words[-1]].copy()
            logits[NEVER] = -1e9
            total += float(logits[word] - np.log(np.exp(logits).sum()))
            words.append(word)
        return total


def run(chain: Chain, decoding: Decoding, count: int = 1) -> list[list[list[int]]]:
    prompt = np.full((chain.pictures, 1), 1, dtype=np.int64)
    drawn = generate(chain.step, prompt, chain.nothing(), count=count, decoding=decoding, special=SPECIAL)
    return [[text.ids for text in texts] for texts in drawn]


@pytest.mark.parametrize("seed", range(8))
def test_enough_beams_find_the_best_of_all_texts(seed: int) -> None:
    chain, most = Chain(2, seed), 4
    texts = [list(text) for n in range(most + 1) for text in product(range(1, END), repeat=n)]

    def worth(picture: int, text: list[int]) -> float:
        return float(chain.log_likelihood(picture, [1], text, most) / (len(text) + 1) ** LENGTH)

    drawn = run(chain, Decoding(max_tokens=most, beams=(WORDS - 1) ** most))
    for picture, found in enumerate(drawn):
        best = max(texts, key=lambda text: worth(picture, text))
        assert found[0] == best


def test_one_beam_takes_the_likeliest_word_each_time() -> None:
    chain = Chain(3)
    for picture, [text] in enumerate(run(chain, Decoding(max_tokens=6))):
        words = [1]
        for _ in range(6):
            logits = chain.logits[picture, words[-2] if len(words) > 1 else 0, words[-1]].copy()
            logits[NEVER] = -np.inf
            word = int(logits.argmax())
            if word == END:
                break
            words.append(word)
        assert text == words[1:]


def test_several_texts_are_different_and_come_best_first() -> None:
    chain = Chain(2, seed=3)
    for picture, texts in enumerate(run(chain, Decoding(max_tokens=4, beams=6), count=4)):
        assert len({tuple(text) for text in texts}) == 4
        worth = [chain.log_likelihood(picture, [1], text, 4) / (len(text) + 1) ** LENGTH for text in texts]
        assert worth == sorted(worth, reverse=True)


def test_a_text_is_worth_its_log_likelihood_over_a_power_of_its_length() -> None:
    chain = Chain(1, seed=4)
    prompt = np.full((1, 1), 1, dtype=np.int64)
    [texts] = generate(
        chain.step, prompt, chain.nothing(), count=3, decoding=Decoding(max_tokens=4, beams=5), special=SPECIAL
    )
    for text in texts:
        likelihood = chain.log_likelihood(0, [1], text.ids, 4)
        assert text.score == pytest.approx(likelihood / (len(text.ids) + 1) ** LENGTH, rel=1e-4)


def test_chance_comes_from_the_seed_and_not_from_the_batch() -> None:
    pair, alone = Chain(2, seed=1), Chain(1, seed=1)
    pair.logits[0] = alone.logits[0]
    by_chance = Decoding(max_tokens=5, temperature=1.0, seed=7)
    assert run(pair, by_chance, count=3)[0] == run(alone, by_chance, count=3)[0]
    many = [run(alone, replace(by_chance, seed=seed), count=3)[0] for seed in range(5)]
    assert len({str(texts) for texts in many}) > 1


def test_a_small_share_draws_the_likeliest_word_only() -> None:
    chain = Chain(2, seed=2)
    greedy = run(chain, Decoding(max_tokens=5))
    assert run(chain, Decoding(max_tokens=5, temperature=1.0, top_p=1e-6)) == greedy


def test_there_are_at_least_as_many_words_as_asked_and_never_a_mark() -> None:
    for seed in range(10):
        for [text] in run(Chain(2, seed), Decoding(max_tokens=6, min_tokens=4, beams=2)):
            assert len(text) >= 4
            assert NEVER not in text
            assert END not in text


def test_what_was_said_becomes_less_likely() -> None:
    chain = Chain(1)
    chain.logits[:] = 0.5
    chain.logits[..., 3] = 2.0
    assert run(chain, Decoding(max_tokens=4))[0][0] == [3, 3, 3, 3]
    assert run(chain, Decoding(max_tokens=4, repetition_penalty=1e6))[0][0][:2] != [3, 3]
