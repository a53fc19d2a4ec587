"""The reference of the command: every help page, as Typer itself writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from catalens.cli import app
from scripts.site.markup import plain


def command_pages() -> dict[str, str]:
    """Return file name → Markdown, one page for each command and an index."""
    root = get_command(app)
    pages = {}
    lines = ["# Commands", "", plain(root.help or ""), "", "| command | what it does |", "|---|---|"]
    for name, command in sorted(getattr(root, "commands", {}).items()):
        page = page_of(name)
        pages[page] = "\n".join(_command(command, f"catalens {name}", 1))
        lines.append(f"| [`catalens {name}`]({page}) | {plain(command.get_short_help_str(200))} |")
    lines += ["", "## Exit codes and environment", "", _epilog(root.epilog or "")]
    return {"index.md": "\n".join(lines) + "\n"} | pages


def page_of(name: str) -> str:
    """Return the file name of a command's page; `index` is a command, and the first page of a folder.

    >>> page_of("tag learn"), page_of("index")
    ('tag-learn.md', 'catalens-index.md')
    """
    return f"{name.replace(' ', '-') if name != 'index' else 'catalens-index'}.md"


def _command(command: typer.core.TyperCommand, path: str, level: int) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    yield f"{'#' * level} `{path}`"
    yield ""
    yield plain(command.help or "")
    yield ""
    yield f"```text\n{path} {' '.join(command.collect_usage_pieces(context))}\n```"
    yield ""
    yield from _parameters(command, context)
    if command.epilog:
        yield _epilog(command.epilog)
        yield ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, f"{path} {name}", level + 1)


def _parameters(command: typer.core.TyperCommand, context: Any) -> Iterator[str]:  # noqa: ANN401 - Click's
    rows = [_row(each, context) for each in command.get_params(context) if not getattr(each, "hidden", False)]
    if rows:
        yield "| argument or option | what it is | default |"
        yield "|---|---|---|"
        yield from rows
        yield ""


def _row(parameter: object, context: Any) -> str:  # noqa: ANN401 - Click's
    record = getattr(parameter, "get_help_record")(context)  # noqa: B009 - of Click, which Typer keeps to itself
    names, about = record if record else (str(getattr(parameter, "name", "")), "")
    about, _, default = about.rpartition("  [default: ") if "  [default: " in about else (about, "", "")
    text = " ".join(plain(about or "").replace("|", "\\|").split())
    name = " ".join(names.split()).replace("|", "\\|")
    shown = default.removesuffix("]").split("; ")[0] if default else ""
    return f"| `{name}` | {text} | {f'`{shown}`' if shown else ''} |"


def _epilog(text: str) -> str:
    """Return the examples of a help page as a block, and what else it says as text."""
    lines = [plain(line) for line in text.splitlines()]
    return "```text\n" + "\n".join(lines).strip("\n") + "\n```"
