"""Fine-tuning of chat models: what is special to them. `test_finetune_answers` has what all models share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from catalens.core.errors import InputError, ModelError
from catalens.models.readers.chat import Chat
from catalens.training.finetune import chat_answers, packing
from catalens.training.finetune.answer_models import answer_loss, answer_model, checkpoint_activations
from catalens.training.finetune.answers import Row
from catalens.training.finetune.chat_answers import ChatAnswers
from catalens.training.finetune.loop import Recipe, train
from catalens.training.finetune.lora import Lora, attach
from tests.hub.test_finetune_answers import ROWS, fresh, images
from tests.support.tiny_readers import CHATS


def side_of(name: str) -> ChatAnswers:
    side = answer_model(*fresh(name))
    assert isinstance(side, ChatAnswers)
    return side


@torch.no_grad()
def loss_of(side: ChatAnswers, rows: list[Row]) -> float:
    features = side.features(images(rows))
    return answer_loss(side, features, [row.question for row in rows], [row.answer for row in rows])[0].item()


@pytest.mark.parametrize("name", CHATS)
def test_the_loss_is_the_models_own_with_all_but_the_answer_masked(name: str) -> None:
    """The reference: the whole conversation by the processor, and the labels of its last turn by hand."""
    loaded, family = fresh(name)
    side = answer_model(loaded, family)
    for row in ROWS[:3]:
        (picture,) = images([row])
        asked = {
            "role": "user",
            "content": [{"type": "image", "image": picture}, {"type": "text", "text": row.question}],
        }
        told = {"role": "assistant", "content": [{"type": "text", "text": row.answer}]}
        settings = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
        whole = loaded.processor.apply_chat_template([asked, told], **settings)
        prompt = loaded.processor.apply_chat_template([asked], add_generation_prompt=True, **settings)
        start = prompt["input_ids"].shape[1]
        (end,) = [
            at for at in range(start, whole["input_ids"].shape[1]) if whole["input_ids"][0, at] == family.end_ids[0]
        ]
        labels = torch.full_like(whole["input_ids"], -100)
        labels[:, start : end + 1] = whole["input_ids"][:, start : end + 1]
        assert loaded.processor.tokenizer.decode(labels[0, start:end]).strip() == row.answer
        with torch.no_grad():
            expected = loaded.model(**whole, labels=labels).loss.item()
            loss, tokens = answer_loss(side, side.features([picture]), [row.question], [row.answer])
        assert tokens == end + 1 - start
        assert loss.item() / tokens == pytest.approx(expected, rel=1e-4)


def test_an_answer_ends_with_the_token_that_ends_a_turn() -> None:
    """Gemma's own configuration names the end of a text first, which no turn ends with."""
    loaded, family = fresh("gemma3")
    assert isinstance(family, Chat)
    of_text = family.tokenizer.convert_tokens_to_ids("<bos>")
    of_turn = family.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    family.end_ids = (of_text, of_turn)
    side = answer_model(loaded, family)
    _, labels = side.logits(side.features(images(ROWS[:1])), ["what?"], ["red"])
    assert labels[0, -1] == of_turn


@pytest.mark.parametrize("name", ["llava", "qwen3-vl", "smolvlm"])
def test_models_that_cannot_be_given_the_output_read_pixels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = loss_of(side_of(name), ROWS[:4])
    monkeypatch.setattr(Chat, "takes_vision_output", False)
    side = side_of(name)
    assert not side.keeps_features
    assert loss_of(side, ROWS[:4]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", CHATS)
def test_a_transformers_that_shares_places_among_rows_gives_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ROWS[0], Row("x", ROWS[1].content, "what colour is it, and which colour is it not?", ROWS[1].answer)]
    side = side_of(name)
    expected = loss_of(side, rows)
    monkeypatch.setattr(packing, "_places_per_row", lambda: False)
    assert loss_of(side, rows) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", CHATS)
def test_the_output_is_kept_only_if_the_logits_are_those_of_pixels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert side_of(name).keeps_features
    joined = chat_answers._of_images
    monkeypatch.setattr(chat_answers, "_of_images", lambda values: joined(values[::-1]))  # of the other image
    assert not side_of(name).keeps_features

    def refused(_: object) -> None:
        raise TypeError("tuple")

    monkeypatch.setattr(chat_answers, "_of_images", refused)
    assert not side_of(name).keeps_features


@pytest.mark.parametrize("name", CHATS)
def test_checkpointed_activations_change_no_loss(name: str, tmp_path: Path) -> None:
    def curve(*, checkpointed: bool) -> list[float]:
        side = side_of(name)
        if checkpointed:
            checkpoint_activations(side, name)
            assert any(getattr(each, "gradient_checkpointing", False) for each in side.language.modules())
        return _curve(side, Lora(), tmp_path / str(checkpointed))

    plain = curve(checkpointed=False)
    assert curve(checkpointed=True) == pytest.approx(plain, rel=1e-5)
    assert plain[-1] < plain[0]


LORAS = {
    "dora": Lora(use_dora=True),
    "rslora": Lora(use_rslora=True),
    "feed-forward": Lora(targets=("gate_proj", "up_proj", "down_proj")),
}


@pytest.mark.parametrize("kind", LORAS)
@pytest.mark.parametrize("name", ["llava", "qwen2.5-vl", "smolvlm", "gemma3"])
def test_other_adapters_learn_and_merge(name: str, kind: str, tmp_path: Path) -> None:
    loaded, family = fresh(name)
    side = answer_model(loaded, family)
    assert isinstance(side, ChatAnswers)
    curve = _curve(side, LORAS[kind], tmp_path)
    assert curve[-1] < curve[0]
    adapted = loss_of(side, ROWS[:2])
    adapted_layers = [each for each in loaded.model.modules() if hasattr(each, "lora_A")]
    assert adapted_layers
    for each in adapted_layers:
        each.merge()
    assert loss_of(side, ROWS[:2]) == pytest.approx(adapted, rel=1e-4)


def test_layers_that_the_language_model_lacks_are_named() -> None:
    side = side_of("llava")
    with pytest.raises(ModelError, match=r"--target-modules: no layer .* is called 'out_proj'; did you mean 'o_proj'"):
        attach(side._model, Lora(targets=("out_proj",)), side.targets, frozen=side.frozen)  # the vision tower has some


def test_a_conversation_that_is_too_long_is_refused() -> None:
    side = side_of("llava")
    with pytest.raises(InputError, match="the model reads fewer than 512"):
        side.logits(side.features(images(ROWS[:1])), ["what colour? " * 300], ["red"])


def _curve(side: ChatAnswers, lora: Lora, folder: Path) -> list[float]:
    """Return the losses of four steps over the same rows."""
    torch.manual_seed(0)
    tuned = attach(side._model, lora, side.targets, frozen=side.frozen)
    features = side.features(images(ROWS[:4]))
    rows = {"train": ROWS[:4], "val": []}

    def batch_loss(batch: object) -> tuple[torch.Tensor, int]:
        del batch
        return answer_loss(side, features, [row.question for row in ROWS[:4]], [row.answer for row in ROWS[:4]])

    return train(tuned, batch_loss, rows, Recipe(epochs=4, batch_size=4, rate=1e-2, patience=9), folder).losses
