"""Models fetched from a hub that runs on this machine, and what is said where there is none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from open_clip.pretrained import get_pretrained_cfg
from safetensors.torch import save_file

from catalens.core.errors import ModelError
from catalens.models.hub.download import cached, fetch
from catalens.models.hub.known import KNOWN
from catalens.models.hub.loading import files_here, find_files, load_parts
from catalens.models.hub.names import parse
from catalens.models.painters.loading import load_painter
from catalens.models.readers import load_reader
from catalens.models.registry import load_encoder
from tests.support import tiny_encoders, tiny_readers
from tests.support.fake_hub import COMMIT, Hub, serve
from tests.support.ran import Run
from tests.support.tiny_encoders import Tiny

FASHION = "patrickjohncyh/fashion-clip"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(Hub()) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield running


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network: nobody answers at this address."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def test_a_model_is_fetched_once_and_only_what_it_needs(tiny: Tiny, hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(tiny("clip"), folder)
    for extra in ("pytorch_model.bin", "flax_model.msgpack", "modeling.py", "picture.png"):
        (folder / extra).write_bytes(b"unwanted")
    hub.folders[FASHION] = folder
    encoder = load_encoder(FASHION, runtime="torch", device="cpu", cache=tmp_path)
    assert encoder.name == f"{FASHION}@{COMMIT[:12]}"
    assert hub.fetched() == {each.name for each in tiny("clip").iterdir()}
    asked = len(hub.asked)
    again = load_encoder(FASHION, runtime="torch", device="cpu", cache=tmp_path)
    assert (again.encode_texts(["a shirt"]) == encoder.encode_texts(["a shirt"])).all()
    assert len(hub.asked) == asked, "what is in the cache is used without a word to the network"


def test_sentence_transformers_layout_from_the_hub(tiny: Tiny, hub: Hub, tmp_path: Path) -> None:
    hub.folders["sentence-transformers/clip-ViT-B-32"] = tiny("sentence-transformers")
    encoder = load_encoder("clip-ViT-B-32", runtime="torch", device="cpu", cache=tmp_path)
    assert encoder.name == f"clip-ViT-B-32@{COMMIT[:12]}"
    assert encoder.encode_texts(["a shirt"]).shape == (1, 24)


def test_where_transformers_would_need_code_open_clip_s_weights_are_fetched(
    tiny: Tiny, hub: Hub, tmp_path: Path
) -> None:
    """As in Marqo/marqo-fashionSigLIP: both layouts in one repository, and one of them brings code."""
    folder = tmp_path / "repository"
    shutil.copytree(tiny("open_clip ViT"), folder)
    (folder / "config.json").write_text('{"model_type": "siglip", "auto_map": {"AutoModel": "theirs.Model"}}')
    (folder / "model.safetensors").write_bytes(b"of another shape")
    (folder / "theirs.py").write_text("raise RuntimeError('their code was run')")
    hub.folders["Marqo/marqo-fashionSigLIP"] = folder
    for name in ("Marqo/marqo-fashionSigLIP", "hf-hub:Marqo/marqo-fashionSigLIP"):
        parts = load_parts(find_files(parse(name), cache=tmp_path))
        assert parts.source == "open_clip CLIP"
    assert hub.fetched() == {"config.json", "open_clip_config.json", "open_clip_model.safetensors"}


def test_a_revision_pins(tiny: Tiny, hub: Hub) -> None:
    hub.folders[FASHION] = tiny("clip")
    assert cached(FASHION) is None
    fetch(FASHION, revision=COMMIT)
    assert cached(FASHION, revision=COMMIT) is not None
    with pytest.raises(ModelError, match=f"{FASHION} has no revision 'v9'"):
        fetch(FASHION, revision="v9")


def test_a_name_can_pin_a_revision_which_then_needs_no_hub(tiny: Tiny, hub: Hub, run: Run, tmp_path: Path) -> None:
    hub.folders[FASHION] = tiny("clip")
    hub.revisions = {"v1"}
    [pulled] = run("models", "pull", FASHION, "--revision", "v1", "--json").rows
    asked = len(hub.asked)
    encoder = load_encoder(f"{FASHION}@v1", runtime="torch", device="cpu", cache=tmp_path)
    assert encoder.name == f"{FASHION}@{COMMIT[:12]}"
    [known] = run("models", "info", f"{FASHION}@v1", "--json").rows
    assert known["folder"] == pulled["folder"]
    assert len(hub.asked) == asked
    ran = run("embed", "--texts", "a", "--model", f"{FASHION}@v2")
    assert (ran.code, f"{FASHION} has no revision 'v2'" in ran.err) == (3, True)


def test_a_reader_s_name_can_pin_a_revision(hub: Hub, tmp_path: Path) -> None:
    hub.folders["Salesforce/blip-image-captioning-base"] = tiny_readers.BUILD["blip"](tmp_path / "blip")
    hub.revisions = {"v1"}
    for name in ("blip-base@v1", "Salesforce/blip-image-captioning-base@v1"):
        with load_reader(name, device="cpu", dtype="float32") as reader:
            assert reader.name == f"Salesforce/blip-image-captioning-base@{COMMIT[:12]}"


@pytest.mark.parametrize("load", [load_encoder, load_reader, load_painter])
def test_what_has_no_revisions_says_so(load: Callable[[str], object], tmp_path: Path) -> None:
    for name in (str(tmp_path), "fake", *(["starter"] if load is not load_painter else [])):
        with pytest.raises(ModelError, match=f"{name} has no revisions; only models of the hub do"):
            load(f"{name}@v1")


def test_a_broken_download_is_fetched_again(tiny: Tiny, hub: Hub, tmp_path: Path) -> None:
    hub.folders[FASHION] = tiny("clip")
    folder = fetch(FASHION)
    (folder / "model.safetensors").unlink()
    assert cached(FASHION) is None
    found = find_files(parse(FASHION), cache=tmp_path)
    assert found.layout is not None
    assert (found.folder / "model.safetensors").is_file()


def test_a_pair_of_the_zoo_is_open_clip_s_model(hub: Hub, tmp_path: Path) -> None:
    """RN50/openai at its true size: 1024 numbers, quick activation, though open_clip's own configuration says not."""
    import open_clip

    repository = tmp_path / "repository"
    repository.mkdir()
    reference = open_clip.create_model("RN50", force_quick_gelu=True).eval()
    save_file(reference.state_dict(), repository / "open_clip_model.safetensors")
    (repository / "open_clip_config.json").write_text('{"model_cfg": {}}')
    hub.folders["timm/resnet50_clip.openai"] = repository
    parts = load_parts(find_files(parse("RN50::openai"), cache=tmp_path))
    assert (parts.name, parts.revision, parts.dim) == ("RN50/openai", COMMIT[:12], 1024)
    from catalens.models.hub.encoder import TorchEncoder

    rows = TorchEncoder(parts, device="cpu").encode_texts(["a red shirt"])
    expected = reference.encode_text(open_clip.get_tokenizer("RN50")(["a red shirt"]), normalize=True)
    assert (rows * expected.detach().numpy()).sum() >= 0.99999
    assert parts.preprocess.mean == pytest.approx(open_clip.OPENAI_DATASET_MEAN)


