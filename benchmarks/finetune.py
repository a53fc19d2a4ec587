"""Fine-tuning BLIP-2 on answers, beside the source article's loop written plainly: speed, memory and the loss curve.

The scaled models of `finetune_models` have Flan-T5, as in the article, and OPT, where questions about an image share
its tokens. The article's loop runs all of a model on every step, batches of 16, in float32, and enlarges every
photograph to 1800 × 2400 before the processor shrinks it; a second plain loop leaves that out. Rows, their order,
optimiser and learning rates are the same for all over one model. OPT comes twice more: with weights that only float32
holds, and with twice the depths, where libraries weigh less. Where the processor multiplies bfloat16 itself,
Catalens runs once more in that, its default there; a curve of another precision is another one.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.finetune_models import OfHub, write_opt, write_t5
from benchmarks.plan import Figures
from benchmarks.timing import in_fresh_process, peak_mb
from catalens.models.device import cpu_has_bfloat16
from catalens.models.readers.loading import Wanted
from catalens.models.readers.registry import load_family
from catalens.training.finetune.answer_labels import IGNORED
from catalens.training.finetune.answer_models import answer_model
from catalens.training.finetune.answers import Row, attach_narrow, loss_of_rows
from catalens.training.finetune.frozen_outputs import cached_features, open_cache
from catalens.training.finetune.loop import Recipe, StepNote, plan_batches, train
from catalens.training.finetune.lora import Lora, attach, need_peft
from catalens.training.finetune.pairs import load_templates

_IMAGES, _STEPS, _WARM_UP = 12, 6, 1
_RECIPE = Recipe(epochs=1, batch_size=16, rate=2e-3, warmup=0.1)
_LORA = Lora(dropout=0.0)
_ARTICLE_WH = (1800, 2400)
_ARTICLE_EPOCHS = 10
_ANSWERS = (
    "cotton",
    "regular fit",
    "mandarin collar",
    "solid",
    "three quarter sleeves",
    "shirts",
    "navy blue",
    "formal",
)


def measure(*names: str) -> Figures:
    """Run every contestant in a process of its own, over the same rows; over all models, or those that are named."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _draw(folder)
        write_t5(folder / "flan-t5", _ANSWERS)
        write_opt(folder / "opt", _ANSWERS)
        write_opt(folder / "opt-float32", _ANSWERS, dtype=torch.float32)
        write_opt(folder / "opt-deep", _ANSWERS, depth=2)
        return {"batch": _RECIPE.batch_size, "questions_per_image": len(load_templates())} | {
            name: _compare(folder, name) for name in names or ("flan-t5", "opt", "opt-float32", "opt-deep")
        }


def _compare(folder: Path, base: str) -> dict[str, Any]:
    """Return the figures of all contestants over one model, and what they are beside each other."""
    runs: dict[str, dict[str, Any]] = {
        "article": in_fresh_process(_plain, folder, base, enlarged=True),
        "plain": in_fresh_process(_plain, folder, base, enlarged=False),
    }
    if base == "opt":
        runs["catalens_rows_apart"] = in_fresh_process(_cached, folder, base, shares=False)
    runs["catalens"] = in_fresh_process(_cached, folder, base)
    if cpu_has_bfloat16() and base in ("flan-t5", "opt"):
        runs["catalens_bfloat16"] = in_fresh_process(_cached, folder, base, dtype="bfloat16")
    article, plain = runs["article"], runs["plain"]
    for name, mine in runs.items():
        curve = np.array(mine.pop("losses"))
        mine["first_and_last_loss"] = [curve[0], curve[-1]]
        reference = plain.setdefault("curve", curve) if name == "plain" else plain.get("curve", curve)
        if name.startswith("catalens"):
            # Each row's image is encoded once, however often the row comes.
            epochs_s = _ARTICLE_EPOCHS / mine["samples_per_s"] + mine["encoding_s"] / mine["rows"]
            mine |= {
                "speed_up_over_article": mine["samples_per_s"] / article["samples_per_s"],
                "speed_up_at_equal_pictures": mine["samples_per_s"] / plain["samples_per_s"],
                "speed_up_over_article_in_processor_time": _of(mine, article),
                "speed_up_at_equal_pictures_in_processor_time": _of(mine, plain),
                "speed_up_over_article_with_encoding": _ARTICLE_EPOCHS / epochs_s / article["samples_per_s"],
                "peak_memory_of_article": mine["peak_mb"] / article["peak_mb"],
                "peak_memory_of_article_without_libraries": _own_mb(mine) / _own_mb(article),
                "largest_difference_of_losses": float(np.abs(curve - reference).max()),
            }
        runs[name] = mine
    del plain["curve"]
    return {name: run | {"dtype": run.get("dtype", "float32")} for name, run in runs.items()}


def _of(mine: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    return float(mine["samples_per_processor_s"] / other["samples_per_processor_s"])


def _own_mb(run: Mapping[str, Any]) -> float:
    return float(run["peak_mb"] - run["libraries_mb"])


def _plain(folder: Path, base: str, *, enlarged: bool) -> dict[str, Any]:
    """The article's loop: everything forward on every step."""
    libraries_mb = _libraries_mb()
    loaded, family = load_family(str(folder / base), Wanted(device="cpu", dtype="float32"))
    torch.manual_seed(_RECIPE.seed)
    side = answer_model(loaded, family)
    tuned = attach(loaded.model, _LORA, side.targets, frozen=side.frozen)
    parameters = [each for each in tuned.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=_RECIPE.rate, weight_decay=0.0)
    batches: Any = plan_batches(_rows(), _RECIPE.batch_size, seed=_RECIPE.seed, grouped=side.shares_images)
    inputs_of = _t5_inputs if base == "flan-t5" else _opt_inputs
    losses, taken = [], []
    tuned.train()
    for step, batch in enumerate(batches):
        clock = _Clock()
        images = [_photo(folder, row.content, enlarged=enlarged) for row in batch]
        loss = tuned(**inputs_of(loaded.processor, images, batch)).loss
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, len(batches))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, _RECIPE.clip)
        optimiser.step()
        losses.append(float(loss.detach()))
        taken.append(clock.taken_s())
    return _figures(losses, taken, libraries_mb)


