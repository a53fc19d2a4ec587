"""One pass over generated pictures into parquet shards (tags, vectors): speed beside its bound, memory, and kills."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.plan import Figures, Plan
from benchmarks.timing import in_fresh_process, peak_mb
from catalens.catalogue.sources import Entry, Item, open_source
from catalens.core.types import Outcome
from catalens.pipelines.engine import run_job
from catalens.pipelines.enrich_plan import EnrichPlan
from catalens.pipelines.enriching import Enrichment
from catalens.pipelines.prefetch import map_ahead, read_item
from catalens.pipelines.session import Session, SessionConfig

_SMALLER = 10
"""The memory of a run is compared with that of a run of a tenth of the pictures."""
WORK: dict[str, dict[str, str]] = {"tags": {}, "vectors": {}}
"""What each picture is asked for."""


def measure(plan: Plan) -> Figures:
    """Measure speed and memory in processes of their own, then kill runs at random moments."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw(folder / "photos", plan.enrich_pictures)
        figures: Figures = {"pictures": plan.enrich_pictures, "picture_wh": "96x128"}
        figures |= in_fresh_process(speed, folder, plan.model)
        small = in_fresh_process(_run, folder, "small", plan.model, plan.enrich_pictures // _SMALLER)
        whole = in_fresh_process(_run, folder, "whole", plan.model, None)
        figures |= {
            "end_to_end_pictures_per_s": whole["pictures_per_s"],
            "of_the_bound": whole["pictures_per_s"] / figures["bound_pictures_per_s"],
            "peak_mb": whole["peak_mb"],
            "peak_of_a_tenth_mb": small["peak_mb"],
            "peak_ratio": whole["peak_mb"] / small["peak_mb"],
            "rows": _rows(folder / "whole"),
        }
        return figures | _kills(folder, plan, whole["seconds"])


def draw(folder: Path, n: int) -> None:
    """Write n small JPEG files of smooth random colours."""
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(0)
    for number in range(n):
        colours = Image.fromarray(numbers.integers(0, 256, (4, 3, 3), dtype=np.uint8))
        colours.resize((96, 128), Image.Resampling.BICUBIC).save(folder / f"{number:07}.jpg", quality=85)


def speed(folder: Path, model: str) -> Figures:
    """Measure decoding and the model by themselves, each with every core, on a folder's `photos`."""
    with Session(SessionConfig(encoder=model)) as session:
        items = [entry for entry in open_source(folder / "photos") if isinstance(entry, Item)][:1_000]
        stages = EnrichPlan(do=WORK).stages()
        size_wh = session.encoder().input_size_wh
        started_s = time.perf_counter()
        chunks = [items[at : at + 4] for at in range(0, len(items), 4)]
        read = map_ahead(
            lambda chunk: [read_item(item, size_wh) for item in chunk],
            chunks,
            workers=session.workers,
            ahead=lambda: 16,
        )
        images = [image for some in read for image in some]
        decoding = len(items) / (time.perf_counter() - started_s)
        assert not any(isinstance(image, Outcome) for image in images)
        decoded: list[Entry] = [
            Item(item.id, image, item.source)  # type: ignore[arg-type] # decoded, as asserted
            for item, image in zip(items, images, strict=True)
        ]
        run_job(decoded[:64], stages, session=session)  # loads models, encodes labels
        started_s = time.perf_counter()
        run_job(decoded, stages, session=session)
        model_rate = len(items) / (time.perf_counter() - started_s)
    return {
        "decoding_pictures_per_s": decoding,
        "model_pictures_per_s": model_rate,
        "bound_pictures_per_s": 1 / (1 / decoding + 1 / model_rate),
    }


def _run(folder: Path, name: str, model: str, limit: int | None) -> Figures:
    plan = EnrichPlan(sources=(str(folder / "photos"),), do=WORK, output=str(folder / name), limit=limit)
    with Session(SessionConfig(encoder=model)) as session:
        with Enrichment(EnrichPlan(sources=plan.sources, do=WORK, limit=64), session, dry_run=True) as warm_up:
            warm_up.run()  # loading is the same for any number of pictures
        started_s = time.perf_counter()
        with Enrichment(plan, session) as enrichment:
            report = enrichment.run()
        elapsed_s = time.perf_counter() - started_s
    return {"pictures_per_s": report.done / elapsed_s, "seconds": elapsed_s, "peak_mb": peak_mb()}


def _kills(folder: Path, plan: Plan, whole_s: float) -> Figures:
    """Kill runs at random moments until one ends, and compare the rows with those of a run that was left alone."""
    moments, kills = random.Random(0), 0
    context = multiprocessing.get_context("spawn")
    for _ in range(plan.enrich_kills):
        run = context.Process(target=_run, args=(folder, "killed", plan.model, None))
        run.start()
        while run.is_alive() and not (folder / "killed").exists():
            time.sleep(0.01)
        run.join(moments.uniform(0, whole_s / max(1, plan.enrich_kills)))
        if run.exitcode is None:
            run.kill()
            kills += 1
        run.join()
    in_fresh_process(_run, folder, "killed", plan.model, None)
    same = _ids(folder / "killed") == _ids(folder / "whole")
    return {"kills": kills, "rows_after_kills": _rows(folder / "killed"), "same_items_after_kills": same}


def _ids(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    shards: Iterable[Path] = sorted(folder.glob("part-*.parquet"))
    return [id for shard in shards for id in pq.read_table(shard, columns=["id"]).column(0).to_pylist()]


def _rows(folder: Path) -> int:
    return len(_ids(folder))
