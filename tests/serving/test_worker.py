"""Worker processes: answers, crashes and hangs, with real processes over fake models."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from catalens.core.errors import InputError, ModelError
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.tagging import TagStage
from catalens.serving.runner import LocalRunner, WorkerConfig, WorkerLostError
from catalens.serving.steps import Steps, WorkerSession
from catalens.serving.worker import WorkerProcess
from tests.support.deeds import Deed, Unloadable, deed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake", reader="fake")))
    asyncio.run(worker.start())
    yield worker
    asyncio.run(worker.stop())


def test_worker_answers_each_picture_and_only_the_bad_one_fails(worker: WorkerProcess):
    good, bad, last = asyncio.run(worker.run(Deed(), [deed("a"), deed("bad"), deed("b")]))
    assert (good, last) == ({"found": "a"}, {"found": "b"})
    assert isinstance(bad, ModelError)
    assert asyncio.run(worker.needs(Deed())).reads_images is False
    with pytest.raises(InputError, match="cannot be loaded"):
        asyncio.run(worker.run(Unloadable(), [deed("a")]))


def test_a_model_s_fault_is_told_in_the_log_and_not_to_the_caller_and_the_log_quotes_no_text(
    capfd: pytest.CaptureFixture[str],
):
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake", reader="fake"), log_json=True))
    asyncio.run(worker.start())
    results = asyncio.run(worker.run(Deed(), [deed("talk"), deed("bad"), deed("quote")]))
    asyncio.run(worker.unload())
    lines = capfd.readouterr().err.splitlines()
    for result, kind, said in zip(results[1:], ("RuntimeError", "KeyError"), (": no such picture", ""), strict=True):
        found = re.fullmatch(r"the model failed; the log of the service says more at the mark (\w{8})", str(result))
        assert isinstance(result, ModelError)
        assert found
        (logged,) = [json.loads(line) for line in lines if found[1] in line]
        assert logged["message"] == f"a model failed, mark {found[1]}: {kind}"
        assert "deeds.py" in logged["traceback"]
        assert logged["traceback"].endswith(f"{kind}{said}")
    assert "embarrassing" not in "".join(lines)


def test_crash_fails_the_call_at_once_and_the_next_call_has_a_new_worker(worker: WorkerProcess):
    before = worker.pid
    with pytest.raises(WorkerLostError, match="died"):
        asyncio.run(worker.run(Deed(), [deed("crash")]))
    assert asyncio.run(worker.run(Deed(), [deed("a")])) == [{"found": "a"}]
    assert worker.pid != before


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux lists them")
def test_workers_that_come_and_go_leave_no_open_files(worker: WorkerProcess):
    asyncio.run(worker.run(Deed(), [deed("a")]))
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    for _ in range(3):
        asyncio.run(worker.unload())
        asyncio.run(worker.run(Deed(), [deed("a")]))
    assert len(list(opened.iterdir())) == before


def test_worker_that_was_launched_is_the_one_that_start_waits_for():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), warm=(Deed(),)))
    worker.launch()
    launched = worker.pid
    asyncio.run(worker.start())
    assert worker.pid == launched is not None
    assert asyncio.run(worker.run(Deed(), [deed("a")])) == [{"found": "a"}]
    asyncio.run(worker.stop())


def test_worker_that_was_launched_in_vain_says_why_when_it_is_started():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), warm=(Unloadable(),)))
    worker.launch()
    with pytest.raises(InputError, match="cannot be loaded"):
        asyncio.run(worker.start())
    asyncio.run(worker.stop())


def test_worker_that_begins_after_the_stop_is_killed():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
    asyncio.run(worker.stop())
    worker.launch()
    late = time.monotonic() + 120
    while worker.is_alive:
        assert time.monotonic() < late, "it waits for jobs that nobody sends"
        time.sleep(0.01)
    asyncio.run(worker.unload())


def test_process_that_ends_without_a_stop_does_not_wait_for_its_workers():
    program = """
import asyncio
from catalens.pipelines.session import SessionConfig
from catalens.serving.runner import WorkerConfig
from catalens.serving.worker import WorkerProcess

worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
asyncio.run(worker.start())
raise KeyboardInterrupt
"""
    ran = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True, check=False)
    assert ran.stderr.endswith("KeyboardInterrupt\n")


def test_an_interrupt_while_a_worker_is_started_is_one_line():
    program = """
import os, signal, threading, time
from multiprocessing import resource_tracker, util
from catalens.core.process import interrupts
from catalens.pipelines.session import SessionConfig
from catalens.serving.runner import WorkerConfig
from catalens.serving.worker import WorkerProcess

resource_tracker.ensure_running()  # a child of multiprocessing's own
spawn = util.spawnv_passfds

def spawn_and_interrupt(*arguments):
    pid = spawn(*arguments)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.3)  # before the child gets its task
    os.kill(pid, signal.SIGINT)  # a terminal interrupts both
    return pid

util.spawnv_passfds = spawn_and_interrupt
interrupts.install()
worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
thread = threading.Thread(target=worker.launch)
thread.start()
thread.join()
time.sleep(10)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background has it ignored
    )
    assert (ran.returncode, ran.stderr) == (130, "interrupted\n")


