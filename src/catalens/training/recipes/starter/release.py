"""Release the starter: `python -m catalens.training.recipes.starter.release --run runs/starter --data DATA`.

Exports the towers, fits scale, temperatures and thresholds on `val`, measures on `test`, and writes the bundle, its
calibration and its model card from the measurements.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.bundle import load_bundle
from catalens.models.gate import Gate, save_gate
from catalens.models.readers.bundled import FACTS as READER_FACTS
from catalens.models.readers.bundled import FOLDER
from catalens.models.registry import CALIBRATION, shipped
from catalens.tasks.assessment import assess
from catalens.tasks.attributes import (
    MIN_SCORE,
    SchemaBank,
    build_schema_bank,
    group_probabilities,
    held_labels,
    read_attributes,
)
from catalens.tasks.calibration import Calibration, GroupCalibration, fit_temperature, save_calibration
from catalens.tasks.schema import load_schema
from catalens.tasks.thresholds import learn, lowest_threshold
from catalens.training.evaluation import Accuracy, accuracy, retrieval
from catalens.training.fashion import Product, read_products
from catalens.training.gating import fit_gate
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.recipes.starter.train import UNKNOWN
from catalens.training.recipes.unified.calibrating import likely
from catalens.training.recipes.unified.figures import KEPT, quote, read_figures, value_figures
from catalens.training.recipes.unified.wild import GARMENTS, Split, read_wild
from catalens.training.release import calibrated, change_facts, encode_pictures, share

MAIN_GROUPS = ("type", "colour", "gender", "pattern", "sleeve_length", "neck")
TEN_COMMONEST = ("pattern", "sleeve_length", "neck")
"""Groups scored over their ten most frequent values, since the rest are a handful of rows each."""
FIRST_SCALE = 30.0
TYPE_PRECISION, FREQUENT = 0.8, 20
"""How often an article type must be right of clothes at home, where it is the likeliest of so many of them."""
GATE_PICTURES = 6000
SOURCE = (
    "trained by `make starter` on the Fashion Product Images catalogue; the image tower starts from "
    "mobilenet_v2_1.0_224 (ImageNet, google-coral/test_data, Apache-2.0)"
)


def main() -> None:
    """Run the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/starter"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=shipped("starter"))
    parser.add_argument("--revision", help="what these weights are called; without it by a hash of them")
    options = parser.parse_args()
    release(options.run, options.data, options.out, options.revision)


def release(run: Path, data: Path, out: Path, revision: str | None = None) -> None:
    """Write the bundle, its calibration and its card; without a revision it is called by a hash of its weights."""
    from catalens.training.export import Normalised, load_towers, revision_of, write_bundle

    facts: dict[str, Any] = {
        "name": "starter",
        "revision": revision or revision_of(run),
        "dim": 256,
        "input_size_wh": [120, 160],
        "resize": "pad",
        "precision": "float16",
        "logit_scale": FIRST_SCALE,
        "unknown_texts": list(UNKNOWN),
        "licence": "Apache-2.0",
        "source": SOURCE,
        "scores": {},
    }
    image, text, tokenizer = load_towers(run)
    write_bundle(out, Normalised(image), text, tokenizer, facts)
    finish(out, data)


def finish(out: Path, data: Path) -> None:
    """Fit scale, temperatures, thresholds and gate of a written bundle on `val`, measure on `test`, write the card."""
    change_facts(out, logit_scale=FIRST_SCALE)
    encoder = load_bundle(out, runtime="onnxruntime")
    val, test = (list(read_products(data / "fashion", split)) for split in ("val", "test"))
    val_vectors, test_vectors = (encode_pictures(encoder, [row.picture for row in rows]) for rows in (val, test))
    bank = build_schema_bank(encoder, load_schema("fashion"))
    change_facts(out, logit_scale=FIRST_SCALE / _scale_temperature(bank, val_vectors, val))

    encoder = load_bundle(out, runtime="onnxruntime")
    bank = build_schema_bank(encoder, load_schema("fashion"))
    calibration = calibrate(encoder, bank, data, val_vectors, table(bank, val))
    save_calibration(calibration, out / CALIBRATION.format(schema="fashion"))
    reports = assess(test_vectors, table(bank, test), bank, calibration=calibration)
    gate, told_apart = gate_of(encoder, data, val_vectors)
    save_gate(gate, out)
    scores = {
        "zero_shot": {name: asdict(score) for name, score in zero_shot(bank, test_vectors, test).items()},
        "title_to_picture": asdict(
            retrieval(encoder.encode_texts([row.title for row in test]), test_vectors, range(len(test)))
        ),
        "calibration": {report.group: calibrated(report) for report in reports},
        "told_apart": told_apart,
        "at_home": at_home(encoder, bank, calibration, data),
        "elsewhere": elsewhere(encoder, bank, calibration, data),
    }
    change_facts(out, scores=scores)
    (out / "README.md").write_text(card(scores, out), encoding="utf-8")
    quote(out / "README.md", "starter", read_figures(KEPT))


