"""The doctor: what it finds in environments that are broken in one way each."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from catalens.models import processor
from catalens.models.registry import SHIPPED, shipped
from catalens.pipelines.doctor import diagnose, extras, libraries, machine, storage
from catalens.pipelines.doctor.advice import advise
from catalens.pipelines.doctor.extras import Extra
from catalens.pipelines.doctor.libraries import Library, probe
from catalens.pipelines.doctor.machine import Machine
from tests.support.ran import Run

ROOT = Path(__file__).parents[2]
_STARTER = pytest.mark.skipif(
    not (shipped("starter") / "bundle.json").is_file(), reason="the starter is not trained yet: make starter"
)


def plant(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module of that name before the real one, for child processes."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def a_machine(**changes: object) -> Machine:
    facts: dict[str, object] = {
        "python": "CPython 3.11.7",
        "system": "Linux 6.1 x86_64",
        "processor": "some",
        "cores": 8,
        "usable_cores": 8,
        "memory_mb": 16_000,
        "instructions": ["avx2", "avx512_vnni", "avx512_bf16"],
        "accelerators": [],
        "thread_limits": {},
    }
    return Machine(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise OSError('libgomp.so.1: cannot open shared object file')", "libgomp.so.1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "signal 4"),
        ("import sys; sys.exit('no licence')", "exit code 1: no licence"),
        ("import no_such_module_at_all", "no_such_module_at_all"),
    ],
    ids=["missing library", "illegal instruction", "exit", "missing module"],
)
def test_a_library_that_breaks_is_named_and_the_others_are_still_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    plant(tmp_path / "lib", "numkong", code, monkeypatch)
    before, broken, after = probe(["numpy", "numkong", "yaml"])
    assert (before.error, after.error) == (None, None)
    assert before.version is not None
    assert after.version is not None
    assert reason in str(broken.error)
    [finding] = advise(a_machine(), [before, broken, after, Library("openvino", "2026")], [Extra("", "", ())], [], [])
    assert (finding.level, "numkong" in finding.about, "pip install" in finding.cure) == ("error", True, True)


@pytest.mark.slow
def test_a_library_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "lib", "numkong", "import time; time.sleep(60)", monkeypatch)
    monkeypatch.setattr(libraries, "TIMEOUT_S", 3.0)
    broken, after = probe(["numkong", "yaml"])
    assert "more than 3 s" in str(broken.error)
    assert after.error is None


def test_what_a_library_prints_is_not_taken_for_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "lib", "numkong", 'print(\'{"name": "evil"}\')', monkeypatch)
    [found] = probe(["numkong"])
    assert found.name == "numkong"


def test_optional_libraries_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    assert probe(["openvino"]) == []


@_STARTER
def test_a_damaged_bundled_model_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHIPPED:
        shutil.copytree(shipped(name), tmp_path / name)
    monkeypatch.setattr(storage, "shipped", lambda name: tmp_path / name)
    assert [each.wrong for each in storage.check_bundles()] == [(), ()]
    graph = tmp_path / "starter" / "text.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    (tmp_path / "starter" / "reader" / "tokenizer.json").unlink()
    (tmp_path / "everyday" / "bundle.json").write_text("{", encoding="utf-8")
    starter, everyday = storage.check_bundles()
    assert starter.wrong == ("text.onnx: its SHA-256 differs", "tokenizer.json: no such file or directory")
    assert everyday.wrong == ("bundle.json: it cannot be read",)
    found = diagnose(tmp_path / "cache")
    assert not found.works
    assert [each.level for each in found.findings][:2] == ["error", "error"]


def test_a_cache_that_cannot_be_written_is_slow_and_says_how_to_move_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    cache = storage.find_caches(tmp_path / "file" / "below")[0]
    assert cache.problem == f"{tmp_path / 'file'} is not a folder"
    [finding] = advise(a_machine(), [Library("openvino", "2026")], [Extra("", "", ())], [], [cache])
    assert (finding.level, "CATALENS_CACHE" in finding.cure) == ("slow", True)


def test_the_size_of_a_cache_counts_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "weights").write_bytes(b"0" * 2_000_000)
    (tmp_path / "link").symlink_to(tmp_path / "blobs" / "weights")
    (tmp_path / "round").symlink_to(tmp_path)
    assert storage.find_caches(tmp_path)[0].size_mb == 2.0


def test_extras_are_judged_by_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["numpy>=1.26", 'catalens[b]; extra == "a"', 'pillow>=999; extra == "b"', 'no-such-thing>=1; extra == "a"']
    monkeypatch.setattr(extras, "requires", lambda name: needs)
    monkeypatch.setattr(extras, "_names", lambda: ["a", "b", "dev"])
    base, a, b = extras.find_extras()
    assert (base.missing, b.install) == ([], 'pip install "catalens[b]"')
    [old] = b.missing
    assert old.startswith("pillow>=999 (")
    assert old.endswith("is installed)")
    assert a.missing == [old, "no-such-thing>=1 (not installed)"]
    # What is merely not installed is no problems found; what is too old is.
    found = advise(a_machine(), [Library("openvino", "2026")], [base, a], [], [])
    assert [(each.level, "no-such-thing" in each.about) for each in found] == [("warning", False)]


def test_damaged_metadata_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "requires", lambda name: ["pillow>=10"])
    monkeypatch.setattr(extras, "_names", list)
    monkeypatch.setattr(extras, "version", lambda name: None)
    assert extras.find_extras()[0].missing == ["pillow>=10 (its metadata is damaged)"]


def test_every_extra_has_a_purpose() -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {*extras.PURPOSES} - {""} == {*declared} - {*extras.DEVELOPERS}


@pytest.mark.parametrize(
    ("changes", "libraries_", "words"),
    [
        ({"usable_cores": 2}, [], "2 of the machine's 8 cores"),
        ({"thread_limits": {"OMP_NUM_THREADS": "1"}}, [], "OMP_NUM_THREADS=1"),
        ({"instructions": ["sse4_2", "avx512_vnni", "avx512_bf16"]}, [], "no AVX2"),
        ({"instructions": ["avx2", "avx512_vnni"]}, [], "no bfloat16"),
        ({"instructions": ["avx2", "avx512_bf16"]}, [], "no 8-bit dot products"),
        ({}, [Library("PIL", "11", facts={"libjpeg_turbo": False})], "libjpeg-turbo"),
        ({"accelerators": ["NVIDIA L4"]}, [Library("torch", "2.9+cpu", facts={"devices": []})], "torch 2.9+cpu uses"),
    ],
)
def test_what_makes_it_slow_is_said_with_the_reason(
    changes: dict[str, object], libraries_: list[Library], words: str
) -> None:
    known = [Library("openvino", "2026"), *libraries_]
    [finding] = advise(a_machine(**changes), known, [Extra("", "", ())], [], [])
    assert finding.level == "slow"
    assert words in finding.about


def test_a_machine_that_lacks_nothing_needs_nothing() -> None:
    assert advise(a_machine(), [Library("openvino", "2026")], [Extra("", "", ())], [], []) == []


def test_the_processor_is_read_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "model name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 avx512_vnni\n\nmodel name\t: another\nflags: amx_int8\n"
    (tmp_path / "cpuinfo").write_text(told, encoding="utf-8")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert processor.processor_name() == "Some CPU @ 2 GHz"
    assert processor.instruction_sets() == ("avx2", "avx512_vnni")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    assert processor.instruction_sets() is None


def test_accelerators_come_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA L4\nIRQ: 1\n", encoding="ascii")
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path)
    monkeypatch.setattr(machine, "_AMD", tmp_path / "none")
    openvino = Library("openvino", "2026", facts={"devices": ["CPU", "NPU"]})
    assert machine.find_machine([openvino]).accelerators[:2] == ["NVIDIA L4", "NPU (OpenVINO)"]


def test_measured_runtimes_are_told_and_spoiled_records_are_not(tmp_path: Path) -> None:
    (tmp_path / "runtimes").mkdir()
    kept = {"runtime": "openvino", "graph": "image.onnx", "ms": {"openvino": 1.234, "onnxruntime": 2.0}}
    (tmp_path / "runtimes" / "a.json").write_text(json.dumps(kept), encoding="utf-8")
    (tmp_path / "runtimes" / "b.json").write_text("{}", encoding="utf-8")
    (tmp_path / "runtimes" / "c.json").write_text("[", encoding="utf-8")
    [found] = storage.measured_runtimes(tmp_path)
    assert (found.graph, found.fastest, found.ms) == ("image.onnx", "openvino", {"openvino": 1.23, "onnxruntime": 2.0})


@_STARTER
def test_the_command_tells_all_and_loads_nothing_large(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "transformers"):
        # Put back afterwards: torch cannot be imported twice, and later tests use it.
        monkeypatch.delitem(sys.modules, name, raising=False)
    ran = run("doctor", "--json")
    assert "torch" not in sys.modules
    [found] = ran.rows
    assert {each["name"] for each in found["libraries"]} >= {*libraries.BASE}
    assert not {each["name"] for each in found["libraries"]} & {*libraries.HEAVY}
    assert [each["name"] for each in found["bundles"]] == [*SHIPPED]
    assert found["works"] is (ran.code == 0)


@_STARTER
def test_the_command_ends_with_3_where_the_models_cannot_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "lib", "onnxruntime", "raise ImportError('DLL load failed')", monkeypatch)
    ran = run("doctor", "--json")
    assert ran.code == 3
    assert ran.rows[0]["findings"][0]["about"] == "onnxruntime cannot be imported: ImportError: DLL load failed"
