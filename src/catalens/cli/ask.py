"""`catalens ask`: answers to questions about a picture, one after the other or as a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from catalens.cli import chat as chats
from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.flags import DecodingFlags, ReaderFlags, RunFlags, SidecarFlags, TableFlags, changed
from catalens.cli.jobs import RowTable, run_stages
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values


@command(
    'catalens ask photo.jpg "What colour is the shirt?"',
    'catalens ask photo.jpg "What is it made of?" "Who is it for?"',
    'catalens ask photos/ "What colour is it?" --answers red,blue,green --unknown-below 0.4 > colours.jsonl',
    'catalens ask photos/ "What is it?" --output answers.csv',
    "catalens ask photo.jpg --chat",
)
def ask(
    arguments: Annotated[
        list[str],
        Argument(
            metavar="PICTURES QUESTIONS",
            help="Pictures (files, folders, patterns, tables or -), then questions, each in quotes.",
        ),
    ],
    *,
    answers: Annotated[
        str | None, Option(help="Allowed answers, comma-separated or in a file: each is scored, with a probability.")
    ] = None,
    unknown_below: Annotated[
        float | None,
        Option(min=0.0, max=1.0, help='With --answers: answer "unknown" below this probability; 0 always chooses.'),
    ] = None,
    chat: Annotated[
        bool, Option("--chat", help="Chat about one picture, until an empty line or the end of input.")
    ] = False,
    decoding: DecodingFlags,
    sidecars: SidecarFlags,
    table: TableFlags,
    reader: ReaderFlags,
    run: RunFlags,
) -> None:
    """Ask questions about pictures; each picture is encoded once, however many questions there are.

    With --answers the reader scores each allowed answer by its likelihood, so that nothing else can be answered.
    With --chat further questions are read line by line, and models that support it see the conversation so far.
    """
    from catalens.pipelines.answering import ANSWERS, AnswerStage
    from catalens.pipelines.pictures import split_questions

    pictures, questions = split_questions(arguments)
    if not questions and not chat:
        raise InputError('there is no question; give one in quotes after the pictures, such as "What colour is it?"')
    choices = tuple(dict.fromkeys(inputs.words(answers))) if answers is not None else ()
    if choices and (idle := changed(decoding)):
        raise InputError(
            f"{idle[0]} would do nothing: with --answers the reader scores what is given, and writes nothing"
        )
    stage = AnswerStage(
        questions=tuple(dict.fromkeys(questions)),
        choices=choices,
        unknown_below=unknown_below,
        decoding=decoding.decoding(),
    )
    session = reader.session()
    if chat:
        if table.output is not None or sidecars.sidecar is not None:
            raise InputError("--chat prints its answers; --output and --sidecar are for questions without --chat")
        as_json = output.wants_json(run.json)
        chats.hold(inputs.entries(pictures), stage, session, server=run.server, as_json=as_json)
        return
    destination = table.destination(
        questions[0], stage.gives, sidecars, several="lines", default_columns=stage.questions
    )
    show = RowTable(("picture", "question", "answer", *(("probability#", "else") if choices else ())), _rows)
    run_stages(pictures, [stage], session, destination, run, shown=(ANSWERS,), show=show)


def _rows(record: Record, values: Values) -> Iterator[tuple[Any, ...]]:
    for place, each in enumerate(values["answers"]):
        cells = ["" if place else record.id, each["question"], each["answer"]]
        if "probability" in each:
            others = sorted(each["probabilities"].items(), key=lambda pair: -pair[1])
            runners_up = [f"{one} {share:.2f}" for one, share in others if one != each["answer"]]
            cells += [each["probability"], ", ".join(runners_up)]
        yield tuple(cells)
