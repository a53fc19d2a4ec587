"""What `catalens enrich` is to do, as one value that a YAML file can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from catalens.core.errors import CatalensError, InputError
from catalens.core.types import Record
from catalens.pipelines.answering import AnswerStage
from catalens.pipelines.attributes import ATTRIBUTES, AttributeStage
from catalens.pipelines.captioning import CAPTION, CaptionStage, fields_of
from catalens.pipelines.describing import DESCRIPTION, DescribeStage
from catalens.pipelines.encoding import BATCH_SIZE, VECTOR, EmbedStage
from catalens.pipelines.prompting import PROMPT, FirstCaptionStage, PromptStage
from catalens.pipelines.session import Session
from catalens.pipelines.shards import ROWS_PER_SHARD, SHARD_FORMATS, Kind, ShardFormat
from catalens.pipelines.sidecars import IF_EXISTS, IfExists
from catalens.pipelines.stages import Picture, Stage, Step, Values
from catalens.pipelines.tagging import LABELS, TAGS, TagStage

Engine = Literal["local", "ray"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
TEXT = "text"


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work that a plan may name.

    Attributes:
        stage: makes the values.
        options: what a plan may say of it: fields of the stage, with the type of each.
        columns: values that a table holds of it.
    """

    stage: type[Any]
    options: Mapping[str, str]
    columns: Mapping[str, Kind]


# In this order: descriptions use attributes and prompts use captions; the last stage's `encoder` is the vectors'.
WORK: Mapping[str, Work] = MappingProxyType(
    {
        "attributes": Work(
            AttributeStage, {"schema": "text", "threshold": "number", "encoder": "text"}, {ATTRIBUTES: "attributes"}
        ),
        "tags": Work(
            TagStage,
            {
                "labels": "texts",
                "templates": "texts",
                "schema": "text",
                "threshold": "number",
                "top": "integer",
                "deny": "texts",
                "encoder": "text",
            },
            {TAGS: "tags"},
        ),
        "captions": Work(
            CaptionStage,
            {"prompt": "text", "count": "integer", "reader": "text"},
            {CAPTION: "text", "captions": "texts"},
        ),
        "answers": Work(
            AnswerStage,
            {"questions": "texts", "choices": "texts", "unknown_below": "number", "reader": "text"},
            {"answers": "answers"},
        ),
        "prompts": Work(PromptStage, {"vocabulary": "text", "caption": "text", "encoder": "text"}, {PROMPT: "text"}),
        "descriptions": Work(
            DescribeStage, {"writer": "text", "only": "texts", "schema": "text"}, {DESCRIPTION: "text"}
        ),
        "vectors": Work(EmbedStage, {"encoder": "text"}, {VECTOR: "vector", "encoder": "text"}),
    }
)
"""Name of the work → its stage."""

