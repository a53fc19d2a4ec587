"""From the names of stages to a job: which stages they mean, and where their results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from catalens.core.errors import InputError
from catalens.pipelines.attributes import AttributeStage
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.describing import DescribeStage
from catalens.pipelines.destination import Destination
from catalens.pipelines.encoding import EmbedStage
from catalens.pipelines.prompting import FirstCaptionStage, PromptStage
from catalens.pipelines.sidecars import IfExists
from catalens.pipelines.stages import Stage
from catalens.pipelines.tagging import TagStage

NAMED: Mapping[str, Callable[[], list[Stage]]] = {
    "tags": lambda: [TagStage()],
    "attributes": lambda: [AttributeStage()],
    "captions": lambda: [CaptionStage()],
    "prompts": lambda: [FirstCaptionStage(), PromptStage()],
    "descriptions": lambda: [AttributeStage(), DescribeStage()],
    "vectors": lambda: [EmbedStage()],
}
"""Name → the stages that make it, as the command does without flags."""

TEXTS: Mapping[str, str] = {
    "tags": "labels",
    "attributes": "attributes",
    "captions": "caption",
    "prompts": "prompt",
    "descriptions": "description",
    "vectors": "vector",
    "answers": "answer",
}
"""Stage's name → the value that a table or a text file holds of it."""


def stages_named(stages: Sequence[str | Stage]) -> list[Stage]:
    """Return stages for names, each once, and stages as they are; in the order given.

    Raises:
        InputError: there are none, or a name is unknown.
    """
    if isinstance(stages, str) or not stages:
        raise InputError(f"stages are {stages!r}; give a list of at least one of {', '.join(NAMED)}")
    found: list[Stage] = []
    for each in stages:
        found += [stage for stage in (_named(each) if isinstance(each, str) else [each]) if stage not in found]
    return found


def destination_for(
    stages: Sequence[Stage], table: Path | None, sidecar: str | None, if_exists: IfExists
) -> Destination:
    """Return where the results of some stages go: a column for each stage, under the stage's name."""
    known = list(dict.fromkeys(name for stage in stages for name in stage.gives))
    texts = {stage.name: TEXTS.get(stage.name, stage.gives[0]) for stage in stages if stage.gives}
    columns = [f"{name}={value}" if name != value else name for name, value in texts.items()]
    return Destination(
        text=list(texts.values())[-1],
        known=known,
        default_columns=columns,
        table=table,
        sidecar=sidecar,
        if_exists=if_exists,
    )


def _named(name: str) -> list[Stage]:
    if name not in NAMED:
        near = get_close_matches(name, NAMED, n=1)
        hint = f": did you mean {near[0]}?" if near else f"; there are {', '.join(NAMED)}"
        raise InputError(f"there is no stage {name!r}{hint}")
    return NAMED[name]()
