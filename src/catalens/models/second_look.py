"""Looks again at images that the gate takes for products, but of which the product encoder knows no kind.

The gate tells a shop's images from photographs of people and places. A single thing before a plain background looks
like a shop's image to it, whatever it is: a fig, a telephone. Such images resemble no kind of product much, and the
everyday encoder, which knows a thousand kinds of things, says whether they show anything that is worn or carried.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.models.gate import Gate

Mask = NDArray[np.bool_]

LIKELY = 0.35
"""Share of the product encoder's classes that a kind needs to be believed. One product in twenty is below it."""
WORN = 0.35
"""Share of the everyday encoder's classes that what is worn or carried needs together."""
_GOODS = (
    *("clothing", "clothes", "footwear", "headdress", "helmet", "bag", "belt", "buckle", "watch", "jewelry", "chain"),
    *("sunglasses", "spectacles", "umbrella", "toiletry", "towel", "fabric", "person", "people"),
)
"""Names of classes of what fashion shops sell, and of who wears it."""


def is_doubtful(product: Encoder, vectors: Vectors) -> Mask:
    """Return (n,) whether no kind of product is likely, for vectors (n, dim) of the product encoder.

    An encoder without classes is never in doubt.
    """
    shares = _shares(product, vectors)
    return np.zeros(len(vectors), dtype=np.bool_) if shares is None else shares.max(axis=1) < LIKELY


def shows_goods(everyday: Encoder, vectors: Vectors) -> Mask:
    """Return (n,) whether images show something worn or carried, for vectors (n, dim) of the everyday encoder."""
    shares = _shares(everyday, vectors)
    if shares is None:
        return np.ones(len(vectors), dtype=np.bool_)
    named = getattr(everyday, "classes", {})[THINGS].named
    places = sorted({at for word in _GOODS for at in named.get(word, ())})
    return np.asarray(shares[:, places].sum(axis=1) >= WORN)


def are_products(
    gate: Gate, product: Encoder, everyday: Encoder, product_vectors: Vectors, everyday_vectors: Vectors
) -> Mask:
    """Return (n,) whether images are read as products, where both encoders have encoded all of them."""
    again = is_doubtful(product, product_vectors)
    return gate.products(product_vectors) & (~again | shows_goods(everyday, everyday_vectors))


def _shares(encoder: Encoder, vectors: Vectors) -> Scores | None:
    """Return the share (n, c) of each class of things; None for an encoder without such classes."""
    things = getattr(encoder, "classes", {}).get(THINGS)
    if things is None or not len(vectors):
        return None
    logits = np.float32(encoder.logit_scale) * (vectors @ things.vectors.T)
    likelihoods = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Scores = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    return shares