_TYPES: Mapping[str, tuple[type, ...]] = {"text": (str,), "number": (int, float), "integer": (int,), "flag": (bool,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichPlan:
    """One pass over pictures, with many results.

    Attributes:
        sources: folders, tables, patterns, `{00..99}.tar` or `s3://` addresses.
        do: name of the work → its options; see `WORK`.
        text: template that joins {caption}, {tags}, attributes and the row's columns into the value `text`.
        output: folder of shards, or one table: .csv, .tsv, .jsonl, .json or .parquet.
        format: of the shards.
        rows_per_shard: rows of a shard.
        sidecar: suffix of a text file beside each picture.
        xmp: write an .xmp file beside each picture.
        xmp_in_file: write the same into the picture file itself, through exiftool.
        index: catalogue that takes vectors, with the other results as fields.
        if_exists: what to do with text files and table rows that are there already.
        limit: most pictures.
        sample: share of the pictures, chosen by their ids: the same ones each time.
        memory_limit: such as 4GB.
        model: encoder.
        reader: what captions and answers.
        device: where torch runs models.
        engine: "local", or "ray" for a cluster.
        address: of the Ray cluster; None starts one on this machine.
        workers: with Ray, processes that hold the models; otherwise threads that decode.
    """

    sources: tuple[str, ...] = ()
    do: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    text: str | None = None
    output: str | None = None
    format: ShardFormat = "parquet"
    rows_per_shard: int = ROWS_PER_SHARD
    sidecar: str | None = None
    xmp: bool = False
    xmp_in_file: bool = False
    index: str | None = None
    if_exists: IfExists = "skip"
    limit: int | None = None
    sample: float | None = None
    memory_limit: str | None = None
    model: str | None = None
    reader: str | None = None
    device: str | None = None
    engine: Engine = "local"
    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("format", self.format, SHARD_FORMATS),
            ("if_exists", self.if_exists, IF_EXISTS),
            ("engine", self.engine, ENGINES),
        ):
            if value not in choices:
                raise InputError(f"{name} is {value!r}; use one of {', '.join(choices)}")
        for name in ("limit", "rows_per_shard", "workers"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise InputError(f"{name} is {number}; use at least 1")
        if self.sample is not None and not 0 < self.sample <= 1:
            raise InputError(f"sample is {self.sample}; use a share above 0 and up to 1, such as 0.01")

    def stages(self) -> list[Stage]:
        """Return the stages, each once, in the order in which they need each other.

        Raises:
            InputError: there is nothing to do, an option is unknown, or the template cannot be read.
        """
        if not self.do:
            raise InputError(f"there is nothing to do; name at least one of {', '.join(WORK)}")
        for name in self.do:
            if name not in WORK:
                raise InputError(f"there is no work {name!r}{_hint(name, WORK)}")
        asked = {name: _options(name, self.do[name]) for name in WORK if name in self.do}
        found: list[Stage] = []
        for name, options in asked.items():
            if name == "descriptions" and "attributes" not in asked:
                found.append(AttributeStage())
            if name == "prompts" and "captions" not in asked and "caption" not in options:
                found.append(FirstCaptionStage())
            found.append(WORK[name].stage(**options))
        if self.text is None:
            return found
        return [TextStage(self.text, check=True), *found, TextStage(self.text)]

    @property
    def columns(self) -> dict[str, Kind]:
        """Columns of the tables: name of a value → what it holds."""
        found: dict[str, Kind] = {}
        for name in WORK:
            found |= WORK[name].columns if name in self.do else {}
        return found | ({TEXT: "text"} if self.text is not None else {})

    @property
    def main_text(self) -> str:
        """The value that a text file holds."""
        texts = {
            "captions": CAPTION,
            "descriptions": DESCRIPTION,
            "prompts": PROMPT,
            "tags": LABELS,
            "answers": "lines",
        }
        found = [TEXT] if self.text is not None else [value for name, value in texts.items() if name in self.do]
        if not found:
            raise InputError(f"{', '.join(self.do)} make no text; a text file needs captions, tags or a template")
        return found[0]

    def to_yaml(self) -> str:
        """Return the equivalent YAML; defaults are left out."""
        import yaml

        shown: dict[str, Any] = {}
        for each in fields(self):
            default = each.default if each.default is not MISSING else {}
            value = getattr(self, each.name)
            if value != default or each.name in ("sources", "do"):
                shown[each.name] = list(value) if isinstance(value, tuple) else value
        shown["do"] = {name: {key: _listed(each) for key, each in of.items()} for name, of in self.do.items()}
        return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=110))


