"""Stages whose models stay loaded from one run to the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from catalens.pipelines.session import Session
from catalens.pipelines.stages import Stage, Step

_MAX_STEPS = 64
"""Steps that are kept: each may hold the vectors of labels of its own."""


class LoadedSteps:
    """The loaded steps of a session, least recently used ones dropped. Safe to share between threads."""

    def __init__(self, session: Session, max_steps: int = _MAX_STEPS) -> None:
        self._session, self._max_steps = session, max_steps
        self._steps: OrderedDict[Stage, Step] = OrderedDict()
        self._loading = threading.RLock()

    def step(self, stage: Stage) -> Step:
        """Return the step of a stage, loaded if it is not.

        Raises:
            CatalensError: a model or a file cannot be had.
        """
        with self._loading:
            if stage not in self._steps:
                self._steps[stage] = stage.load(self._session)
            self._steps.move_to_end(stage)
            while len(self._steps) > self._max_steps:
                self._steps.popitem(last=False)
            return self._steps[stage]

    def kept(self, stage: Stage) -> Stage:
        """Return the same stage for a job of this session: it takes the loaded step instead of loading one."""
        return _Kept(stage, self)

    def clear(self) -> None:
        """Drop every step."""
        with self._loading:
            self._steps.clear()


@dataclass(frozen=True, slots=True)
class _Kept:
    stage: Stage
    steps: LoadedSteps

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def gives(self) -> tuple[str, ...]:
        return self.stage.gives

    def load(self, _: Session) -> Step:
        return self.steps.step(self.stage)
