"""Typer's renderer of help pages, without what no page here uses: two thirds of its import are for that."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

_RENDERER = "typer.rich_utils"
_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
"""Module → the class that the renderer takes from it."""


class _Later(type):
    """The type of stand-ins for classes whose module is imported when the class is used."""

    module: str

    def _real(cls) -> Any:  # noqa: ANN401 - a class of rich
        return getattr(import_module(cls.module), cls.__name__)

    def __call__(cls, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - the class's own arguments
        return cls._real()(*args, **options)

    def __getattr__(cls, name: str) -> Any:  # noqa: ANN401 - any attribute
        return getattr(cls._real(), name)


def import_renderer() -> None:
    """Import the renderer before Typer does; its Markdown and its tracebacks come when they are used."""
    if _RENDERER in sys.modules:
        return
    unused = {module: name for module, name in _UNUSED.items() if module not in sys.modules}
    for module, name in unused.items():
        stand_in = ModuleType(module)
        setattr(stand_in, name, _Later(name, (), {"module": module}))
        sys.modules[module] = stand_in
    try:
        with suppress(ModuleNotFoundError):  # elsewhere in another Typer, which then imports all of it
            import_module(_RENDERER)
    finally:
        for module in unused:
            del sys.modules[module]
