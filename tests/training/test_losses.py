"""The contrastive loss against a computation by hand, and texts in their own order whatever their length."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")
pytest.importorskip("timm", reason="timm is not installed: make test-train")

import torch
from tokenizers import Tokenizer

from catalens.training.losses import contrastive, encode_texts, of_labels, one_hot
from catalens.training.towers import TextTower
from catalens.training.vocabulary import END, train_tokenizer


def by_hand(images: np.ndarray, texts: np.ndarray, keys: list[int], scale: float) -> float:
    logits = scale * images @ texts.T
    total = 0.0
    for table in (logits, logits.T):
        for i, row in enumerate(table):
            alike = [j for j, key in enumerate(keys) if key == keys[i]]
            log_of_sum = np.log(np.exp(row).sum())
            total += sum(log_of_sum - row[j] for j in alike) / len(alike)
    return total / (2 * len(keys))


@pytest.mark.parametrize("keys", [[0, 1, 2, 3], [0, 1, 0, 2], [5, 5, 5, 5]])
def test_rows_of_the_same_text_share_the_target(keys: list[int]) -> None:
    rng = np.random.default_rng(0)
    images, texts = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    texts = texts[[keys.index(key) for key in keys]]
    loss = contrastive(torch.tensor(images), torch.tensor(texts), torch.tensor(keys), torch.tensor(2.5))
    assert float(loss) == pytest.approx(by_hand(images, texts, keys, 2.5), rel=1e-6)


def test_pairs_that_match_cost_nothing_and_strangers_much() -> None:
    rows, keys = torch.eye(5), torch.arange(5)
    assert float(contrastive(rows, rows, keys, torch.tensor(50.0))) < 1e-6
    assert float(contrastive(rows, rows.roll(1, 0), keys, torch.tensor(50.0))) > 49
    # A text said twice is no mistake, at whichever of the two it is looked for.
    twice = torch.eye(5)[[0, 0, 2, 3, 4]]
    shared = contrastive(twice, twice, torch.tensor([0, 0, 2, 3, 4]), torch.tensor(50.0))
    assert float(shared) < float(contrastive(twice, twice, keys, torch.tensor(50.0))) + 1e-6


def test_a_mixed_picture_belongs_to_both_texts_by_their_shares() -> None:
    rng = np.random.default_rng(1)
    images, texts = (torch.tensor(rng.standard_normal((3, 6))).float() for _ in range(2))
    shares = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.2, 0.8]])
    loss = contrastive(images, texts, torch.arange(3), torch.tensor(2.0), shares)
    forth, back = (2.0 * images @ texts.T).log_softmax(1), (2.0 * images @ texts.T).log_softmax(0)
    of_texts = shares / shares.sum(0)
    assert float(loss) == pytest.approx(-float((shares * forth).sum() + (of_texts * back).sum()) / 6, rel=1e-5)
    alone = contrastive(images, texts, torch.arange(3), torch.tensor(2.0))
    assert float(contrastive(images, texts, torch.arange(3), torch.tensor(2.0), torch.eye(3))) == pytest.approx(
        float(alone)
    )


def test_the_labels_of_a_mixed_picture_count_by_their_shares() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    targets = one_hot(torch.tensor([2, -100, 0]), 4)
    chances = logits.log_softmax(1)
    assert float(of_labels(logits, targets)) == pytest.approx(-float(chances[0, 2] + chances[2, 0]) / 2, rel=1e-6)
    assert float(of_labels(logits, targets, torch.eye(3))) == pytest.approx(float(of_labels(logits, targets)), rel=1e-6)
    shares = torch.tensor([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]])
    expected = -float(0.6 * chances[0, 2] + 0.1 * chances[1, 2] + chances[2, 0]) / 1.7
    assert float(of_labels(logits, targets, shares)) == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["a red shirt", "blue jeans", "women's black heels"] * 4, 300)


@pytest.fixture(scope="module")
def tower(tokenizer: Tokenizer) -> TextTower:
    torch.manual_seed(0)
    made = TextTower(tokenizer.get_vocab_size(), dim=24, width=32, depth=1)
    made.requires_grad_(requires_grad=False)
    return made


def test_the_end_token_has_the_highest_id(tokenizer: Tokenizer) -> None:
    end = tokenizer.token_to_id(END)
    assert end == tokenizer.get_vocab_size() - 1
    for text in ("", "Red SHIRT", "été 夏 \N{WAVING HAND SIGN}"):
        ids = tokenizer.encode(text).ids
        assert ids[-1] == end
        assert max([*ids[:-1], -1]) < end
    assert tokenizer.encode("RED shirt").ids == tokenizer.encode("red shirt").ids
    assert len(tokenizer.encode("red").ids) == 2, "a word that was seen often is one token"


def test_texts_keep_their_order_whatever_their_length(tower: TextTower, tokenizer: Tokenizer) -> None:
    texts = [f"{'a red shirt ' * (at % 5)}{at}" for at in range(230)]
    rows = encode_texts(tower, tokenizer, texts)
    assert rows.shape == (230, 24)
    for at in (0, 1, 57, 113, 229):
        alone = tower(torch.tensor([tokenizer.encode(texts[at]).ids]))
        assert (rows[at] - alone[0]).abs().max() < 1e-5


def test_long_texts_are_cut_before_their_end_token(tower: TextTower, tokenizer: Tokenizer) -> None:
    [row] = encode_texts(tower, tokenizer, ["blue jeans " * 60], most=9)
    ids = tokenizer.encode("blue jeans " * 60).ids
    cut = tower(torch.tensor([[*ids[:8], ids[-1]]]))
    assert (row - cut[0]).abs().max() < 1e-5
