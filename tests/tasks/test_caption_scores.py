"""Intervals of caption scores and the paired test, beside SciPy's on the measures that are means."""

from __future__ import annotations

import numpy as np
import pytest

from catalens.core.errors import InputError
from catalens.tasks.caption_metrics import bleu, cider, rouge_l
from catalens.tasks.caption_scores import MEASURES, caption_intervals, compare_captions, score_captions

pytest.importorskip("scipy", reason="scipy is not installed")

WORDS = (
    "a",
    "red",
    "blue",
    "green",
    "shirt",
    "dress",
    "with",
    "long",
    "short",
    "sleeves",
    "and",
    "white",
    "print",
    "on",
)


def corpus(seed: int, n: int = 60) -> tuple[list[str], list[list[str]]]:
    """Return captions that share most of their words with their references."""
    rng = np.random.default_rng(seed)
    references = [[" ".join(rng.choice(WORDS, 8)) for _ in range(2)] for _ in range(n)]
    captions = []
    for first, _ in references:
        words = np.array(first.split())
        captions.append(" ".join(np.where(rng.random(8) < 0.4, rng.choice(WORDS, 8), words)))
    return captions, references


def test_a_corpus_has_the_scores_of_the_metrics() -> None:
    captions, references = corpus(1)
    expected = [*bleu(captions, references), cider(captions, references), rouge_l(captions, references)]
    assert score_captions(captions, references).corpus == pytest.approx(expected, rel=1e-12)


def test_intervals_are_those_of_a_bootstrap_of_the_mean() -> None:
    from scipy import stats  # here, as it takes long to import

    scores = score_captions(*corpus(2))
    found = dict(zip(MEASURES, caption_intervals(scores), strict=True))
    for name, values in {"CIDEr-D": scores.cider, "ROUGE-L": scores.rouge_l}.items():
        expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=3)
        width = found[name].high - found[name].low
        assert found[name].value == pytest.approx(values.mean())
        assert found[name].low == pytest.approx(expected.confidence_interval.low, abs=0.08 * width)
        assert found[name].high == pytest.approx(expected.confidence_interval.high, abs=0.08 * width)
    assert all(each.low < each.value < each.high for each in found.values())


def test_interval_of_bleu_covers_the_bleu_of_all_pictures() -> None:
    captions, references = corpus(5, n=3000)
    whole = bleu(captions, references)[1]
    within = 0
    for start in range(0, 3000, 60):
        part = slice(start, start + 60)
        found = caption_intervals(score_captions(captions[part], references[part]))[1]
        within += found.low <= whole <= found.high
    assert within >= 43, "of 50 intervals of 95 %, fewer than 43 cover the truth once in 150 runs"


def test_the_paired_test_is_scipy_s_on_a_measure_that_is_a_mean() -> None:
    from scipy import stats

    captions, references = corpus(4)
    rng = np.random.default_rng(0)
    others = [" ".join(word for word in each.split() if rng.random() > 0.06) for each in captions]
    first, second = score_captions(captions, references), score_captions(others, references)
    found = dict(zip(MEASURES, compare_captions(first, second), strict=True))
    apart = second.rouge_l - first.rouge_l
    expected = stats.permutation_test(
        (second.rouge_l, first.rouge_l),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        rng=1,
    )
    assert found["ROUGE-L"].difference.value == pytest.approx(apart.mean())
    assert found["ROUGE-L"].p == pytest.approx(expected.pvalue, abs=0.02)
    assert 0.001 < found["ROUGE-L"].p < 0.9, "a p at an end would prove little"


def test_the_same_captions_do_not_differ_and_better_ones_do() -> None:
    captions, references = corpus(6)
    scores = score_captions(captions, references)
    for same in compare_captions(scores, scores):
        assert (same.difference.value, same.difference.low, same.difference.high, same.p) == (0, 0, 0, 1)
    perfect = score_captions([first for first, _ in references], references)
    for better in compare_captions(scores, perfect):
        assert better.difference.low > 0
        assert better.p == pytest.approx(1 / 2001)
    back = [each.difference.value for each in compare_captions(perfect, scores)]
    assert back == pytest.approx([-each.difference.value for each in compare_captions(scores, perfect)])


def test_other_numbers_of_captions_are_no_pairs() -> None:
    scores = score_captions(*corpus(7))
    with pytest.raises(InputError, match="60 captions cannot be paired with 30"):
        compare_captions(scores, score_captions(*corpus(7, n=30)))


def test_a_single_caption_has_an_interval_of_no_width() -> None:
    found = caption_intervals(score_captions(["a red shirt"], [["a red shirt"]]))
    assert [each.low for each in found] == [each.value for each in found] == [each.high for each in found]