def test_worker_that_hangs_is_killed():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), warm=(Deed(),), batch_timeout_s=0.2))
    asyncio.run(worker.start())
    hung = worker.pid
    with pytest.raises(WorkerLostError, match=r"did not answer within 0\.2 s"):
        asyncio.run(worker.run(Deed(), [deed("hang")]))
    with pytest.raises(ProcessLookupError):
        os.kill(hung or 0, 0)
    asyncio.run(worker.stop())


def test_stopping_releases_a_caller_in_the_middle_of_a_job():
    async def run() -> None:
        worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), batch_timeout_s=60))
        await worker.start()
        async with asyncio.timeout(120):
            caller = asyncio.create_task(worker.run(Deed(), [deed("hang")]))
            await asyncio.sleep(0.1)
            await worker.stop()
            with pytest.raises(WorkerLostError):
                await caller
            with pytest.raises(WorkerLostError, match="stopped"):
                await worker.run(Deed(), [deed("a")])

    asyncio.run(run())


def test_the_answer_that_a_caller_did_not_wait_for_is_not_the_next_one_s():
    async def run() -> None:
        worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
        await worker.start()
        async with asyncio.timeout(120):
            leaving = asyncio.create_task(worker.run(Deed(), [deed("left")]))
            await asyncio.sleep(0)
            leaving.cancel()
            assert await worker.run(Deed(), [deed("a")]) == [{"found": "a"}]
            assert leaving.cancelled()
        await worker.stop()

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot halt a process")
def test_the_answer_that_a_loop_did_not_wait_for_is_not_that_of_the_next_loop():
    async def leave(worker: WorkerProcess) -> None:
        task = asyncio.create_task(worker.run(Deed(), [deed("left")]))
        await asyncio.sleep(0.1)
        assert not task.done()

    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
    asyncio.run(worker.start())
    halted = worker.pid or 0
    os.kill(halted, signal.SIGSTOP)
    asyncio.run(leave(worker))
    with suppress(ProcessLookupError):
        os.kill(halted, signal.SIGCONT)
    assert asyncio.run(worker.run(Deed(), [deed("a")])) == [{"found": "a"}]
    asyncio.run(worker.stop())


def test_unloading_goes_on_when_its_caller_leaves():
    async def run() -> None:
        worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
        await worker.start()
        async with asyncio.timeout(120):
            leaving = asyncio.create_task(worker.unload())
            for _ in range(3):
                await asyncio.sleep(0)
            leaving.cancel()
            assert await worker.run(Deed(), [deed("a")]) == [{"found": "a"}]
        await worker.stop()

    asyncio.run(run())


def test_a_worker_waits_for_jobs_whatever_timeout_the_process_gives_its_sockets():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0.05)
    try:
        asyncio.run(worker.start())
    finally:
        socket.setdefaulttimeout(before)
    started = worker.pid
    time.sleep(0.3)
    assert asyncio.run(worker.run(Deed(), [deed("a")])) == [{"found": "a"}]
    assert worker.pid == started
    asyncio.run(worker.stop())


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot halt a process")
def test_worker_that_reads_nothing_is_killed_and_holds_up_nobody():
    async def run() -> None:
        worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), batch_timeout_s=0.5))
        await worker.start()
        os.kill(worker.pid or 0, signal.SIGSTOP)
        async with asyncio.timeout(120):
            caller = asyncio.create_task(worker.run(Deed(), [deed("x" * 10_000_000)]))  # more than a socket holds
            for _ in range(20):
                await asyncio.sleep(0.01)
            assert not caller.done()
            with pytest.raises(WorkerLostError, match="did not answer"):
                await caller
            assert await worker.run(Deed(), [deed("a")]) == [{"found": "a"}]
        await worker.stop()

    asyncio.run(run())


def test_model_that_cannot_be_had_is_an_error_at_start(tmp_path):
    from catalens.pipelines.encoding import EmbedStage

    # The stage is part of what the worker loads before it is ready; this folder holds no model.
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder=str(tmp_path)), warm=(EmbedStage(),)))
    with pytest.raises((ModelError, InputError)):
        asyncio.run(worker.start())
    asyncio.run(worker.stop())


def test_labels_of_requests_are_never_kept_on_disk(tmp_path):

    steps = Steps(WorkerSession(SessionConfig(encoder="fake", cache=tmp_path)))
    steps.needs(TagStage(labels=("private", "words")))
    assert not list(tmp_path.rglob("*"))
    steps.needs(TagStage(schema="everyday"))
    kept = set(tmp_path.rglob("*.npy"))
    assert kept
    steps.needs(TagStage(labels=("more", "words")))
    assert set(tmp_path.rglob("*.npy")) == kept


def test_local_runner_does_the_same():
    runner = LocalRunner(WorkerConfig(SessionConfig(encoder="fake"), warm=(Deed(),)))
    asyncio.run(runner.start())
    assert asyncio.run(runner.run(Deed(), [deed("a")])) == [{"found": "a"}]
