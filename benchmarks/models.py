"""Pretrained models beside the libraries that people run them with: `python -m benchmarks.models [--quick]`.

Random weights of true sizes, the same for everybody, who take turns; a table for people, and one JSON document as the
last line. The libraries run as their guides show it, in float32; ours is what `load_encoder` gives on a processor. Each
reads pictures from decoded RGB (*images*) or from JPEG files (*files*) and does its own preprocessing; *labels* are ten
tokens long with their marks. Cosines are with transformers' vectors of the same items; *centred* has the mean of those
taken off both first, without which everything that untrained weights give looks alike. *Of the limit* is the share of
the fastest plain product of matrices that this device does, in whatever type, that a contestant's arithmetic comes to.
Captions and answers (`benchmarks.readers`) follow in the same run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import TypeVar

from PIL import Image

from benchmarks.__main__ import rounded
from benchmarks.machine import machine_facts
from benchmarks.model_checkpoints import SIZES, write_checkpoint
from benchmarks.pictures import write_large
from benchmarks.plan import Figures
from benchmarks.timing import in_fresh_process, in_turns, seconds
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        images: pictures, decoded or from files.
        labels: texts.
        rounds: how often contestants take turns.
        layers: of each tower; None for the true number.
        budget_s: time for each subject; a machine that would take longer encodes fewer items.
    """

    images: int
    labels: int
    rounds: int
    layers: int | None = None
    budget_s: float = 100.0


READERS = "readers"
_LEAST = 4
"""Items that everybody encodes, however slow the machine is."""
FULL = Plan(images=32, labels=128, rounds=5)
QUICK = Plan(images=8, labels=32, rounds=1, layers=2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="towers of two layers, few items: does it run")
    parser.add_argument("--only", choices=[*SIZES, READERS], help="one size of encoder, or the readers")
    parser.add_argument(
        "--device", default="cpu", help="where encoders run, such as cuda; readers run on the processor"
    )
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    document: Figures = {"machine": machine_facts(), "quick": options.quick, "device": options.device}
    for size in [each for each in SIZES if options.only in (None, each)]:
        document[size] = in_fresh_process(measure, size, plan, options.device)
        for subject, figures in document[size].items():
            _show(f"{size}: {subject}", figures)
    if options.only in (None, READERS):
        document[READERS] = in_fresh_process(measure_readers, quick=options.quick)
    print(json.dumps(rounded(document)))


def measure_readers(*, quick: bool) -> Figures:
    """Measure captions, questions and closed answers, and show each as soon as it is there."""
    from benchmarks.readers import FULL, QUICK, measure

    return measure(QUICK if quick else FULL)


def measure(size: str, plan: Plan, device: str = "cpu") -> Figures:
    """Measure one size: images, files and labels."""
    from benchmarks.limits import operations_per_s, share_of_limit
    from benchmarks.model_checkpoints import operations_of_an_image
    from benchmarks.model_contestants import contestants

    with tempfile.TemporaryDirectory() as place:
        checkpoint, files = Path(place) / "checkpoint", Path(place) / "files"
        write_checkpoint(checkpoint, SIZES[size], layers=plan.layers)
        write_large(files, plan.images)
        paths = sorted(files.iterdir())
        pictures = [Image.open(path).convert("RGB") for path in paths]
        labels = ten_tokens(plan.labels)
        limits, operations = operations_per_s(device), operations_of_an_image(checkpoint)
        everybody = contestants(checkpoint, Path(place) / "cache", device)
        found = {
            "images": race({name: each.images for name, each in everybody.items() if each.images}, pictures, plan),
            "files": race({name: each.files for name, each in everybody.items() if each.files}, paths, plan),
            "labels": race({name: each.texts for name, each in everybody.items()}, labels, plan),
        }
        for each in found["images"].values():
            each["of_the_limit"] = share_of_limit(each["per_s"], operations, limits)
        return found


def race(contestants: Mapping[str, Callable[[Sequence[T]], Vectors]], items: Sequence[T], plan: Plan) -> Figures:
    """Time everybody in turns; the first is the reference of the cosines and of the ratios.

    Args:
        contestants: name → encodes items: (n, dim) unit rows.
        items: what to encode, or the first of them where a slow machine would take longer than the plan allows.
        plan: the rounds that each runs, after a warm-up, and the time for all of it.
    """
    items = affordable(next(iter(contestants.values())), items, len(contestants) * (plan.rounds + 1), plan.budget_s)
    ways = {name: partial(encode, items) for name, encode in contestants.items()}
    rows = {name: encode() for name, encode in ways.items()}
    reference = next(iter(rows.values()))
    taken_s = in_turns(ways, plan.rounds)
    slowest = next(iter(taken_s.values()))
    centre = reference.mean(axis=0)
    return {
        name: {
            "items": len(items),
            "per_s": len(reference) / taken_s[name],
            "times_the_first": slowest / taken_s[name],
            "least_cosine": float((each * reference).sum(axis=1).min()),
            "least_cosine_centred": float((unit_rows(each - centre) * unit_rows(reference - centre)).sum(axis=1).min()),
        }
        for name, each in rows.items()
    }


def affordable(encode: Callable[[Sequence[T]], object], items: Sequence[T], times: int, budget_s: float) -> Sequence[T]:
    """Return as many of the first items as can be encoded a number of times within a budget, at least `_LEAST`."""
    few = items[:_LEAST]
    encode(few)
    per_item_s = seconds(lambda: encode(few)) / len(few)
    return items[: max(_LEAST, int(budget_s / (times * per_item_s)))]


def _show(title: str, figures: Figures) -> None:
    """Print a table for people: a line for each contestant."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in ("", "per second", "times the first", "least cosine", "… centred", "of the limit"):
        table.add_column(column, justify="right" if column else "left")
    for name, each in figures.items():
        speed = f"{each['per_s']:,.1f}", f"{each['times_the_first']:.2f}"
        share = f"{each['of_the_limit']:.2f}" if "of_the_limit" in each else ""
        table.add_row(name, *speed, f"{each['least_cosine']:.5f}", f"{each['least_cosine_centred']:.4f}", share)
    Console(stderr=True, width=100).print(table)


def ten_tokens(n: int) -> list[str]:
    """Return n different labels of eight tokens, which the two marks make ten.

    >>> ten_tokens(1)
    ['a photo of a red wooden house outside']
    """
    colours = ("red", "blue", "green", "black", "white", "yellow", "brown", "pink")
    materials = ("wooden", "old", "small", "large", "cotton", "leather", "wool", "glass")
    things = ("house", "chair", "table", "boat", "car", "dog", "cat", "dress", "shirt", "bag", "watch", "bottle")
    said = (f"a photo of a {' '.join(words)} outside" for words in product(colours, materials, things))
    return list(islice(said, n))


if __name__ == "__main__":
    main()
