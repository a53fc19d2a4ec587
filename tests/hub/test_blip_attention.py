"""A caption attends to an image's states as they are, and gets what projected keys and values would give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from catalens.models.readers.blip import BlipCaptions
from catalens.models.readers.blip_decoder import BlipState, BlipTextStack, CrossAttention, Unprojected
from catalens.models.readers.loading import Loaded, Wanted, load
from tests.support.reader_contract import pictures
from tests.support.tiny_readers import BUILD


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    made = load(BUILD["blip"](tmp_path / "blip"), "blip", "BlipForConditionalGeneration", Wanted(dtype="float32"))
    torch.manual_seed(1)
    for parameter in made.model.text_decoder.parameters():
        nn.init.normal_(parameter, std=0.3)  # biases are zero otherwise
    return made


@pytest.fixture
def stack(loaded: Loaded) -> BlipTextStack:
    return BlipCaptions(loaded)._decoder


@pytest.fixture
def hidden(loaded: Loaded) -> Tensor:
    with torch.inference_mode():
        return BlipCaptions(loaded).encode_images(pictures(3)).features


@torch.inference_mode()
@pytest.mark.parametrize("texts", [1, 2])
def test_states_that_are_not_projected_give_the_same_logits(stack: BlipTextStack, hidden: Tensor, texts: int) -> None:
    cross = stack.look_at(hidden)
    assert isinstance(cross, Unprojected)
    ids = torch.tensor([[5, 6, 7], [7, 5, 6]])[:texts].repeat(len(hidden), 1)
    states = [BlipState(stack, each) for each in (cross, stack.project(hidden))]
    for read in (ids, ids[:, :1]):
        found, expected = (state.forward(read) for state in states)
        assert expected.std() > 0.1
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_many_texts_about_an_image_share_keys_and_values(stack: BlipTextStack, hidden: Tensor) -> None:
    state = BlipState(stack, stack.look_at(hidden))
    state.forward(torch.tensor([[5]]).expand(len(hidden), -1))
    assert isinstance(state.expand(2)._cross, Unprojected)
    assert isinstance(state.expand(9)._cross, CrossAttention)


@torch.inference_mode()
def test_weights_of_another_kind_are_run_by_their_own_layers(stack: BlipTextStack, hidden: Tensor) -> None:
    class Rounded(nn.Linear):
        """As bitsandbytes has it, whose weights are no numbers to multiply by."""

    attention = stack.layers[0].crossattention.self
    attention.key = Rounded(attention.key.in_features, attention.key.out_features)
    assert isinstance(stack.look_at(hidden), CrossAttention)
