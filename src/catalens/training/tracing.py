"""A torch module as an OpenVINO model, for fast inference with a frozen module."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor, nn


def to_openvino(module: nn.Module, example: Tensor) -> Any:  # noqa: ANN401 - openvino.Model, whose package is optional
    """Trace a module with an example of its input."""
    from openvino.tools.ovc import convert_model

    with warnings.catch_warnings():
        # OpenVINO traces by torch.jit, which torch would like to be without.
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        return convert_model(module, example_input=example)
