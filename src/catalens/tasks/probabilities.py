"""From logits to probabilities: labels that exclude each other, and labels that do not.

Wherever "none of these" competes, it is one competitor more: `unknown` is (n, 1), or (n, 0) without it.
"""

from __future__ import annotations

import numpy as np

from catalens.core.types import Scores
from catalens.core.vectors import sigmoid, softmax


def exclusive(labels: Scores, unknown: Scores, temperature: float = 1.0) -> tuple[Scores, Scores]:
    """Share one probability among all labels and "none of these".

    Args:
        labels: (n, m) logits.
        unknown: (n, 1) or (n, 0) logits.
        temperature: above 1 less sure, below 1 more sure; the labels' order never changes.

    Returns:
        (n, m) and (n,), which together sum to one in each row; without "none of these" its part is zero.

    >>> exclusive(np.array([[1.0, 1.0]], np.float32), np.array([[1.0]], np.float32))[1].round(3).tolist()
    [0.3330000042915344]
    """
    shares = softmax(np.concatenate([labels, unknown], axis=1) / np.float32(temperature))
    return shares[:, : labels.shape[1]], shares[:, labels.shape[1] :].sum(axis=1)


def independent(labels: Scores, unknown: Scores, temperature: float = 1.0) -> tuple[Scores, Scores]:
    """Return every label, and "none of these", a probability of its own.

    Args:
        labels: (n, m) logits whose zero means "as likely as not", as those of a model with a bias.
        unknown: (n, 1) or (n, 0) logits of the same kind.
        temperature: above 1 less sure, below 1 more sure.

    Returns:
        (n, m) and (n,), each in [0, 1]; without "none of these" its part is zero.

    Source:
        Zhai et al. 2023 (SigLIP), section 3.2.
    """
    own, none = (sigmoid(logits / np.float32(temperature)) for logits in (labels, unknown))
    return own, none.sum(axis=1)
