"""The batcher: who shares a batch, who waits, who hears of a failure, and that nobody is left waiting."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from catalens.core.errors import InputError, ModelError
from catalens.serving.batcher import Batcher, BatchEvents, BatchRules, OverloadedError, StoppingError


class Model:
    """Doubles numbers; keeps its batches, and waits at a gate before it answers."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Any]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()

    async def __call__(self, key: str, items: Sequence[Any]) -> list[Any]:
        self.batches.append((key, list(items)))
        self.started.set()
        await self.gate.wait()
        return [InputError(f"{each} is odd one out") if each == 13 else each * 2 for each in items]


def run(test: Callable[[Model], Awaitable[None]]) -> None:
    async def started() -> None:
        async with asyncio.timeout(120):  # a caller who is never released fails the test
            await test(Model())

    asyncio.run(started())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_lone_request_does_not_wait_for_the_delay():
    async def test(model: Model) -> None:
        batcher = Batcher(model, BatchRules(max_delay_s=3600))
        assert await batcher.submit("k", 4) == 8

    run(test)


@pytest.mark.parametrize("event", ["on_batch", "on_wait"])
def test_a_callback_that_fails_leaves_nobody_waiting(event: str):
    def broken(*_: object) -> None:
        raise ValueError("no metrics")

    async def test(model: Model) -> None:
        batcher = Batcher(model, events=BatchEvents(**{event: broken}))
        for _ in range(2):
            answers = await asyncio.gather(batcher.submit("k", 4), return_exceptions=True)
            assert isinstance(answers[0], int if event == "on_batch" else ValueError)

    run(test)


def test_requests_that_arrive_while_a_batch_runs_share_the_next_one():
    async def test(model: Model) -> None:
        model.gate.clear()
        batcher = Batcher(model, BatchRules(max_size=8))
        callers = [asyncio.create_task(batcher.submit("k", 0))]
        await model.started.wait()
        callers += [asyncio.create_task(batcher.submit("k", each)) for each in (1, 2, 3)]
        await settle()
        assert len(batcher) == 3
        model.gate.set()
        assert list(await asyncio.gather(*callers)) == [0, 2, 4, 6]
        assert model.batches == [("k", [0]), ("k", [1, 2, 3])]

    run(test)


def test_batch_waits_for_an_expected_request_but_not_beyond_the_delay():
    async def test(model: Model) -> None:
        batcher = Batcher(model, BatchRules(max_delay_s=3600))
        with batcher.expecting():
            first = asyncio.create_task(batcher.submit("k", 1))
            await settle()
            assert model.batches == []
            second = asyncio.create_task(batcher.submit("k", 2))
            await settle()
        assert list(await asyncio.gather(first, second)) == [2, 4]
        assert model.batches == [("k", [1, 2])]

        quick = Batcher(model, BatchRules(max_delay_s=0.001))
        with quick.expecting():
            assert await quick.submit("k", 3) == 6

    run(test)


def test_full_batch_does_not_wait_and_larger_crowds_are_split():
    async def test(model: Model) -> None:
        batcher = Batcher(model, BatchRules(max_size=2, max_delay_s=3600))
        with batcher.expecting():
            assert list(await asyncio.gather(*(batcher.submit("k", each) for each in range(4)))) == [0, 2, 4, 6]
        assert [items for _, items in model.batches] == [[0, 1], [2, 3]]

    run(test)


def test_many_items_of_one_key_delay_another_by_one_batch():
    async def test(model: Model) -> None:
        model.gate.clear()
        sizes = {"first": 9, "many": 2, "one": 9}
        batcher = Batcher(model, max_size_of=sizes.__getitem__)
        callers = [asyncio.create_task(batcher.submit("first", 0))]
        await model.started.wait()
        for key, item in (*(("many", each) for each in range(1, 6)), ("one", 6), ("one", 7)):
            callers.append(asyncio.create_task(batcher.submit(key, item)))
            await settle()
        model.gate.set()
        await asyncio.gather(*callers)
        assert model.batches[1:] == [("many", [1, 2]), ("one", [6, 7]), ("many", [3, 4]), ("many", [5])]

    run(test)


def test_only_equal_keys_share_a_batch_and_the_oldest_key_goes_first():
    async def test(model: Model) -> None:
        model.gate.clear()
        batcher = Batcher(model)
        callers = [asyncio.create_task(batcher.submit("first", 0))]
        await model.started.wait()
        for key, item in (("b", 1), ("a", 2), ("b", 3)):
            callers.append(asyncio.create_task(batcher.submit(key, item)))
            await settle()
        model.gate.set()
        await asyncio.gather(*callers)
        assert model.batches == [("first", [0]), ("b", [1, 3]), ("a", [2])]

    run(test)


def test_failure_of_one_item_is_its_callers_alone():
    async def test(model: Model) -> None:
        batcher = Batcher(model, BatchRules(max_delay_s=3600))
        with batcher.expecting():
            callers = [asyncio.create_task(batcher.submit("k", each)) for each in (1, 13, 3)]
            await settle()
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert results[0] == 2
        assert isinstance(results[1], InputError)
        assert results[2] == 6

    run(test)


