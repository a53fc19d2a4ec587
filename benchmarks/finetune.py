"""Fine-tuning BLIP-2 on answers, beside the source article's loop written plainly: speed, memory and the loss curve.

The model has the proportions of BLIP-2 Flan-T5-XL, every width a quarter and every depth about a quarter, with random
weights: ViT-g 39 × 1408 → 10 × 352, Q-Former 12 × 768 → 3 × 192, Flan-T5-XL 2 × 24 × 2048 → 2 × 6 × 512; 257 patches,
32 queries. The article's loop runs all of it on every step, batches of 16, in float32, and enlarges every photograph to
1800 × 2400 before the processor shrinks it; a second plain loop leaves that out. Dropout is off, so that losses can be
compared; rows, their order, optimiser and learning rates are the same for all.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from benchmarks.plan import Figures
from benchmarks.timing import in_fresh_process, peak_mb
from catalens.models.readers.loading import Wanted
from catalens.models.readers.registry import load_family
from catalens.training.finetune.answer_labels import IGNORED
from catalens.training.finetune.answer_models import answer_loss, answer_model
from catalens.training.finetune.answers import Row
from catalens.training.finetune.frozen_outputs import cached_features, open_cache
from catalens.training.finetune.loop import Recipe, StepNote, plan_batches, train
from catalens.training.finetune.lora import Lora, attach
from catalens.training.finetune.pairs import load_templates

_IMAGES, _STEPS, _WARM_UP = 12, 6, 1
_RECIPE = Recipe(epochs=1, batch_size=16, rate=2e-3, warmup=0.1)
_LORA = Lora(dropout=0.0)
_ARTICLE_WH = (1800, 2400)
_ARTICLE_EPOCHS = 10
_VOCABULARY = 8032
_ANSWERS = (
    "cotton",
    "regular fit",
    "mandarin collar",
    "solid",
    "three quarter sleeves",
    "shirts",
    "navy blue",
    "formal",
)
transformers: Any = import_module("transformers")
"""Its own types are partial."""


def measure() -> Figures:
    """Run every contestant in a process of its own, over the same rows."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _draw(folder)
        _write_checkpoint(folder / "base")
        figures: dict[str, Any] = {
            "article": in_fresh_process(_plain, folder, enlarged=True),
            "plain": in_fresh_process(_plain, folder, enlarged=False),
            "catalens": in_fresh_process(_cached, folder),
        }
    losses = {name: each.pop("losses") for name, each in figures.items()}
    mine = figures["catalens"]
    # Each row's image is encoded once, however often the row comes.
    epochs_s = _ARTICLE_EPOCHS / mine["samples_per_s"] + mine["encoding_s"] / mine["rows"]
    mine["samples_per_s_over_10_epochs"] = _ARTICLE_EPOCHS / epochs_s
    return figures | {
        "batch": _RECIPE.batch_size,
        "dtype": "float32",
        "speed_up_over_article": mine["samples_per_s"] / figures["article"]["samples_per_s"],
        "speed_up_at_equal_pictures_and_precision": mine["samples_per_s"] / figures["plain"]["samples_per_s"],
        "speed_up_over_article_with_encoding": mine["samples_per_s_over_10_epochs"]
        / figures["article"]["samples_per_s"],
        "peak_memory_of_article": mine["peak_mb"] / figures["article"]["peak_mb"],
        "largest_difference_of_losses": float(np.abs(np.subtract(losses["catalens"], losses["plain"])).max()),
        "first_and_last_loss": [losses["catalens"][0], losses["catalens"][-1]],
    }


def _plain(folder: Path, *, enlarged: bool) -> dict[str, Any]:
    """The article's loop: everything forward on every step."""
    loaded, family = load_family(str(folder / "base"), Wanted(device="cpu", dtype="float32"))
    torch.manual_seed(_RECIPE.seed)
    tuned = attach(loaded.model, _LORA, ("q", "v"), frozen=answer_model(loaded, family).frozen)
    parameters = [each for each in tuned.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=_RECIPE.rate, weight_decay=0.0)
    rows = _rows()
    batches: Any = plan_batches(rows, _RECIPE.batch_size, seed=_RECIPE.seed)
    losses, taken_s = [], []
    tuned.train()
    for step, batch in enumerate(batches):
        started_s = time.perf_counter()
        images = [_photo(folder, row.content, enlarged=enlarged) for row in batch]
        asked = [f"Question: {row.question} Answer:" for row in batch]
        inputs = loaded.processor(images=images, text=asked, padding=True, return_tensors="pt")
        labels = loaded.processor.tokenizer([row.answer for row in batch], padding=True, return_tensors="pt")
        wanted = labels.input_ids.masked_fill(labels.attention_mask == 0, IGNORED)
        loss = tuned(**inputs, labels=wanted).loss
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, len(batches))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, _RECIPE.clip)
        optimiser.step()
        losses.append(float(loss.detach()))
        taken_s.append(time.perf_counter() - started_s)
    return _figures(losses, taken_s)