def load_plan(path: Path) -> dict[str, Any]:
    """Read a plan's file, and return the arguments of `EnrichPlan` that it gives.

    Raises:
        InputError: it cannot be read, or says something that is not known; the message names the file.
    """
    from catalens.tasks.yaml_files import parse_yaml

    try:
        raw = parse_yaml(path.read_text(encoding="utf-8-sig"))
        if not isinstance(raw, Mapping):
            raise InputError("it is not a mapping; the keys are " + ", ".join(_FIELDS))
        return {str(name): _value(str(name), value) for name, value in raw.items()}
    except (InputError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def merged_plan(path: Path | None, given: Mapping[str, Any], questions: Sequence[str] = ()) -> EnrichPlan:
    """Return the plan of a file, if there is one, with other arguments in place of those that it gives.

    Args:
        path: of the file.
        given: arguments of `EnrichPlan`; None is not given. A `do` chooses the work, and the file keeps its options.
        questions: in place of those that the plan has.

    Raises:
        InputError: the file cannot be read, or something is unknown or cannot be.
    """
    known = load_plan(path) if path is not None else {}
    arguments = known | {name: value for name, value in given.items() if value is not None}
    if given.get("do") is not None:
        arguments["do"] = {name: known.get("do", {}).get(name, {}) for name in given["do"]}
    if questions:
        arguments["do"] = {**arguments.get("do", {}), "answers": {"questions": tuple(questions)}}
    return EnrichPlan(**arguments)


_FIELDS: Mapping[str, str] = {
    **{each.name: "text" for each in fields(EnrichPlan)},
    **dict.fromkeys(("limit", "rows_per_shard", "workers"), "integer"),
    "sample": "number",
    **dict.fromkeys(("xmp", "xmp_in_file"), "flag"),
    "sources": "texts",
    "do": "do",
}


def _value(name: str, value: object) -> object:
    if name not in _FIELDS:
        raise InputError(f"there is no key {name!r}{_hint(name, _FIELDS)}")
    if name != "do":
        return _typed(name, value, _FIELDS[name])
    if isinstance(value, str | list):
        names = [value] if isinstance(value, str) else value
        return {str(each): {} for each in names}
    if not isinstance(value, Mapping) or not all(isinstance(each, Mapping | None) for each in value.values()):
        raise InputError("do: use names of work, or a mapping of them to their options, such as {tags: {top: 5}}")
    return {str(each): dict(options or {}) for each, options in value.items()}


def _options(work: str, given: Mapping[str, object]) -> dict[str, object]:
    known = WORK[work].options
    for name in given:
        if name not in known:
            raise InputError(f"{work} has no option {name!r}{_hint(name, known)}")
    found = {name: _typed(f"{work}: {name}", value, known[name]) for name, value in given.items()}
    if work == "answers" and not found.get("questions"):
        raise InputError("answers: there are no questions")
    return found


def _typed(name: str, value: object, kind: str) -> object:
    if kind == "texts":
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{name} is {value!r:.80}; use a text or a list of texts")
        return tuple(texts)
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "flag"):
        raise InputError(f"{name} is {value!r:.80}; it should be a {kind}")
    return value


def _hint(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f": did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class TextStage:
    """Joins what was found, and the row's own columns, into one text.

    Attributes:
        template: with {caption}, {tags}, {description}, {prompt}, an attribute such as {colour}, or a column.
        check: only refuse a picture whose row lacks a column, before a model sees it.
    """

    template: str
    check: bool = False
    name = "template"

    @property
    def gives(self) -> tuple[str, ...]:
        """The text."""
        return () if self.check else (TEXT,)

    def load(self, _session: Session) -> Step:
        """Return the step; it needs no model.

        Raises:
            InputError: the template cannot be read.
        """
        from catalens.pipelines.attributes import group_names
        from catalens.tasks.captions import fill_template, template_names

        template_names(self.template)
        blank = dict.fromkeys((CAPTION, TAGS, DESCRIPTION, PROMPT, *group_names(None)), "")

        def one(picture: Picture) -> Values | CatalensError:
            try:
                text = fill_template(self.template, blank | _known(picture.record, picture.values))
            except InputError as error:
                return error
            return {} if self.check else {TEXT: text}

        return Step(lambda pictures: [one(each) for each in pictures], reads_images=False, batch_size=BATCH_SIZE)


def _known(record: Record, values: Values) -> dict[str, Any]:
    """Return what a template may name: columns first, then what was found."""
    found: dict[str, Any] = {name: values[name] for name in (CAPTION, DESCRIPTION, PROMPT) if name in values}
    attributes = {name: each["value"] for name, each in values.get(ATTRIBUTES, {}).items()}
    known = {name: value for name, value in attributes.items() if value != "unknown"}
    return fields_of(record) | known | found | {TAGS: values.get(LABELS, [])}
