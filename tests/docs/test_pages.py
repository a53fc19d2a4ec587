"""The documentation's pages: what is quoted exists, what is code says whether it runs, and the build's own tools."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from catalens.cli import app
from scripts.site import blocks
from scripts.site.commands import command_pages, page_of

nbformat = pytest.importorskip("nbformat", reason="the documentation's tools are not installed: make docs")
pytest.importorskip("jupytext", reason="the documentation's tools are not installed: make docs")
from scripts.site.tutorials import run_tutorial  # noqa: E402 - needs both

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARKED = (*(each.name for each in DOCS.glob("*.md")), "howto", "migrate", "explanation")
"""Pages whose blocks of code all say whether they are run."""


def normal(text: str) -> str:
    return " ".join(text.split())


@cache
def messages() -> list[str]:
    """Return every text in the source, adjoining ones joined and what is filled in as …."""
    found = []
    for file in (ROOT / "src" / "catalens").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
                found.append(normal("".join(map(str, parts))))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(normal(re.sub(r"%[srd]|\{[a-z_]*\}", "…", node.value)))
    return found


def quoted() -> list[str]:
    page = (DOCS / "howto" / "troubleshooting.md").read_text(encoding="utf-8")
    return re.findall(r"^### `(.+)`$", page, flags=re.MULTILINE)


def test_the_troubleshooting_page_quotes_messages() -> None:
    assert len(quoted()) > 10


@pytest.mark.parametrize("message", quoted())
def test_every_quoted_message_is_one_of_ours(message: str) -> None:
    assert any(message in text for text in messages()), "the message has changed, or was never one of ours"


def marked_pages() -> list[Path]:
    found = [
        each for name in MARKED for each in ([DOCS / name] if name.endswith(".md") else (DOCS / name).glob("*.md"))
    ]
    return sorted(found)


@pytest.mark.parametrize("page", marked_pages(), ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    found = blocks.find_blocks(page.read_text(encoding="utf-8"))
    assert [block.code for block in found if not block.mark] == []


def test_blocks_are_found_with_their_marks() -> None:
    page = "text\n<!-- run: show -->\n```console\n$ ls\n```\n\n```text\nout\n```\n```python\nx = 1\n```\n"
    assert [(each.mark, each.language, each.code) for each in blocks.find_blocks(page)] == [
        ("run: show", "console", "$ ls\n"),
        ("", "python", "x = 1\n"),
    ]


def test_a_block_that_shows_its_output_is_followed_by_it(tmp_path: Path) -> None:
    page = "<!-- run: show -->\n```console\n$ echo one; test -t 1 && echo on a terminal\n```\nend"
    shown = blocks.run_blocks(page, tmp_path)
    assert "one\non a terminal" in shown
    assert shown.endswith("\n```\nend")
    assert blocks.without_comments(shown).startswith("```console")


def test_blocks_of_a_page_share_a_folder_and_run_in_order(tmp_path: Path) -> None:
    page = "<!-- run -->\n```console\n$ echo 7 > n\n```\n<!-- run: show -->\n```python\nprint(open('n').read())\n```\n"
    assert 'title="output"\n7\n' in blocks.run_blocks(page, tmp_path)


@pytest.mark.parametrize("code", ["$ false | true", "$ no-such-command", "$ echo $UNSET_VARIABLE"])
def test_a_block_that_fails_is_an_error(tmp_path: Path, code: str) -> None:
    with pytest.raises(blocks.BlockError, match="this block ended with"):
        blocks.run_blocks(f"<!-- run -->\n```console\n{code}\n```\n", tmp_path)


def test_examples_see_no_settings_of_the_reader_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALENS_MODEL", "fake")
    assert "CATALENS_MODEL" not in blocks.environment()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_changelog_is_in_the_form_that_it_names() -> None:
    """Keep a Changelog 1.1.0 has six kinds of changes, each at most once in a version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert versions[0].startswith("Unreleased")
    for version in versions:
        sections = re.findall(r"^### (.+)$", version, flags=re.MULTILINE)
        assert set(sections) <= kinds
        assert len(sections) == len(set(sections))


