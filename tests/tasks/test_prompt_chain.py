"""The chain search by itself, on scores that can be said by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from catalens.tasks.prompts.chain import Chain, ChainSearch, Fits, Score


def worth(values: dict[str, float]) -> Score:
    """The score of a prompt is the sum of its phrases' values."""
    return lambda prompt, phrases: np.array(
        [sum(values[each] for each in f"{prompt}, {p}".split(", ")) for p in phrases]
    )


def covering(sets: dict[str, set[int]]) -> Score:
    """How many things a prompt's phrases cover: what a phrase adds only ever shrinks."""
    return lambda prompt, phrases: np.array(
        [len(set().union(*(sets[each] for each in f"{prompt}, {p}".split(", ")))) for p in phrases], dtype=float
    )


def always(prompt: str, phrases: Sequence[str]) -> np.ndarray:
    return np.ones(len(phrases), dtype=bool)


def up_to(letters: int) -> Fits:
    return lambda prompt, phrases: np.array([len(f"{prompt}, {each}") <= letters for each in phrases])


def run(score: Score, phrases: Sequence[str], *, least: int = 0, most: int = 9, lazy: bool = False) -> Chain:
    start = Chain("start", 0.0)
    return ChainSearch(phrases, score, always, lazy=lazy).run(start, min_count=least, max_count=most)


def test_the_best_phrase_comes_first_and_what_does_not_help_stays_out() -> None:
    found = run(worth({"start": 0, "a": 1, "b": 3, "c": -2, "d": 2}), ["a", "b", "c", "d"])
    assert found == Chain("start, b, d, a", 6.0, (1, 3, 0))


def test_the_search_goes_through_a_valley_only_while_it_must() -> None:
    values = {"start": 0.0, "a": -1, "b": -2}

    def score(prompt: str, phrases: Sequence[str]) -> np.ndarray:
        together = 5.0 if ", a" in prompt else 0.0
        return worth(values)(prompt, phrases) + together

    assert run(score, ["a", "b"]).prompt == "start"
    assert run(score, ["a", "b"], least=1).prompt == "start, a, b"


def test_no_more_phrases_than_wanted_and_none_twice() -> None:
    values = {"start": 0.0, "a": 1, "b": 1, "c": 1}
    assert run(worth(values), ["a", "b", "c"], most=2).prompt == "start, a, b"
    assert run(worth(values), ["a", "b", "c"]).prompt == "start, a, b, c"
    assert run(worth(values), []).prompt == "start"


@pytest.mark.parametrize("lazy", [False, True])
def test_a_phrase_that_does_not_fit_gives_its_place_to_the_next(*, lazy: bool) -> None:
    values = {"start": 0.0, "a long one": 9, "b": 2, "c": 1}
    search = ChainSearch(list(values)[1:], worth(values), up_to(len("start, b")), lazy=lazy)
    assert search.run(Chain("start", 0.0), min_count=8, max_count=32).prompt == "start, b"


@pytest.mark.parametrize("seed", range(10))
def test_where_gains_only_shrink_the_lazy_search_finds_the_same_with_less_work(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalens.tasks.prompts.chain.LAZY_BATCH", 4)
    rng = np.random.default_rng(seed)
    sets = {f"p{at}": set(rng.integers(0, 60, size=rng.integers(1, 9)).tolist()) for at in range(50)}
    score, phrases = covering(sets | {"start": set()}), list(sets)
    start = Chain("start", 0.0)
    exact, lazy = ChainSearch(phrases, score, always), ChainSearch(phrases, score, always, lazy=True)
    best = exact.run(start, min_count=0, max_count=20)
    assert lazy.run(start, min_count=0, max_count=20).score == best.score
    assert lazy.scored < exact.scored / 2


def test_of_equal_scores_the_first_wins_however_it_is_searched() -> None:
    values = {"start": 0.0} | {f"p{at}": 1.0 for at in range(600)}
    for lazy in (False, True):
        assert run(worth(values), list(values)[1:], most=2, lazy=lazy).chosen == (0, 1)
