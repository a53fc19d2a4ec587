"""Many texts are encoded in pieces: what comes out is the same, and other callers' batches go between them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from catalens.core.errors import CatalensError, InputError
from catalens.core.images import Limits
from catalens.core.types import Record, Vectors
from catalens.models.fakes import FakeEncoder
from catalens.pipelines.attributes import AttributeStage
from catalens.pipelines.encoding import EmbedStage
from catalens.pipelines.prompting import PromptStage
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import Picture, Stage, Values
from catalens.pipelines.tagging import TagStage
from catalens.serving.batcher import BatchRules
from catalens.serving.config import load_config
from catalens.serving.embeddings import encoded
from catalens.serving.lane import Content, Lane
from catalens.serving.metrics import Metrics
from catalens.serving.pacing import UnfinishedError
from catalens.serving.runner import LocalRunner, WorkerConfig, WorkerLostError
from catalens.serving.service import Service
from catalens.serving.stages import TEXTS, LabelStage
from catalens.serving.steps import StepNeeds, Steps, WorkerSession
from tests.support.serving import FAKE, picture

WORDS = tuple(f"word {at}" for at in range(100))
MANY = TagStage(labels=WORDS, templates=("a {}", "the {}", "{}"))
JPEG = Content(picture(kind="JPEG"))


class SlowEncoder(FakeEncoder):
    """Needs 2 ms for a text, so that 100 of them are several pieces."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        time.sleep(0.002 * len(texts))
        return super().encode_texts(texts)


def seen() -> Picture:
    return Picture(Record("a", "a"), Image.new("RGB", (40, 40), "red"), {"caption": "a dress"})


def steps_of(encoder: str = "fake", *, is_paced: bool = True, **settings: Any) -> Steps:
    steps = Steps(WorkerSession(SessionConfig(encoder=encoder, **settings)))
    steps.is_paced = is_paced
    return steps


def finished(steps: Steps, stage: Stage) -> tuple[Values | CatalensError, int]:
    """Return the values of one picture, and how often the worker said that it was not finished."""
    stops = 0
    while True:
        try:
            steps.needs(stage)
            (found,) = steps.run(stage, [seen()])
            if not isinstance(found, UnfinishedError):
                return found, stops
        except UnfinishedError:
            pass
        stops += 1
        while not steps.go_on(stage):
            pass


@pytest.mark.parametrize(
    ("stage", "stops"),
    [
        (MANY, 1),
        (TagStage(labels=("cup", "plate")), 0),
        (TagStage(schema="everyday"), None),
        (AttributeStage(schema="fashion"), None),
        (PromptStage(vocabulary="fashion"), None),
        (LabelStage(WORDS), 1),
    ],
)
def test_every_stage_gives_the_same_in_pieces(stage: Stage, stops: int | None):
    found, stopped = finished(steps_of(), stage)
    at_once, never = finished(steps_of(is_paced=False), stage)
    assert found == at_once
    assert never == 0
    assert stopped == stops if stops is not None else stopped >= 1


def test_many_preparations_are_not_all_kept_and_each_ends_all_the_same():
    steps = steps_of()
    stages = [TagStage(labels=tuple(f"{name} {word}" for word in WORDS)) for name in range(12)]
    for stage in stages:
        with pytest.raises(UnfinishedError):
            steps.needs(stage)
    assert len(steps._preparations) == 8
    for stage in stages:
        assert isinstance(finished(steps, stage)[0], dict)
    assert not steps._preparations