def _t5_inputs(processor: OfHub, images: list[Image.Image], batch: Sequence[Row]) -> dict[str, Any]:
    asked = [f"Question: {row.question} Answer:" for row in batch]
    inputs = processor(images=images, text=asked, padding=True, return_tensors="pt")
    labels = processor.tokenizer([row.answer for row in batch], padding=True, return_tensors="pt")
    return {**inputs, "labels": labels.input_ids.masked_fill(labels.attention_mask == 0, IGNORED)}


def _opt_inputs(processor: OfHub, images: list[Image.Image], batch: Sequence[Row]) -> dict[str, Any]:
    """Image, question, answer and its end as one text, of which the answer and its end are labels."""
    asked = [f"Question: {row.question} Answer:" for row in batch]
    whole = [f"{prompt} {row.answer}\n" for prompt, row in zip(asked, batch, strict=True)]
    inputs = processor(images=images, text=whole, padding=True, return_tensors="pt")
    prompts = processor(images=images, text=asked, padding=True, return_tensors="pt").attention_mask.sum(dim=1)
    before = torch.arange(inputs.input_ids.shape[1])[None] < prompts[:, None]
    return {**inputs, "labels": inputs.input_ids.masked_fill(before | (inputs.attention_mask == 0), IGNORED)}


def _cached(folder: Path, base: str, *, dtype: str = "float32", shares: bool = True) -> dict[str, Any]:
    """The trainer of Catalens: frozen features from the cache, adapters on the language model."""
    libraries_mb = _libraries_mb()
    loaded, family = load_family(str(folder / base), Wanted(device="cpu", dtype=dtype))
    rows = _rows()
    started_s = time.perf_counter()
    side = answer_model(loaded, family)

    def images(some: Sequence[Row]) -> list[Image.Image]:
        return [_photo(folder, row.content) for row in some]

    cache = open_cache(folder / "cache" / str(shares), loaded)
    features = cached_features(side, images, cache, rows)
    encoding_s = time.perf_counter() - started_s
    recipe = replace(_RECIPE, grouped=side.shares_images)
    side.shares_images = side.shares_images and shares
    torch.manual_seed(_RECIPE.seed)
    tuned = attach_narrow(loaded, side, _LORA)
    taken, clock = [], _Clock()

    def on_step(_: StepNote) -> None:
        taken.append(clock.taken_s())

    run = folder / f"run-{base}-{dtype}-{shares}"
    state = train(tuned, loss_of_rows(side, features), {"train": rows, "val": []}, recipe, run, on_step)
    figures = _figures(state.losses, taken, libraries_mb)
    return figures | {"dtype": dtype, "encoding_s": encoding_s, "rows": len(rows)}


def _libraries_mb() -> float:
    """Import what every contestant does, and return what that holds."""
    need_peft()
    return peak_mb()


class _Clock:
    """Seconds since it was last asked, and of the processor, which other programs slow less."""

    def __init__(self) -> None:
        self._last_s = (time.perf_counter(), time.process_time())

    def taken_s(self) -> tuple[float, float]:
        before, self._last_s = self._last_s, (time.perf_counter(), time.process_time())
        return self._last_s[0] - before[0], self._last_s[1] - before[1]


def _figures(losses: Sequence[float], taken_s: Sequence[tuple[float, float]], libraries_mb: float) -> dict[str, Any]:
    wall_s, processor_s = np.median(np.array(taken_s[_WARM_UP:]), axis=0)
    return {
        "samples_per_s": _RECIPE.batch_size / float(wall_s),
        "samples_per_processor_s": _RECIPE.batch_size / float(processor_s),
        "peak_mb": peak_mb(),
        "libraries_mb": libraries_mb,
        "losses": list(losses),
    }


def _rate(step: int, steps: int) -> float:
    rising = max(1, round(_RECIPE.warmup * steps))
    if step < rising:
        return _RECIPE.rate * (step + 1) / rising
    return _RECIPE.rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def _rows() -> list[Row]:
    """Questions about every image, in the words that ship, with answers from a seed."""
    templates, random = load_templates(), np.random.default_rng(1)
    pairs = [(at, each.questions[at % len(each.questions)]) for at in range(_IMAGES) for each in templates]
    return [
        Row(str(place), f"{at:032x}", question, str(random.choice(_ANSWERS)))
        for place, (at, question) in enumerate(pairs[: _STEPS * _RECIPE.batch_size])
    ]


def _draw(folder: Path) -> None:
    random = np.random.default_rng(0)
    for at in range(_IMAGES):
        colours = Image.fromarray(random.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        colours.resize((600, 800), Image.Resampling.BICUBIC).save(folder / f"{at:032x}.jpg", quality=90)


def _photo(folder: Path, content: str, *, enlarged: bool = False) -> Image.Image:
    photo = Image.open(folder / f"{content}.jpg").convert("RGB")
    return photo.resize(_ARTICLE_WH) if enlarged else photo


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:]), indent=1))
