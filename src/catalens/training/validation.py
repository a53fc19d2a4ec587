"""How good a reader is while it is trained: captions of pictures it has not encoded, and closed answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from catalens.core.types import Decoding
from catalens.models.readers.generate_numpy import SpecialIds, generate
from catalens.tasks.caption_metrics import bleu, cider
from catalens.training.reader import Reader
from catalens.training.reading import Pictures, Words

BEAMS = Decoding(max_tokens=20, beams=4)


@torch.no_grad()
def captions(reader: Reader, words: Words, pictures: Pictures, decoding: Decoding = BEAMS) -> list[str]:
    """Return one caption for the first view of every picture."""
    out: list[str] = []
    special = SpecialIds(end=words.end, never=(words.caption, words.ask, words.answer))
    for start in range(0, len(pictures), 64):
        rows = slice(start, start + 64)
        memory = reader.encode_memory(*_first(pictures, rows))

        def step(
            ids: NDArray[np.int64], past: NDArray[np.float32], memory: torch.Tensor = memory
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            logits, present = reader(torch.from_numpy(ids), torch.from_numpy(past), memory)
            return logits[:, -1].numpy(), present.numpy()

        n = memory.shape[2]
        prompt = np.full((n, 1), words.caption, dtype=np.int64)
        drawn = generate(step, prompt, reader.nothing(n).numpy(), count=1, decoding=decoding, special=special)
        out += [words.tokenizer.decode(texts[0].ids).strip() for texts in drawn]
    return out


@torch.no_grad()
def closed_answers(reader: Reader, words: Words, pictures: Pictures, kinds: Sequence[str]) -> dict[str, float]:
    """Return the share of right answers among all that a kind of question has, for questions asked in the first way."""
    answers = {kind: sorted({f.answer for facts in pictures.facts for f in facts if f.kind == kind}) for kind in kinds}
    right: dict[str, list[bool]] = defaultdict(list)
    for i in range(len(pictures)):
        facts = [fact for fact in pictures.facts[i] if fact.kind in kinds]
        memory = reader.encode_memory(*_first(pictures, slice(i, i + 1))) if facts else None
        for fact in facts:
            told = [words.told(fact.asked[0], answer) for answer in answers[fact.kind]]
            scores = []
            longest = max(len(ids) for ids, _ in told)
            ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in told])
            wanted = torch.tensor([want + [-100] * (longest - len(want)) for _, want in told])
            logits, _ = reader(ids, reader.nothing(len(told)), memory)
            spoken = logits.log_softmax(-1).gather(2, wanted.clamp_min(0)[:, :, None])[:, :, 0]
            scores = (spoken * (wanted >= 0)).sum(1)
            right[fact.kind].append(answers[fact.kind][int(scores.argmax())] == fact.answer)
    return {kind: round(float(np.mean(rows)), 4) for kind, rows in right.items()}


def _first(pictures: Pictures, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.from_numpy(part[rows, 0].astype(np.float32)) for part in (pictures.cells, pictures.means))


def judge_captions(reader: Reader, words: Words, pictures: Pictures) -> dict[str, float]:
    """Measure captions against what people wrote."""
    said = captions(reader, words, pictures)
    scores = bleu(said, pictures.captions)
    return {
        "bleu1": round(scores[0], 4),
        "bleu4": round(scores[3], 4),
        "cider": round(cider(said, pictures.captions), 4),
    }
