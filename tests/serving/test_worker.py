"""Worker processes: answers, crashes and hangs, with real processes over fake models."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from catalens.core.errors import CatalensError, InputError, ModelError
from catalens.core.images import Limits
from catalens.pipelines.prompting import PromptStage
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import Picture, Stage, Values
from catalens.pipelines.tagging import TagStage
from catalens.serving.batcher import BatchRules
from catalens.serving.config import load_config
from catalens.serving.lane import Content, Lane
from catalens.serving.metrics import Metrics
from catalens.serving.service import Service
from catalens.serving.steps import StepNeeds, Steps, WorkerSession
from catalens.serving.worker import LocalRunner, WorkerConfig, WorkerLostError, WorkerProcess
from tests.support.deeds import Deed, DeedByValue, Unloadable, deed
from tests.support.serving import picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake", reader="fake")))
    worker.start()
    yield worker
    worker.stop()


def test_worker_answers_each_picture_and_only_the_bad_one_fails(worker: WorkerProcess):
    good, bad, last = worker.run(Deed(), [deed("a"), deed("bad"), deed("b")])
    assert (good, last) == ({"found": "a"}, {"found": "b"})
    assert isinstance(bad, ModelError)
    assert worker.needs(Deed()).reads_images is False
    with pytest.raises(InputError, match="cannot be loaded"):
        worker.run(Unloadable(), [deed("a")])


def test_a_model_s_fault_is_told_in_the_log_and_not_to_the_caller_and_the_log_quotes_no_text(
    capfd: pytest.CaptureFixture[str],
):
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake", reader="fake"), log_json=True))
    worker.start()
    results = worker.run(Deed(), [deed("talk"), deed("bad"), deed("quote")])
    worker.unload()
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
        worker.run(Deed(), [deed("crash")])
    assert worker.run(Deed(), [deed("a")]) == [{"found": "a"}]
    assert worker.pid != before


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux lists them")
def test_workers_that_come_and_go_leave_no_open_files(worker: WorkerProcess):
    worker.run(Deed(), [deed("a")])
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    for _ in range(3):
        worker.unload()
        worker.run(Deed(), [deed("a")])
    assert len(list(opened.iterdir())) == before


def test_worker_that_was_launched_is_the_one_that_start_waits_for():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), warm=(Deed(),)))
    worker.launch()
    launched = worker.pid
    worker.start()
    assert worker.pid == launched is not None
    assert worker.run(Deed(), [deed("a")]) == [{"found": "a"}]
    worker.stop()


def test_worker_that_was_launched_in_vain_says_why_when_it_is_started():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), warm=(Unloadable(),)))
    worker.launch()
    with pytest.raises(InputError, match="cannot be loaded"):
        worker.start()
    worker.stop()


def test_worker_that_begins_after_the_stop_is_killed():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
    worker.stop()
    worker.launch()
    late = time.monotonic() + 120
    while worker.is_alive:
        assert time.monotonic() < late, "it waits for jobs that nobody sends"
        time.sleep(0.01)


def test_process_that_ends_without_a_stop_does_not_wait_for_its_workers():
    program = """
from catalens.pipelines.session import SessionConfig
from catalens.serving.worker import WorkerConfig, WorkerProcess

worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake")))
worker.start()
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
from catalens.serving.worker import WorkerConfig, WorkerProcess

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
    worker.start()
    hung = worker.pid
    with pytest.raises(WorkerLostError, match=r"did not answer within 0\.2 s"):
        worker.run(Deed(), [deed("hang")])
    with pytest.raises(ProcessLookupError):
        os.kill(hung or 0, 0)
    worker.stop()


def test_stopping_releases_a_caller_in_the_middle_of_a_job():
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder="fake"), batch_timeout_s=60))
    worker.start()
    with ThreadPoolExecutor(1) as threads:
        caller = threads.submit(worker.run, Deed(), [deed("hang")])
        time.sleep(0.1)
        worker.stop()
        with pytest.raises(WorkerLostError):
            caller.result(timeout=120)
    with pytest.raises(WorkerLostError, match="stopped"):
        worker.run(Deed(), [deed("a")])


def test_model_that_cannot_be_had_is_an_error_at_start(tmp_path):
    from catalens.pipelines.encoding import EmbedStage

    # The stage is part of what the worker loads before it is ready; this folder holds no model.
    worker = WorkerProcess(WorkerConfig(SessionConfig(encoder=str(tmp_path)), warm=(EmbedStage(),)))
    with pytest.raises((ModelError, InputError)):
        worker.start()
    worker.stop()


