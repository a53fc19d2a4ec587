"""Prompts beside clip-interrogator 0.6.0: same random weights, tables, caption and picture, on the same processor.

`python -m benchmarks.interrogation [--quick] [--sizes ViT-B-32,ViT-L-14]`: a table for people, and one JSON document
as the last line. Every contestant runs in a process of its own. The other tool re-encodes some 2,000 texts of 77
tokens at every step of its search, which takes hours for a picture: a few steps are timed, and the rest is reckoned
from the number of prompts that it compares in all, which our compatible plan counts (that plan gives its very output;
tests/hub/test_interrogator_likeness.py). Cosines of the final prompts are its own model's, in float32. Beside seconds
on the wall stand those of the processor, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from benchmarks.__main__ import rounded, show
from benchmarks.machine import machine_facts
from benchmarks.plan import Figures
from benchmarks.timing import in_fresh_process, peak_mb, seconds
from catalens.demo.drawn import draw_catalogue
from catalens.models.registry import load_encoder
from catalens.tasks.interrogation import Plan, Tables, build_vocabulary, interrogate, load_tables
from catalens.tasks.prompts.clip_interrogator_compat import raw_tables
from catalens.tasks.prompts.scoring import PromptScorer

CAPTION = "a photo of a shirt on a white background"
SEED = 5
NAMES = {"artist": "artists", "flavor": "flavors", "medium": "mediums", "movement": "movements", "site": "trendings"}
"""Our kinds → what the other tool calls its tables."""
TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@dataclass(frozen=True, slots=True)
class Size:
    """What is compared.

    Attributes:
        model: an architecture of open_clip, or "tiny".
        flavors: so many of the flavors of its list; None for all.
        steps: of its search that are timed; None for all.
        runtime: of ours.
    """

    model: str
    flavors: int | None
    steps: int | None
    runtime: str = "auto"


class Clock:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def taken(self) -> dict[str, float]:
        """Return the seconds on the wall, and those of the processor in all threads of this process."""
        return {"s": time.perf_counter() - self._wall_s, "cpu_s": time.process_time() - self._cpu_s}


FULL = {"ViT-B-32": Size("ViT-B-32", None, 2), "ViT-L-14": Size("ViT-L-14", 20_000, 1)}
QUICK = {"tiny": Size("tiny", 1000, 3)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interrogation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny model: does it run")
    parser.add_argument("--sizes", default=",".join(FULL), help="architectures, between commas")
    parser.add_argument("--flavors", type=int, help="only so many of its flavors")
    parser.add_argument("--steps", type=int, help="steps of its search that are timed")
    parser.add_argument("--runtime", default="auto", help="of ours: auto, onnxruntime, openvino, torch")
    options = parser.parse_args(arguments)
    sizes = list(QUICK.values()) if options.quick else [FULL[name] for name in options.sizes.split(",")]
    document: Figures = {"machine": machine_facts(), "quick": options.quick}
    for size in sizes:
        size = replace(
            size,
            flavors=options.flavors or size.flavors,
            steps=options.steps or size.steps,
            runtime=options.runtime,
        )
        with tempfile.TemporaryDirectory() as place:
            document[size.model] = compare(size, Path(place))
        show(f"{size.model}: a prompt in mode best", document[size.model])
    print(json.dumps(rounded(document)))


def compare(size: Size, folder: Path) -> Figures:
    """Run both, one after the other, on one model."""
    in_fresh_process(write_model, size, folder)
    prepared = in_fresh_process(prepare, size, folder)
    ours = in_fresh_process(run_ours, size, folder)
    theirs = in_fresh_process(run_theirs, size, folder, ours)
    compared = ours["compatible"].pop("scored")
    whole_s = theirs["fixed_s"] + compared * theirs["s_per_prompt"]
    whole_cpu_s = theirs["fixed_cpu_s"] + compared * theirs["cpu_s_per_prompt"]
    cosines = theirs.pop("cosines")
    return {
        "terms": prepared.pop("terms"),
        "ours": {**prepared, **{name: each for name, each in ours.items() if not isinstance(each, dict)}},
        **{
            f"ours {name}": {
                **each,
                "cosine": cosines[name],
                "times_as_fast": whole_s / each["s"],
                "times_as_fast_by_cpu_s": whole_cpu_s / each["cpu_s"],
            }
            for name, each in ours.items()
            if isinstance(each, dict) and name != "compatible"
        },
        "clip-interrogator": {
            **theirs,
            "prompts_in_all": compared,
            "s_reckoned": whole_s,
            "cpu_s_reckoned": whole_cpu_s,
            "cosine": cosines["compatible"],
        },
        "memory_ratio": ours["peak_mb"] / theirs["peak_mb"],
    }


def write_model(size: Size, folder: Path) -> None:
    """Draw weights and lay them out as open_clip does."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    config = TINY if size.model == "tiny" else open_clip.get_model_config(size.model)
    model = open_clip.CLIP(**config)
    save_file(
        {name: each.contiguous() for name, each in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    preprocess = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic"}
    described = {"model_cfg": config, "preprocess_cfg": {**preprocess, "resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(described), encoding="utf-8")


def prepare(size: Size, folder: Path) -> Figures:
    """Compile the model, encode the terms once, and write the vectors as the other tool keeps them."""
    compiled_s = seconds(lambda: _encoder(size, folder))
    encoder, tables = _encoder(size, folder), _tables(size)
    encode_s = seconds(lambda: build_vocabulary(encoder, tables, cache_dir=folder / "banks"))
    vocabulary = build_vocabulary(encoder, tables, cache_dir=folder / "banks")
    _write_their_tables(tables, folder / "data")
    for kind, table in raw_tables(vocabulary, PromptScorer(encoder)).items():
        _write_their_cache(table.terms, table.vectors, folder / "cache", NAMES.get(kind, kind))
    return {
        "terms": sum(len(bank.terms) for bank in vocabulary.banks.values()),
        "first_load_s": compiled_s,
        "encode_all_terms_once_s": encode_s,
    }


def run_ours(size: Size, folder: Path) -> dict[str, Any]:
    """Load with cached banks, and find a prompt in every way."""
    started_s = time.perf_counter()
    encoder = _encoder(size, folder)
    loaded_s = time.perf_counter()
    vocabulary = build_vocabulary(encoder, _tables(size), cache_dir=folder / "banks")
    ready_s = time.perf_counter()
    found: dict[str, Any] = {"load_model_s": loaded_s - started_s, "start_up_with_cached_banks_s": ready_s - loaded_s}
    vector = encoder.encode_images([_picture()])
    plans = {"exact": Plan(), "lazy": Plan(search="lazy")}
    for name, plan in plans.items():
        began = Clock()
        [prompt] = interrogate(encoder, vocabulary, vector, [CAPTION], plan)
        found[name] = {**began.taken(), "prompts_compared": prompt.scored, "prompt": prompt.text}
    found["peak_mb"] = peak_mb()
    [prompt] = interrogate(encoder, vocabulary, vector, [CAPTION], Plan(compatible=True))
    found["compatible"] = {"prompt": prompt.text, "scored": prompt.scored}
    return found


def run_theirs(size: Size, folder: Path, ours: dict[str, Any]) -> dict[str, Any]:
    """Start with cached vectors, time some steps, and compare everybody's prompts with the picture."""
    import warnings

    warnings.simplefilter("ignore")
    import open_clip
    from clip_interrogator import Config, Interrogator

    steps: list[dict[str, float]] = []

    class Timed(Interrogator):  # type: ignore[misc,no-any-unimported,unused-ignore]
        """Its search, with a clock at every step."""

        def rank_top(self, image_features: Any, text_array: list[str], reverse: bool = False) -> Any:  # noqa: ANN401,FBT001,FBT002
            began = Clock()
            best = super().rank_top(image_features, text_array, reverse=reverse)
            steps.append({**began.taken(), "prompts": len(text_array)})
            return best

    started_s = time.perf_counter()
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    loaded_s = time.perf_counter()
    config = Config(
        caption_model_name=None,
        clip_model_name="ViT-B-32/given",  # names the tokenizer, which all of them share
        cache_path=str(folder / "cache"),
        download_cache=False,
        data_path=str(folder / "data"),
        device="cpu",
        quiet=True,
    )
    config.clip_model, config.clip_preprocess = model.eval(), preprocess
    other = Timed(config)
    ready_s = time.perf_counter()
    picture = _picture()
    limits = {} if size.steps is None else {"min_flavors": size.steps, "max_flavors": size.steps}
    began = Clock()
    text = other.interrogate(picture, caption=CAPTION, **limits)
    whole, peak = began.taken(), peak_mb()
    in_steps = {name: sum(each[name] for each in steps) for name in ("s", "cpu_s", "prompts")}
    features = other.image_to_features(picture)
    names = ("exact", "lazy", "compatible")
    return {
        "load_model_s": loaded_s - started_s,
        "start_up_with_cached_tables_s": ready_s - loaded_s,
        "steps_timed": len(steps),
        "timed_s": whole["s"],
        **{f"fixed_{name}": whole[name] - in_steps[name] for name in ("s", "cpu_s")},
        **{f"{name}_per_prompt": in_steps[name] / in_steps["prompts"] for name in ("s", "cpu_s")},
        "peak_mb": peak,
        "same_prompt_as_our_compatible_plan": size.steps is not None or text == ours["compatible"]["prompt"],
        "cosines": {name: other.similarity(features, ours[name]["prompt"]) for name in names},
    }


def _encoder(size: Size, folder: Path) -> Any:  # noqa: ANN401
    return load_encoder(str(folder), runtime=size.runtime, device="cpu", cache=folder / "compiled")


def _tables(size: Size) -> Tables:
    tables = load_tables("clip-interrogator")
    return tables if size.flavors is None else replace(tables, flavors=tables.flavors[: size.flavors])


def _picture() -> Image:
    return next(iter(draw_catalogue(1))).picture.convert("RGB")


def _write_their_tables(tables: Tables, folder: Path) -> None:
    folder.mkdir()
    for name in ("artists", "flavors", "mediums", "movements", "negative"):
        (folder / f"{name}.txt").write_text("\n".join(getattr(tables, name)), encoding="utf-8")


def _write_their_cache(terms: Sequence[str], vectors: np.ndarray, folder: Path, name: str) -> None:
    """Write m terms' (m, dim) vectors in its format: half precision, and the hash of the terms."""
    from safetensors.numpy import save_file

    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256(",".join(terms).encode()).hexdigest()
    codes = np.array([ord(each) for each in digest], dtype=np.int8)
    tensors: dict[str, np.ndarray] = {"embeds": vectors.astype(np.float16), "hash": codes}
    save_file(tensors, folder / f"ViT-B-32_given_{name}.safetensors")


if __name__ == "__main__":
    main()
