"""Export a trained reader into its bundle, and evaluate it there.

`python -m catalens.training.recipes.readers.release everyday|starter --data DATA`

Every figure comes from the written graphs on `test` pictures, read as a user's command reads them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.images import read_image
from catalens.core.types import Decoding
from catalens.core.vectors import batched
from catalens.models.bundle import load_bundle
from catalens.models.readers.bundled import BundleReader, load_bundle_reader
from catalens.models.readers.rerank import RerankConfig
from catalens.models.registry import shipped
from catalens.tasks.caption_metrics import bleu, cider
from catalens.tasks.captions import clean_caption
from catalens.tasks.schema import Schema, load_schema
from catalens.training.answer_calibration import Asked, ask_all, choose_by
from catalens.training.captions import read_captions
from catalens.training.export import change_reader, load_reader, write_reader
from catalens.training.facts import Fact
from catalens.training.fashion import Product, read_products
from catalens.training.pixels import read_photographs
from catalens.training.product_questions import product_facts
from catalens.training.questions import everyday_facts
from catalens.training.recipes.everyday.release import write_card
from catalens.training.recipes.readers.recipe import EVERYDAY_KINDS, PRODUCT_KINDS
from catalens.training.recipes.starter.release import card
from catalens.training.recipes.unified.figures import KEPT, quote, read_figures

AS_A_USER = Decoding(max_tokens=24)
Scores = dict[str, Any]


def read_all(
    reader: BundleReader, pictures: Sequence[bytes], facts: Sequence[Sequence[Fact]]
) -> tuple[list[str], Scores]:
    """Caption every picture, and answer what is known of it from all answers its kind of question has.

    Returns:
        Captions in order; and for each kind the share of right answers, beside that of the commonest one.
    """
    said: list[str] = []
    for some in batched(pictures, 32):
        encoded = reader.encode_images([read_image(data, at_least=reader.input_size_wh) for data in some])
        said += [clean_caption(texts[0]) for texts in reader.caption(encoded, decoding=AS_A_USER)]
    return said, {kind: _share(reader, asked) for kind, asked in ask_all(reader, pictures, facts).items()}


def _share(reader: BundleReader, asked: Asked) -> Scores:
    found = asked.chances(reader.cosine, reader.temperature).argmax(axis=1)
    rows = len(asked.truth)
    right, common = float(np.mean(found == asked.truth)), int(np.bincount(asked.truth).max())
    return {"right": round(right, 4), "majority": round(common / rows, 4), "rows": rows}


def belief_of(world: str) -> RerankConfig:
    """Return how captions are ranked, as chosen on `val` (docs/decisions/006-readers.md)."""
    return RerankConfig(weight=0.0, least=0.35) if world == "starter" else RerankConfig(weight=4.0, least=0.10)


def everyday_rows(data: Path, split: str) -> tuple[list[bytes], list[list[Fact]]]:
    """Return the everyday pictures of a split and what their captions tell."""
    captions = read_captions(data, split)
    facts = [[fact for fact in everyday_facts(texts) if fact.kind in EVERYDAY_KINDS] for texts in captions]
    return read_photographs(data, split), facts


def product_rows(data: Path, split: str, counts: Mapping[str, int]) -> tuple[list[bytes], list[list[Fact]]]:
    """Return the products of a split and what the shop tells, of each kind its most frequent answers."""
    schema, rows = load_schema("fashion"), list(read_products(data / "fashion", split))
    facts = [[fact for fact in product_facts(row, schema) if fact.kind in PRODUCT_KINDS] for row in rows]
    return [row.picture for row in rows], _commonest(facts, counts)


def everyday_scores(reader: BundleReader, data: Path) -> Scores:
    """Measure on the everyday test pictures."""
    captions = read_captions(data, "test")
    said, answers = read_all(reader, *everyday_rows(data, "test"))
    scores = bleu(said, captions)
    return {
        "bleu": [round(each, 4) for each in scores],
        "cider": round(cider(said, captions), 4),
        "answers": answers,
        "captions": said[:20],
    }


def product_scores(reader: BundleReader, data: Path, zero_shot: Mapping[str, Any]) -> Scores:
    """Measure on the test products, beside the encoder's zero-shot share of the same labels."""
    schema = load_schema("fashion")
    rows = list(read_products(data / "fashion", "test"))
    said, answers = read_all(reader, *product_rows(data, "test", _labels(zero_shot)))
    for kind, each in answers.items():
        each["zero_shot"] = round(float(zero_shot[kind]["top1"]), 4)
    sentences = [i for i, row in enumerate(rows) if row.sentence]
    return {
        "mentions": {group: _mentioned(said, rows, schema, group) for group in ("type", "colour")},
        "cider": round(cider([said[i] for i in sentences], [[rows[i].sentence.lower()] for i in sentences]), 4),
        "answers": answers,
        "captions": said[:20],
    }


