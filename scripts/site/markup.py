"""Small helpers for text that becomes Markdown."""

from __future__ import annotations

from rich.text import Text


def plain(text: str) -> str:
    r"""Return rich markup as plain text, with the line breaks of paragraphs kept.

    >>> plain("[bold]Examples:[/] a \\[b]")
    'Examples: a [b]'
    """
    return Text.from_markup(text.replace("\f", "")).plain