def calibrate(
    encoder: Encoder, bank: SchemaBank, data: Path, sold: Vectors, columns: Mapping[str, Sequence[str | None]]
) -> Calibration:
    """Learn thresholds with the best F1; article types also from clothes at home, of which they must be right there.

    Args:
        encoder: the bank's.
        bank: the encoded fashion schema.
        data: folder of the tables.
        sold: (n, dim), products.
        columns: group name → their n values.
    """
    calibration, _ = learn(sold, columns, bank)
    rows = read_wild(data, "clothing", "val")
    worn = encode_pictures(encoder, [row.picture for row in rows])
    allowed = [GARMENTS[row.label] for row in rows]
    types = [*columns["type"], *likely(bank, "type", worn, allowed)]
    both, _ = learn(np.concatenate([sold, worn]), {"type": types}, bank)
    own = raised(both.groups["type"], bank, worn, allowed)
    return replace(calibration, groups={**calibration.groups, "type": own})


def raised(
    rules: GroupCalibration, bank: SchemaBank, worn: Vectors, allowed: Sequence[Sequence[str]]
) -> GroupCalibration:
    """Raise the thresholds of frequent types until they are precise enough of clothes at home (n, dim)."""
    group = bank.schema.group("type")
    scores, unknown = group_probabilities(group, bank.banks["type"], worn, rules.temperature)
    rows, labels = np.nonzero(held_labels(group, scores, unknown))
    claims = zip(rows.tolist(), labels.tolist(), strict=True)
    right = np.array([group.label_names[label] in allowed[row] for row, label in claims])
    own, general = dict(rules.label_thresholds), MIN_SCORE if rules.threshold is None else rules.threshold
    for at, name in enumerate(group.label_names):
        of = labels == at
        if of.sum() >= FREQUENT:
            least = lowest_threshold(scores[rows, labels][of], right[of], TYPE_PRECISION)
            own[name] = max(own.get(name, general), least)
    return replace(rules, label_thresholds=own)


def gate_of(encoder: Encoder, data: Path, val_vectors: Vectors) -> tuple[Gate, dict[str, float]]:
    """Fit what tells products, in a shop or at home, from all else; give the shares of `val` that it gets right."""
    products = [row.picture for row in islice(read_products(data / "fashion", "train"), GATE_PICTURES)]
    sold = encode_pictures(encoder, [*products, *_wild(data, "clothing", "train")])
    made = [png(each) for each in nonsense(500, np.random.default_rng(2))]
    others = [*read_photographs(data), *_wild(data, "grocery", "train"), *made]
    gate = fit_gate(sold, encode_pictures(encoder, others))
    val = {
        "clothes at home": _wild(data, "clothing", "val"),
        "everyday photographs": read_photographs(data, "val"),
        "groceries": _wild(data, "grocery", "val"),
    }
    found = {"products": gate.products(val_vectors)}
    found |= {name: gate.products(encode_pictures(encoder, pictures)) for name, pictures in val.items()}
    wanted = {"products", "clothes at home"}
    return gate, {name: float(np.mean(rows == (name in wanted))) for name, rows in found.items()}


def _wild(data: Path, table: str, split: Split) -> list[bytes]:
    return [row.picture for row in read_wild(data, table, split)]


def table(bank: SchemaBank, rows: Sequence[Product]) -> Mapping[str, Sequence[str | None]]:
    """Return each group's column of true labels."""
    return {group.name: [row.labels.get(group.name) for row in rows] for group in bank.schema.groups}


def _scale_temperature(bank: SchemaBank, vectors: Vectors, rows: Sequence[Product]) -> float:
    """Find the one temperature that suits the main groups together, for labels that have no calibration."""
    parts = []
    for name in MAIN_GROUPS:
        group = bank.schema.group(name)
        places = {label: at for at, label in enumerate(group.label_names)}
        known = [(at, places[row.labels[name]]) for at, row in enumerate(rows) if row.labels.get(name) in places]
        where, truth = (np.array(column) for column in zip(*known, strict=True))
        parts.append((group, where, truth))

    def loss(temperature: float) -> float:
        total = 0.0
        for group, where, truth in parts:
            scores, _ = group_probabilities(group, bank.banks[group.name], vectors[where], temperature)
            total -= float(np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-9)).mean())
        return total / len(parts)

    return fit_temperature(loss, len(rows))


