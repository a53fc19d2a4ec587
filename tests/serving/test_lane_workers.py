"""Lanes over worker processes that die, hang, are unloaded, or take long."""

import asyncio
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from catalens.core.errors import CatalensError, InputError
from catalens.core.images import Limits
from catalens.pipelines.prompting import PromptStage
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import Picture, Stage, Values
from catalens.pipelines.tagging import TagStage
from catalens.serving.batcher import BatchRules
from catalens.serving.config import load_config
from catalens.serving.lane import Content, Lane
from catalens.serving.metrics import Metrics
from catalens.serving.runner import LocalRunner, WorkerConfig, WorkerLostError
from catalens.serving.service import Service
from catalens.serving.steps import StepNeeds
from catalens.serving.worker import WorkerProcess
from tests.support.deeds import DeedByValue
from tests.support.serving import picture

pytestmark = pytest.mark.slow


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


def test_prompts_of_a_bundled_encoder_have_a_worker_of_their_own_which_starts_with_the_first():
    for encoder, lanes in ((None, {"m-encoder", "m-reader", "m-prompter"}), ("fake", {"m-encoder", "m-reader"})):
        config = load_config(flags={"models": {"m": {"encoder": encoder, "reader": "fake"}}})
        assert set(Service(config, LocalRunner).states()) == lanes


class SlowPrompts:
    """A runner whose prompts wait until they are let go."""

    released = asyncio.Event()
    pid, is_alive = None, True

    def __init__(self, _: WorkerConfig) -> None: ...
    def launch(self) -> None: ...
    async def start(self) -> None: ...
    async def unload(self) -> None: ...
    async def stop(self) -> None: ...

    async def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        if isinstance(stage, PromptStage):
            await self.released.wait()
        return [{"done": stage.name} for _ in pictures]

    async def needs(self, stage: Stage) -> StepNeeds:
        return StepNeeds(None, 8, reads_images=False)

    async def go_on(self, stage: Stage) -> bool:
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
