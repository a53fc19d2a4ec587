"""The two towers: unit rows, a stem that stays frozen, causal texts, batch norms unfolded without a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")
pytest.importorskip("timm", reason="timm is not installed: make test-train")

import torch
from safetensors.torch import save_file
from torch import nn

from catalens.models.packing import Pack, chain, pack
from catalens.training.backbones import running_statistics
from catalens.training.fixed_norms import with_fixed_norms
from catalens.training.towers import POOLED, ImageTower, TextTower, compiled_stem, recalibrate

END = 99


@pytest.fixture(scope="module")
def image() -> ImageTower:
    torch.manual_seed(0)
    tower = ImageTower()
    tower.eval()
    return tower


@pytest.fixture(scope="module")
def text() -> TextTower:
    torch.manual_seed(1)
    tower = TextTower(END + 1, dim=32, width=64, depth=2)
    tower.eval()
    return tower


@pytest.fixture
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def tensors(packed: Pack) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids, sees, ends = (torch.from_numpy(each) for each in (packed.input_ids, packed.attention_mask, packed.ends))
    return ids, sees, ends


def noise(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, 64, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.usefixtures("no_gradients")
def test_pictures_become_unit_rows_whatever_their_batch_mates(image: ImageTower) -> None:
    pixels = noise(3)
    rows = image(pixels)
    assert rows.shape == (3, 256)
    assert rows.dtype == torch.float32
    assert torch.allclose(rows.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(image(pixels[1:2]), rows[1:2], atol=1e-5)
    assert image.trunk(noise(1)).shape == (1, POOLED)


@pytest.mark.usefixtures("no_gradients")
def test_texts_become_unit_rows_and_the_order_of_words_counts(text: TextTower) -> None:
    rows = text(torch.tensor([[5, 6, 7, END], [7, 6, 5, END]]))
    assert rows.shape == (2, 32)
    assert torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-5)
    assert float(rows[0] @ rows[1]) < 0.9999


@pytest.mark.usefixtures("no_gradients")
def test_what_stands_behind_the_end_token_changes_nothing(text: TextTower) -> None:
    short = text(torch.tensor([[5, 6, END]]))
    padded = text(torch.tensor([[5, 6, END, 0, 0, 0], [5, 6, END, 31, 8, 77]]))
    assert (padded - short).abs().max() < 1e-5
    assert (text(torch.tensor([[5, 8, END]])) - short).abs().max() > 1e-3


def test_the_stem_is_frozen_in_train_mode() -> None:
    torch.manual_seed(2)
    tower = ImageTower()
    before = {name: value.clone() for name, value in tower.stem.state_dict().items()}
    assert tower.train() is tower
    assert not any(part.training for part in tower.stem.modules())
    assert tower.fine.training
    assert tower.norm.training
    tower(noise(4)).sum().backward()
    assert all(parameter.grad is None for parameter in tower.stem.parameters())
    assert all(parameter.grad is not None for part in (tower.fine, tower.coarse) for parameter in part.parameters())
    for name, value in tower.stem.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} changed in a training step"


def folded(seed: int) -> ImageTower:
    """A tower whose batch norms hold biases and no statistics, as the ImageNet file's do."""
    torch.manual_seed(seed)
    tower = ImageTower()
    tower.eval()
    for layer in tower.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.constant_(running_statistics(layer)[1], 1.0 - layer.eps)
    return tower


@pytest.mark.usefixtures("no_gradients")
def test_recalibration_keeps_the_function_and_makes_train_mode_start_there() -> None:
    tower, pixels = folded(3), noise(8, seed=4)
    before, other = tower.trunk(pixels), tower.trunk(noise(2, seed=5))
    apart = (tower.train().trunk(pixels) - before).abs().max()
    tower = folded(3)
    recalibrate(tower, [pixels])
    assert (tower.eval().trunk(pixels) - before).abs().max() < 1e-4 * before.abs().max()
    assert (tower.trunk(noise(2, seed=5)) - other).abs().max() < 1e-4 * other.abs().max()
    # Normalising by the batch that was measured is what the running statistics say.
    now = (tower.train().trunk(pixels) - before).abs().max()
    assert now < 1e-3 * before.abs().max()
    assert apart > 100 * now, "without recalibration, train mode starts elsewhere: or this test shows nothing"


