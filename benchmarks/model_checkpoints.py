"""Checkpoints of true sizes with random weights, as transformers lays them out, and the same as open_clip does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from benchmarks.limits import operations_of


@dataclass(frozen=True, slots=True)
class Tower:
    """The size of a tower; a head is 64 wide in every CLIP."""

    width: int
    layers: int


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a CLIP of 224 by 224 pixels."""

    vision: Tower
    patch: int
    text: Tower
    dim: int


SIZES = {
    "ViT-B/32": Size(Tower(768, 12), 32, Tower(512, 12), 512),
    "ViT-L/14": Size(Tower(1024, 24), 14, Tower(768, 12), 768),
}


def write_checkpoint(folder: Path, size: Size, *, layers: int | None = None) -> None:
    """Save a CLIP as transformers does, with OpenAI's vocabulary and activation.

    Args:
        folder: where.
        size: of its towers.
        layers: of each tower, in place of the true number.
    """
    torch.manual_seed(0)
    model = CLIPModel(_config(size, layers)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):  # fresh ones are zero, and leave half of the arithmetic untried
                weight.normal_(std=0.02)
    model.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    theirs = SimpleTokenizer()
    marks = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {marks.get(token, token): at for token, at in theirs.encoder.items()}
    CLIPTokenizer(vocab=vocabulary, merges=list(theirs.bpe_ranks)).save_pretrained(folder)


def _config(size: Size, layers: int | None) -> CLIPConfig:
    marks = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    return CLIPConfig(
        text_config={**_tower(size.text, layers), **marks},
        vision_config={**_tower(size.vision, layers), "patch_size": size.patch},
        projection_dim=size.dim,
    )


def _tower(tower: Tower, layers: int | None) -> dict[str, int | str]:
    return {
        "hidden_size": tower.width,
        "intermediate_size": 4 * tower.width,
        "num_attention_heads": tower.width // 64,
        "num_hidden_layers": layers or tower.layers,
        "hidden_act": "quick_gelu",
    }


def as_open_clip(model: CLIPModel) -> open_clip.CLIP:
    """Return open_clip's model with the same weights, which it shares where the layout allows."""
    text, vision = model.config.text_config, model.config.vision_config
    assert isinstance(text, CLIPTextConfig)
    assert isinstance(vision, CLIPVisionConfig)
    with torch.device("meta"):
        made = open_clip.model.CLIP(
            model.config.projection_dim,
            {
                "layers": vision.num_hidden_layers,
                "width": vision.hidden_size,
                "head_width": vision.hidden_size // vision.num_attention_heads,
                "patch_size": vision.patch_size,
                "image_size": vision.image_size,
            },
            {
                "context_length": text.max_position_embeddings,
                "vocab_size": text.vocab_size,
                "width": text.hidden_size,
                "heads": text.num_attention_heads,
                "layers": text.num_hidden_layers,
            },
            quick_gelu=True,
        )
    state = dict(_renamed(model.state_dict()))
    state["attn_mask"] = torch.full((text.max_position_embeddings,) * 2, float("-inf")).triu(1)
    made.load_state_dict({name: each for name, each in state.items() if name != "attn_mask"}, assign=True)
    made.register_buffer("attn_mask", state["attn_mask"], persistent=False)
    return made.eval()


_NAMES = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "logit_scale": "logit_scale",
}
_PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def _renamed(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Return open_clip's names and layouts of transformers' weights."""
    yield "text_projection", state["text_projection.weight"].T
    yield "visual.proj", state["visual_projection.weight"].T
    for name, weight in state.items():
        if name in _NAMES:
            yield _NAMES[name], weight
        elif ".layers." in name:
            tower, _, rest = name.partition(".encoder.layers.")
            number, _, part = rest.partition(".")
            block = f"{'visual.' if tower == 'vision_model' else ''}transformer.resblocks.{number}"
            if part.startswith("self_attn.q_proj."):
                kind = part.rpartition(".")[2]
                three = [state[name.replace("q_proj", f"{each}_proj")] for each in "qkv"]
                yield f"{block}.attn.in_proj_{kind}", torch.cat(three)
            elif not part.startswith("self_attn.") or "out_proj" in part:
                theirs, _, kind = part.rpartition(".")
                yield f"{block}.{_PARTS[theirs]}.{kind}", weight


@torch.inference_mode()
def operations_of_an_image(folder: Path) -> int:
    """Count the operations that the image tower of a checkpoint does on one picture."""
    tower = CLIPModel.from_pretrained(folder).eval()
    pixels = torch.zeros(1, 3, tower.config.vision_config.image_size, tower.config.vision_config.image_size)
    return operations_of(lambda: tower.get_image_features(pixel_values=pixels))
