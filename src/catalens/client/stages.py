"""Stages that a server runs: the command's jobs, with tables, sidecars and journals, over a server's models."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass
from typing import Any

from catalens.client import calls
from catalens.client.synchronous import SHRINK_TO, Client
from catalens.core.errors import CatalensError, InputError
from catalens.models.readers.support import UNKNOWN
from catalens.pipelines.answering import ANSWER, ANSWERS, KEEPS_HISTORY, LINES, AnswerStage
from catalens.pipelines.attributes import AttributeStage
from catalens.pipelines.captioning import CaptionStage, TagWordsStage
from catalens.pipelines.encoding import EmbedStage
from catalens.pipelines.prompting import FirstCaptionStage, PromptStage
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values
from catalens.pipelines.tagging import TagStage
from catalens.tasks.captions import clean_caption

AT_A_TIME = 8
"""Requests at a time: enough for the server to form batches."""

_SIZE = (SHRINK_TO, SHRINK_TO)

Asked = Callable[[Client, Any, str, Picture], Values]


@dataclass(frozen=True)
class RemoteStage:
    """A stage whose models are a server's.

    Attributes:
        stage: what is done.
        url: of the server.
        api_key: of the server. No field: what a result depends on is written to journals, and a key must not be.
    """

    stage: Stage
    url: str
    api_key: InitVar[str | None] = None

    def __post_init__(self, api_key: str | None) -> None:
        object.__setattr__(self, "_api_key", api_key)

    @property
    def name(self) -> str:
        """What it makes."""
        return self.stage.name

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of the values that it adds."""
        return self.stage.gives

    def load(self, _session: Session) -> Step:
        """Connect to the server; nothing is sent before the first picture."""
        asking = _Asking(self.stage, Client(self.url, api_key=vars(self)["_api_key"], shrink_to=None))
        return Step(asking.run, size_wh=_SIZE, batch_size=4 * AT_A_TIME)


class _Asking:
    """A stage's connections, which are closed when it is no longer used, also after a failure."""

    def __init__(self, stage: Stage, client: Client) -> None:
        self._stage, self._client = stage, client
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="server")
        weakref.finalize(self, client.close)
        weakref.finalize(self, self._threads.shutdown)

    def run(self, pictures: Sequence[Picture]) -> list[Values | CatalensError]:
        """Ask the server about several pictures at a time."""
        return list(self._threads.map(self._one, pictures))

    def _one(self, picture: Picture) -> Values | CatalensError:
        try:
            image = calls.sent_image(picture.pixels(_SIZE))
            return _ASKED[type(self._stage)](self._client, self._stage, image, picture)
        except InputError as error:  # the picture's own; what the server lacks is raised and fails the batch
            return error


def at_server(stages: Sequence[Stage], url: str, api_key: str | None = None) -> list[Stage]:
    """Return stages whose models are a server's; those that need no model stay here.

    Raises:
        InputError: a stage asks for what servers do not do, such as a schema or thresholds in a file.
    """
    for stage in stages:
        if isinstance(stage, TagWordsStage):
            raise InputError("--server captions without tags; leave {tags} and attributes out of the template")
        for option in ("calibration", "sources", "check"):
            if getattr(stage, option, None):
                raise InputError(f"--{option} is a file or search of this machine; leave it out with --server")
    return [RemoteStage(stage, url, api_key) if type(stage) in _ASKED else stage for stage in stages]


def _tags(client: Client, stage: TagStage, image: str, _: Picture) -> Values:
    row = client.send(
        calls.tag_call(
            image,
            stage.labels or None,
            {
                "templates": list(stage.templates) or None,
                "schema": stage.schema,
                "threshold": stage.threshold,
                "top": stage.top,
                "deny": list(stage.deny) or None,
            },
        ).as_row()
    )
    return row | {"labels": [each["label"] for each in row["tags"]]}


def _attributes(client: Client, stage: AttributeStage, image: str, _: Picture) -> Values:
    row = client.send(calls.attributes_call(image, {"schema": stage.schema, "threshold": stage.threshold}).as_row())
    return {name: each["value"] for name, each in row["attributes"].items()} | row


def _captions(client: Client, stage: CaptionStage, image: str, _: Picture) -> Values:
    return client.send(
        calls.caption_call(image, stage.decoding, {"prompt": stage.prompt, "count": stage.count}).as_row()
    )


def _first_caption(client: Client, _: FirstCaptionStage, image: str, __: Picture) -> Values:
    caption = client.send(calls.caption_call(image, None, {}).as_row())["caption"]
    # As the stage itself does: a prompt begins with the nearest term rather than with "something unknown".
    return {"caption": "" if caption in {UNKNOWN, clean_caption(UNKNOWN)} else caption}


def _answers(client: Client, stage: AnswerStage, image: str, _: Picture) -> Values:
    options = {"choices": list(stage.choices), "unknown_below": stage.unknown_below}
    rows = [
        client.send(calls.answer_call(image, question, stage.decoding, options, stage.history).as_row())
        for question in stage.questions
    ]
    texts = [row["answer"] for row in rows]
    by_question = dict(zip(stage.questions, texts, strict=True))
    keeps = [row.pop(KEEPS_HISTORY, False) for row in rows]  # older servers do not say
    return by_question | {ANSWERS: rows, ANSWER: texts[0], LINES: texts, KEEPS_HISTORY: all(keeps)}


def _prompts(client: Client, stage: PromptStage, image: str, picture: Picture) -> Values:
    plan, caption = stage.plan, stage.caption
    options: Mapping[str, Any] = {
        "mode": plan.mode,
        "caption": picture.values.get("caption", "") if caption is None else caption,
        "vocabulary": stage.vocabulary,
        "search": plan.search,
        "min_flavors": plan.min_flavors,
        "max_flavors": plan.max_flavors,
    }
    return client.send(calls.prompt_call(image, options).as_row())


def _vectors(client: Client, _: EmbedStage, image: str, __: Picture) -> Values:
    call = calls.encode_call([f"data:application/octet-stream;base64,{image}"], None)
    row = client.send(call.as_row())
    return {"vector": call.made(row)[0], "encoder": row["model"]}


_ASKED: Mapping[type[Any], Asked] = {
    TagStage: _tags,
    AttributeStage: _attributes,
    CaptionStage: _captions,
    FirstCaptionStage: _first_caption,
    AnswerStage: _answers,
    PromptStage: _prompts,
    EmbedStage: _vectors,
}
