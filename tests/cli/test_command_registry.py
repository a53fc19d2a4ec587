"""Commands are listed without their modules, and the list is true."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from rich.markup import render

import catalens.cli
from catalens.cli import app
from catalens.cli.commands import DECLARED
from catalens.cli.registry import COMMANDS, Commands

ROOT = typer.main.get_command(app)
LISTING = {
    "catalens.cli",
    *(f"catalens.cli.{name}" for name in ("commands", "conversion", "help_pages", "output", "registry")),
}
"""All of the package that a list of commands needs."""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_itself_says(name: str) -> None:
    command = Commands()[name]
    assert command.name == name
    assert COMMANDS[name][1] == " ".join(command.help.split("\n\n")[0].split())


def test_every_command_that_is_declared_can_be_run() -> None:
    for module in pkgutil.iter_modules(catalens.cli.__path__):
        import_module(f"catalens.cli.{module.name}")
    functions = {
        f"{each.__module__.removeprefix('catalens.cli.')}:{each.__name__}"
        for each in DECLARED
        if each.__module__.startswith("catalens.cli.")
    }
    grouped = {
        f"{inner.callback.__module__.removeprefix('catalens.cli.')}:{inner.callback.__name__}"
        for name, (place, _) in COMMANDS.items()
        if place.endswith(":group")
        for inner in Commands()[name].commands.values()
    }
    assert functions == grouped | {place for place, _ in COMMANDS.values() if not place.endswith(":group")}


def _modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom catalens.cli import app\n"
        f"try:\n    app({list(arguments)})\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stderr.split())


def test_a_list_of_commands_imports_none_of_them() -> None:
    loaded = _modules_after("--help")
    assert {each for each in loaded if each.startswith("catalens.cli")} == LISTING
    assert not loaded & {"rich.markdown", "rich.traceback", "pygments", "numpy", "PIL"}


def test_a_command_imports_its_own_module_only() -> None:
    loaded = _modules_after("tag", "--help")
    others = {f"catalens.cli.{place.partition(':')[0]}" for place, _ in COMMANDS.values()} - {"catalens.cli.tag"}
    assert "catalens.cli.tag" in loaded
    assert not loaded & others


def test_flags_that_need_no_conversion_load_none(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    plain = ("tag", str(tmp_path / "red.png"), "--model", "fake", "--labels", "cup,mug")
    assert "pydantic" not in _modules_after(*plain)
    assert "pydantic" in _modules_after(*plain, "--top", "1")


def test_shell_completion_knows_commands_and_their_flags() -> None:
    def completions(*words: str) -> str:
        code = "import sys; sys.argv[0] = 'catalens'; from catalens.cli import main; main()"
        shell = {
            "_CATALENS_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["catalens", *words]),
            "COMP_CWORD": str(len(words)),
        }
        return subprocess.run(
            [sys.executable, "-c", code], env=shell, capture_output=True, text=True, check=False
        ).stdout

    assert completions("sea").split("\n") == ["search", "search learn", ""]
    assert completions("tag", "--thr").split() == ["--threshold"]
    assert completions("index", "mi").split() == ["migrate"]


def test_what_help_pages_do_without_is_still_there_for_others() -> None:
    code = (
        "from catalens.cli.help_pages import import_renderer\nimport_renderer()\n"
        "import rich.markdown, typer.rich_utils\n"
        "made = typer.rich_utils.Markdown('# x')\nassert type(made) is rich.markdown.Markdown\n"
        "assert typer.rich_utils.Traceback.from_exception.__self__.__module__ == 'rich.traceback'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _leaves(command: Any) -> Iterator[Any]:
    inner = getattr(command, "commands", None)
    for each in inner.values() if inner else ():
        yield from _leaves(each)
    yield command


def test_help_pages_show_what_is_in_brackets() -> None:
    """Rich takes [word] for markup and drops it, unless the bracket is escaped."""
    texts = [(each.name, one.help) for each in _leaves(ROOT) for one in each.params if getattr(one, "help", None)]
    assert len(texts) > 300
    assert [text for text in texts if render(text[1]).plain != text[1].replace("\\[", "[")] == []