def test_a_preparation_that_goes_on_is_not_dropped_for_those_that_have_not_begun(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("catalens.serving.steps._PIECE_S", 0.0)
    steps = steps_of()
    with pytest.raises(UnfinishedError):
        steps.needs(MANY)
    steps.go_on(MANY)
    for name in range(20):
        with pytest.raises(UnfinishedError):
            steps.needs(TagStage(labels=tuple(f"{name} {word}" for word in WORDS)))
    with pytest.raises(UnfinishedError, match="32 of 300"):
        steps.needs(MANY)


class Scripted:
    """A runner whose labels need some pieces; it says what it did, in order."""

    pid, is_alive = None, True

    def __init__(self, pieces: int, dies_after: int | None = None) -> None:
        self.did: list[str] = []
        self.left, self.dies_after = pieces, dies_after

    def launch(self) -> None: ...
    async def start(self) -> None: ...
    async def unload(self) -> None: ...
    async def stop(self) -> None: ...

    async def needs(self, stage: Stage) -> StepNeeds:
        if stage is MANY and self.left:
            raise UnfinishedError("not yet")
        return StepNeeds((8, 8), 8, reads_images=True)

    async def run(self, _: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        self.did.append("batch")
        return [{"done": True} for _ in pictures]

    async def go_on(self, _: Stage) -> bool:
        self.did.append("piece")
        await asyncio.sleep(0.02)
        if self.dies_after == self.did.count("piece"):
            self.dies_after = None
            raise WorkerLostError("died")
        self.left -= 1
        return self.left == 0


def lane_of(runner: Any) -> Lane:
    rules, decoders = BatchRules(), ThreadPoolExecutor(1)
    return Lane("test", runner, rules, metrics=Metrics(), decoders=decoders, limits=Limits())


def test_batches_of_others_go_between_the_pieces():
    async def run() -> None:
        runner = Scripted(pieces=10)
        lane = lane_of(runner)
        await lane.run(EmbedStage(), JPEG, {})
        runner.did.clear()
        large = asyncio.create_task(lane.run(MANY, JPEG, {}))
        while not large.done():
            await lane.run(EmbedStage(), JPEG, {})
        assert await large == {"done": True}
        assert runner.did.count("piece") == 10
        assert "piece piece" not in " ".join(runner.did)
        assert not lane.is_busy
        await lane.stop(1.0)

    asyncio.run(run())


def test_many_callers_of_one_stage_hold_up_no_other_stage():
    other = TagStage(labels=WORDS)

    class Two(Scripted):
        left_of_other = 2

        async def needs(self, stage: Stage) -> StepNeeds:
            if stage is other and self.left_of_other:
                raise UnfinishedError("not yet")
            return await super().needs(stage)

        async def go_on(self, stage: Stage) -> bool:
            if stage is not other:
                return await super().go_on(stage)
            self.left_of_other -= 1
            return self.left_of_other == 0

    async def run() -> None:
        runner = Two(pieces=1000)
        lane = lane_of(runner)
        many = [asyncio.create_task(lane.run(MANY, JPEG, {})) for _ in range(8)]
        while not runner.did:
            await asyncio.sleep(0.001)
        async with asyncio.timeout(10):
            assert await lane.run(other, JPEG, {}) == {"done": True}
        assert runner.left > 900
        for each in many:
            each.cancel()
        await asyncio.gather(*many, return_exceptions=True)
        await lane.stop(1.0)

    asyncio.run(run())


def test_a_caller_who_leaves_stops_the_preparation():
    async def run() -> None:
        runner = Scripted(pieces=1000)
        lane = lane_of(runner)
        large = asyncio.create_task(lane.run(MANY, JPEG, {}))
        while runner.did.count("piece") < 2:
            await asyncio.sleep(0.001)
        assert lane.is_busy
        large.cancel()
        await asyncio.gather(large, return_exceptions=True)
        await lane.run(EmbedStage(), JPEG, {})
        asked = len(runner.did)
        await asyncio.sleep(0.1)
        assert len(runner.did) == asked
        assert not lane.is_busy
        await lane.stop(1.0)

    asyncio.run(run())


def test_a_worker_that_dies_midway_fails_the_call_and_the_next_begins_again():
    async def run() -> None:
        runner = Scripted(pieces=5, dies_after=3)
        lane = lane_of(runner)
        with pytest.raises(WorkerLostError, match="died"):
            await lane.run(MANY, JPEG, {})
        assert runner.did == ["piece"] * 3
        async with asyncio.timeout(10):  # nobody calls a service that is not ready
            while lane.state != "ready":
                await asyncio.sleep(0.001)
        assert await lane.run(MANY, JPEG, {}) == {"done": True}
        await lane.stop(1.0)

    asyncio.run(run())


def fake_lane(monkeypatch: pytest.MonkeyPatch, make: Callable[[], FakeEncoder]) -> tuple[Lane, FakeEncoder]:
    """Return a lane in this process, and its encoder."""
    encoder = make()
    monkeypatch.setattr("catalens.models.registry.load_encoder", lambda *_args, **_more: encoder)
    return lane_of(LocalRunner(WorkerConfig(SessionConfig(encoder="fake")))), encoder


def test_callers_of_the_same_labels_share_their_texts(monkeypatch: pytest.MonkeyPatch):
    lane, encoder = fake_lane(monkeypatch, SlowEncoder)

    async def run() -> None:
        first, second = await asyncio.gather(*(lane.run(MANY, JPEG, {}) for _ in range(2)))
        assert first == second
        assert sum(encoder.batches) == 300 + 2
        await lane.stop(1.0)

    asyncio.run(run())


def test_a_text_that_cannot_be_encoded_fails_its_own_request(monkeypatch: pytest.MonkeyPatch):
    class Strict(FakeEncoder):
        def encode_texts(self, texts: Sequence[str]) -> Vectors:
            if "a word 7" in texts:
                raise InputError("bad text")
            return super().encode_texts(texts)

    lane, _ = fake_lane(monkeypatch, Strict)

    async def run() -> None:
        with pytest.raises(InputError, match="bad text"):
            await lane.run(MANY, JPEG, {})
        assert (await lane.run(TagStage(labels=("cup",)), JPEG, {}))["tags"]
        await lane.stop(1.0)

    asyncio.run(run())


def test_the_texts_of_one_request_fill_no_whole_batch():
    sizes: list[int] = []

    class Counting(LocalRunner):
        async def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
            if all(TEXTS in picture.values for picture in pictures):
                sizes.append(len(pictures))
            return await super().run(stage, pictures)

    async def run() -> None:
        service = Service(load_config(flags={"models": {"m": FAKE}}), Counting)
        texts = [f"text {at}" for at in range(300)]
        found = await encoded(texts, service)
        await service.stop()
        direct = FakeEncoder().encode_texts(texts)
        assert all((vector == row).all() for vector, row in zip(found.vectors, direct, strict=True))

    asyncio.run(run())
    assert sum(sizes) == 19
    assert max(sizes) <= 4
