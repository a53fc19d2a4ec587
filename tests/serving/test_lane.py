"""Where pictures of requests are decoded, and when the next batch leaves."""

import asyncio
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from catalens.core.errors import CatalensError, ImageError, ModelError
from catalens.core.images import Limits, read_image
from catalens.core.types import Record
from catalens.pipelines.encoding import VECTOR, EmbedStage
from catalens.pipelines.prompting import PromptStage
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import EncodedPicture, Picture, Stage, Values
from catalens.serving.batcher import BatchRules
from catalens.serving.lane import Content, Lane
from catalens.serving.metrics import Metrics
from catalens.serving.stages import TextStage
from catalens.serving.steps import StepNeeds, Steps, WorkerSession
from tests.support.serving import picture

JPEG = picture(kind="JPEG")


class Watched:
    """A runner that keeps what it was given, and when."""

    pid, is_alive = None, True

    def __init__(self) -> None:
        self.given: list[Picture] = []
        self.at_s: list[float] = []
        self.sizes: list[int] = []

    def launch(self) -> None: ...
    def start(self) -> None: ...
    def unload(self) -> None: ...
    def stop(self) -> None: ...

    def needs(self, _: Stage) -> StepNeeds:
        return StepNeeds((8, 8), 1, reads_images=True)

    def run(self, _: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        self.at_s.append(time.perf_counter())
        self.given += pictures
        self.sizes.append(len(pictures))
        return [{"done": True} for _ in pictures]


def lane_of(runner: Any, **rules: Any) -> Lane:
    decoders = ThreadPoolExecutor(1)
    return Lane("test", runner, BatchRules(**rules), metrics=Metrics(), decoders=decoders, limits=Limits())


def test_the_worker_decodes_what_is_quick_and_nothing_else() -> None:
    async def run() -> None:
        watched = Watched()
        lane = lane_of(watched)
        for content in (JPEG, picture()):
            await lane.run(EmbedStage(), Content(content), {"a": 1})
        await lane.stop(1.0)
        quick, slow = watched.given
        assert isinstance(quick, EncodedPicture)
        assert quick.content == JPEG
        assert not isinstance(slow, EncodedPicture)
        assert isinstance(slow.image, Image.Image)
        assert quick.values == slow.values == {"a": 1}

    asyncio.run(run())


def test_the_next_batch_does_not_wait_for_those_who_were_answered() -> None:
    """They hold Python's lock: here it is neither taken from them nor released between them."""

    async def run() -> None:
        selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        select = selector.select
        selector.select = lambda timeout=None: [] if timeout == 0 else select(timeout)
        watched = Watched()
        lane = lane_of(watched, max_size=1)
        answered_s: list[float] = []

        async def caller() -> None:
            await lane.run(EmbedStage(), Content(JPEG), {})
            end_s = time.perf_counter() + 0.2
            while time.perf_counter() < end_s:
                pass
            answered_s.append(time.perf_counter())

        await lane.run(EmbedStage(), Content(JPEG), {})
        before_s = sys.getswitchinterval()
        sys.setswitchinterval(60)
        try:
            await asyncio.gather(caller(), caller())
        finally:
            sys.setswitchinterval(before_s)
        await lane.stop(1.0)
        assert watched.at_s[2] < answered_s[0]

    asyncio.run(run())


@pytest.mark.parametrize(("stage", "size"), [(TextStage(), 8), (PromptStage(), 2), (EmbedStage(), 20)])
def test_fewer_items_are_together_where_each_costs_much(stage: Any, size: int) -> None:
    watched, free = Watched(), threading.Event()

    async def run() -> None:
        lane = lane_of(watched)
        await lane.run(stage, Content(JPEG), {})
        in_front = lane._thread.submit(free.wait, 60)
        callers = [asyncio.create_task(lane.run(stage, Content(JPEG), {})) for _ in range(20)]
        for _ in range(10):  # until all of them are in the queue or in the batch that waits
            await asyncio.sleep(0)
        free.set()
        await asyncio.gather(*callers)
        assert in_front.result()
        await lane.stop(1.0)

    asyncio.run(run())
    assert len(watched.given) == 21
    assert max(watched.sizes) == size


@pytest.fixture
def loaded() -> Steps:
    return Steps(WorkerSession(SessionConfig(encoder="fake", limits=Limits(max_pixels=48 * 40))))


def encoded(content: bytes, name: str = "the picture") -> Picture:
    return EncodedPicture(Record("picture", name), None, {}, {}, content=content)


def test_each_picture_that_the_worker_cannot_decode_costs_itself(loaded: Steps) -> None:
    large = picture(size=(400, 400), kind="JPEG")
    batch = [encoded(JPEG), encoded(JPEG[:200], "picture 1"), encoded(picture("blue", kind="JPEG")), encoded(large)]
    first, broken, second, refused = loaded.run(EmbedStage(), batch)
    alone = loaded.run(EmbedStage(), batch[2:3])[0]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert isinstance(alone, dict)
    assert (second[VECTOR] == alone[VECTOR]).all()
    assert (second[VECTOR] != first[VECTOR]).any()
    assert isinstance(broken, ImageError)
    assert str(broken).startswith("picture 1")
    assert isinstance(refused, ImageError)
    assert "over the limit" in str(refused)


def test_a_bug_of_a_decoder_costs_one_picture(
    loaded: Steps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(content: bytes, **how: Any) -> Image.Image:
        if content == b"bug":
            raise MemoryError("no room")
        return read_image(content, **how)

    monkeypatch.setattr("catalens.serving.steps.read_image", fails)
    bad, good = loaded.run(EmbedStage(), [encoded(b"bug"), encoded(JPEG)])
    assert isinstance(bad, ModelError)
    assert "no room" not in str(bad)
    assert "MemoryError: no room" in caplog.text
    assert isinstance(good, dict)
