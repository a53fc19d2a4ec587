"""Label vectors learned from image vectors: they separate what the text vectors confuse, and are never worse."""

import numpy as np

from catalens.core.vectors import unit_rows
from catalens.training.finetune.label_vectors import Examples, accuracy, fit, learn_label_vectors

NOTHING = np.zeros((0, 8), dtype=np.float32)


def _images(n: int, seed: int) -> Examples:
    """Images of three labels: each near an axis of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    vectors = rng.normal(0, 0.25, (n, 8)).astype(np.float32)
    vectors[np.arange(n), labels] += 1.0
    return Examples(unit_rows(vectors), np.eye(3, dtype=np.bool_)[labels])


def _wrong_texts() -> np.ndarray:
    """Text vectors that all lie on axes that the images do not use."""
    return np.eye(8, dtype=np.float32)[[5, 6, 7]]


def test_learns_labels_the_text_vectors_do_not_know() -> None:
    learned = learn_label_vectors(_images(120, 0), _images(60, 1), _wrong_texts(), unknown=NOTHING, logit_scale=10.0)
    assert learned.improved
    assert accuracy(_images(200, 2), _wrong_texts()) < 0.6
    assert accuracy(_images(200, 2), learned.vectors) > 0.9
    np.testing.assert_allclose(np.linalg.norm(learned.vectors, axis=1), 1.0, rtol=1e-5)


def test_keeps_text_vectors_where_nothing_is_gained() -> None:
    texts = np.eye(8, dtype=np.float32)[:3]  # already the best there is
    clear = Examples(texts, np.eye(3, dtype=np.bool_))
    learned = learn_label_vectors(_images(30, 0), clear, texts, unknown=NOTHING, logit_scale=10.0)
    assert not learned.improved
    assert learned.before == learned.after == 1.0
    np.testing.assert_array_equal(learned.vectors, texts)


def test_noise_does_not_make_it_worse_on_val() -> None:
    rng = np.random.default_rng(3)
    noise = Examples(_images(40, 4).vectors, np.eye(3, dtype=np.bool_)[rng.integers(0, 3, 40)])
    val = _images(60, 5)
    learned = learn_label_vectors(noise, val, np.eye(8, dtype=np.float32)[:3], unknown=NOTHING, logit_scale=10.0)
    assert learned.after >= learned.before
    assert accuracy(val, learned.vectors) == learned.after


def test_decay_holds_vectors_near_the_text_vectors() -> None:
    train, texts = _images(120, 0), _wrong_texts()
    free, held = (fit(train, texts, unknown=NOTHING, scale=10.0, decay=decay) for decay in (0.0, 10.0))
    assert (held * texts).sum(axis=1).min() > (free * texts).sum(axis=1).max()


def test_labels_learn_to_beat_none_of_these() -> None:
    train, texts = _images(120, 0), np.eye(8, dtype=np.float32)[:3]
    unknown = unit_rows(train.vectors.mean(axis=0, keepdims=True))

    def beaten(learned: np.ndarray) -> float:
        own = (train.vectors @ learned.T)[train.truth]
        return float((own > train.vectors @ unknown[0]).mean())

    with_it = fit(train, texts, unknown=unknown, scale=10.0, decay=0.0)
    without = fit(train, texts, unknown=NOTHING, scale=10.0, decay=0.0)
    assert beaten(with_it) > 0.98 > beaten(without)


def test_is_deterministic() -> None:
    once, again = (fit(_images(50, 0), _wrong_texts(), unknown=NOTHING, scale=10.0, decay=0.01) for _ in range(2))
    np.testing.assert_array_equal(once, again)
