"""Well-known pretrained encoders, as data: what `catalens models` lists. Any other name of the hub works as well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A model that many people name.

    Attributes:
        name: as the user wrote it.
        about: one line for people.
        licence: SPDX identifier or words.
        size_mb: of its weights as they are downloaded.
        repository: where the hub has it, if that is not what the name says.
    """

    name: str
    about: str
    licence: str
    size_mb: int
    repository: str = ""


KNOWN = (
    Known("openai/clip-vit-base-patch32", "CLIP ViT-B/32, the one most people start with; transformers", "MIT", 605),
    Known("openai/clip-vit-base-patch16", "CLIP ViT-B/16; transformers", "MIT", 599),
    Known("openai/clip-vit-large-patch14", "CLIP ViT-L/14; transformers", "MIT", 1710),
    Known("openai/clip-vit-large-patch14-336", "CLIP ViT-L/14 at 336 pixels; transformers", "MIT", 1712),
    Known("clip-ViT-B-32", "CLIP ViT-B/32 as sentence-transformers has it", "MIT", 605),
    Known("clip-ViT-B-16", "CLIP ViT-B/16 as sentence-transformers has it", "MIT", 599),
    Known("clip-ViT-L-14", "CLIP ViT-L/14 as sentence-transformers has it", "MIT", 1710),
    Known(
        "clip-ViT-B-32-multilingual-v1",
        "texts in fifty languages for the pictures of clip-ViT-B-32; sentence-transformers",
        "Apache-2.0, MIT",
        1146,
    ),
    Known("RN50/openai", "CLIP ResNet-50, vectors of 1024; open_clip", "MIT", 408, "timm/resnet50_clip.openai"),
    Known("ViT-B-32/openai", "CLIP ViT-B/32; open_clip", "MIT", 605, "timm/vit_base_patch32_clip_224.openai"),
    Known(
        "ViT-L-14/openai",
        "CLIP ViT-L/14, what Stable Diffusion 1 reads; open_clip",
        "MIT",
        1710,
        "timm/vit_large_patch14_clip_224.openai",
    ),
    Known(
        "ViT-B-32/laion2b_s34b_b79k",
        "CLIP ViT-B/32 trained on LAION-2B; open_clip",
        "MIT",
        605,
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    Known(
        "ViT-L-14/datacomp_xl_s13b_b90k",
        "CLIP ViT-L/14 trained on DataComp-1B; open_clip",
        "MIT",
        1710,
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    ),
    Known(
        "ViT-H-14/laion2b_s32b_b79k",
        "CLIP ViT-H/14, what Stable Diffusion 2 reads; open_clip",
        "MIT",
        3944,
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    ),
    Known(
        "ViT-bigG-14/laion2b_s39b_b160k",
        "CLIP ViT-bigG/14; open_clip",
        "MIT",
        10157,
        "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
    ),
    Known("google/siglip-base-patch16-224", "SigLIP base; English", "Apache-2.0", 813),
    Known("google/siglip-so400m-patch14-384", "SigLIP So400m at 384 pixels; English", "Apache-2.0", 3511),
    Known("google/siglip2-base-patch16-224", "SigLIP 2 base; many languages", "Apache-2.0", 1501),
    Known("google/siglip2-base-patch16-naflex", "SigLIP 2 base that keeps the shape of pictures", "Apache-2.0", 1501),
    Known("google/siglip2-so400m-patch14-384", "SigLIP 2 So400m at 384 pixels; many languages", "Apache-2.0", 4544),
    Known("patrickjohncyh/fashion-clip", "CLIP ViT-B/32 tuned on fashion products; transformers", "MIT", 605),
    Known("hf-hub:Marqo/marqo-fashionCLIP", "CLIP ViT-B/16 tuned on fashion products; open_clip", "Apache-2.0", 599),
    Known("hf-hub:Marqo/marqo-fashionSigLIP", "SigLIP base tuned on fashion products; open_clip", "Apache-2.0", 813),
)