def test_the_layout_names_every_room() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rooms = {each.name for each in (ROOT / "src" / "catalens").iterdir() if (each / "__init__.py").is_file()}
    assert {room for room in rooms if f"  {room}/" not in page and f" {room}/" not in page} == set()
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (one_way,) = (each["layers"] for each in layers["contracts"] if each["type"] == "layers")
    assert " → ".join(one_way[1:]) in page


def test_every_command_has_a_page_with_its_options() -> None:
    names = getattr(get_command(app), "commands", {})
    pages = command_pages()
    assert pages.keys() == {"index.md", *map(page_of, names)}
    assert "| `-k, --top <int range>` |" in pages["tag.md"]
    assert "| `skip` |" in pages["tag.md"], "defaults have a column"
    assert "## `catalens index add`" in pages["catalens-index.md"]
    assert all(f"catalens {name}`]({page_of(name)})" in pages["index.md"] for name in names)


def commands_in(text: str) -> list[list[str]]:
    """Return the words of every `catalens …` in code, up to what a shell makes of it."""
    code = re.findall(r"```(?:console|bash|sh)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in code for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = []
    for each in [*lines, *spans]:
        for part in re.split(r"\s[|>#]|&&", each.removeprefix("$ ")):
            words = re.findall(r"'[^']*'|\"[^\"]*\"|\S+", part.strip())
            if words[:1] == ["catalens"] and len(words) > 1:
                found.append(words[1:])
    return found


def wrong_in(words: list[str]) -> str | None:
    """Return what is no command or option in the words of a command line."""
    command: Any = get_command(app)
    shown = ["catalens"]
    joined = " ".join(words[:2])
    words = [joined, *words[2:]] if joined in command.commands else words
    while (commands := getattr(command, "commands", None)) and words and not words[0].startswith(("-", "…")):
        if words[0] not in commands:
            return f"{' '.join(shown)} has no command {words[0]}"
        command = commands[words[0]]
        shown.append(words.pop(0))
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    known |= {"--help", "--root", "--install-completion", "--version"}
    options = (re.split(r"[=,;)]", word)[0] for word in words if re.match(r"--?[a-zA-Z]", word))
    return next((f"{' '.join(shown)} has no option {each}" for each in options if each not in known), None)


PAGES = [ROOT / "README.md", *(page for page in DOCS.rglob("*.md") if "decisions" not in page.parts)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_there_with_its_options(page: Path) -> None:
    found = commands_in(page.read_text(encoding="utf-8"))
    assert [wrong for words in found if (wrong := wrong_in(words))] == []


def test_a_command_that_is_not_there_is_found() -> None:
    code = "```console\n$ catalens tag learn a.csv --nothing > b\n$ catalens tag a --top 2\n```"
    text = f"`catalens index mend x` and\n{code}"
    assert [wrong_in(words) for words in commands_in(text)] == [
        "catalens tag learn has no option --nothing",
        None,
        "catalens index has no command mend",
    ]


def test_a_tutorial_is_a_page_and_a_notebook_with_their_output(tmp_path: Path) -> None:
    script = tmp_path / "one.py"
    script.write_text(
        "# %% [markdown]\n# # Title\n\n# %%\nfrom PIL import Image\nn = 6\n\n# %%\nprint('seven')\nn + 1\n\n"
        "# %%\nImage.new('RGB', (4, 4))\n",
        encoding="utf-8",
    )
    page, book = run_tutorial(script, tmp_path)
    assert page.startswith("# Title\n")
    assert 'title="output"\nseven\n7\n```' in page
    assert "](data:image/png;base64," in page
    notebook = nbformat.reads(book, as_version=4)
    nbformat.validate(notebook)
    assert [each.cell_type for each in notebook.cells] == ["markdown", "code", "code", "code"]
    assert notebook.cells[2].outputs[0].text == "seven\n7\n"
    assert "image/png" in notebook.cells[3].outputs[0].data


def test_a_cell_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"one\.py, cell 1 failed:[\s\S]*ZeroDivisionError"):
        run_tutorial(tmp_path / "one.py", tmp_path)
