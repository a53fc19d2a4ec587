"""`catalens models`: what can be named and what is here, without a network and without the hub's libraries."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from catalens.models.facts import read_facts
from tests.support.ran import Run
from tests.support.tiny import tiny_bundle


def test_models_alone_lists_them(run: Run) -> None:
    ran = run("models", "--json")
    assert ran.code == 0
    rows = {row["name"]: row for row in ran.rows}
    assert {"starter", "fake", "ViT-L-14/openai", "google/siglip2-base-patch16-224", "blip-base"} <= {*rows}
    assert rows["starter"]["here"] in ("shipped", "missing")
    assert rows["ViT-L-14/openai"] == {
        "name": "ViT-L-14/openai",
        "kind": "encoder",
        "licence": "MIT",
        "size_mb": 1710.0,
        "about": rows["ViT-L-14/openai"]["about"],
        "here": rows["ViT-L-14/openai"]["here"],
    }
    assert rows["blip-base"]["kind"] == "reader"


def test_listing_needs_none_of_the_hub_s_libraries(
    run: Run, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("torch", "transformers", "open_clip", "huggingface_hub", "boto3"):
        monkeypatch.setitem(sys.modules, library, None)
    rows = {row["name"]: row["here"] for row in run("models", "--json").rows}
    assert rows["openai/clip-vit-base-patch32"] == "to fetch"
    ran = run("tag", photos[0], "--model", "openai/clip-vit-base-patch32", "--labels", "a,b")
    assert ran.code == 3
    assert 'pip install "catalens[hub]"' in " ".join(ran.err.split())


def test_info_says_what_is_known(run: Run) -> None:
    [fake] = run("models", "info", "fake", "--json").rows
    assert fake["licence"] == "Apache-2.0"
    [known] = run("models", "info", "hf-hub:Marqo/marqo-fashionSigLIP", "--json").rows
    assert (known["from"], known["target"]) == ("hub", "Marqo/marqo-fashionSigLIP")
    [other] = run("models", "info", "org/some-clip", "--json").rows
    assert other == {"name": "org/some-clip", "from": "hub", "target": "org/some-clip"}
    wrong = run("models", "info", "nonsense")
    assert (wrong.code, "there is no model 'nonsense'" in " ".join(wrong.err.split())) == (3, True)


@pytest.mark.parametrize(
    ("given", "name"),
    [("RN50::openai", "RN50/openai"), ("ViT-B/32", "ViT-B-32/openai"), ("Salesforce/BLIP-vqa-base", "blip-vqa")],
)
def test_info_knows_a_model_by_every_spelling(run: Run, given: str, name: str) -> None:
    [found] = run("models", "info", given, "--json").rows
    [listed] = [row for row in run("models", "--json").rows if row["name"] == name]
    assert {key: found[key] for key in ("kind", "licence", "size_mb", "about")} == {
        key: listed[key] for key in ("kind", "licence", "size_mb", "about")
    }


def test_info_says_the_kind_of_a_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    chat = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {}}
    for config, kind, dim in (
        ({"model_type": "clip", "projection_dim": 512}, "encoder", 512),
        ({"model_type": "siglip2", "vision_config": {"hidden_size": 768}}, "encoder", 768),
        ({"architectures": ["BlipForQuestionAnswering"]}, "reader", None),
        (chat, "reader", None),
        ({"model_type": "bert"}, None, None),
    ):
        (folder / "config.json").write_text(json.dumps(config))
        [row] = run("models", "info", folder, "--json").rows
        assert (row.get("kind"), row.get("dim")) == (kind, dim)
    bundle = tiny_bundle(tmp_path / "bundle", name="mine", revision="7")
    [row] = run("models", "info", bundle, "--json").rows
    assert (row["kind"], row["revision"], row["licence"]) == ("encoder", "7", read_facts(bundle).licence)


def test_what_others_fetched_is_listed_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    clip, blip = {"model_type": "clip"}, {"architectures": ["BlipForConditionalGeneration"]}
    into_cache(tmp_path, "org/my-clip", "main", clip)
    into_cache(tmp_path, "org/no--name", "main", clip)
    into_cache(tmp_path, "openai/clip-vit-base-patch32", "v1", clip)
    into_cache(tmp_path, "Salesforce/blip-vqa-base", "main", blip)
    into_cache(tmp_path, "org/bert", "main", {"model_type": "bert"})
    rows = [row for row in run("models", "--json").rows if row["here"] == "cached"]
    assert [(row["name"], row["kind"]) for row in rows] == [
        ("blip-vqa", "reader"),
        ("openai/clip-vit-base-patch32@v1", "encoder"),
        ("org/my-clip", "encoder"),
    ]


def into_cache(cache: Path, repository: str, revision: str, config: Mapping[str, object]) -> None:
    """Lay a model into the hub's cache as its library does."""
    place = cache / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / revision).write_text(snapshot.name)
    (snapshot / "config.json").write_text(json.dumps(config))
    for name in ("model.safetensors", "preprocessor_config.json", "tokenizer.json"):
        (snapshot / name).write_text("{}")


def test_what_is_shipped_needs_no_pull(run: Run) -> None:
    ran = run("models", "pull", "starter")
    assert ran.code == 0
    assert "there is nothing to download" in ran.err