def _cached(folder: Path) -> dict[str, Any]:
    """The trainer of Catalens: frozen features from the cache, adapters on the language model."""
    loaded, family = load_family(str(folder / "base"), Wanted(device="cpu", dtype="float32"))
    rows = _rows()
    started_s = time.perf_counter()
    side = answer_model(loaded, family)

    def images(some: Sequence[Row]) -> list[Image.Image]:
        return [_photo(folder, row.content) for row in some]

    cache = open_cache(folder / "cache", loaded)
    features = cached_features(side, images, cache, rows)
    encoding_s = time.perf_counter() - started_s
    torch.manual_seed(_RECIPE.seed)
    tuned = attach(loaded.model, _LORA, side.targets, frozen=side.frozen)
    ends_s = [time.perf_counter()]

    def loss_of(batch: Sequence[Row]) -> tuple[torch.Tensor, int]:
        return answer_loss(side, features(batch), [row.question for row in batch], [row.answer for row in batch])

    def on_step(_: StepNote) -> None:
        ends_s.append(time.perf_counter())

    state = train(tuned, loss_of, {"train": rows, "val": []}, _RECIPE, folder / "run", on_step)
    return _figures(state.losses, np.diff(ends_s).tolist()) | {"encoding_s": encoding_s, "rows": len(rows)}


def _figures(losses: Sequence[float], taken_s: Sequence[float]) -> dict[str, Any]:
    rate = _RECIPE.batch_size / float(np.median(taken_s[_WARM_UP:]))
    return {"samples_per_s": rate, "peak_mb": peak_mb(), "losses": list(losses)}


def _rate(step: int, steps: int) -> float:
    rising = max(1, round(_RECIPE.warmup * steps))
    if step < rising:
        return _RECIPE.rate * (step + 1) / rising
    return _RECIPE.rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def _rows() -> list[Row]:
    """Questions about every image, in the words that ship, with answers from a seed."""
    templates, random = load_templates(), np.random.default_rng(1)
    pairs = [(at, each.questions[at % len(each.questions)]) for at in range(_IMAGES) for each in templates]
    return [
        Row(str(place), f"{at:032x}", question, str(random.choice(_ANSWERS)))
        for place, (at, question) in enumerate(pairs[: _STEPS * _RECIPE.batch_size])
    ]


def _draw(folder: Path) -> None:
    random = np.random.default_rng(0)
    for at in range(_IMAGES):
        colours = Image.fromarray(random.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        colours.resize((600, 800), Image.Resampling.BICUBIC).save(folder / f"{at:032x}.jpg", quality=90)


def _photo(folder: Path, content: str, *, enlarged: bool = False) -> Image.Image:
    photo = Image.open(folder / f"{content}.jpg").convert("RGB")
    return photo.resize(_ARTICLE_WH) if enlarged else photo


def _write_checkpoint(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    vision = {"hidden_size": 352, "intermediate_size": 1536, "num_hidden_layers": 10, "num_attention_heads": 4}
    bridge = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 3, "num_attention_heads": 3}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    text = transformers.T5Config(
        vocab_size=_VOCABULARY,
        d_model=512,
        d_kv=64,
        d_ff=1280,
        num_layers=6,
        num_heads=8,
        bos_token_id=1,
        eos_token_id=1,
        pad_token_id=0,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    config = transformers.Blip2Config(
        vision_config={**vision, "image_size": 224, "patch_size": 14},
        qformer_config={**bridge, **still, "encoder_hidden_size": 352, "vocab_size": 20},
        text_config=text.to_dict(),
        num_query_tokens=32,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = transformers.Blip2ForConditionalGeneration(config)
    model.save_pretrained(folder)
    images = transformers.BlipImageProcessor(size={"height": 224, "width": 224})
    transformers.Blip2Processor(images, tokenizer, num_query_tokens=32).save_pretrained(folder)


def _tokenizer() -> Any:  # noqa: ANN401 - of transformers
    """Pieces of the questions and answers, ended by </s> as T5 has them."""
    questions = [question for each in load_templates() for question in each.questions]
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    marks = ["<pad>", "</s>", "<unk>"]
    corpus = [*questions, *_ANSWERS, "Question: Answer:"] * 3
    made.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=160, special_tokens=marks, unk_token="<unk>"))
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", made.token_to_id("</s>"))]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.add_tokens(["<image>"], special_tokens=True)
    # T5's vocabulary is a part of its cost, whatever words the rows have.
    fast.add_tokens([f"<extra_{at}>" for at in range(_VOCABULARY - len(fast))])
    return fast


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
