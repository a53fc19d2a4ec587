"""Hooks of mkdocs: pages that are made from the code and from files elsewhere, and blocks that are run."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.site import blocks
from scripts.site.commands import command_pages
from scripts.site.tutorials import run_tutorial

ROOT = Path(__file__).parents[2]
COPIED = {
    "src/catalens/models/starter/README.md": "about/starter.md",
    "src/catalens/models/everyday/README.md": "about/everyday.md",
    "benchmarks/README.md": "about/benchmarks.md",
    "CHANGELOG.md": "about/changelog.md",
    "SECURITY.md": "about/security.md",
    "CONTRIBUTING.md": "about/contributing.md",
}
"""Files of the repository that are pages too."""
RUN = os.environ.get("DOCS_RUN", "1") != "0"
"""Whether code is run: `make docs RUN=0` shows pages without output, for a quick look at one's own text."""
_LINK = re.compile(r"\]\((?!https?:|mailto:|#|data:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made by the build."""
    for name, text in _made(Path(config.docs_dir)):
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Run the blocks of a page, and put what they print under those that show it."""
    if not RUN or not any(block.mark.startswith("run") for block in blocks.find_blocks(markdown)):
        return blocks.without_comments(markdown)
    with tempfile.TemporaryDirectory(prefix="catalens-docs-") as place:
        folder = Path(place)
        blocks.make_folder(folder)
        try:
            return blocks.without_comments(blocks.run_blocks(markdown, folder))
        except blocks.BlockError as error:
            raise PluginError(f"{page.file.src_uri}: {error}") from error


def _made(docs: Path) -> Iterator[tuple[str, str]]:
    for name, text in command_pages().items():
        yield f"reference/commands/{name}", text
    for source, target in COPIED.items():
        yield target, _moved((ROOT / source).read_text(encoding="utf-8"), Path(source).parent, target)
    yield "decisions/index.md", _decisions(docs / "decisions")
    yield from _tutorials(docs / "tutorials")


def _tutorials(folder: Path) -> Iterator[tuple[str, str]]:
    for script in sorted(folder.glob("*.py")):
        with tempfile.TemporaryDirectory(prefix="catalens-docs-") as place:
            blocks.make_folder(Path(place))
            try:
                page, notebook = run_tutorial(script, Path(place), run=RUN)
            except RuntimeError as error:
                raise PluginError(str(error)) from error
        yield f"tutorials/{script.stem}.md", page
        yield f"tutorials/{script.stem}.ipynb", notebook


def _decisions(folder: Path) -> str:
    lines = ["# Decisions", "", "Choices that are hard to take back, each with the measurement it rests on.", ""]
    for file in sorted(folder.glob("[0-9]*.md")):
        title = file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({file.name})")
    return "\n".join(lines) + "\n"


def _moved(text: str, folder: Path, target: str) -> str:
    """Return a page whose relative links still lead to the same files; to what is no page, they become code."""
    up = "../" * target.count("/")

    def link(found: re.Match[str]) -> str:
        path = (ROOT / folder / found[1]).resolve().relative_to(ROOT).as_posix()
        if path in COPIED:
            return f"]({up}{COPIED[path]}{found[2] or ''})"
        if path.startswith("docs/"):
            return f"]({up}{path.removeprefix('docs/')}{found[2] or ''})"
        return "]"

    return _LINK.sub(link, text)