def test_known_pairs_lie_where_open_clip_says() -> None:
    for each in KNOWN:
        if each.repository:
            architecture, _, tag = each.name.partition("/")
            assert get_pretrained_cfg(architecture, tag)["hf_hub"] == f"{each.repository}/"


def test_an_unknown_tag_gets_the_nearest_and_all_of_the_architecture(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'RN50/opena' \(did you mean 'RN50/openai'.*with: openai, yfcc15m"):
        find_files(parse("RN50/opena"), cache=tmp_path)
    with pytest.raises(ModelError, match=r"no model 'ViT-L-15/openai'.*'ViT-L-14/openai'"):
        find_files(parse("ViT-L-15/openai"), cache=tmp_path)


def test_an_unknown_repository_gets_the_nearest(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"on the hub, there is no model 'openai/clip-vit-base-patch23' \(did you mean"
    ):
        find_files(parse("openai/clip-vit-base-patch23"), cache=tmp_path)
    assert hub.asked


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    "name", ["openai/clip-vit-base-patch32", "ViT-B-32/openai", "hf-hub:Marqo/marqo-fashionSigLIP"]
)
def test_without_a_network_it_says_so_and_what_works(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    started_s = time.monotonic()
    with pytest.raises(
        ModelError, match=rf"^{name} is not in the cache, and the hub cannot be reached \([^)]*\); what works without"
    ):
        load_encoder(name, cache=tmp_path)
    assert time.monotonic() - started_s < 8
    assert capfd.readouterr().err == "", "the hub's own library says nothing beside it"


@pytest.mark.usefixtures("no_hub")
def test_without_a_network_a_mistyped_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"google/siglip-base-patch16-242 is not in .*\(did you mean 'google/siglip-base"
    ):
        load_encoder("google/siglip-base-patch16-242", cache=tmp_path)
    with pytest.raises(ModelError, match=r"salesforce/blip-vqa-bas is not .*\(did you mean 'Salesforce/blip-vqa-base'"):
        load_reader("salesforce/blip-vqa-bas")
    with pytest.raises(ModelError, match=r"^blip-base is not in the cache"):
        load_reader("blip-base")


@pytest.mark.usefixtures("no_hub")
def test_without_a_network_what_is_in_the_cache_works(tiny: Tiny, tmp_path: Path) -> None:
    tiny_encoders.copy_to_hub_cache(tiny("siglip"), tmp_path / "hub", "google/siglip-base-patch16-224")
    encoder = load_encoder("google/siglip-base-patch16-224", runtime="torch", device="cpu", cache=tmp_path)
    assert encoder.name == f"google/siglip-base-patch16-224@{tiny_encoders.COMMIT[:12]}"


def test_commands_say_what_is_here_and_fetch_it(tiny: Tiny, hub: Hub, run: Run, tmp_path: Path) -> None:
    hub.folders[FASHION] = tiny("clip")
    listed = {row["name"]: row for row in run("models", "--json").rows}
    assert listed[FASHION]["here"] == "to fetch"
    assert hub.asked == [], "listing asks the network nothing"
    [pulled] = run("models", "pull", FASHION, "--json").rows
    assert (pulled["revision"], pulled["licence"]) == (COMMIT[:12], "mit")
    [known] = run("models", "info", FASHION, "--json").rows
    assert known["folder"] == pulled["folder"]
    listed = {row["name"]: row for row in run("models", "--json").rows}
    assert listed[FASHION]["here"] == "cached"
    assert files_here(parse(FASHION), cache=tmp_path) is not None
