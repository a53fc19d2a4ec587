"""Stages whose models stay loaded from one run to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from catalens.core.types import Record
from catalens.pipelines.lens import Lens
from catalens.pipelines.loaded_steps import LoadedSteps
from catalens.pipelines.one_or_many import Task
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Step


@dataclass(frozen=True)
class CountedStage:
    """Notes each time that it is loaded."""

    number: int = 0
    loads: list[int] = field(default_factory=list, compare=False)
    name = "counted"
    gives = ("number",)

    def load(self, session: Session) -> Step:
        self.loads.append(self.number)
        return Step(lambda pictures: [{"number": self.number} for _ in pictures])


def test_a_lens_loads_a_stage_once_for_one_picture_and_for_many() -> None:
    stage, lens = CountedStage(), Lens(Session())
    task: Task[int] = Task([stage], lambda values: values["number"])
    image = Image.new("RGB", (8, 8))
    assert lens.run_one(task, Picture(Record("a", "a"), image)) == 0
    assert [[each.value for each in lens.run_many(task, [image] * 3)] for _ in range(2)] == [[0] * 3] * 2
    assert stage.loads == [0]


def test_the_least_recently_used_step_goes_first() -> None:
    loads: list[int] = []
    steps = LoadedSteps(Session(), max_steps=2)
    for number in (1, 2, 1, 3, 1, 2):
        steps.step(CountedStage(number, loads))
    assert loads == [1, 2, 3, 2]


def test_cleared_steps_are_loaded_again() -> None:
    loads: list[int] = []
    steps = LoadedSteps(Session())
    for _ in range(2):
        steps.step(CountedStage(1, loads))
        steps.clear()
    assert loads == [1, 1]