def _labels(zero_shot: Mapping[str, Any]) -> dict[str, int]:
    """Return how many labels the encoder chose from, for each kind of question."""
    return {kind: zero_shot[kind]["labels"] for kind in PRODUCT_KINDS}


def _commonest(facts: Sequence[Sequence[Fact]], counts: Mapping[str, int]) -> list[list[Fact]]:
    """Keep, of each kind, the facts with its most frequent answers, which the encoder was asked as well."""
    told = {kind: Counter(f.answer for row in facts for f in row if f.kind == kind) for kind in counts}
    kept = {kind: {answer for answer, _ in told[kind].most_common(count)} for kind, count in counts.items()}
    return [[fact for fact in row if fact.answer in kept[fact.kind]] for row in facts]


def _mentioned(said: Sequence[str], rows: Sequence[Product], schema: Schema, group: str) -> float:
    """Return the share of captions whose longest wording of any label is the true label's: a t-shirt is no shirt."""
    usual = {label.name: label.wordings[0].lower() for label in schema.group(group).labels}
    patterns = {word: re.compile(rf"\b{re.escape(word)}\b") for word in usual.values()}
    found = []
    for text, row in zip(said, rows, strict=True):
        if (true := row.labels.get(group, "")) in usual:
            held = [word for word, pattern in patterns.items() if pattern.search(text)]
            found.append(max(held, key=len, default="") == usual[true])
    return round(float(np.mean(found)), 4)


def refit(folder: Path, data: Path, *, everyday: bool) -> Scores:
    """Choose on `val` how a bundle's reader and encoder are weighed, measure both on `test`, and write the card."""
    encoder = load_bundle(folder)
    made, zero_shot = load_bundle_reader(folder, encoder), encoder.facts.scores.get("zero_shot", {})
    val = everyday_rows(data, "val") if everyday else product_rows(data, "val", _labels(zero_shot))
    cosine, temperature = choose_by(ask_all(made, *val))
    change_reader(folder, cosine=cosine, temperature=round(temperature, 4))
    made = load_bundle_reader(folder, encoder)
    scores = everyday_scores(made, data) if everyday else product_scores(made, data, zero_shot)
    change_reader(folder, scores=scores)
    if everyday:
        write_card(folder)
    else:
        (folder / "README.md").write_text(card(encoder.facts.scores, folder), encoding="utf-8")
        quote(folder / "README.md", "starter", read_figures(KEPT))
    return scores


def main() -> None:
    """Run the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=["everyday", "starter"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="[runs/reader-WORLD]")
    options = parser.parse_args()
    folder = shipped(options.world)
    reader, tokenizer = load_reader(options.run or Path("runs") / f"reader-{options.world}")
    write_reader(folder, reader, tokenizer, {}, belief_of(options.world))
    scores = refit(folder, options.data, everyday=options.world == "everyday")
    print(json.dumps(scores, indent=1, ensure_ascii=False))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
