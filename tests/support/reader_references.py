"""What transformers itself gives, one picture and one text at a time: nothing here is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image

from catalens.core.types import Turn
from tests.support.tiny_readers import CHATS, tiny

Settings = dict[str, Any]


def messages(question: str, history: Sequence[Turn] = (), image: Image | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for turn in history:
        found.append({"role": "user", "content": [{"type": "text", "text": turn.question}]})
        found.append({"role": "assistant", "content": [{"type": "text", "text": turn.answer}]})
    found.append({"role": "user", "content": [{"type": "text", "text": question}]})
    found[0]["content"].insert(0, {"type": "image", "image": image})
    return found


def inputs(name: str, image: Image, text: str, history: Sequence[Turn] = ()) -> dict[str, Any]:
    """Return what the model's own processor makes of a picture and a text, as its documentation says."""
    processor = tiny(name)[0].processor
    if name in CHATS:
        talk = messages(text, history, image)
        settings = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
        return dict(processor.apply_chat_template(talk, **settings))
    if name == "git":
        words = processor(text=text, add_special_tokens=False).input_ids if text else []
        pixels = processor(images=image, return_tensors="pt").pixel_values
        return {"pixel_values": pixels, "input_ids": torch.tensor([[processor.tokenizer.cls_token_id, *words]])}
    return dict(processor(images=image, text=text or None, return_tensors="pt"))


def generated(name: str, image: Image, text: str, settings: Settings, history: Sequence[Turn] = ()) -> list[list[int]]:
    """Return the tokens that `generate` adds to a text, without the end."""
    loaded, family = tiny(name)
    given = inputs(name, image, text, history)
    sequences = loaded.model.generate(**given, **settings).tolist()  # without gradients, by itself
    prompt = given["input_ids"].shape[1] if "input_ids" in given else 1
    if name == "blip":
        prompt = given["input_ids"].shape[1] - 1 if text else 1  # the last one, [SEP], is dropped
    if name in ("blip-vqa", "blip2-t5"):
        prompt = 1
    if name == "blip2-opt" and not text:
        prompt = loaded.model.config.num_query_tokens + 1
    found = []
    for sequence in sequences:
        new = sequence[prompt:]
        stop = next((at for at, each in enumerate(new) if each in family.end_ids), len(new))
        found.append(new[:stop])
    return found


def likelihood(name: str, image: Image, question: str, answer: list[int], history: Sequence[Turn] = ()) -> float:
    """Return the log-likelihood of an answer and its end, by one forward pass over everything."""
    with torch.no_grad():
        chances = _answer_logits(name, image, question, answer, history)[0].float().log_softmax(-1)
    own = sum(chances[at, token].item() for at, token in enumerate(answer))
    return float(own + chances[len(answer), list(tiny(name)[1].end_ids)].logsumexp(0))


def _answer_logits(name: str, image: Image, question: str, answer: list[int], history: Sequence[Turn]) -> Any:
    model, given = tiny(name)[0].model, inputs(name, image, question, history)
    words = torch.tensor([answer])
    if name == "blip-vqa":
        seen = model.vision_model(given["pixel_values"]).last_hidden_state
        asked = model.text_encoder(input_ids=given["input_ids"], encoder_hidden_states=seen).last_hidden_state
        begin = torch.tensor([[model.decoder_start_token_id]])
        logits = model.text_decoder(input_ids=torch.cat([begin, words], 1), encoder_hidden_states=asked).logits
    elif name == "blip2-t5":
        begin = torch.tensor([[0]])
        logits = model(**given, decoder_input_ids=torch.cat([begin, words], 1)).logits
    else:
        longer = {"input_ids": words, "attention_mask": torch.ones_like(words)}
        for kind in ("mm_token_type_ids", "token_type_ids"):
            longer[kind] = torch.zeros_like(words)
        given = {key: torch.cat([each, longer[key]], 1) if key in longer else each for key, each in given.items()}
        logits = model(**given).logits[:, -len(answer) - 1 :]
    return logits
