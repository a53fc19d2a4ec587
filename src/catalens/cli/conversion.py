"""Values of flags that need no conversion: Typer's own conversion imports pydantic, which takes longer than itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def convert_lazily(parameters: Iterable[Any]) -> None:
    """Let parameters of Click load Typer's conversion only for a value that needs it, such as a number or a path."""
    for each in parameters:
        if getattr(each, "_runtime_param", "unknown") is None:  # where Typer keeps the conversion, once it is loaded
            each._runtime_param = _Conversion(each)


class _Conversion:
    """Stands where Typer keeps a parameter's conversion, until that is needed."""

    def __init__(self, parameter: Any) -> None:  # noqa: ANN401 - Click's
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401 - Click's
        """Return the value as its function takes it."""
        kind = param.type_descriptor.annotation
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if kind is str and isinstance(value, str):
            return value
        if kind == list[str] and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return list(value)
        if type(value) is type(param.default) and value == param.default:
            return value
        self._parameter._runtime_param = None
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)
