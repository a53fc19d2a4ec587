"""Sends the metrics of a run to TensorBoard or MLflow, through their own libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from catalens.core.errors import ModelError

Send = Callable[[Mapping[str, float], int], None]
"""Metrics by name, and the step that they are of."""


def tracker(kind: str | None, folder: Path) -> Send:
    """Return what sends metrics to a tracker.

    Args:
        kind: "tensorboard", "mlflow", or None for nothing.
        folder: of the run; TensorBoard's files go into `tensorboard` in it. MLflow has settings of its own, such as
            MLFLOW_TRACKING_URI.

    Raises:
        ModelError: the library is not installed.
    """
    try:
        if kind == "tensorboard":
            return _tensorboard(folder / "tensorboard")
        if kind == "mlflow":
            return _mlflow()
    except ImportError as error:
        raise ModelError(f'{kind} is not installed: pip install "catalens[tracking]"') from error
    return lambda _values, _step: None


def _tensorboard(folder: Path) -> Send:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(str(folder))

    def send(values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return send


def _mlflow() -> Send:
    import mlflow

    def send(values: Mapping[str, float], step: int) -> None:
        mlflow.log_metrics(dict(values), step=step)

    return send
