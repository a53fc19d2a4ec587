"""`catalens enrich`: many results in one pass, plans as files, reports, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalens.catalogue.opening import open_index
from catalens.render.xmp import read_xmp
from tests.support.ran import Run
from tests.support.shards import rows_of

FAKE = ("--model", "fake")


@pytest.fixture
def pictures(shop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop / "photos", tmp_path / "pictures"))


def report_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def test_one_pass_gives_tags_text_and_vectors(run: Run, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("enrich", shop / "products.csv", "--do", "tags,attributes,vectors", "--output", out, *FAKE)
    text = ("--text", "{title}: {tags}")
    ran = run(*arguments, *text, "--rows-per-shard", 4)
    assert ran.code == 0, ran.err
    assert report_of(ran.out) | {"seconds": 0, "items_per_s": 0, "limited_by": ""} == {
        "done": 6, "skipped": 0, "failed": 0, "items_per_s": 0, "limited_by": "", "seconds": 0, "reasons": {},
    }  # fmt: skip
    rows = rows_of(out)
    assert len(rows) == 6
    assert len(list(out.glob("part-*.parquet"))) == 2
    first = rows[0]
    assert list(first) == ["id", "image", "fields", "attributes", "tags", "vector", "encoder", "text"]
    assert first["text"].startswith(f"{first['fields']['title']}: ")
    assert first["tags"][0]["label"] in first["text"]
    again = run(*arguments, *text, "--rows-per-shard", 4)
    assert (report_of(again.out)["done"], report_of(again.out)["skipped"]) == (0, 6)
    assert len(rows_of(out)) == 6
    other = run(*arguments, "--rows-per-shard", 4)
    assert other.code == 2
    assert "another plan" in other.err


def test_a_bad_picture_is_named_and_the_reasons_are_counted(run: Run, broken: Path) -> None:
    ran = run("enrich", broken, "--do", "vectors", "--output", broken / "out", "--format", "jsonl", *FAKE)
    assert ran.code == 1
    report = report_of(ran.out)
    assert (report["done"], report["failed"]) == (2, 1)
    assert sum(report["reasons"].values()) == 1
    assert "1.png" in ran.err
    assert [row["id"] for row in rows_of(broken / "out")] == ["0.png", "2.png"]


def test_a_printed_plan_repeats_the_command(run: Run, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (
        "enrich",
        shop / "photos",
        "--do",
        "vectors,tags",
        "--output",
        out,
        "--format",
        "csv",
        "--sample",
        "0.9",
    )
    printed = run(*arguments, *FAKE, "--print-config")
    assert printed.code == 0, printed.err
    assert not out.exists()
    plan = tmp_path / "plan.yaml"
    plan.write_text(printed.out)
    assert yaml.safe_load(printed.out)["do"] == {"vectors": {}, "tags": {}}
    assert run("enrich", "--config", plan, "--print-config").out == printed.out
    assert run("enrich", "--config", plan).code == 0
    assert report_of(run(*arguments, *FAKE).out)["done"] == 0, "the same plan, so everything is there"


def test_options_of_work_and_flags_over_the_file(run: Run, shop: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        f"sources: {shop / 'photos'}\ndo:\n  tags: {{labels: [a red dress, a boat], top: 1}}\n"
        f"output: {tmp_path / 'out'}\nformat: jsonl\nmodel: fake\nlimit: 5\n"
    )
    ran = run("enrich", "--config", plan, "--limit", 2)
    assert ran.code == 0, ran.err
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 2
    assert {tag["label"] for row in rows for tag in row["tags"]} <= {"a red dress", "a boat", "unknown"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("do: [tgas]", "did you mean tags"),
        ("do: {tags: {tpo: 3}}", "did you mean top"),
        ("do: {tags: {top: many}}", "should be a integer"),
        ("do: tags\noutptu: x", "did you mean output"),
        ("do: answers", "no questions"),
        ("- tags", "not a mapping"),
        ("do: tags\nformat: xlsx", "use one of parquet"),
        ("do: tags\nsample: 2", "share"),
        ("output: x", "nothing to do"),
    ],
)
def test_what_a_plan_says_wrongly_is_named(run: Run, shop: Path, tmp_path: Path, text: str, message: str) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(text)
    ran = run("enrich", shop / "photos", "--config", plan, "--print-config")
    assert ran.code == 2
    assert message in ran.err


def test_nowhere_to_go_is_refused(run: Run, shop: Path) -> None:
    ran = run("enrich", shop / "photos", "--do", "tags", *FAKE)
    assert ran.code == 2
    assert "--output" in ran.err


def test_xmp_and_text_files(run: Run, pictures: Path) -> None:
    names = sorted(path.stem for path in pictures.iterdir())
    ran = run("enrich", pictures, "--do", "tags", "--text", "{name}", "--xmp", "--sidecar", ".txt", *FAKE)
    assert ran.code == 0, ran.err
    for name in names:
        words = read_xmp((pictures / f"{name}.xmp").read_bytes())
        assert words.description == name
        assert words.keywords
        assert (pictures / f"{name}.txt").read_text() == f"{name}\n"
    assert report_of(run("enrich", pictures, "--do", "tags", "--text", "{name}", "--xmp", *FAKE).out)["skipped"] == 6


def test_an_index_holds_tags_as_fields(run: Run, shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "shop.catalens"
    arguments = ("enrich", shop / "products.csv", "--do", "tags", "--index", path, *FAKE)
    ran = run(*arguments)
    assert ran.code == 0, ran.err
    with open_index(path, read_only=True) as index:
        records = list(index.records())
    assert len(records) == 6
    assert all(record.fields["tags"] and record.fields["title"] for record in records)
    assert report_of(run(*arguments).out)["skipped"] == 6
    more = run("enrich", shop / "products.csv", "--do", "tags,attributes", "--index", path, *FAKE)
    assert report_of(more.out)["done"] == 6, "another plan fills it anew"
    with open_index(path, read_only=True) as index:
        assert len(index) == 6


def test_a_table_by_its_name(run: Run, shop: Path, tmp_path: Path) -> None:
    ran = run("enrich", shop / "photos", "--do", "vectors,tags", "--output", tmp_path / "all.jsonl", *FAKE)
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    assert {"image", "id", "tags", "vector"} <= set(rows[0]) | {"image"}


def test_a_dry_run_estimates_and_writes_nothing(run: Run, shop: Path, tmp_path: Path) -> None:
    ran = run("enrich", shop / "photos", "--do", "tags", "--output", tmp_path / "out", "--dry-run", *FAKE)
    assert ran.code == 0, ran.err
    estimate = report_of(ran.out)
    assert (estimate["pictures"], estimate["held"], estimate["failed"]) == (6, 0, 0)
    assert estimate["seconds"] >= 0
    assert estimate["memory_mb"] > 100
    assert not (tmp_path / "out").exists()


def test_a_memory_limit_is_kept_or_refused_before_work(run: Run, shop: Path, tmp_path: Path) -> None:
    arguments = ("enrich", shop / "photos", "--do", "tags,vectors", "--output", tmp_path / "out")
    refused = run(*arguments, "--memory-limit", "100MB")
    assert refused.code == 2
    assert "more than the memory limit" in refused.err
    large = run(*arguments, "--model", "ViT-L-14/openai", "--memory-limit", "2GB")
    assert large.code == 2
    assert not (tmp_path / "out").exists()
    kept = run(*arguments, *FAKE, "--memory-limit", "1GB")
    assert kept.code == 0, kept.err
    assert len(rows_of(tmp_path / "out")) == 6
