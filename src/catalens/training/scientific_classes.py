"""Learns classes of scientific pictures, so that a moon, an x-ray or cells under a microscope are none of the labels.

"drawing" was learned against photographs, and is near to whatever is no photograph. The new classes have no name and so
count as "none of these", for every label and in every answer; no text vector and no image vector changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.training.finetune.label_vectors import Examples, fit
from catalens.training.pixels import read_photographs
from catalens.training.release import encode_pictures
from catalens.training.rendered import observe, render

EACH, DRAWN_EACH = 100, 50
"""Scientific pictures, and drawn ones, of every kind that are learned from."""
_AS_MANY = 1800
"""Rows that all scientific pictures count for, and twice as many for the drawn ones, beside 10,000 photographs."""


def scientific_pictures(encoder: Encoder, data: Path) -> tuple[Vectors, list[str], Vectors]:
    """Encode training pictures; return those of instruments (n, dim) with their kinds, and drawn ones (k, dim)."""
    photos = read_photographs(data)
    seen, drawn = observe("train", photos, each=EACH), render("train", photos, each=DRAWN_EACH)
    vectors, others = (encode_pictures(encoder, [each.picture for each in some]) for some in (seen, drawn))
    return vectors, [each.kind for each in seen], others


def learn_scientific(
    vectors: Vectors, kinds: list[str], drawn: Vectors, photographs: Vectors, rivals: Vectors, *, scale: float
) -> Vectors:
    """Fit a vector for each kind of scientific pictures, beside all that is something else.

    Args:
        vectors: (n, dim), pictures as instruments make them.
        kinds: n, what made each.
        drawn: (k, dim), drawings and documents.
        photographs: (m, dim), of anything.
        rivals: (r, dim), classes and texts, which keep their vectors: "drawing" above all.
        scale: of the cosines.

    Returns:
        (c, dim) unit rows, one per kind.
    """
    names = list(dict.fromkeys(kinds))
    times, times_drawn = (
        max(1, round(count / len(rows))) for count, rows in ((_AS_MANY, vectors), (2 * _AS_MANY, drawn))
    )
    shown = np.repeat(vectors, times, axis=0)
    rows = np.concatenate([shown, np.repeat(drawn, times_drawn, axis=0), photographs])
    truth = np.zeros((len(rows), len(names)), dtype=np.bool_)
    truth[np.arange(len(shown)), np.repeat([names.index(kind) for kind in kinds], times)] = True
    start = unit_rows(np.stack([shown[truth[: len(shown), at]].mean(axis=0) for at in range(len(names))]))
    return fit(Examples(rows, truth), start, unknown=rivals, scale=scale, decay=0.0)
