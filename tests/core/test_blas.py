"""While models run, numpy's products stay in the caller's thread; afterwards numpy has its threads back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import ThreadpoolController

from catalens.catalogue.sources import Item
from catalens.core.blas import one_blas_thread
from catalens.core.types import Record
from catalens.pipelines.engine import run_job
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import Picture, Step, Values
from catalens.serving.steps import Steps, WorkerSession
from tests.support.stages import FunctionStage

_LIBRARIES = ThreadpoolController().select(prefix="libscipy_openblas").lib_controllers
pytestmark = pytest.mark.skipif(not _LIBRARIES, reason="this numpy multiplies with another library than OpenBLAS")


def threads() -> set[int]:
    return {each.num_threads for each in _LIBRARIES}


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    with ThreadpoolController().limit(limits=3):
        yield


def test_threads_come_back_also_after_an_error() -> None:
    with one_blas_thread():
        assert threads() == {1}
        assert (np.ones((64, 64)) @ np.ones((64, 64)) == 64).all()
    assert threads() == {3}
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0
    assert threads() == {3}


def test_threads_come_back_after_several_users_at_once() -> None:
    begin = threading.Barrier(4)

    def use() -> None:
        begin.wait()
        for _ in range(50):
            with one_blas_thread():
                np.ones((8, 8)) @ np.ones((8, 8))

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(use) for _ in range(4)]:
            each.result()
    assert threads() == {3}


def test_stages_run_so_in_a_job_and_in_a_service(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 4), "red").save(path)
    found: list[set[int]] = []

    def look(pictures: Sequence[Picture]) -> list[Values]:
        found.append(threads())
        return [{} for _ in pictures]

    stage = FunctionStage("look", lambda: Step(look, batch_size=4))
    run_job([Item("red.png", path, str(path))], [stage])
    Steps(WorkerSession(SessionConfig())).run(
        stage, [Picture(Record("red.png", str(path)), Image.new("RGB", (4, 4)), {})]
    )
    assert found == [{1}, {1}]
    assert threads() == {3}
