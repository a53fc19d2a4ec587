"""Enriches a folder on Ray, in a process of its own, and may kill one worker in mid-run; the last line is JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.core.errors import ImageError
from catalens.pipelines.enrich_plan import EnrichPlan
from catalens.pipelines.enriching import Enrichment
from catalens.pipelines.events import Callbacks
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.stages import Picture, Step, Values


@dataclass(frozen=True)
class KillOnce:
    """Kills its own process at one picture, the first time it meets it."""

    mark: str
    at: str
    name: str = "kill"
    gives: tuple[str, ...] = ()

    def load(self, _session: Session) -> Step:
        def run(pictures: Sequence[Picture]) -> list[Values | ImageError]:
            for picture in pictures:
                if picture.record.id == self.at and not Path(self.mark).exists():
                    Path(self.mark).write_text(str(os.getpid()))
                    os.kill(os.getpid(), signal.SIGKILL)
            return [{} for _ in pictures]

        return Step(run, reads_images=False, batch_size=32)


def main(folder: Path, kill: str) -> None:
    """Run the plan, and print the counts."""
    plan = EnrichPlan(
        sources=(str(folder / "photos"),),
        do={"tags": {}, "vectors": {}},
        output=str(folder / "ray"),
        engine="ray",
        workers=2,
        model="fake",
    )
    started_s = time.perf_counter()
    with Session(SessionConfig(encoder="fake")) as session, Enrichment(plan, session) as enrichment:
        if kill:
            enrichment.stages.insert(0, KillOnce(str(folder / "killed"), kill))
        report = enrichment.run(Callbacks())
    errors = [each.error for each in report.failures]
    print(json.dumps({"done": report.done, "errors": errors, "seconds": time.perf_counter() - started_s}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
