"""Scores the bundled readers' captions on every labelled table: what is true, partly true, false or unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from catalens.core.images import read_image
from catalens.core.protocols import Captioner
from catalens.core.types import Decoding
from catalens.core.vectors import batched
from catalens.tasks.caption_metrics import bleu, cider
from catalens.tasks.captions import clean_caption
from catalens.training.caption_truth import (
    CaptionTruth,
    Truth,
    garment_truth,
    judge,
    object_truth,
    shelf_truth,
)
from catalens.training.captions import read_captions
from catalens.training.kinds import read_classes
from catalens.training.pixels import read_photographs
from catalens.training.recipes.unified.figures import Figure
from catalens.training.recipes.unified.wild import read_wild

AS_A_USER = Decoding(max_tokens=24)
_CONSTANTS = 20
"""Captions said most often, of which the best constant one is the majority's share."""


def caption_figures(reader: Captioner, data: Path, split: str) -> list[Figure]:
    """Caption each table as a command does, and judge every caption by human captions or labels."""
    references = read_captions(data, split)
    said = captions_of(reader, read_photographs(data, split))
    out = judged("photographs", said, [CaptionTruth(texts) for texts in references])
    out.append(Figure("photographs", "captions: BLEU-4", bleu(said, references)[3], None, len(said)))
    out.append(Figure("photographs", "captions: CIDEr-D", cider(said, references), None, len(said)))
    classes = {name.lower(): each for each in reversed(read_classes()) for name in each.names}
    for table, name, truth in (
        ("objects", "objects", lambda row: object_truth(row, classes)),
        ("grocery", "groceries", shelf_truth),
        ("clothing", "clothes at home", garment_truth),
    ):
        rows = read_wild(data, table, "val")
        out += judged(name, captions_of(reader, [row.picture for row in rows]), [truth(row) for row in rows])
    return out


def captions_of(reader: Captioner, pictures: Sequence[bytes]) -> list[str]:
    """Return the caption that `catalens caption` prints for each image."""
    said = []
    for some in batched(pictures, 32):
        encoded = reader.encode_images([read_image(data, at_least=reader.input_size_wh) for data in some])
        said += [clean_caption(texts[0]) for texts in reader.caption(encoded, decoding=AS_A_USER)]
    return said


def judged(table: str, captions: Sequence[str], truths: Sequence[Truth]) -> list[Figure]:
    """Count the verdicts; a caption is false if its subject is, and partly true if another phrase is false.

    >>> truth = CaptionTruth(["a dog runs"])
    >>> [round(each.value, 2) for each in judged("t", ["a dog", "a cat", "something unknown"], [truth] * 3)]
    [0.33, 0.33, 0.5, 0.0]
    """
    verdicts = [judge(caption, truth) for caption, truth in zip(captions, truths, strict=True)]
    said = [each for each in verdicts if not each.is_unknown]
    count, among = len(verdicts), max(1, len(said))
    right = sum(each.subject is True for each in said)
    constants = [text for text, _ in Counter(captions).most_common(_CONSTANTS)]
    best = max(sum(judge(text, truth).subject is True for truth in truths) for text in constants)
    return [
        Figure(table, "captions: true or partly", right / count, best / count, count),
        Figure(table, "captions: unknown", 1 - len(said) / count, None, count),
        Figure(table, "captions: false subject", sum(each.subject is False for each in said) / among, None, len(said)),
        Figure(table, "captions: false phrase", sum(each.has_false_phrase for each in said) / among, None, len(said)),
    ]
