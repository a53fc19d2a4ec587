"""Several threads over some items."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalens.core.side_by_side import side_by_side


@pytest.mark.parametrize(("items", "threads", "at_a_time"), [(6, 3, 3), (2, 8, 2), (1, 8, 1), (3, 1, 1), (0, 2, 0)])
def test_results_come_in_order_and_the_caller_works_too(items: int, threads: int, at_a_time: int):
    used: set[int] = set()
    together = threading.Barrier(max(1, at_a_time))

    def work(item: int) -> int:
        together.wait(60)  # ends only if as many threads work at a time
        used.add(threading.get_ident())
        return item * item

    with ThreadPoolExecutor(8) as pool:
        assert side_by_side(work, range(items), pool, threads) == [each * each for each in range(items)]
    assert len(used) == at_a_time
    assert not items or threading.get_ident() in used


@pytest.mark.parametrize("bad", [0, 3])
def test_an_error_is_the_callers_once_all_threads_have_ended(bad: int):
    running: set[int] = set()

    def work(item: int) -> None:
        running.add(item)
        if item == bad:
            raise IndexError(str(item))
        running.discard(item)

    with ThreadPoolExecutor(4) as pool, pytest.raises(IndexError, match=str(bad)):
        side_by_side(work, range(4), pool, 2)
    assert running == {bad}


@pytest.mark.parametrize("error", [IndexError, KeyboardInterrupt])
def test_nothing_is_begun_after_an_error(error: type[BaseException]):
    begun: list[int] = []
    caller, together = threading.get_ident(), threading.Barrier(2)

    def work(item: int) -> None:
        begun.append(item)
        if len(begun) <= 2:
            together.wait(60)
            if threading.get_ident() == caller:
                raise error
            time.sleep(0.2)

    with ThreadPoolExecutor(1) as pool, pytest.raises(error):
        side_by_side(work, range(50), pool, 2)
    assert sorted(begun) == [0, 1]


def test_a_busy_pool_does_not_hold_up_the_caller():
    free = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(free.wait, 60)
        assert side_by_side(str, [1, 2, 3], pool, 2) == ["1", "2", "3"]
        assert not busy.done()
        free.set()
