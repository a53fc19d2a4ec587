"""Plans: stages in the order in which they need each other, memory predicted, samples and brace ranges."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catalens.core.errors import InputError
from catalens.pipelines.attributes import AttributeStage
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.encoding import EmbedStage
from catalens.pipelines.enrich_plan import WORK, EnrichPlan
from catalens.pipelines.enriching import Enrichment, expand_braces
from catalens.pipelines.memory_plan import predict_memory
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.tagging import TagStage
from tests.support.shards import rows_of


def test_stages_come_once_and_in_order() -> None:
    everything: dict[str, dict[str, Any]] = {name: {} for name in reversed(list(WORK))} | {
        "answers": {"questions": ["what is it?"]}
    }
    names = [stage.name for stage in EnrichPlan(do=everything, text="{caption}").stages()]
    assert names == [
        "template",
        "attributes",
        "tags",
        "captions",
        "answers",
        "prompts",
        "descriptions",
        "vectors",
        "template",
    ]
    described = EnrichPlan(do={"descriptions": {}, "prompts": {}}).stages()
    assert [stage.name for stage in described] == ["captions", "prompts", "attributes", "descriptions"]


def test_memory_is_predicted_from_facts() -> None:
    small = predict_memory([TagStage(), EmbedStage()], SessionConfig())
    assert small.single_mb == small.together_mb, "both use the bundled encoders"
    both = predict_memory([CaptionStage(reader="blip-large"), EmbedStage("ViT-L-14/openai")], SessionConfig())
    assert both.largest == "captions"
    assert both.single_mb < both.together_mb
    middle = int((both.single_mb + both.together_mb) / 2 * 1e6)
    assert both.one_at_a_time(middle)
    assert not both.one_at_a_time(middle * 2)
    with pytest.raises(InputError, match="captions need about"):
        both.one_at_a_time(10**9)
    assert predict_memory([EmbedStage("nobody/knows-this")], SessionConfig()).unknown == ["nobody/knows-this"]
    remote = predict_memory([CaptionStage(reader="openai:http://localhost/v1#m")], SessionConfig())
    assert remote.unknown == []


def test_brace_ranges() -> None:
    assert expand_braces("a-{08..10}-{0..1}.tar")[:3] == ["a-08-0.tar", "a-08-1.tar", "a-09-0.tar"]
    assert expand_braces("{9..11}.tar") == ["9.tar", "10.tar", "11.tar"]
    with pytest.raises(InputError, match="empty"):
        expand_braces("{3..1}.tar")


def test_tar_shards_with_a_brace_range(tmp_path: Path) -> None:
    for shard in range(3):
        with tarfile.open(tmp_path / f"s-{shard:02}.tar", "w") as tar:
            for number in range(2):
                file = io.BytesIO()
                Image.new("RGB", (8, 8), (40 * shard, 90 * number, 0)).save(file, "PNG")
                info = tarfile.TarInfo(f"{number}.png")
                info.size = file.tell()
                tar.addfile(info, io.BytesIO(file.getvalue()))
    plan = EnrichPlan(
        sources=(str(tmp_path / "s-{00..02}.tar"),), do={"vectors": {}}, output=str(tmp_path / "out"), model="fake"
    )
    with Session(SessionConfig(encoder="fake")) as session, Enrichment(plan, session) as enrichment:
        assert enrichment.run().done == 6
    rows = rows_of(tmp_path / "out")
    assert [row["id"] for row in rows] == [f"s-{shard:02}/{number}" for shard in range(3) for number in range(2)]


def test_attributes_are_read_once_for_descriptions() -> None:
    stages = EnrichPlan(do={"attributes": {"schema": "fashion"}, "descriptions": {}}).stages()
    assert [stage for stage in stages if stage.name == "attributes"] == [AttributeStage(schema="fashion")]
