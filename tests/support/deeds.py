"""Stages that do to a worker's process what a picture's name, or a value, says. Light: each worker imports this."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Step, Values

_SECRET = "embarrassing"
"""What a caller may send, and no log may quote."""


def deed(name: str) -> Picture:
    return Picture(Record(name, name), None)


@dataclass(frozen=True)
class Deed:
    """Crashes, hangs or fails where a picture's id says so."""

    name = "deed"
    gives = ("found",)

    def load(self, _session: Session) -> Step:
        def run(pictures: Sequence[Picture]) -> list[Values]:
            return [_do(each.record.id) for each in pictures]

        return Step(run, reads_images=False)


@dataclass(frozen=True)
class DeedByValue:
    """As `Deed`; the deed is a value, as a service has no names of pictures."""

    name = "deed"
    gives = ("found",)

    def load(self, _session: Session) -> Step:
        def run(pictures: Sequence[Picture]) -> list[Values]:
            return [_do(each.values["deed"]) for each in pictures]

        return Step(run, reads_images=False)


@dataclass(frozen=True)
class Unloadable:
    """A stage that cannot be loaded."""

    name = "unloadable"
    gives = ()

    def load(self, _session: Session) -> Step:
        raise InputError("this stage cannot be loaded")


def _do(what: str) -> Values:
    if what == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        threading.Event().wait()
    if what == "talk":
        logging.getLogger("catalens.models.tokens").warning("the text %r is long", _SECRET)
    if what == "quote":
        raise KeyError(_SECRET)
    if what == "bad":
        raise RuntimeError("no such picture")
    return {"found": what}
