"""The cut-off on a drawn catalogue: a large class, a small one, and queries that mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalens.catalogue.cutoff import Cutoff, Judged, background_of, learn_cutoff, read_cutoff, write_cutoff
from catalens.catalogue.memory import MemoryIndex
from catalens.core.errors import InputError
from catalens.core.types import Record, Vectors
from catalens.core.vectors import unit_rows

DIM = 64
SIZES = {"tshirt": 160, "dress": 60, "boot": 30, "sandal": 12, "crown": 4}
FILLERS = 734


def axis(at: int) -> Vectors:
    return np.asarray(np.eye(DIM)[at], dtype=np.float32)


def rows(n: int, centre: Vectors, rng: np.random.Generator) -> Vectors:
    """Pictures of one thing: what all pictures share, the thing, and the rest."""
    noise = unit_rows(rng.standard_normal((n, DIM)))
    return unit_rows(axis(0) + 0.8 * centre + 0.6 * noise)


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    rng = np.random.default_rng(0)
    index = MemoryIndex("enc", DIM)
    for at, (name, size) in enumerate(SIZES.items(), start=2):
        index.add([Record(f"{name}-{one}", "") for one in range(size)], rows(size, axis(at), rng))
    index.add([Record(f"filler-{one}", "") for one in range(FILLERS)], rows(FILLERS, axis(20), rng))
    return index


def asked(name: str, rng: np.random.Generator, *, as_picture: bool) -> Judged:
    at = 2 + list(SIZES).index(name)
    # Texts share something else than pictures do, so their cosines lie lower.
    shared = axis(0) if as_picture else 0.2 * axis(0) + axis(1)
    vector = unit_rows((shared + 0.8 * axis(at) + 0.3 * unit_rows(rng.standard_normal((1, DIM)))[0])[None])[0]
    return Judged(vector, frozenset(f"{name}-{one}" for one in range(SIZES[name])))


def nonsense(rng: np.random.Generator) -> Judged:
    noise = unit_rows(rng.standard_normal((1, DIM)))[0]
    noise[2:25] = 0
    return Judged(unit_rows((0.2 * axis(0) + axis(1) + 0.8 * noise)[None])[0], frozenset())


def queries(seed: int) -> list[Judged]:
    rng = np.random.default_rng(seed)
    real = [asked(name, rng, as_picture=as_picture) for name in SIZES for as_picture in (True, False)]
    return real + [nonsense(rng) for _ in range(5)]


def found(index: MemoryIndex, judged: Judged, cutoff: Cutoff) -> set[str]:
    floor = cutoff.floor(index.scores(judged.vector))
    return {hit.record.id for hit in index.query(judged.vector[None], len(index), min_score=floor)[0]}


def test_one_learned_cutoff_serves_large_and_small_classes_texts_pictures_and_nonsense(index: MemoryIndex) -> None:
    cutoff = learn_cutoff(index, queries(seed=1))
    for judged in queries(seed=2):
        got = found(index, judged, cutoff)
        right = len(got & judged.relevant)
        if judged.relevant:
            assert 2 * right / (len(got) + len(judged.relevant)) > 0.9
        else:
            assert got == set()


def test_it_is_the_best_of_the_grid(index: MemoryIndex) -> None:
    judged = queries(seed=1)

    def mean_f1(cutoff: Cutoff) -> float:
        total = 0.0
        for one in judged:
            got = found(index, one, cutoff)
            size = len(got) + len(one.relevant)
            total += 2 * len(got & one.relevant) / size if size else 1.0
        return total / len(judged)

    learned = mean_f1(learn_cutoff(index, judged))
    others = [Cutoff(lift, deviations) for lift in (0.0, 0.1, 0.3, 0.5) for deviations in (0.0, 2.0, 4.0, 8.0)]
    assert learned >= max(mean_f1(other) for other in others)


def test_the_background_is_blind_to_a_fifth_of_relevant_records() -> None:
    background = np.random.default_rng(0).normal(0.2, 0.05, 10_000).astype(np.float32)
    centre, deviation = background_of(np.concatenate([background, np.full(2_000, 0.9, dtype=np.float32)]))
    assert centre == pytest.approx(0.2, abs=0.02)
    assert deviation == pytest.approx(0.05, abs=0.01)


def test_of_a_handful_nothing_is_cut_off() -> None:
    assert Cutoff(lift=0.5, deviations=5.0).floor(np.zeros(10, dtype=np.float32)) == -1.0


def test_learning_needs_queries_and_a_catalogue(index: MemoryIndex) -> None:
    with pytest.raises(InputError, match="no judged queries"):
        learn_cutoff(index, [])
    with pytest.raises(InputError, match="too small"):
        learn_cutoff(MemoryIndex("enc", DIM), queries(seed=1))


def test_a_cutoff_survives_its_file(tmp_path: Path) -> None:
    write_cutoff(tmp_path / "c.json", Cutoff(0.12, 2.5))
    assert read_cutoff(tmp_path / "c.json") == Cutoff(0.12, 2.5)
    for wrong in ("", "[]", '{"lift": 1}', '{"lift": "x", "deviations": 1}'):
        (tmp_path / "wrong.json").write_text(wrong)
        with pytest.raises(InputError, match=r"wrong\.json holds no cut-off"):
            read_cutoff(tmp_path / "wrong.json")
    with pytest.raises(InputError, match="nowhere"):
        read_cutoff(tmp_path / "nowhere.json")
