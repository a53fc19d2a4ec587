"""`catalens ask`: answers to questions about a picture, one after the other or as a conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalens.cli import inputs, output
from catalens.cli.chat import hold
from catalens.cli.decoding import (
    BeamsFlag,
    MaxTokensFlag,
    MinTokensFlag,
    RepetitionPenaltyFlag,
    SeedFlag,
    TemperatureFlag,
    TopPFlag,
    changed,
    check_flags,
)
from catalens.cli.encoding import Tally
from catalens.cli.options import Json, QuantiseFlag, ReaderModel, examples, reader_for
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.protocols import Answerer, EncodedImages
    from catalens.core.types import Decoding, Record, Turn
    from catalens.models.readers import Reader
    from catalens.pipelines.engine import Picture, Step, Values

Ask = Callable[["EncodedImages", Sequence[str], "Sequence[Turn]"], "list[list[dict[str, Any]]]"]
"""(n pictures, m questions, the conversation before) → n times m answers as they are printed."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            'catalens ask photo.jpg "What colour is the shirt?"',
            'catalens ask photo.jpg "What is it made of?" "Who is it for?"',
            'catalens ask photos/ "What colour is it?" --answers red,blue,green --unknown-below 0.4 > colours.jsonl',
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
            help="Allowed answers, between commas or in a text file: each is judged, with a probability.",
            show_default=False,
        ),
    ] = None,
    unknown_below: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help='With --answers: answer "unknown" where the best is less probable.',
            show_default=False,
        ),
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="Go on asking about one picture; an empty line or the end of input ends it.")
    ] = False,
    max_tokens: MaxTokensFlag = 40,
    min_tokens: MinTokensFlag = 0,
    beams: BeamsFlag = 1,
    temperature: TemperatureFlag = None,
    top_p: TopPFlag = 1.0,
    seed: SeedFlag = 0,
    repetition_penalty: RepetitionPenaltyFlag = 1.0,
    model: ReaderModel = None,
    quantise: QuantiseFlag = None,
    json: Json = False,
) -> None:
    """Ask questions about pictures; each picture is looked at once, however many questions there are.

    With --answers the reader's own likelihood chooses, so that nothing else can be answered.
    With --chat further questions are read line by line, and those before are remembered by a model that can.
    """
    from catalens.core.types import Decoding

    pictures, questions = split_arguments(arguments)
    if unknown_below is not None and answers is None:
        raise InputError("--unknown-below goes with --answers: only those have probabilities")
    if not questions and not chat:
        raise InputError('there is no question; give one in quotes after the pictures, such as "What colour is it?"')
    closed = list(dict.fromkeys(inputs.words(answers))) if answers is not None else []
    decoding = Decoding(
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
    )
    check_flags(decoding)
    if closed and (idle := changed(decoding)):
        raise InputError(
            f"{idle[0]} would do nothing: with --answers nothing is written, the reader judges what is given"
        )

    def load() -> tuple[Reader, Ask]:
        reader = reader_for(model, quantise)
        return reader, _by_choice(reader, closed, unknown_below or 0.0) if closed else _by_words(reader, decoding)

    found, as_json = inputs.entries(pictures), output.wants_json(json)
    if chat:
        hold(found, questions, load, as_json=as_json)
    else:
        _ask_all(found, questions, load, as_json=as_json)


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell pictures from questions: pictures come first, and are there or at least look like files.

    Raises:
        InputError: the first argument is no picture.
    """
    count = next((place for place, each in enumerate(arguments) if not _is_picture(each)), len(arguments))
    if count == 0:
        raise InputError(f"there is no picture {arguments[0]!r}; name pictures first, then ask questions in quotes")
    return list(arguments[:count]), list(arguments[count:])


def _is_picture(argument: str) -> bool:
    from catalens.core.folders import IMAGE_EXTENSIONS

    if argument == inputs.STANDARD_INPUT:
        return True
    path = Path(argument)
    looks = path.suffix.lower() in IMAGE_EXTENSIONS or inputs.is_table(path)
    return looks or inputs.is_there(argument)


def _by_words(reader: Answerer, decoding: Decoding) -> Ask:
    from catalens.tasks.captions import clean_answer

    def ask(encoded: EncodedImages, questions: Sequence[str], history: Sequence[Turn]) -> list[list[dict[str, Any]]]:
        rows = reader.answer(encoded, questions, history=history, decoding=decoding)
        return [
            [
                {"question": question, "answer": clean_answer(each)}
                for question, each in zip(questions, row, strict=True)
            ]
            for row in rows
        ]

    return ask


def _by_choice(reader: Answerer, answers: Sequence[str], unknown_below: float) -> Ask:
    from catalens.tasks.answers import choose

    def ask(encoded: EncodedImages, questions: Sequence[str], history: Sequence[Turn]) -> list[list[dict[str, Any]]]:
        columns = [
            choose(reader, encoded, each, answers, unknown_below=unknown_below, history=history) for each in questions
        ]
        return [
            [
                {
                    "question": question,
                    "answer": each.value,
                    "probability": round(each.probability, 4),
                    "probabilities": output.rounded(each.probabilities),
                }
                for question, each in zip(questions, row, strict=True)
            ]
            for row in zip(*columns, strict=True)
        ]

    return ask


def _ask_all(
    entries: inputs.Entries, questions: Sequence[str], load: Callable[[], tuple[Reader, Ask]], *, as_json: bool
) -> None:
    from catalens.pipelines.engine import Stage, Step, run_job

    rows: list[tuple[Any, ...]] = []

    def start() -> Step:
        reader, ask = load()

        def run(pictures: Sequence[Picture]) -> list[Values]:
            encoded = reader.encode_images([picture.image for picture in pictures])
            return [{"answers": row} for row in ask(encoded, questions, ())]

        return Step(run, size_wh=reader.input_size_wh, close=reader.close)

    def show(record: Record, values: Values) -> None:
        if as_json:
            output.emit({"id": record.id, "source": record.source, **values})
        else:
            rows.extend(_table_rows(record.id, values["answers"]))

    tally = Tally(as_json=as_json)
    with output.progress("asking", quiet=as_json) as update:
        report = run_job(entries, [Stage("answers", start)], on_result=show, on_progress=lambda _, met: update(met))
    if rows:
        output.show_rows(rows, "picture", "question", "answer", *(["probability#", "else"] if len(rows[0]) > 3 else []))
    tally.report(report.failures)
    tally.done = report.done
    tally.finish()


def _table_rows(name: str, answers: Sequence[Values]) -> Iterator[tuple[Any, ...]]:
    for place, each in enumerate(answers):
        cells = ["" if place else name, each["question"], each["answer"]]
        if "probability" in each:
            others = sorted(each["probabilities"].items(), key=lambda pair: -pair[1])
            cells += [
                each["probability"],
                ", ".join(f"{one} {share:.2f}" for one, share in others if one != each["answer"]),
            ]
        yield tuple(cells)
