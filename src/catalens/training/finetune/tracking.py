"""Writes the metrics of a run for TensorBoard, through its own library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from catalens.core.errors import ModelError

Send = Callable[[Mapping[str, float], int], None]
"""Metrics by name, and the step that they are of."""


def tensorboard(folder: Path) -> Send:
    """Return what writes metrics into a folder that `tensorboard --logdir` reads.

    Raises:
        ModelError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ModelError('--tensorboard needs TensorBoard: pip install "catalens[tracking]"') from error
    writer: Any = SummaryWriter(str(folder))

    def send(values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return send
