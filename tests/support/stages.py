"""Stages for tests: a name and a function that loads the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from catalens.pipelines.session import Session
from catalens.pipelines.stages import Step


@dataclass(frozen=True)
class FunctionStage:
    """A stage whose step comes from a function, whatever the session."""

    name: str
    make: Callable[[], Step]
    gives: tuple[str, ...] = ()

    def load(self, _session: Session) -> Step:
        return self.make()
