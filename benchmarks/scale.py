"""Jobs that take longer than one sitting, in pieces: `python -m benchmarks.scale enrich|ray|opensearch --folder DIR`.

Each call does one piece and notes its figures in DIR; the last line is JSON of all pieces so far. What is compared
takes turns within a piece, so that other work on the machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.enrich import WORK, draw, speed
from benchmarks.indexes import DIM, bare_action, bare_index, bare_search, clustered, ids_of, record_at
from benchmarks.machine import machine_facts
from benchmarks.timing import peak_mb
from catalens.catalogue.fusion import hybrid
from catalens.catalogue.opensearch.address import parse_address
from catalens.catalogue.opensearch.index import OpenSearchIndex
from catalens.core.types import Record, Vectors
from catalens.pipelines.enrich_plan import EnrichPlan
from catalens.pipelines.enriching import Enrichment
from catalens.pipelines.events import Callbacks
from catalens.pipelines.session import Session, SessionConfig

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Figures = dict[str, Any]
_BATCH, _TURN, _K, _QUERIES, _EARLY = 500, 2_500, 10, 200, 10_000


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("what", choices=("enrich", "ray", "opensearch"))
    parser.add_argument("--folder", type=Path, required=True, help="for pictures, results and figures")
    parser.add_argument("--items", type=int, default=100_000, help="pictures or records in all")
    parser.add_argument("--piece", type=int, default=25_000, help="of them in this call, at most")
    parser.add_argument("--seconds", type=float, default=400, help="after which `enrich` ends its piece")
    parser.add_argument("--url", default="http://127.0.0.1:9200", help="of the OpenSearch server")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    notes = options.folder / f"{options.what}.json"
    pieces: list[Figures] = json.loads(notes.read_text()) if notes.exists() else []
    step: Callable[[Any, list[Figures]], Figures] = {"enrich": enrich, "ray": ray, "opensearch": opensearch}[
        options.what
    ]
    load = os.getloadavg()[0]
    pieces.append({"load_before": load, **step(options, pieces)})
    notes.write_text(json.dumps(pieces))
    print(json.dumps({"machine": machine_facts(), "pieces": pieces, **_summary(options.what, pieces)}))


class _EnoughError(Exception):
    """Ends a piece."""


def enrich(options: argparse.Namespace, pieces: list[Figures]) -> Figures:
    """Do the next pictures, with the bound measured before and after."""
    photos = options.folder / "photos"
    if not photos.exists():
        draw(photos, options.items)
    held = sum(piece["done"] for piece in pieces)
    before = speed(options.folder, "starter")
    peaks: dict[int, float] = {}
    plan = EnrichPlan(
        sources=(str(photos),),
        do=WORK,
        output=str(options.folder / "shards"),
        limit=min(held + options.piece, options.items),
    )
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if done == _EARLY:
            peaks[_EARLY] = peak_mb()

    def stop(_progress: object) -> None:
        if time.perf_counter() - started_s > options.seconds:
            raise _EnoughError

    with Session(SessionConfig(encoder="starter")) as session:
        warm = EnrichPlan(sources=plan.sources, do=WORK, limit=64)
        with Enrichment(warm, session, dry_run=True) as warm_up:
            warm_up.run()  # loading is the same for any number of pictures
        started_s = time.perf_counter()
        with suppress(_EnoughError), Enrichment(plan, session) as enrichment:
            enrichment.run(Callbacks(on_result=count, on_progress=stop))
        elapsed_s = time.perf_counter() - started_s
    whole_mb = peak_mb()
    after = speed(options.folder, "starter")
    bound = (before["bound_pictures_per_s"] + after["bound_pictures_per_s"]) / 2
    return {
        "done": done,
        "held_before": held,
        "seconds": elapsed_s,
        "pictures_per_s": done / elapsed_s,
        "bound_pictures_per_s": bound,
        "bounds": [before["bound_pictures_per_s"], after["bound_pictures_per_s"]],
        "peak_of_10k_mb": peaks.get(_EARLY),
        "peak_mb": whole_mb,
    }


def ray(options: argparse.Namespace, pieces: list[Figures]) -> Figures:
    """Do the same pictures with one worker and with two, one core each; how long until the first result is start-up."""
    photos = options.folder / "photos"
    if not photos.exists():
        draw(photos, options.items)
    figures: Figures = {"done": options.piece}
    for workers in (1, 2):
        figures[f"workers_{workers}"] = _on_ray(options, photos, workers, len(pieces))
    rates = [figures[f"workers_{workers}"]["pictures_per_s"] for workers in (1, 2)]
    return figures | {"two_beside_one": rates[1] / rates[0]}


def _on_ray(options: argparse.Namespace, photos: Path, workers: int, turn: int) -> Figures:
    times: list[float] = []
    plan = EnrichPlan(
        sources=(str(photos),),
        do=WORK,
        output=str(options.folder / f"ray-{turn}-{workers}"),
        limit=options.piece,
        engine="ray",
        workers=workers,
        model="starter",
    )
    started_s = time.perf_counter()
    with Session(SessionConfig(encoder="starter")) as session, Enrichment(plan, session) as enrichment:
        report = enrichment.run(Callbacks(on_result=lambda *_: times.append(time.perf_counter())))
    late = next(at for at, when in enumerate(times) if when > times[0] + 1)  # from the second batch on
    return {
        "done": report.done,
        "start_up_s": times[0] - started_s,
        "seconds": times[-1] - started_s,
        "pictures_per_s": (len(times) - late) / (times[-1] - times[late - 1]),
    }


def opensearch(options: argparse.Namespace, pieces: list[Figures]) -> Figures:
    """Load the next records through the index and through bare `helpers.bulk`, in turns, then ask both in turns."""
    from opensearchpy import OpenSearch

    vectors, queries = clustered(options.items, _QUERIES)
    start = sum(piece["done"] for piece in pieces)
    end = min(start + options.piece, options.items)
    uri = f"opensearch://{options.url.removeprefix('http://').rstrip('/')}/scale-ours?replicas=0"
    spent = {"ours": 0.0, "bare": 0.0}
    with (
        OpenSearchIndex.open(uri, encoder_name="benchmark", dim=DIM) as index,
        OpenSearch([options.url], timeout=60) as client,
    ):
        if not client.indices.exists(index="scale-bare"):
            bare_index(client, "scale-bare", parse_address(uri).settings)
        with index.loading():
            for at in range(start, end, _TURN):
                turn = range(at, min(at + _TURN, end))
                loads = _loads(index, client, vectors, turn)
                for name in ("ours", "bare") if at // _TURN % 2 else ("bare", "ours"):
                    started_s = time.perf_counter()
                    loads[name]()
                    spent[name] += time.perf_counter() - started_s
        client.indices.refresh(index="scale-bare,scale-ours")
        if end == options.items:
            # A query goes through each segment's graph, and how many there are is chance.
            client.indices.forcemerge(index="scale-bare,scale-ours", max_num_segments=1, request_timeout=600)
            client.indices.refresh(index="scale-bare,scale-ours")  # until then the old segments are searched
        figures: Figures = {"done": end - start, "records": end, "seconds_ours": spent["ours"]}
        figures |= {"seconds_bare": spent["bare"], "ingest_beside_bare": spent["bare"] / spent["ours"]}
        return figures | _asked(index, client, vectors[:end], queries)


def _loads(index: OpenSearchIndex, client: OpenSearch, vectors: Vectors, turn: range) -> dict[str, Callable[[], None]]:
    from opensearchpy import helpers

    records: list[Record] = [record_at(at) for at in turn]

    def ours() -> None:
        for at in range(0, len(records), _BATCH):
            index.add(records[at : at + _BATCH], vectors[turn[at] : turn[at] + len(records[at : at + _BATCH])])

    def bare() -> None:
        actions = (bare_action("scale-bare", record, vectors[at]) for at, record in zip(turn, records, strict=True))
        helpers.bulk(client, actions, chunk_size=_BATCH)

    return {"ours": ours, "bare": bare}


def _asked(index: OpenSearchIndex, client: OpenSearch, vectors: Vectors, queries: Vectors) -> Figures:
    best = np.argpartition(-(queries @ vectors.T), _K, axis=1)[:, :_K]
    times: dict[str, list[float]] = {"ours": [], "bare": [], "hybrid": []}
    right = 0
    for query in queries[:30]:
        ids_of(index, query)
        bare_search(client, "scale-bare", query, 100)
    for query, row in zip(queries, best, strict=True):
        for name, ask in _in_turns(index, client, query):
            started_s = time.perf_counter()
            found = ask()
            times[name].append(1000 * (time.perf_counter() - started_s))
            if name == "ours":
                right += len(found & set(row.tolist()))
    p50 = {name: float(np.median(each)) for name, each in times.items()}
    sizes = client.indices.stats(index="scale-ours,scale-bare", metric="store")["indices"]
    stored = {
        name: sizes[f"scale-{name}"]["primaries"]["store"]["size_in_bytes"] / len(vectors) for name in ("ours", "bare")
    }
    return {
        "bytes_per_record_ours": stored["ours"],
        "bytes_per_record_bare": stored["bare"],
        "p50_ms_hybrid": p50["hybrid"],
        "p50_ms_ours": p50["ours"],
        "p50_ms_bare": p50["bare"],
        "p50_beside_bare": p50["ours"] / p50["bare"],
        "recall@10": right / (len(queries) * _K),
    }


def _in_turns(index: OpenSearchIndex, client: OpenSearch, query: Vectors) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "ours", lambda: ids_of(index, query)
    yield "bare", lambda: bare_search(client, "scale-bare", query, 100)
    yield "hybrid", lambda: hybrid(index, "item 77", query, _K)


def _summary(what: str, pieces: list[Figures]) -> Figures:
    """Return the figures over all pieces."""
    total = {"items": sum(piece["done"] for piece in pieces)}
    if what == "enrich":
        seconds = sum(piece["seconds"] for piece in pieces)
        bound_s = sum(piece["done"] / piece["bound_pictures_per_s"] for piece in pieces)
        early = [piece["peak_of_10k_mb"] for piece in pieces if piece["peak_of_10k_mb"]]
        peak = max(piece["peak_mb"] for piece in pieces)
        ratio = peak / early[0] if early else None
        return total | {"of_the_bound": bound_s / seconds, "peak_mb": peak, "peak_beside_10k": ratio}
    if what == "opensearch":
        ours, bare = (sum(piece[f"seconds_{name}"] for piece in pieces) for name in ("ours", "bare"))
        return total | {"ingest_beside_bare": bare / ours}
    return total


if __name__ == "__main__":
    main()
