"""How questions about one image get into one row, and side by side into batches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from catalens.training.finetune import answers, packing
from catalens.training.finetune.answer_labels import IGNORED
from catalens.training.finetune.answers import Row
from catalens.training.finetune.loop import State, plan_batches
from catalens.training.finetune.packing import pack
from catalens.training.finetune.processes import Processes

_ASKED = ("what colour is it?", "which colour?", "is it red?", "what is it?")


def test_ways_to_attend_that_take_a_mask() -> None:
    assert [packing.takes_masks(SimpleNamespace(_attn_implementation=name)) for name in ("sdpa", "eager")] == [True] * 2
    assert not packing.takes_masks(SimpleNamespace(_attn_implementation="flash_attention_2"))


def test_a_packed_row() -> None:
    """By hand: two questions that share one token after an image of two, and one about another image."""
    prompts, told = [[5, 6], [5, 7, 8], [5]], [[1], [2, 3], [4]]
    packed = pack([[9, 9], [9]], prompts, told, [2, 1], torch.device("cpu"), before=1)
    assert packed.shares
    assert packed.ids.tolist() == [[9, 9, 5, 6, 1, 7, 8, 2, 3], [9, 5, 4, 0, 0, 0, 0, 0, 0]]
    assert packed.owners.tolist() == [[0, 0, 0, 0, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, *[-1] * 6]]
    assert packed.offsets.tolist() == [[0, 1, 2, 3, 4, 5, 4, 5, 6, 7], [0, 1, 2, 3, *[0] * 6]]
    assert packed.places.tolist() == [[4, 7, 8], [2, 0, 0]]
    assert packed.labels.tolist() == [[1, 2, 3], [4, IGNORED, IGNORED]]
    seen = packed.mask(torch.float32)[:, 0] == 0
    assert seen[0, 7].tolist() == [True] * 4 + [False] * 2 + [True] * 2 + [False] * 2
    assert bool(seen.any(dim=2).all())  # a token that saw nothing would be no number
    assert not seen[:, 3, 4:].any()


def test_rows_of_one_question_need_no_mask_of_their_own() -> None:
    packed = pack([[9], [9, 9]], [[5], [5]], [[1], [2]], [1, 1], torch.device("cpu"))
    assert not packed.shares
    assert packed.mask(torch.float32).tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_questions_about_an_image_are_side_by_side() -> None:
    rows = [Row(f"{at}-{place}", f"{at:032x}", "q" * (at % 7), "a") for at in range(200) for place in range(8)]
    batches = plan_batches(rows, 16, seed=1, grouped=True)
    assert sorted(row.id for batch in batches for row in batch) == sorted(row.id for row in rows)
    assert {len({row.group for row in batch}) for batch in batches} == {2}
    assert plan_batches(rows, 16, seed=1, grouped=True) == batches != plan_batches(rows, 16, seed=2, grouped=True)
    assert plan_batches(rows, 16, seed=1) != batches


def test_uneven_questions_fill_every_batch() -> None:
    rows = [Row(f"{at}-{place}", f"{at:032x}", "q", "a") for at in range(40) for place in range(at % 5 + 1)]
    batches = plan_batches(rows, 16, seed=0, grouped=True)
    assert [len(batch) for batch in batches].count(16) == len(rows) // 16
    assert len({row.id for batch in batches for row in batch}) == len(rows) == sum(map(len, batches))
    parts = sum(len({row.group for row in batch}) for batch in batches)
    assert parts - 40 <= len(batches)  # a border of a batch parts one image at most


EARLIER = [["10", "0", "5", "1"], ["8", "3", "4", "9"], ["6", "11", "7", "2"]]


def test_rows_in_any_order_come_as_in_earlier_releases() -> None:
    """A checkpoint of an earlier release goes on with the same next batch."""
    rows = [Row(str(at), "", "q" * (at % 5), "a") for at in range(12)]
    batches = plan_batches(rows, 4, seed=3)
    assert [[row.id for row in batch] for batch in batches] == EARLIER


def test_a_checkpoint_of_an_earlier_release_goes_on_with_its_order() -> None:
    fields = {name: getattr(State(step=3), name) for name in State.__slots__ if name != "grouped"}
    assert not State(**fields).grouped


def test_a_very_long_row_is_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_TOGETHER", len(_ASKED[0]) + len(_ASKED[1]) + 8)
    rows = [Row(str(at), "a", asked, "red") for at, asked in enumerate(_ASKED[:4])]
    assert [[row.id for row in group] for group in answers._groups(rows)] == [["0", "1"], ["2", "3"]]
    assert answers._groups([]) == []
    apart = [Row("0", "a", "?", "a"), Row("1", "b", "?", "a"), Row("2", "a", "?", "a")]
    assert [len(group) for group in answers._groups(apart)] == [1, 1, 1]


def test_processes_get_neighbours_and_every_row_once() -> None:
    rows = list(range(11))
    pieces = [Processes(rank, 3).piece(rows) for rank in range(3)]
    assert pieces == [[0, 1, 2], [3, 4, 5, 6], [7, 8, 9, 10]]
    assert [Processes(rank, 3).piece([1]) for rank in range(3)] == [[], [], [1]]