def test_failure_of_the_call_reaches_every_caller_of_the_batch_and_the_next_batch_runs():
    async def test(_: Model) -> None:
        calls = 0

        async def model(key: str, items: Sequence[int]) -> list[int]:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ModelError("the worker stopped")
            return [each * 2 for each in items]

        batcher = Batcher(model, BatchRules(max_delay_s=3600))
        with batcher.expecting():
            callers = [asyncio.create_task(batcher.submit("k", each)) for each in (1, 2)]
            await settle()
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert [str(each) for each in results] == ["the worker stopped"] * 2
        assert await batcher.submit("k", 5) == 10

    run(test)


@pytest.mark.parametrize("returned", [[], [1, 2, 3]])
def test_wrong_number_of_results_is_a_failure(returned: list[int]):
    async def test(_: Model) -> None:
        async def model(key: str, items: Sequence[int]) -> list[int]:
            return returned

        with pytest.raises(ModelError, match=f"{len(returned)} results for 1 items"):
            await Batcher(model).submit("k", 1)

    run(test)


def test_full_queue_refuses_at_once_and_has_room_again_later():
    async def test(model: Model) -> None:
        model.gate.clear()
        batcher = Batcher(model, BatchRules(max_queue=2))
        running = asyncio.create_task(batcher.submit("k", 0))
        await model.started.wait()
        queued = [asyncio.create_task(batcher.submit("k", each)) for each in (1, 2)]
        await settle()
        with pytest.raises(OverloadedError, match="2 of 2") as refused:
            await batcher.submit("k", 3)
        assert refused.value.retry_after_s >= 1
        with pytest.raises(OverloadedError):
            batcher.check_room()
        model.gate.set()
        await asyncio.gather(running, *queued)
        assert await batcher.submit("k", 3) == 6

    run(test)


def test_cancelled_caller_leaves_the_queue():
    async def test(model: Model) -> None:
        model.gate.clear()
        batcher = Batcher(model, BatchRules(max_queue=1))
        running = asyncio.create_task(batcher.submit("k", 0))
        await model.started.wait()
        leaver = asyncio.create_task(batcher.submit("k", 1))
        await settle()
        leaver.cancel()
        await settle()
        assert len(batcher) == 0
        stayer = asyncio.create_task(batcher.submit("k", 2))  # there is room for one
        await settle()
        model.gate.set()
        assert list(await asyncio.gather(running, stayer)) == [0, 4]
        assert model.batches == [("k", [0]), ("k", [2])]

    run(test)


def test_caller_who_leaves_a_running_batch_disturbs_nobody():
    async def test(model: Model) -> None:
        model.gate.clear()
        batcher = Batcher(model, BatchRules(max_delay_s=3600))
        with batcher.expecting():
            callers = [asyncio.create_task(batcher.submit("k", each)) for each in (1, 2)]
            await settle()
        await model.started.wait()
        callers[0].cancel()
        await settle()
        model.gate.set()
        assert await callers[1] == 4

    run(test)


def test_all_callers_leave_before_their_batch_is_due():
    async def test(model: Model) -> None:
        batcher = Batcher(model, BatchRules(max_delay_s=3600))
        with batcher.expecting():
            caller = asyncio.create_task(batcher.submit("k", 1))
            await settle()
            caller.cancel()
            await settle()
        await settle()
        assert model.batches == []
        assert await batcher.submit("k", 2) == 4

    run(test)


def test_stopping_drains_what_is_queued():
    async def test(model: Model) -> None:
        model.gate.clear()
        batcher = Batcher(model)
        running = asyncio.create_task(batcher.submit("k", 1))
        await model.started.wait()
        queued = asyncio.create_task(batcher.submit("k", 2))
        await settle()
        stopping = asyncio.create_task(batcher.stop(drain_s=3600))
        await settle()
        with pytest.raises(StoppingError):
            await batcher.submit("k", 3)
        model.gate.set()
        await stopping
        assert list(await asyncio.gather(running, queued)) == [2, 4]

    run(test)


def test_stopping_releases_everybody_also_in_the_middle_of_a_batch():
    async def test(model: Model) -> None:
        model.gate.clear()  # a model that never answers
        batcher = Batcher(model)
        running = asyncio.create_task(batcher.submit("k", 1))
        await model.started.wait()
        queued = asyncio.create_task(batcher.submit("k", 2))
        await settle()
        await batcher.stop()
        results = await asyncio.gather(running, queued, return_exceptions=True)
        assert [type(each) for each in results] == [StoppingError, StoppingError]

    run(test)


def test_metrics_hear_of_every_batch():
    async def test(model: Model) -> None:
        sizes: list[int] = []
        waits: list[float] = []
        events = BatchEvents(on_batch=lambda size, _: sizes.append(size), on_wait=waits.append)
        batcher = Batcher(model, BatchRules(max_size=2, max_delay_s=3600), events)
        with batcher.expecting():
            await asyncio.gather(*(batcher.submit("k", each) for each in range(4)))
        assert sizes == [2, 2]
        assert len(waits) == 4

    run(test)
