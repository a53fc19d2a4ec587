"""Scores the bundled readers' captions on every labelled table: what is true, partly true, false or unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from catalens.core.images import read_image
from catalens.core.types import Decoding
from catalens.core.vectors import batched
from catalens.models.readers.auto import AutoReader
from catalens.models.readers.support import UNKNOWN
from catalens.models.routing import EVERYDAY, domain
from catalens.tasks.caption_metrics import bleu, cider
from catalens.tasks.captions import clean_caption
from catalens.tasks.known_answers import checked_caption
from catalens.training.caption_truth import Truth, judge
from catalens.training.captions import read_captions
from catalens.training.recipes.unified.figures import Figure
from catalens.training.recipes.unified.mistakes import Mistake, Mistakes
from catalens.training.recipes.unified.tables import LabelledTable, ReadAttributes

AS_A_USER = Decoding(max_tokens=24)
_CONSTANTS = 20
"""Captions said most often, of which the best constant one is the majority's share."""


def caption_figures(
    reader: AutoReader,
    tables: Sequence[LabelledTable],
    attributes: ReadAttributes,
    data: Path,
    split: str,
    mistakes: Mistakes,
) -> list[Figure]:
    """Caption each table as a command does, and judge every caption by human captions or labels."""
    out = []
    for table in tables:
        said = captions_of(reader, table.pictures, attributes)
        out += judged(table.name, said, table.truths)
        if table.file == "everyday":
            references = read_captions(data, split)
            out.append(Figure(table.name, "captions: BLEU-4", bleu(said, references)[3], None, len(said)))
            out.append(Figure(table.name, "captions: CIDEr-D", cider(said, references), None, len(said)))
        mistakes.add(f"captions: {table.name}", false_ones(table, said))
    return out


def captions_of(reader: AutoReader, pictures: Sequence[bytes], attributes: ReadAttributes) -> list[str]:
    """Return the caption that `catalens caption` prints for each image."""
    said: dict[int, str] = {}
    for start, some in zip(range(0, len(pictures), 32), batched(pictures, 32), strict=True):
        encoded = reader.encode_images([read_image(data, at_least=reader.input_size_wh) for data in some])
        for part in reader.parts(encoded):
            written = [texts[0] for texts in part.reader.caption(part.encoded, decoding=AS_A_USER)]
            schema = domain(part.reader.name)
            if schema == EVERYDAY:
                known = attributes(schema, part.encoded.vectors)
                written = [checked_caption(text, row, UNKNOWN) for text, row in zip(written, known, strict=True)]
            said |= {start + int(at): clean_caption(text) for at, text in zip(part.rows, written, strict=True)}
    return [said[at] for at in range(len(pictures))]


def judged(table: str, said: Sequence[str], truths: Sequence[Truth], *, what: str = "captions") -> list[Figure]:
    """Count the verdicts; a caption is false if its subject is, and partly true if another phrase is false.

    >>> from catalens.training.caption_truth import CaptionTruth
    >>> truth = CaptionTruth(["a dog runs"])
    >>> [round(each.value, 2) for each in judged("t", ["a dog", "a cat", "something unknown"], [truth] * 3)]
    [0.33, 0.33, 0.5, 0.0]
    """
    verdicts = [judge(text, truth) for text, truth in zip(said, truths, strict=True)]
    given = [each for each in verdicts if not each.is_unknown]
    count, among = len(verdicts), max(1, len(given))
    right = sum(each.subject is True for each in given)
    constants = [text for text, _ in Counter(said).most_common(_CONSTANTS)]
    best = max(sum(judge(text, truth).subject is True for truth in truths) for text in constants)
    return [
        Figure(table, f"{what}: true or partly", right / count, best / count, count),
        Figure(table, f"{what}: unknown", 1 - len(given) / count, None, count),
        Figure(table, f"{what}: false subject", sum(each.subject is False for each in given) / among, None, len(given)),
        Figure(table, f"{what}: false phrase", sum(each.has_false_phrase for each in given) / among, None, len(given)),
    ]


def false_ones(table: LabelledTable, said: Sequence[str], *, question: str = "") -> list[Mistake]:
    """Return what names a subject that is not there."""
    rows = zip(table.pictures, said, table.truths, table.told, strict=True)
    return [
        Mistake(picture, f"{question} {text}".strip(), told)
        for picture, text, truth, told in rows
        if judge(text, truth).subject is False
    ]