def make_lane(**rules: Any) -> Lane:
    config = WorkerConfig(SessionConfig(encoder="fake", reader="fake"), batch_timeout_s=6.0)
    return Lane(
        "test",
        WorkerProcess(config),
        BatchRules(**rules),
        metrics=Metrics(),
        decoders=ThreadPoolExecutor(1),
        limits=Limits(),
    )


def test_lane_whose_worker_crashes_or_hangs_recovers_and_leaves_nobody_waiting():
    async def run() -> None:
        lane = make_lane()
        stage = DeedByValue()
        async with asyncio.timeout(240):
            assert await lane.run(stage, None, {"deed": "a"}) == {"found": "a"}
            for fate in ("crash", "hang"):
                lost = await asyncio.gather(lane.run(stage, None, {"deed": fate}), return_exceptions=True)
                assert isinstance(lost[0], WorkerLostError)
                assert await lane.run(stage, None, {"deed": "b"}) == {"found": "b"}
                assert lane.state == "ready"
        await lane.stop(1.0)

    asyncio.run(run())


def test_worker_killed_while_idle_is_replaced_before_anybody_asks():
    async def run() -> None:
        lane = make_lane()
        async with asyncio.timeout(240):
            await lane.start()
            killed = lane.pid
            os.kill(killed or 0, signal.SIGKILL)
            while lane.pid == killed:
                await lane.check()
                await asyncio.sleep(0.05)
            assert lane.state == "ready"
            assert await lane.run(DeedByValue(), None, {"deed": "a"}) == {"found": "a"}
        await lane.stop(1.0)

    asyncio.run(run())


def test_unloaded_lane_comes_back_with_the_next_request():
    async def run() -> None:
        lane = make_lane()
        async with asyncio.timeout(240):
            await lane.start()
            await lane.unload()
            assert (lane.state, lane.pid) == ("idle", None)
            assert await lane.run(DeedByValue(), None, {"deed": "a"}) == {"found": "a"}
        await lane.stop(1.0)

    asyncio.run(run())


def test_broken_picture_is_refused_before_it_reaches_the_queue():
    from catalens.pipelines.encoding import EmbedStage

    async def run() -> None:
        lane = make_lane()
        with pytest.raises(InputError, match="the picture"):
            await lane.run(EmbedStage(), Content(picture()[:50]), {})
        await lane.stop(1.0)

    asyncio.run(run())


def test_labels_of_requests_are_never_kept_on_disk(tmp_path):
    from catalens.pipelines.tagging import TagStage

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
    runner.start()
    assert runner.run(Deed(), [deed("a")]) == [{"found": "a"}]


def test_prompts_of_a_bundled_encoder_have_a_worker_of_their_own_which_starts_with_the_first():
    for encoder, lanes in ((None, {"m-encoder", "m-reader", "m-prompter"}), ("fake", {"m-encoder", "m-reader"})):
        config = load_config(flags={"models": {"m": {"encoder": encoder, "reader": "fake"}}})
        assert set(Service(config, LocalRunner).states()) == lanes


class SlowPrompts:
    """A runner whose prompts wait until they are let go."""

    released = threading.Event()
    pid, is_alive = None, True

    def __init__(self, _: WorkerConfig) -> None: ...
    def launch(self) -> None: ...
    def start(self) -> None: ...
    def unload(self) -> None: ...
    def stop(self) -> None: ...

    def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        if isinstance(stage, PromptStage):
            assert self.released.wait(60)
        return [{"done": stage.name} for _ in pictures]

    def needs(self, stage: Stage) -> StepNeeds:
        return StepNeeds(None, 8, reads_images=False)

    def go_on(self, stage: Stage) -> bool:
        return True


def test_nobody_waits_for_the_first_prompt():
    """Its worker takes its time; meanwhile the encoder's answers."""

    async def run() -> None:
        config = load_config(flags={"models": {"m": {"reader": "fake"}}})
        service = Service(config, SlowPrompts)
        async with asyncio.timeout(60):
            prompt = asyncio.create_task(service.run([PromptStage()], None))
            await asyncio.sleep(0.05)
            assert (await service.run([TagStage(labels=("a", "b"))], None))["done"] == "tags"
            assert not prompt.done()
            SlowPrompts.released.set()
            await prompt
        await service.stop()

    asyncio.run(run())
