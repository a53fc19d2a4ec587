"""Where pictures of requests are decoded, and when the next batch leaves."""

import asyncio
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
    """A runner that keeps what it was given, while it is free."""

    pid, is_alive = None, True

    def __init__(self) -> None:
        self.given: list[Picture] = []
        self.sizes: list[int] = []
        self.free = asyncio.Event()
        self.free.set()

    def launch(self) -> None: ...
    async def start(self) -> None: ...
    async def unload(self) -> None: ...
    async def stop(self) -> None: ...

    async def needs(self, _: Stage) -> StepNeeds:
        return StepNeeds((8, 8), 1, reads_images=True)

    async def run(self, _: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        await self.free.wait()
        self.given += pictures
        self.sizes.append(len(pictures))
        await asyncio.sleep(0)
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


def test_the_next_batch_leaves_before_those_of_the_last_are_answered() -> None:
    async def run() -> None:
        watched = Watched()
        lane = lane_of(watched, max_size=1)
        batches_at_answer: list[int] = []

        async def caller() -> None:
            await lane.run(EmbedStage(), Content(JPEG), {})
            batches_at_answer.append(len(watched.sizes))

        await asyncio.gather(caller(), caller(), caller())
        await lane.stop(1.0)
        assert batches_at_answer == [2, 3, 3]

    asyncio.run(run())


@pytest.mark.parametrize(("stage", "size"), [(TextStage(), 8), (PromptStage(), 2), (EmbedStage(), 20)])
def test_fewer_items_are_together_where_each_costs_much(stage: Any, size: int) -> None:
    async def run() -> None:
        watched = Watched()
        lane = lane_of(watched)
        watched.free.clear()
        callers = [asyncio.create_task(lane.run(stage, Content(JPEG), {})) for _ in range(20)]
        for _ in range(30):  # until all of them are in the queue, or in the batch that waits
            await asyncio.sleep(0)
        watched.free.set()
        await asyncio.gather(*callers)
        assert len(watched.given) == 20
        assert max(watched.sizes) == size
        await lane.stop(1.0)

    asyncio.run(run())


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
