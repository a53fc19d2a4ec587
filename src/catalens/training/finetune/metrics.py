"""The figures that a fine-tuning run prints, and the regular expressions that read them from its log: one table."""

from __future__ import annotations

from collections.abc import Mapping

METRICS: Mapping[str, str] = {
    "step": "optimiser steps done",
    "steps": "optimiser steps of the whole run",
    "train_loss": "mean loss of the step",
    "val_loss": "mean loss on the validation rows, at the end of an epoch",
    "samples_per_s": "rows trained on per second, over all processes",
    "seconds_left": "estimated time until the last step",
    "exact_before": "share of exact answers to the test questions, untuned",
    "exact_after": "share of exact answers to the test questions, tuned",
    "recall_at_1_before": "share of test texts that find their image first, untuned",
    "recall_at_1_after": "share of test texts that find their image first, tuned",
    "recall_at_10_before": "share of test texts that find their image among ten, untuned",
    "recall_at_10_after": "share of test texts that find their image among ten, tuned",
    "accuracy_before": "accuracy on test images, untuned",
    "accuracy_after": "accuracy on test images, tuned",
}
"""Name → what it is. SageMaker takes at most 40 metrics per training job."""


def metric_line(values: Mapping[str, float]) -> str:
    """Return a line of the log that has some metrics.

    >>> metric_line({"step": 10, "train_loss": 1e-05})
    'step=10; train_loss=1e-05;'

    Raises:
        KeyError: a name is not in the table.
    """
    if unknown := {*values} - {*METRICS}:
        raise KeyError(f"not in METRICS: {', '.join(sorted(unknown))}")
    return " ".join(f"{name}={value:.6g};" for name, value in values.items())


def metric_definitions() -> list[dict[str, str]]:
    """Return the `MetricDefinitions` of a SageMaker training job, one per metric of the table."""
    return [{"Name": name, "Regex": rf"\b{name}=([0-9.eE+-]+);"} for name in METRICS]
