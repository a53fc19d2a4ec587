"""What names of pretrained models mean, and what is said of those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError, ModelError
from catalens.models.hub.known import KNOWN
from catalens.models.hub.names import Place, hint, parse


@pytest.mark.parametrize(
    ("given", "kind", "name", "target"),
    [
        ("ViT-L-14/openai", "zoo", "ViT-L-14/openai", "openai"),
        ("ViT-L-14::openai", "zoo", "ViT-L-14/openai", "openai"),
        ("open_clip:ViT-H-14/laion2b_s32b_b79k", "zoo", "ViT-H-14/laion2b_s32b_b79k", "laion2b_s32b_b79k"),
        ("RN50/openai", "zoo", "RN50/openai", "openai"),
        ("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", "zoo", None, "laion5b_s13b_b90k"),
        ("ViT-B/32", "zoo", "ViT-B-32/openai", "openai"),
        ("ViT-L/14@336px", "zoo", "ViT-L-14-336/openai", "openai"),
        ("RN50x4", "zoo", "RN50x4/openai", "openai"),
        ("openai/clip-vit-base-patch32", "hub", None, "openai/clip-vit-base-patch32"),
        ("hf_clip:patrickjohncyh/fashion-clip", "hub", "patrickjohncyh/fashion-clip", "patrickjohncyh/fashion-clip"),
        ("google/siglip2-base-patch16-224", "hub", None, "google/siglip2-base-patch16-224"),
        ("hf-hub:Marqo/marqo-fashionSigLIP", "hub", None, "Marqo/marqo-fashionSigLIP"),
        ("clip-ViT-B-32", "hub", "clip-ViT-B-32", "sentence-transformers/clip-ViT-B-32"),
        ("sentence-transformers/clip-ViT-L-14", "hub", "clip-ViT-L-14", "sentence-transformers/clip-ViT-L-14"),
        ("s3://bucket/models/mine/", "s3", "mine", "s3://bucket/models/mine"),
    ],
)
def test_a_name_means_one_place(given: str, kind: str, name: str | None, target: str) -> None:
    place = parse(given)
    assert (place.kind, place.name, place.target) == (kind, name or given, target)
    assert place.open_clip == (kind == "zoo" or given.startswith("hf-hub:"))


@pytest.mark.parametrize(
    ("given", "name", "revision"),
    [
        ("openai/clip-vit-base-patch32@main", "openai/clip-vit-base-patch32", "main"),
        ("openai/clip-vit-base-patch32@refs/pr/7", "openai/clip-vit-base-patch32", "refs/pr/7"),
        ("ViT-L-14::openai@v1.0", "ViT-L-14/openai", "v1.0"),
        ("ViT-L/14@336px@3d74acf", "ViT-L-14-336/openai", "3d74acf"),
        ("open_clip:ViT-L/14@336px", "ViT-L-14-336/openai", None),
        ("hf-hub:Marqo/marqo-fashionSigLIP@main", "hf-hub:Marqo/marqo-fashionSigLIP", "main"),
        ("clip-ViT-B-32@main", "clip-ViT-B-32", "main"),
        ("s3://bucket/mine@2", "mine@2", None),
    ],
)
def test_what_follows_an_at_is_a_revision(given: str, name: str, revision: str | None) -> None:
    place = parse(given)
    assert (place.name, place.revision) == (name, revision)


def test_a_folder_has_no_revisions_but_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine@2").mkdir()
    assert parse(str(tmp_path / "mine@2")).revision is None
    with pytest.raises(ModelError, match="mine@2 has no revisions; only models of the hub do"):
        parse(f"{tmp_path / 'mine@2'}@v1")
    for name in ("nonsense@v1", "openai/clip@"):
        with pytest.raises(ModelError, match=f"no model '{name}'"):
            parse(name)


def test_two_revisions_at_once_are_refused() -> None:
    place = parse("openai/clip-vit-base-patch32@v1")
    assert place.at(None) == place.at("v1") == place
    with pytest.raises(InputError, match="patch32@v1 names a revision, but 'v2' was passed too; pass only one"):
        place.at("v2")


def test_every_known_name_is_understood() -> None:
    assert len({each.name for each in KNOWN}) == len(KNOWN)
    for each in KNOWN:
        place = parse(each.name)
        assert place.name == each.name
        assert bool(each.repository) == (place.kind == "zoo")
        assert each.licence
        assert each.size_mb > 100


def test_a_folder_that_is_there_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openai" / "clip-vit-base-patch32").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    place = parse("openai/clip-vit-base-patch32")
    assert (place.kind, place.name) == ("folder", "clip-vit-base-patch32")


def test_a_file_needs_an_architecture(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.touch()
    with pytest.raises(ModelError, match=r"contains weights only; .*ViT-B-32::.*mine\.safetensors"):
        parse(str(file))
    place = parse(f"ViT-B-32::{file}")
    assert (place.kind, place.name, place.architecture) == ("file", "ViT-B-32::mine.safetensors", "ViT-B-32")
    with pytest.raises(ModelError, match=r"there is no file /not/there\.pt"):
        parse("ViT-B-32::/not/there.pt")


@pytest.mark.parametrize(
    ("files", "given", "open_clip"),
    [
        (["config.json", "model.safetensors"], "model.safetensors", False),
        (["config.json", "pytorch_model.bin"], "config.json", False),
        (["open_clip_config.json", "open_clip_model.safetensors"], "open_clip_model.safetensors", False),
        (["config.json", "model.safetensors", "open_clip_config.json"], "model.safetensors", False),
        (["bundle.json", "image.onnx"], "image.onnx", False),
        (
            ["config.json", "model.safetensors", "open_clip_config.json", "open_clip_pytorch_model.bin"],
            "open_clip_pytorch_model.bin",
            True,
        ),
    ],
)
def test_a_file_of_a_model_s_folder_means_the_folder(
    files: list[str], given: str, *, open_clip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    for name in files:
        (tmp_path / "mine" / name).write_text("{}")
    assert parse(str(tmp_path / "mine" / given)) == Place("mine", "folder", str(tmp_path / "mine"), open_clip=open_clip)
    monkeypatch.chdir(tmp_path / "mine")
    assert parse(given).name == "mine"


def test_weights_beside_those_that_a_folder_is_loaded_from_are_not_taken_for_them(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "older.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(
        ModelError, match=r"older\.safetensors contains weights only; .*is loaded from model\.safetensors"
    ):
        parse(str(tmp_path / "older.safetensors"))


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("VIT-L-14-openai", "ViT-L-14/openai"),
        ("clip-vit-b32", "clip-ViT-B-32"),
        ("fashion-clip", "patrickjohncyh/fashion-clip"),
        ("siglip2-base-patch16-224", "google/siglip2-base-patch16-224"),
        ("siglip-base", "google/siglip-base-patch16-224"),
        ("SigLIP2-So400m", "google/siglip2-so400m-patch14-384"),
        ("vit-l-14", "ViT-L-14/openai"),
    ],
)
def test_a_name_that_means_nothing_gets_the_nearest(given: str, nearest: str) -> None:
    with pytest.raises(ModelError, match=rf"no model '{given}' \(did you mean .*'{nearest}'"):
        parse(given)


def test_the_nearest_names_come_first_and_a_known_name_needs_none() -> None:
    assert hint("siglip-base").startswith(" (did you mean 'google/siglip-base-patch16-224'")
    assert hint("google/siglip-base-patch16-242").startswith(" (did you mean 'google/siglip-base-patch16-224'")
    assert hint("vit-l-14/openai").startswith(" (did you mean 'ViT-L-14/openai'")
    assert hint("BLIP-Larg").startswith(" (did you mean 'blip-large'")
    for known in ("ViT-L-14/openai", "blip-large", "Salesforce/blip-image-captioning-large", "org/of-nobody"):
        assert hint(known) == ""


def test_a_name_like_no_other_gets_what_is_accepted() -> None:
    with pytest.raises(ModelError, match=r"no model 'zzzzzz'; accepted are: .*hub id.*s3://"):
        parse("zzzzzz")
    with pytest.raises(ModelError, match="is not a folder of a bucket"):
        parse("s3://bucket")
