"""Captions and answers beside transformers' own loops, with random weights of true proportions.

`python -m benchmarks.readers [--quick]`: a table for people, and one JSON document as the last line. Everybody has the
same weights, pictures and lengths and takes turns; pictures are prepared within the measured time. *BLIP* has the
true size of blip-image-captioning-base. *BLIP-2* has the widths of blip2-opt-2.7b, with a sixth of the layers of its
vision tower, Q-Former and language model, and a sixth of its vocabulary, so that their shares of the work stay.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from benchmarks.__main__ import rounded
from benchmarks.machine import machine_facts
from benchmarks.plan import Figures
from benchmarks.timing import in_turns
from catalens.core.types import Decoding
from catalens.models.device import choose_dtype
from catalens.models.readers.blip import BlipCaptions
from catalens.models.readers.blip2 import Blip2Opt, dialogue
from catalens.models.readers.generate import generate
from catalens.models.readers.loading import Loaded
from catalens.models.readers.reader import TorchReader
from catalens.models.readers.tokens import plain_ids

CPU = torch.device("cpu")
transformers: Any = import_module("transformers")


@dataclass(frozen=True, slots=True)
class Size:
    """How large the models are, and how much is asked of them."""

    blip_layers: int
    pictures: int
    caption_tokens: int
    shrink: int
    answer_tokens: int
    rounds: int


FULL = Size(blip_layers=12, pictures=4, caption_tokens=20, shrink=6, answer_tokens=6, rounds=3)
BUDGET_S = 100.0
"""For the rounds of one subject, after each contestant has run once."""
QUICK = Size(blip_layers=2, pictures=2, caption_tokens=6, shrink=20, answer_tokens=3, rounds=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, and roughly how fast")
    parser.add_argument("--only", choices=list(SUBJECTS), help="one subject")
    options = parser.parse_args(arguments)
    found = measure(QUICK if options.quick else FULL, options.only)
    print(json.dumps(rounded({"machine": machine_facts(), "quick": options.quick, **found})))


@torch.inference_mode()
def measure(size: Size, only: str | None = None) -> Figures:
    """Measure all subjects or one, and show each as soon as it is there."""
    found: Figures = {}
    for name in [only] if only else SUBJECTS:
        found[name] = SUBJECTS[name][1](size)
        _show(f"{name}: {SUBJECTS[name][0]}", rounded(found[name]))
    return found


def _show(title: str, figures: Figures, before: str = "  ") -> None:
    """Print figures for people."""
    print(title, file=sys.stderr)
    for name, value in figures.items():
        if isinstance(value, dict):
            _show(f"{before}{name}", value, f"{before}  ")
        else:
            print(f"{before}{name}: {value}", file=sys.stderr)


def captions(size: Size) -> Figures:
    """BLIP: greedy, and with the three beams of its paper, in float32 and in what is chosen by itself.

    Ours has compiled its vision tower before, as it does after eight pictures, where that is faster: in float32, or, if
    nobody asks for a type, in 8 bits.
    """
    chosen = choose_dtype("auto", CPU)
    images = _images(size.pictures)
    built = {
        "float32": _beside(size, torch.float32, images, exact=True),
        "chosen": _beside(size, chosen, images, exact=False),
    }
    compiled = {kind: family._vision.is_compiled for kind, (_, family) in built.items()}
    figures: Figures = {
        "pictures": size.pictures,
        "tokens": size.caption_tokens,
        "chosen": str(chosen),
        **{f"compiled {kind}": float(each) for kind, each in compiled.items()},
    }
    for beams in (1, 3):
        last: dict[str, list[list[int]]] = {}
        contestants = {
            f"{who} {kind}": partial(_caption, last, who, kind, built[kind], images, size.caption_tokens, beams)
            for kind in built
            for who in ("transformers", "ours")
            if not (who == "transformers" and kind == "chosen" and chosen == torch.float32)
        }
        taken_s = in_turns(contestants, size.rounds, BUDGET_S)
        taken_s.setdefault("transformers chosen", taken_s["transformers float32"])
        figures[f"{beams} beams"] = {
            **{f"{name} captions_per_s": size.pictures / each for name, each in taken_s.items()},
            "ratio": taken_s["transformers float32"] / taken_s["ours chosen"],
            "ratio_both_float32": taken_s["transformers float32"] / taken_s["ours float32"],
            "ratio_both_chosen": taken_s["transformers chosen"] / taken_s["ours chosen"],
            "tokens_equal_float32": _equal(last["transformers float32"], last["ours float32"]),
            "tokens_equal_chosen": _equal(last["transformers float32"], last["ours chosen"]),
        }
    first, other = (_first_logits(family, images) for _, family in built.values())
    figures["worst_cosine_of_logits_chosen_float32"] = float(torch.cosine_similarity(first, other).min())
    return figures


def _beside(size: Size, dtype: torch.dtype, images: list[Image.Image], *, exact: bool) -> tuple[Loaded, BlipCaptions]:
    """Build the same model twice: for transformers, and for us, whose compiled tower takes its weights from torch."""
    theirs, _ = _blip(size, dtype)
    _, family = _blip(size, dtype, compile_after=0 if dtype == torch.float32 else None, exact=exact)
    family.encode_images(images[:1])
    return theirs, family


def _caption(
    last: dict[str, list[list[int]]],
    who: str,
    kind: str,
    built: tuple[Loaded, BlipCaptions],
    images: list[Image.Image],
    tokens: int,
    beams: int,
) -> None:
    """Caption pictures as transformers does or as we do, and keep the tokens."""
    loaded, family = built
    if who == "transformers":
        pixels = loaded.processor(images=images, return_tensors="pt")["pixel_values"].to(loaded.dtype)
        settings = {"max_new_tokens": tokens, "min_new_tokens": tokens, "num_beams": beams}
        texts = [row[1:] for row in loaded.model.generate(pixel_values=pixels, **settings).tolist()]
    else:
        decoding = Decoding(max_tokens=tokens, min_tokens=tokens, beams=beams)
        (prefill,) = family.prefill_captions(family.encode_images(images), "")
        texts = [text for (text,) in generate(prefill, decoding, family.end_ids)]
    last[f"{who} {kind}"] = texts


def _equal(theirs: list[list[int]], ours: list[list[int]]) -> float:
    """Return the share of tokens that are the same."""
    return float(np.mean(np.array(theirs) == np.array(ours)))


def _first_logits(family: BlipCaptions, images: list[Image.Image]) -> torch.Tensor:
    return family.prefill_captions(family.encode_images(images), "")[0].logits


def questions(size: Size) -> Figures:
    """BLIP-2: eight questions on one picture at once, beside the same ones one at a time."""
    (image,) = _images(1)
    asked = [f"what {word} is the shirt of the man" for word in _WORDS[:8]]
    decoding = Decoding(max_tokens=size.answer_tokens, min_tokens=size.answer_tokens)
    settings = {"max_new_tokens": size.answer_tokens, "min_new_tokens": size.answer_tokens}

    def one_by_one(loaded: Loaded, _: Blip2Opt) -> list[list[int]]:
        given = [_prepared(loaded, image, each) for each in asked]
        return [loaded.model.generate(**each, **settings)[0, each["input_ids"].shape[1] :].tolist() for each in given]

    def at_once(_: Loaded, family: Blip2Opt) -> list[list[int]]:
        start = family.prefill_answers(family.encode_images([image]), asked, ())[0]
        return [text for (text,) in generate(start, decoding, family.end_ids)]

    figures, last = _compared(size, one_by_one, at_once)
    same = _equal(last["one by one float32"], last["ours float32"])
    return figures | {"questions": len(asked), "tokens_equal_float32": same}


def closed(size: Size) -> Figures:
    """BLIP-2: twenty answers to choose from in one batch, beside scoring each alone."""
    (image,) = _images(1)
    question = "what colour is the shirt of the man"
    answers = [" ".join(_WORDS[at : at + 1 + at % 3]) for at in range(20)]

    def alone(loaded: Loaded, family: Blip2Opt) -> list[float]:
        return [_likelihood(loaded, family, _prepared(loaded, image, question), answer) for answer in answers]

    def together(_: Loaded, family: Blip2Opt) -> list[float]:
        reader = TorchReader(family)
        found: list[float] = reader.score(reader.encode_images([image]), question, answers)[0].tolist()
        return found

    figures, last = _compared(size, alone, together)
    exact = last["one by one float32"]
    worst = {kind: float(np.abs(np.subtract(exact, last[f"ours {kind}"])).max()) for kind in ("float32", "chosen")}
    return figures | {"answers": len(answers), "worst_difference_of_log_likelihood": worst}


def _compared(
    size: Size, theirs: Callable[[Loaded, Blip2Opt], list[Any]], ours: Callable[[Loaded, Blip2Opt], list[Any]]
) -> tuple[Figures, dict[str, list[Any]]]:
    """Let both do their work with the same BLIP-2 in both dtypes; give times, ratios and what each gave last."""
    last: dict[str, list[Any]] = {}

    def run(name: str, work: Callable[[Loaded, Blip2Opt], list[Any]], built: tuple[Loaded, Blip2Opt]) -> None:
        last[name] = work(*built)

    chosen = choose_dtype("auto", CPU, large=True)
    kinds = {"float32": _blip2(size, torch.float32), "chosen": _blip2(size, chosen)}
    contestants = {
        f"{who} {kind}": partial(run, f"{who} {kind}", work, built)
        for kind, built in kinds.items()
        for who, work in (("one by one", theirs), ("ours", ours))
    }
    taken_s = in_turns(contestants, size.rounds, BUDGET_S)
    figures: Figures = {
        "chosen": str(chosen),
        **{f"{name} s": each for name, each in taken_s.items()},
        "ratio": taken_s["one by one float32"] / taken_s["ours chosen"],
        "ratio_both_float32": taken_s["one by one float32"] / taken_s["ours float32"],
        "ratio_both_chosen": taken_s["one by one chosen"] / taken_s["ours chosen"],
    }
    return figures, last


def _prepared(loaded: Loaded, image: Image.Image, question: str) -> dict[str, torch.Tensor]:
    given = dict(loaded.processor(images=image, text=dialogue(question, ()), return_tensors="pt"))
    return given | {"pixel_values": given["pixel_values"].to(loaded.dtype)}


def _likelihood(loaded: Loaded, family: Blip2Opt, given: dict[str, torch.Tensor], answer: str) -> float:
    """Score one answer by one pass of transformers over picture, question and answer."""
    ids = plain_ids(family.tokenizer, f"{family.answer_prefix}{answer}")
    read = torch.cat([given["input_ids"], torch.tensor([ids])], dim=1)
    output = loaded.model(pixel_values=given["pixel_values"], input_ids=read, attention_mask=torch.ones_like(read))
    logits = output.logits[0, -len(ids) - 1 :].float().log_softmax(-1)
    return float(sum(logits[at, token] for at, token in enumerate(ids)) + logits[-1, list(family.end_ids)].logsumexp(0))


_WORDS = (
    "colour pattern collar sleeve length fabric style kind red blue green white black brown grey pink "
    "orange yellow purple beige navy what is the shirt"
)


def _tokenizer(size: int, marks: Sequence[str], single: str) -> Any:
    words = [*marks, *_WORDS.split(), "Question", ":", "Answer", "of", "man"]
    vocabulary = {word: at for at, word in enumerate([*words, *(f"w{at}" for at in range(size - len(words)))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=marks[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [(mark, vocabulary[mark]) for mark in marks]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=marks[0], unk_token=marks[1])


def _images(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (480, 360, 3), dtype=np.uint8)) for _ in range(count)]


def _blip(
    size: Size, dtype: torch.dtype, compile_after: int | None = None, *, exact: bool = True
) -> tuple[Loaded, BlipCaptions]:
    """Build a BLIP with the sizes of blip-image-captioning-base, and weights as large as trained ones are."""
    text = {"bos_token_id": 30522, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0, "encoder_hidden_size": 768}
    layers = {"num_hidden_layers": size.blip_layers}
    config = transformers.BlipConfig(
        text_config={"vocab_size": 30524, "num_attention_heads": 12, **text, **layers},
        vision_config={"image_size": 384, "initializer_range": 0.02, **layers},
    )
    torch.manual_seed(0)
    model = transformers.BlipForConditionalGeneration(config).eval().to(dtype)
    tokenizer = _tokenizer(30522, ("[PAD]", "[UNK]", "[CLS]", "[SEP]"), "[CLS] $A [SEP]")
    images = transformers.BlipImageProcessor(size={"height": 384, "width": 384})
    processor = transformers.BlipProcessor(images, tokenizer)
    loaded = Loaded(
        name="blip",
        model=model,
        processor=processor,
        device=CPU,
        dtype=dtype,
        compile_after=compile_after,
        exact=exact,
    )
    return loaded, BlipCaptions(loaded)


def _blip2(size: Size, dtype: torch.dtype) -> tuple[Loaded, Blip2Opt]:
    """Build a BLIP-2 with the widths of blip2-opt-2.7b and a share of its layers and words."""
    words = 50272 // size.shrink
    tokenizer = _tokenizer(words, ("<pad>", "<unk>", "</s>", "<end>"), "</s> $A")
    images = transformers.BlipImageProcessor(size={"height": 224, "width": 224})
    processor = transformers.Blip2Processor(images, tokenizer, num_query_tokens=32)
    config = transformers.Blip2Config(
        vision_config={"num_hidden_layers": max(1, 39 // size.shrink)},
        qformer_config={"num_hidden_layers": max(2, 12 // size.shrink)},
        text_config={
            "model_type": "opt",
            "vocab_size": words + 8,
            "hidden_size": 2560,
            "word_embed_proj_dim": 2560,
            "ffn_dim": 10240,
            "num_hidden_layers": max(1, 32 // size.shrink),
            "num_attention_heads": 32,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "pad_token_id": 0,
        },
        num_query_tokens=32,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(0)
    model = transformers.Blip2ForConditionalGeneration(config).eval().to(dtype)
    loaded = Loaded(name="blip2", model=model, processor=processor, device=CPU, dtype=dtype)
    return loaded, Blip2Opt(loaded)


SUBJECTS: dict[str, tuple[str, Callable[[Size], Figures]]] = {
    "captions": ("BLIP's captions per second beside transformers' generate", captions),
    "questions": ("eight questions on one picture beside one by one", questions),
    "closed": ("twenty closed answers beside each alone", closed),
}


if __name__ == "__main__":
    main()
