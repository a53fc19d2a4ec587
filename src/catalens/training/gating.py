"""Fits the linear gate in the starter's space between products and everyday photographs."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from catalens.core.types import Vectors
from catalens.models.gate import Gate


def fit_gate(products: Vectors, others: Vectors, *, decay: float = 1e-3) -> Gate:
    """Fit a logistic regression in which both sides weigh the same.

    Args:
        products: (n, dim).
        others: (m, dim).
        decay: pull of the weights towards 0; without it, separable sides make them grow without bound.
    """
    rows = torch.from_numpy(np.concatenate([products, others]))
    truth = torch.cat([torch.ones(len(products)), torch.zeros(len(others))])
    share = torch.where(truth > 0, 0.5 / len(products), 0.5 / len(others))
    weights = torch.zeros(rows.shape[1] + 1, requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        logits = rows @ weights[:-1] + weights[-1]
        each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        loss: torch.Tensor = (each * share).sum() + decay * weights[:-1].square().mean()
        loss.backward()
        return loss

    solver.step(closure)
    found = weights.detach().numpy()
    return Gate(found[:-1].copy(), float(found[-1]))
