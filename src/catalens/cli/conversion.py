"""Values of flags that need no conversion: Typer's own conversion imports pydantic, which takes longer than itself."""

from __future__ import annotations

from typing import Any

_NOT_PLAIN = object()


def convert_lazily(parameter: Any) -> None:  # noqa: ANN401 - Click's, which Typer keeps to itself
    """Let a parameter come to Typer's conversion only for a value that needs it, such as a number or a path."""
    convert = parameter.process_value  # Click's, which its subclasses may replace

    def process_value(ctx: Any, value: Any) -> Any:  # noqa: ANN401 - Click's
        plain = _plain(parameter, value)
        if plain is _NOT_PLAIN:
            return convert(ctx, value)
        return plain if parameter.callback is None else parameter.callback(ctx, parameter, plain)

    if "process_value" not in vars(parameter):
        parameter.process_value = process_value


def _plain(parameter: Any, value: Any) -> Any:  # noqa: ANN401 - Click's
    """Return the value as its function takes it; `_NOT_PLAIN` where it must be converted, or is missing."""
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if not value and parameter.required:
        return _NOT_PLAIN
    if value is None:
        return () if parameter.multiple or parameter.nargs == -1 else None
    if kind is str and isinstance(value, str):
        return value
    if kind == list[str] and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return list(value)
    return value if type(value) is type(parameter.default) and value == parameter.default else _NOT_PLAIN