def test_weights_in_timms_names_are_taken_up(image: ImageTower, tmp_path: Path) -> None:
    import timm

    torch.manual_seed(6)
    net = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=0, pad_type="same")
    save_file(net.state_dict(), tmp_path / "init.safetensors")
    tower = ImageTower()
    tower.load_imagenet(tmp_path / "init.safetensors")
    wanted = net.state_dict()
    assert torch.equal(tower.stem[0].state_dict()["weight"], wanted["conv_stem.weight"])
    assert torch.equal(tower.coarse[-2].state_dict()["weight"], wanted["conv_head.weight"])


@pytest.mark.usefixtures("no_gradients")
def test_the_compiled_stem_is_the_same_function(image: ImageTower) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: make test-train")
    fast = compiled_stem(image)
    for pixels in (noise(2), noise(3, seed=7)[:, :, :32]):
        slow = image.stem(pixels)
        assert fast(pixels).shape == slow.shape
        # It may run in bfloat16, of three digits.
        assert nn.functional.cosine_similarity(fast(pixels).flatten(1), slow.flatten(1)).min() > 0.999


def test_fixed_norms_are_evaluation_mode_and_train_the_same_parameters() -> None:
    torch.manual_seed(8)
    tower = folded(8).double()
    for layer in tower.modules():
        if isinstance(layer, nn.BatchNorm2d):
            mean, variance = running_statistics(layer)
            nn.init.normal_(mean, std=0.1)
            nn.init.uniform_(variance, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    tower.requires_grad_(requires_grad=True)
    pixels = noise(2, seed=9)[:, :, :45, :31].double()  # odd sizes: padding differs on the two sides
    gradients = []
    for ways in ((), tuple(with_fixed_norms(part) for part in tower.parts)):
        tower.ways = ways
        tower.zero_grad()
        trunk = tower.trunk(pixels)
        trunk.pow(2).sum().backward()
        gradients.append({name: each.grad for name, each in tower.named_parameters() if each.grad is not None})
        if not ways:
            slow = trunk.detach()
    assert (trunk - slow).abs().max() < 1e-4 * slow.abs().max()
    assert gradients[0].keys() == gradients[1].keys()
    assert any(name.startswith("stem.") for name in gradients[0])
    for name, wanted in gradients[0].items():
        assert (gradients[1][name] - wanted).abs().max() <= 1e-3 * wanted.abs().max(), name


def test_only_layers_of_mobilenet_have_fixed_norms() -> None:
    with pytest.raises(TypeError, match="Linear is not a layer"):
        with_fixed_norms(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.usefixtures("no_gradients")
def test_a_text_after_its_beginning_is_the_whole_text(text: TextTower) -> None:
    whole = torch.tensor([[5, 6, 7, 8, END], [5, 6, 7, 9, END]])
    nothing = text.nothing()
    beginning = chain(whole[0, :3].tolist())
    [(places, rest)] = pack(whole[:, 3:].tolist())
    _, past = text.after(*tensors(beginning), nothing)
    rows, _ = text.after(*tensors(rest), past)
    assert torch.allclose(rows, text(whole)[places], atol=1e-5)
    _, grown = text.after(*tensors(chain(whole[1, 3:].tolist())), past)
    assert grown.shape == (2, 2, 4, 5, 16)
    [(places, packed)] = pack(whole.tolist())
    assert packed.input_ids.shape == (1, 7), "what both begin with stands there once"
    assert torch.allclose(text.after(*tensors(packed), nothing)[0], text(whole)[places], atol=1e-5)
