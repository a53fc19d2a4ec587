"""`catalens ask`: answers to questions about a picture, one after the other or as a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalens.cli import chat as chats
from catalens.cli import inputs
from catalens.cli import output as out
from catalens.cli.decoding import (
    BeamsFlag,
    MaxTokensFlag,
    MinTokensFlag,
    RepetitionPenaltyFlag,
    SeedFlag,
    TemperatureFlag,
    TopPFlag,
    changed,
    decoding_of,
)
from catalens.cli.jobs import (
    ColumnsFlag,
    IfExistsFlag,
    IntoFlag,
    MemoryLimitFlag,
    OutputFlag,
    RowTable,
    SidecarFlag,
    run_stages,
)
from catalens.cli.options import Json, QuantiseFlag, ReaderModel, TimeoutFlag, examples, session_for
from catalens.cli.remote import ServerFlag
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            'catalens ask photo.jpg "What colour is the shirt?"',
            'catalens ask photo.jpg "What is it made of?" "Who is it for?"',
            'catalens ask photos/ "What colour is it?" --answers red,blue,green --unknown-below 0.4 > colours.jsonl',
            'catalens ask photos/ "What is it?" --output answers.csv',
            "catalens ask photo.jpg --chat",
        )
    )(ask)


def ask(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURES QUESTIONS",
            help="Pictures (files, folders, patterns, tables or -), then questions, each in quotes.",
            show_default=False,
        ),
    ],
    answers: Annotated[
        str | None,
        typer.Option(
            help="Allowed answers, comma-separated or in a file: each is scored, with a probability.",
            show_default=False,
        ),
    ] = None,
    unknown_below: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help='With --answers: answer "unknown" where the likeliest is less probable.',
            show_default=False,
        ),
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="Keep asking about one picture; an empty line or the end of input ends it.")
    ] = False,
    max_tokens: MaxTokensFlag = 40,
    min_tokens: MinTokensFlag = 0,
    beams: BeamsFlag = 1,
    temperature: TemperatureFlag = None,
    top_p: TopPFlag = 1.0,
    seed: SeedFlag = 0,
    repetition_penalty: RepetitionPenaltyFlag = 1.0,
    sidecar: SidecarFlag = None,
    into: IntoFlag = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: ReaderModel = None,
    quantise: QuantiseFlag = None,
    timeout: TimeoutFlag = 60.0,
    server: ServerFlag = None,
    json: Json = False,
) -> None:
    """Ask questions about pictures; each picture is encoded once, however many questions there are.

    With --answers the reader's own likelihood chooses, so that nothing else can be answered.
    With --chat further questions are read line by line, and a model that can keeps the conversation.
    """
    from catalens.pipelines.answering import ANSWERS, AnswerStage
    from catalens.pipelines.destination import Destination

    pictures, questions = split_arguments(arguments)
    if unknown_below is not None and answers is None:
        raise InputError("--unknown-below goes with --answers: only those have probabilities")
    if not questions and not chat:
        raise InputError('there is no question; give one in quotes after the pictures, such as "What colour is it?"')
    choices = tuple(dict.fromkeys(inputs.words(answers))) if answers is not None else ()
    decoding = decoding_of(
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    if choices and (idle := changed(decoding)):
        raise InputError(
            f"{idle[0]} would do nothing: with --answers the reader scores what is given, and writes nothing"
        )
    stage = AnswerStage(
        questions=tuple(dict.fromkeys(questions)),
        choices=choices,
        unknown_below=unknown_below,
        decoding=decoding,
    )
    session = session_for(reader=model, quantise=quantise, timeout_s=timeout)
    if chat and server is not None:
        raise InputError("--chat keeps its conversation in a model of this machine; leave it out with --server")
    if chat:
        if output is not None or sidecar is not None:
            raise InputError("--chat prints its answers; --output and --sidecar are for questions without --chat")
        chats.hold(inputs.entries(pictures), stage, session, as_json=out.wants_json(json))
        return
    destination = Destination(
        text=questions[0],
        several="lines",
        known=stage.gives,
        default_columns=stage.questions,
        sidecar=sidecar,
        into=into,
        table=output,
        columns=columns,
        if_exists=if_exists,
    )
    headings = ("picture", "question", "answer", *(("probability#", "else") if choices else ()))
    show = RowTable(headings, _rows)
    shown = (ANSWERS,)
    run_stages(
        pictures,
        [stage],
        session,
        destination,
        shown=shown,
        show=show,
        json=json,
        memory_limit=memory_limit,
        server=server,
    )


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split pictures from questions: pictures come first, and exist or at least look like files.

    Raises:
        InputError: the first argument is not a picture.
    """
    count = next((place for place, each in enumerate(arguments) if not _is_picture(each)), len(arguments))
    if count == 0:
        raise InputError(f"there is no picture {arguments[0]!r}; name pictures first, then ask questions in quotes")
    return list(arguments[:count]), list(arguments[count:])


def _is_picture(argument: str) -> bool:
    from catalens.catalogue.sources.formats import is_table
    from catalens.core.folders import IMAGE_EXTENSIONS
    from catalens.pipelines.pictures import exists

    if argument == inputs.STANDARD_INPUT:
        return True
    path = Path(argument)
    return path.suffix.lower() in IMAGE_EXTENSIONS or is_table(path) or exists(argument)


def _rows(record: Record, values: Values) -> Iterator[tuple[Any, ...]]:
    for place, each in enumerate(values["answers"]):
        cells = ["" if place else record.id, each["question"], each["answer"]]
        if "probability" in each:
            others = sorted(each["probabilities"].items(), key=lambda pair: -pair[1])
            cells += [
                each["probability"],
                ", ".join(f"{one} {share:.2f}" for one, share in others if one != each["answer"]),
            ]
        yield tuple(cells)
