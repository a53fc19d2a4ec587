"""Validation of a reader: captions of held-out images, and closed answers."""

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
from catalens.training.reader_examples import IGNORED, Examples, ReaderText, padded

BEAMS = Decoding(max_tokens=20, beams=4)


@torch.no_grad()
def captions(reader: Reader, text: ReaderText, examples: Examples, decoding: Decoding = BEAMS) -> list[str]:
    """Return one caption for the first view of every image."""
    out: list[str] = []
    special = SpecialIds(end=text.end_id, never=tuple(text.marks))
    for start in range(0, len(examples), 64):
        memory = reader.encode_memory(*examples.features(slice(start, start + 64)))

        def step(
            ids: NDArray[np.int64], past: NDArray[np.float32], memory: torch.Tensor = memory
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            logits, present = reader(torch.from_numpy(ids), torch.from_numpy(past), memory)
            return logits[:, -1].numpy(), present.numpy()

        n = memory.shape[2]
        prompt = np.full((n, 1), text.caption_id, dtype=np.int64)
        drawn = generate(step, prompt, reader.no_past(n).numpy(), count=1, decoding=decoding, special=special)
        out += [text.tokenizer.decode(texts[0].ids).strip() for texts in drawn]
    return out


@torch.no_grad()
def closed_answers(reader: Reader, text: ReaderText, examples: Examples, kinds: Sequence[str]) -> dict[str, float]:
    """Return, for each kind of question, the share of facts whose answer is the most probable of its kind."""
    answers = {kind: sorted({f.answer for facts in examples.facts for f in facts if f.kind == kind}) for kind in kinds}
    right: dict[str, list[bool]] = defaultdict(list)
    for i in range(len(examples)):
        facts = [fact for fact in examples.facts[i] if fact.kind in kinds]
        memory = reader.encode_memory(*examples.features(slice(i, i + 1))) if facts else None
        for fact in facts:
            ids, targets = padded([text.answer(fact.asked[0], answer) for answer in answers[fact.kind]])
            logits, _ = reader(ids, reader.no_past(len(ids)), memory)
            likelihoods = logits.log_softmax(-1).gather(2, targets.clamp_min(0)[:, :, None])[:, :, 0]
            scores = (likelihoods * (targets != IGNORED)).sum(1)
            right[fact.kind].append(answers[fact.kind][int(scores.argmax())] == fact.answer)
    return {kind: round(float(np.mean(rows)), 4) for kind, rows in right.items()}


def caption_scores(reader: Reader, text: ReaderText, examples: Examples) -> dict[str, float]:
    """Return BLEU-1, BLEU-4 and CIDEr-D of the captions against the examples' own."""
    generated = captions(reader, text, examples)
    scores = bleu(generated, examples.captions)
    return {
        "bleu1": round(scores[0], 4),
        "bleu4": round(scores[3], 4),
        "cider": round(cider(generated, examples.captions), 4),
    }
