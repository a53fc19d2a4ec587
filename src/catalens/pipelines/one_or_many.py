"""One picture in, one value out; many in, an iterator of results out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

from catalens.core.errors import CatalensError
from catalens.core.images import Source as ImageSource
from catalens.pipelines.engine import stream
from catalens.pipelines.loaded_steps import LoadedSteps
from catalens.pipelines.pictures import Pictures, encoded_picture, entries_of, is_one
from catalens.pipelines.results import Result
from catalens.pipelines.session import Session
from catalens.pipelines.stages import EncodedPicture, Picture, Stage, Values

One = ImageSource | EncodedPicture
Many = Iterable["ImageSource | EncodedPicture"]

T = TypeVar("T")
S = TypeVar("S", bound="RunsTasks")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What is to be done to each picture: stages, and what makes a value of what they find."""

    stages: Sequence[Stage]
    made: Callable[[Values], T]


class RunsTasks:
    """Runs tasks over a session; the steps of stages that were used once stay loaded."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._steps = LoadedSteps(session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run_one(self, task: Task[T], picture: Picture) -> T:
        """Run a task over one picture.

        Raises:
            CatalensError: the picture, a model, or what was asked for failed.
        """
        values: dict[str, object] = {}
        for stage in task.stages:
            (found,) = self._steps.step(stage).run([replace(picture, values=values)])
            if isinstance(found, CatalensError):
                raise found
            values.update(found)
        return task.made(values)

    def run_many(self, task: Task[T], pictures: Pictures) -> Iterator[Result[T]]:
        """Run a task over many pictures; results come in the order of the pictures, as they are ready."""
        stages = [self._steps.kept(stage) for stage in task.stages]
        for event in stream(entries_of(pictures), stages, self.session):
            found = None if event.values is None else task.made(event.values)
            yield Result(event.record.id, event.record.source, found, event.error)

    def close(self) -> None:
        """Release the models; they are loaded again when they are next used."""
        self._steps.clear()
        self.session.unload()


class _OneOrMany(Protocol[P, T]):
    """A method of one picture or many."""

    @overload
    def __call__(self, pictures: One, /, *args: P.args, **kwargs: P.kwargs) -> T: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, pictures: Many, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Result[T]]: ...


def one_or_many(method: Callable[Concatenate[S, Pictures, P], Task[T]]) -> _OneOrMany[P, T]:
    """Make a method that returns a task run it: one picture gives a value, many give an iterator of results."""

    @wraps(method)
    def run(self: S, pictures: Pictures, *args: P.args, **kwargs: P.kwargs) -> T | Iterator[Result[T]]:
        task = method(self, pictures, *args, **kwargs)
        if is_one(pictures):
            return self.run_one(task, encoded_picture(cast(One, pictures)))
        return self.run_many(task, pictures)

    signature = inspect.signature(method)
    run.__signature__ = signature.replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    return cast(_OneOrMany[P, T], run)
