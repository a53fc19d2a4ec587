"""What towers say of products, and which products the shop left without a word."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")
pytest.importorskip("timm", reason="timm is not installed: make test-train")

import numpy as np
import torch

from catalens.tasks.schema import Group, Label, Schema
from catalens.training.fashion import Product
from catalens.training.losses import encode_texts
from catalens.training.pixels import nonsense, tensor
from catalens.training.soft_labels import left_open, opinions
from catalens.training.towers import ImageTower, TextTower
from catalens.training.vocabulary import train_tokenizer

TYPE = Group("type", "exclusive", (Label("Tshirts", ("t-shirt", "tee")), Label("Watches", ("watch",))))
NECK = Group("neck", "exclusive", tuple(Label(n, (n + " neck",)) for n in ("Round", "V")), when={"type": ("Tshirts",)})


def product(**labels: str) -> Product:
    return Product(id="1", picture=b"", title="a product", brand="", sentence="", labels=labels)


def test_opinions_are_chances_by_a_picture_and_its_mirror_image() -> None:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a t-shirt with a round neck", "a watch", "a tee with a v neck"] * 4, 300)
    image, text = ImageTower().eval(), TextTower(tokenizer.get_vocab_size()).eval()
    schema = Schema("small", (TYPE, NECK))
    pixels = nonsense(6, np.random.default_rng(0))[:, :64, :48].copy()
    scales = torch.tensor([40.0, 5.0])
    found = opinions(image, text, tokenizer, schema, scales, pixels)
    mirrored = opinions(image, text, tokenizer, schema, scales, pixels[:, :, ::-1].copy())
    assert {name: tuple(rows.shape) for name, rows in found.items()} == {"type": (6, 2), "neck": (6, 2)}
    for name, rows in found.items():
        assert torch.allclose(rows.float().sum(1), torch.ones(6), atol=2e-3)
        assert torch.allclose(rows.float(), mirrored[name].float(), atol=2e-2)
    with torch.no_grad():
        image.ways = ()
        seen = tensor(pixels)
        both = torch.nn.functional.normalize(image(seen) + image(seen.flip(3)), dim=1)
        texts = [[t.format(word) for t in TYPE.templates for word in label.wordings] for label in TYPE.labels]
        bank = torch.stack([encode_texts(text, tokenizer, each).mean(0) for each in texts])
        expected = (40.0 * both @ torch.nn.functional.normalize(bank, dim=1).T).softmax(1)
    # bfloat16, of which cosines keep two to three digits.
    assert torch.allclose(found["type"].float(), expected, atol=0.05)
    assert expected.std() > 0


def test_a_group_is_open_where_it_holds_and_the_shop_says_nothing() -> None:
    products = [
        product(type="Tshirts"),
        product(type="Tshirts", neck="Round"),
        product(type="Tshirts", neck="a neck that the schema does not know"),
        product(type="Watches"),
        product(),
    ]
    assert left_open(products, NECK).tolist() == [True, False, False, False, False]
    assert left_open(products, TYPE).tolist() == [False, False, False, False, True]