def zero_shot(bank: SchemaBank, vectors: Vectors, rows: Sequence[Product]) -> dict[str, Accuracy]:
    """Score every group that has at least twenty labelled rows, through the text tower alone."""
    out = {}
    for group in bank.schema.groups:
        names = list(group.label_names)
        if group.name in TEN_COMMONEST:
            common = Counter(row.labels[group.name] for row in rows if row.labels.get(group.name) in names)
            names = [name for name, _ in common.most_common(10)]
        places = {name: at for at, name in enumerate(names)}
        known = [
            (at, places[row.labels[group.name]]) for at, row in enumerate(rows) if row.labels.get(group.name) in places
        ]
        if len(known) < 20:
            continue
        where, truth = (np.array(column) for column in zip(*known, strict=True))
        columns = [group.label_names.index(name) for name in names]
        cosines = vectors[where] @ bank.banks[group.name].vectors[columns].astype(np.float32).T
        out[group.name] = accuracy(cosines, truth)
    return out


def at_home(encoder: Encoder, bank: SchemaBank, calibration: Calibration, data: Path) -> dict[str, float]:
    """Return the shares of clothes at home (`val`) whose type is right, wrong, and wrong with one half or more."""
    rows = read_wild(data, "clothing", "val")
    read = read_attributes(encode_pictures(encoder, [row.picture for row in rows]), bank, calibration=calibration)
    found = value_figures("", [each["type"] for each in read], [GARMENTS[row.label] for row in rows])
    shares = [figure.value for figure in found]
    return {**dict(zip(("right", "wrong", "confident"), shares, strict=True)), "rows": len(rows)}


def elsewhere(encoder: Encoder, bank: SchemaBank, calibration: Calibration, data: Path) -> dict[str, float]:
    """Return, for pictures that are not products, the share that gets a type with confidence of one half or more."""
    from pyarrow import parquet

    photographs = parquet.read_table(data / "everyday" / "test.parquet", columns=["image"]).to_pylist()
    made = nonsense(400, np.random.default_rng(1))
    sets: dict[str, Iterable[bytes]] = {
        "everyday photographs": [row["image"]["bytes"] for row in photographs],
        "blanks, noise, waves, page-like lines, scribbles": [png(each) for each in made],
    }
    out = {}
    for name, pictures in sets.items():
        vectors = encode_pictures(encoder, list(pictures))
        read = read_attributes(vectors, bank, calibration=calibration)
        sure = [each["type"].value != "unknown" and each["type"].confidence >= 0.5 for each in read]
        out[name] = float(np.mean(sure))
    return out


def reader_part(folder: Path) -> str:
    """Return what the card says of the bundle's reader; nothing before it has one."""
    file = folder / FOLDER / READER_FACTS
    read = json.loads(file.read_text(encoding="utf-8"))["scores"] if file.is_file() else {}
    if not read:
        return ""
    rows = [
        f"| {kind} | {each['rows']} | {each['majority']:.3f} | {each['zero_shot']:.3f} | **{each['right']:.3f}** |"
        for kind, each in read["answers"].items()
    ]
    text = (Path(__file__).parent / "reader_card.md").read_text(encoding="utf-8")
    return text.format(rows="\n".join(rows), cider=read["cider"], **read["mentions"])


def card(scores: Mapping[str, Any], folder: Path) -> str:
    """Fill the figures into the model card's text."""
    zero = [
        f"| {name} | {score['labels']} | {score['rows']} | {score['majority']:.3f} "
        f"| **{score['top1']:.3f}** | {score['top5']:.3f} |"
        for name, score in scores["zero_shot"].items()
    ]
    calibrated = [
        f"| {name} | {each['temperature']:.2f} | {each['ece_before']:.3f} | {each['ece_after']:.3f} "
        f"| {share(each['precision'])} | {share(each['recall'])} |"
        for name, each in scores["calibration"].items()
        if each["rows"] >= 20
    ]
    found = scores["title_to_picture"]
    text = (Path(__file__).parent / "card.md").read_text(encoding="utf-8")
    return text.format(
        zero_shot="\n".join(zero),
        calibration="\n".join(calibrated),
        told=scores["told_apart"],
        home=scores["at_home"],
        reader=reader_part(folder),
        elsewhere="\n".join(f"| {name} | {share:.3f} |" for name, share in scores["elsewhere"].items()),
        **{
            key: (f"{value:.3f}" if isinstance(value, float) and value <= 1 else f"{value:g}")
            for key, value in found.items()
        },
    )


if __name__ == "__main__":
    main()
