"""Text models of sentence-transformers, joined to the pictures of a CLIP model: many languages for CLIP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from PIL.Image import Image
from sentence_transformers import SentenceTransformer

from catalens.core.errors import InputError, ModelError
from catalens.deployment.weights import find_weights
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.hub.loading import find_files
from catalens.models.hub.names import parse
from catalens.models.registry import load_encoder
from tests.support import tiny_texts
from tests.support.fake_hub import COMMIT, Hub, serve
from tests.support.ran import Run
from tests.support.tiny_encoders import SENTENCES, Tiny

NAME = "clip-ViT-B-32-multilingual-v1"
TEXTS = [*SENTENCES, "", "A PHOTO of a Cat!", "夏 unknown Ж", "a cat, " * 12]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "multilingual": tiny_texts.multilingual,
    "written long ago": tiny_texts.multilingual_of_old,
    "lowered": tiny_texts.lowered,
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_texts.multilingual(tmp_path_factory.mktemp("texts") / "model")


@pytest.mark.parametrize("kind", BUILDERS)
def test_texts_are_those_of_sentence_transformers_and_pictures_those_of_clip(
    tiny: Tiny, kind: str, pictures: list[Image], tmp_path: Path
) -> None:
    clip, folder = tiny("sentence-transformers"), BUILDERS[kind](tmp_path / "model")
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert (theirs @ theirs.T).min() < 0.99, "random towers tell texts apart"
    alone = load_encoder(str(clip), runtime="torch", device="cpu", cache=tmp_path)
    for runtime in ("torch", "onnxruntime"):
        encoder = load_encoder(f"{clip}+{folder}", runtime=runtime, device="cpu", cache=tmp_path)
        assert (encoder.encode_texts(TEXTS) * theirs).sum(axis=1).min() >= 0.9999
        assert (encoder.encode_images(pictures) * alone.encode_images(pictures)).sum(axis=1).min() >= 0.999
        assert encoder.logit_scale == pytest.approx(alone.logit_scale)


def test_a_long_text_ends_where_theirs_does(tiny: Tiny, texts: Path, tmp_path: Path) -> None:
    encoder = load_encoder(f"{tiny('clip')}+{texts}", runtime="torch", device="cpu", cache=tmp_path)
    assert isinstance(encoder, TorchEncoder)
    long = " ".join(["cat"] * 100)
    theirs = SentenceTransformer(str(texts), device="cpu").encode([long], normalize_embeddings=True)
    assert encoder.count_tokens(long)[1] <= 64
    assert (encoder.encode_texts([long]) * theirs).sum() >= 0.999


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with serve(Hub()) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield running


@pytest.mark.parametrize("kind", ["multilingual", "written long ago"])
def test_the_known_one_is_fetched_with_the_model_of_its_pictures(
    tiny: Tiny, kind: str, hub: Hub, run: Run, tmp_path: Path
) -> None:
    folder = BUILDERS[kind](tmp_path / "repository")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"unwanted")
    hub.folders = {
        f"sentence-transformers/{NAME}": folder,
        "sentence-transformers/clip-ViT-B-32": tiny("sentence-transformers"),
    }
    encoder = load_encoder(NAME, runtime="torch", device="cpu", cache=tmp_path)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert (encoder.encode_texts(TEXTS) * theirs).sum(axis=1).min() >= 0.9999
    assert not any("onnx" in name for name in hub.fetched())
    asked = len(hub.asked)
    [known] = run("models", "info", f"sentence-transformers/{NAME}", "--json").rows
    assert (known["name"], known["kind"], known["dim"], known["here"]) == (NAME, "encoder", 24, "cached")
    assert encoder.name == f"{NAME}@{known['revision']}"
    assert known["revision"] != COMMIT[:12], "it depends on both models"
    assert len(hub.asked) == asked


def test_a_catalogue_is_searched_in_another_language(
    tiny: Tiny, texts: Path, pictures: list[Image], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "p").mkdir()
    for at, picture in enumerate(pictures[:3]):
        picture.save(tmp_path / "p" / f"{at}.png")
    pair = f"{tiny('clip')}+{texts}"
    assert run("index", "add", tmp_path / "c.catalens", tmp_path / "p", "--model", pair).code == 0
    ran = run("search", tmp_path / "c.catalens", "été", "--model", pair, "--json")
    assert (ran.code, len(ran.rows)) == (0, 3)


def test_a_text_model_alone_names_the_cure(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model encodes texts only; name the CLIP model .* clip-ViT-B-32\+"):
        load_encoder(str(texts), cache=tmp_path)


def test_what_does_not_belong_together_is_refused(tiny: Tiny, texts: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"what follows the \+ is not a text model"):
        load_encoder(f"{texts}+{tiny('clip')}", cache=tmp_path)
    with pytest.raises(ModelError, match=r"its texts are vectors of 24 numbers and the pictures of .* of 32"):
        load_encoder(f"{tiny('siglip')}+{texts}", runtime="torch", device="cpu", cache=tmp_path)
    with pytest.raises(InputError, match="is two models, of texts and of pictures; run `catalens export`"):
        find_weights(f"{tiny('clip')}+{texts}", cache=tmp_path)


def _edit(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no dense weights": (
        lambda at: (at / "2_Dense" / "model.safetensors").unlink(),
        r"2_Dense has no weights: model\.safetensors or pytorch_model\.bin is missing",
    ),
    "no pooling": (lambda at: (at / "1_Pooling" / "config.json").unlink(), r"1_Pooling/config\.json cannot be read"),
    "another pooling": (
        lambda at: _edit(at / "1_Pooling" / "config.json", pooling_mode="lasttoken"),
        r"pools by lasttoken; mean or cls",
    ),
    "another size": (
        lambda at: _edit(at / "2_Dense" / "config.json", out_features=25),
        r"is not the layer of .*2_Dense",
    ),
    "another activation": (
        lambda at: _edit(at / "2_Dense" / "config.json", activation_function="theirs.Run"),
        r"has the activation Run; known: Identity",
    ),
    "no tokenizer": (lambda at: (at / "tokenizer.json").unlink(), r"has no tokenizer: none of tokenizer\.json"),
    "half the weights": (
        lambda at: shutil.copy(at / "2_Dense" / "model.safetensors", at / "model.safetensors"),
        r"lacks weights of a|cannot be loaded as",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_text_model_is_named(tiny: Tiny, texts: Path, tmp_path: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    folder = tmp_path / "model"
    shutil.copytree(texts, folder)
    damage(folder)
    with pytest.raises(ModelError, match=message):
        load_encoder(f"{tiny('clip')}+{folder}", runtime="torch", device="cpu", cache=tmp_path)


def test_every_file_of_the_modules_decides_the_revision(tiny: Tiny, texts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(texts, folder)
    place = parse(f"{tiny('clip')}+{folder}")
    before = find_files(place, cache=tmp_path).revision
    found = {before}
    weights = bytearray((folder / "2_Dense" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "2_Dense" / "model.safetensors").write_bytes(weights)
    found.add(find_files(place, cache=tmp_path).revision)
    _edit(folder / "1_Pooling" / "config.json", pooling_mode="cls")
    found.add(find_files(place, cache=tmp_path).revision)
    assert len(found) == 3
    assert np.all([len(each) == 12 for each in found])
