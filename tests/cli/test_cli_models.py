"""`catalens models`: what can be named and what is here, without a network and without the hub's libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ran import Run


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


def test_what_is_shipped_needs_no_pull(run: Run) -> None:
    ran = run("models", "pull", "starter")
    assert ran.code == 0
    assert "nothing to fetch" in ran.err
