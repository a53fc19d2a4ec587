"""The benchmarks run, and are right in what they say besides time; how fast things are is no test's business."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import images, labels, peers, startup
from benchmarks.__main__ import main, rounded, show
from benchmarks.machine import machine_facts
from benchmarks.plan import QUICK
from benchmarks.products import Space, label_texts, records
from benchmarks.timing import in_turns, queries_in_turns, spread
from catalens.core.vectors import unit_rows
from tests.support.tiny import tiny_bundle


def test_a_measurement_runs_and_becomes_json_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    figures = rounded(labels.measure(dataclasses.replace(QUICK, rounds=1, labels=600)))
    assert json.loads(json.dumps(figures)) == figures
    assert (figures["labels"], figures["recall_at_10"]) == (600, 1.0)
    show("labels", figures | {"beside": {"p50_ms": 1234.5}})
    captured = capsys.readouterr()
    assert not captured.out
    assert "beside: p50_ms" in captured.err


def test_pictures_go_from_files_into_an_index(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "tiny")
    plan = dataclasses.replace(QUICK, rounds=1, pictures=3, large_pictures=2, model=str(bundle), data=tmp_path)
    figures = images.measure(plan)
    assert figures["small"]["files"] == "drawn products of 150x200"
    for kind in ("small", "large"):
        speed = figures[kind]
        slower = min(speed["decoding_images_per_s"], speed["model_images_per_s"])
        assert speed["end_to_end_images_per_s"] == pytest.approx(speed["of_the_slower_stage"] * slower)
    assert figures["model on onnxruntime"]["least_cosine_to_onnxruntime"] == pytest.approx(1)


def test_machine_facts_name_no_host_and_no_folder() -> None:
    text = json.dumps(machine_facts())
    assert str(Path.cwd()) not in text
    assert platform.node() not in text
    assert {"processor", "cores", "versions", "load_before"} <= json.loads(text).keys()


def test_contestants_take_turns_and_the_order_is_turned_round() -> None:
    seen: list[str] = []
    in_turns({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, rounds=2)
    assert "".join(seen) == "ab" + "ab" + "ba"


@pytest.mark.parametrize(("budget_s", "rounds"), [(0.0, 1), (1.2, 2), (60.0, 9)])
def test_a_slow_machine_has_fewer_rounds(monkeypatch: pytest.MonkeyPatch, budget_s: float, rounds: int) -> None:
    clock = itertools.count()
    monkeypatch.setattr("benchmarks.timing.time.perf_counter", lambda: next(clock) / 2)  # the warm-up takes 0.5 s
    runs = 0

    def work() -> None:
        nonlocal runs
        runs += 1

    in_turns({"a": work}, 9, budget_s)
    assert runs == 1 + rounds


def test_everybody_is_asked_every_query_once_after_the_warm_up() -> None:
    seen: list[int] = []
    taken = queries_in_turns({"one": seen.append, "two": lambda _: None}, list(range(10)), rounds=3)
    assert seen[0] == 0
    assert sorted(seen[1:]) == list(range(10))
    assert {name: len(each) for name, each in taken.items()} == {"one": 10, "two": 10}


def test_spread_is_median_and_high_percentile_in_milliseconds() -> None:
    assert spread([at / 1000 for at in range(1, 102)]) == pytest.approx({"p50_ms": 51, "p99_ms": 101})


def test_made_up_vectors_lie_as_real_ones_do() -> None:
    space = Space()
    products = next(space.blocks(1500))
    assert np.allclose(np.linalg.norm(products, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(products.mean(axis=0)) == pytest.approx(0.44, abs=0.06)
    cosines = np.sort(products @ products.T, axis=1)
    assert np.median(cosines[:, -2]) == pytest.approx(0.94, abs=0.03)
    assert np.median(cosines[:, -11]) == pytest.approx(0.82, abs=0.03)
    assert np.median((space.text_queries(200) @ products.T).max(axis=1)) == pytest.approx(0.73, abs=0.03)
    assert not (space.picture_queries(20) @ products.T > 0.99999).any()


def test_made_up_words_differ() -> None:
    assert len(set(label_texts(5000))) == 5000
    assert [record.id for record in records(20, 3)] == ["20", "21", "22"]


def test_a_peer_that_is_not_installed_is_none_and_usearch_finds_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(*_: object) -> peers.Peer:
        raise ImportError("nowhere")

    for name in ("faiss_flat_ip_float32", "lancedb_exact"):
        monkeypatch.setitem(peers.PEERS, name, absent)
    vectors = unit_rows(np.random.default_rng(0).standard_normal((40, 16)))
    loaded = peers.load_peers(vectors, ["red"] * 40, tmp_path)
    assert loaded["faiss_flat_ip_float32"] is None
    usearch = loaded["usearch_exact_float16"]
    assert usearch is not None
    assert usearch.ask(vectors[7])[0] == 7


def test_an_unknown_subject_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "images,nonsense"])
    assert "'nonsense'; there are: startup, images" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a process starts with nothing held")
def test_a_command_does_not_seem_as_large_as_what_measures_it() -> None:
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert 1 < startup._run(["-c", "pass"], dict(os.environ))["peak_mb"] < 100
    with pytest.raises(RuntimeError, match="failed: no such thing"):
        startup._run(["-c", "raise SystemExit('no such thing')"], dict(os.environ))
