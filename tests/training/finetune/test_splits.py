"""The split by product: nothing that belongs together is ever on two sides."""

from hypothesis import given
from hypothesis import strategies as st

from catalens.training.finetune.splits import product_groups, split_rows

ROWS = st.lists(st.lists(st.sampled_from(["", *"abcdefghij"]), min_size=2, max_size=2), max_size=30)


@given(ROWS, st.integers(0, 5))
def test_rows_that_share_a_key_are_on_one_side(rows: list[list[str]], seed: int) -> None:
    sides = split_rows(rows, seed=seed)
    for one, side in zip(rows, sides, strict=True):
        for other, at in zip(rows, sides, strict=True):
            if {*filter(None, one)} & {*filter(None, other)}:
                assert side == at


def test_chains_are_one_group() -> None:
    assert product_groups([["a", "x"], ["b", "x"], ["b", "y"], ["c", "z"]]) == [0, 0, 0, 3]


def test_order_of_rows_does_not_change_sides() -> None:
    rows = [[str(at), f"title {at // 2}"] for at in range(200)]
    forward, backward = split_rows(rows, seed=1), split_rows(rows[::-1], seed=1)
    assert forward == backward[::-1]


def test_shares_and_seeds() -> None:
    rows = [[str(at)] for at in range(4000)]
    sides = split_rows(rows, seed=0)
    assert 0.77 < sides.count("train") / 4000 < 0.83
    assert 0.08 < sides.count("test") / 4000 < 0.12
    assert split_rows(rows, seed=1) != sides
    assert set(split_rows(rows, seed=0, shares={"train": 1.0})) == {"train"}
