"""Functions as commands: groups of flags are single flags to the user, and one value to the function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer import Argument, Option
from typer.testing import CliRunner

from catalens.cli import commands
from catalens.cli.commands import add_commands, command


@dataclass(frozen=True, slots=True)
class Paper:
    size: Annotated[str, Option(help="Size of the paper.", rich_help_panel="Paper")]
    copies: Annotated[int, Option(min=1, help="Number of copies.", rich_help_panel="Paper")] = 1


@command("print-it a.txt --size a4", name="print-it")
def print_file(
    file: Annotated[str, Argument()], *, paper: Paper, quiet: Annotated[bool, Option("--quiet")] = False
) -> None:
    """Print a file.

    Paper that is
    missing is asked for.
    """
    typer.echo(f"{file} {paper} {quiet}")


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer(rich_markup_mode="rich")
    made.callback()(lambda: None)
    add_commands(made, print_file)
    return made


def test_a_group_of_flags_comes_as_one_value(app: typer.Typer) -> None:
    ran = CliRunner().invoke(app, ["print-it", "a.txt", "--copies", "2", "--size", "a4"])
    assert (ran.exit_code, ran.output) == (0, "a.txt Paper(size='a4', copies=2) False\n")


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--size", "a4", "--copies", "0"], "--copies"), (["--copies", "2"], "--size")]
)
def test_flags_of_a_group_are_checked_and_may_be_required(app: typer.Typer, arguments: list[str], message: str) -> None:
    ran = CliRunner().invoke(app, ["print-it", "a.txt", *arguments])
    assert ran.exit_code == 2
    assert message in ran.output


def test_the_help_page_has_each_flag_and_the_example(app: typer.Typer) -> None:
    help_page = CliRunner().invoke(app, ["print-it", "--help"]).output
    assert all(words in help_page for words in ("Paper", "--size", "Number of copies.", "--quiet", "a.txt --size a4"))


def test_a_switch_is_shown_without_a_type_because_it_takes_no_value(app: typer.Typer) -> None:
    lines = CliRunner().invoke(app, ["print-it", "--help"]).output.splitlines()
    assert next(line.strip("│ ") for line in lines if "--quiet" in line) == "--quiet"
    assert "<" not in next(line for line in lines if "--help" in line)
    assert "<int" in next(line for line in lines if "--copies" in line)


def test_paragraphs_of_a_help_page_break_at_the_width_of_the_terminal(app: typer.Typer) -> None:
    assert "Paper that is missing is asked for." in CliRunner().invoke(app, ["print-it", "--help"]).output


def test_the_function_itself_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_file("a.txt", paper=Paper("a5"))
    assert capsys.readouterr().out == "a.txt Paper(size='a5', copies=1) False\n"


class Kind(Enum):
    ROUND = "round"
    FLAT = "flat"


@command()
def show(
    first: Annotated[str, Argument()],
    rest: Annotated[list[str] | None, Argument()] = None,
    *,
    number: Annotated[int, Option(min=1)] = 7,
    share: Annotated[float, Option()] = 0.5,
    place: Annotated[Path | None, Option()] = None,
    home: Annotated[Path, Option()] = Path("here"),
    kind: Annotated[Kind, Option()] = Kind.FLAT,
    mode: Annotated[Literal["fast", "slow"], Option()] = "slow",
    words: Annotated[list[str] | None, Option()] = None,
    numbers: Annotated[list[int] | None, Option()] = None,
    quiet: Annotated[bool, Option()] = False,
) -> None:
    """Show what came."""
    typer.echo(repr((first, rest, number, share, place, home, kind, mode, words, numbers, quiet)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["a"],
        ["a", "b", "c"],
        ["1", "--number", "7", "--share", "1", "--place", "x", "--home", "here"],
        ["a", "--kind", "round", "--mode", "fast", "--words", "a", "--words", "b", "--numbers", "1", "--quiet"],
        ["a", "--number", "0"],
        ["a", "--kind", "oval"],
        ["a", "--mode", "middling"],
        ["a", "--numbers", "one"],
        [],
    ],
)
def test_values_are_converted_as_typer_converts_them(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = typer.Typer()
    add_commands(made, show)
    ours = CliRunner().invoke(made, arguments)
    monkeypatch.setattr(commands, "convert_lazily", lambda _: None)
    typers = CliRunner().invoke(made, arguments)
    assert (ours.exit_code, ours.output) == (typers.exit_code, typers.output)
