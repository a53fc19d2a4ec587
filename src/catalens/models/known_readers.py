"""Well-known readers, as data: short names and hub repositories. Any other hub id works as well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownReader:
    """A model that describes images or answers questions about them.

    Attributes:
        name: short name.
        repository: on the hub.
        about: one-line description.
        licence: SPDX identifier, or a description where there is none.
        size_mb: download size of the weights.
    """

    name: str
    repository: str
    about: str
    licence: str
    size_mb: int


_BLIP, _GIT, _OPENGV = "Salesforce/blip-", "microsoft/git-", "OpenGVLab/"
_BSD, _MIT, _APACHE = "BSD-3-Clause", "MIT", "Apache-2.0"

KNOWN_READERS = (
    KnownReader("blip-base", f"{_BLIP}image-captioning-base", "captions; small and good", _BSD, 990),
    KnownReader("blip-large", f"{_BLIP}image-captioning-large", "captions, longer ones", _BSD, 1880),
    KnownReader("blip-vqa", f"{_BLIP}vqa-base", "answers to single questions", _BSD, 1540),
    KnownReader("blip-vqa-capfilt", f"{_BLIP}vqa-capfilt-large", "answers to single questions", _BSD, 1540),
    KnownReader("blip2-2.7b", "Salesforce/blip2-opt-2.7b", "captions and answers; OPT", _MIT, 15500),
    KnownReader("blip2-2.7b-coco", "Salesforce/blip2-opt-2.7b-coco", "captions; tuned on COCO", _MIT, 15500),
    KnownReader("blip2-6.7b", "Salesforce/blip2-opt-6.7b", "captions and answers; OPT", _MIT, 31000),
    KnownReader("blip2-6.7b-coco", "Salesforce/blip2-opt-6.7b-coco", "captions; tuned on COCO", _MIT, 31000),
    KnownReader("blip2-flan-t5-xl", "Salesforce/blip2-flan-t5-xl", "answers and captions; Flan-T5", _MIT, 15800),
    KnownReader("blip2-flan-t5-xl-coco", "Salesforce/blip2-flan-t5-xl-coco", "captions; tuned on COCO", _MIT, 15800),
    KnownReader("blip2-flan-t5-xxl", "Salesforce/blip2-flan-t5-xxl", "answers and captions; Flan-T5", _MIT, 49000),
    KnownReader("git-base", f"{_GIT}base", "captions; a base model to fine-tune", _MIT, 707),
    KnownReader("git-base-coco", f"{_GIT}base-coco", "captions", _MIT, 707),
    KnownReader("git-large-coco", f"{_GIT}large-coco", "captions", _MIT, 1580),
    KnownReader("git-large-r-coco", f"{_GIT}large-r-coco", "captions", _MIT, 1580),
    KnownReader("git-base-textcaps", f"{_GIT}base-textcaps", "captions that include text in the image", _MIT, 707),
    KnownReader("git-large-textcaps", f"{_GIT}large-textcaps", "captions that include text in the image", _MIT, 1580),
    KnownReader("git-base-vqav2", f"{_GIT}base-vqav2", "answers to single questions", _MIT, 707),
    KnownReader("git-large-vqav2", f"{_GIT}large-vqav2", "answers to single questions", _MIT, 1580),
    KnownReader("git-base-textvqa", f"{_GIT}base-textvqa", "answers about text in the image", _MIT, 707),
    KnownReader("git-large-textvqa", f"{_GIT}large-textvqa", "answers about text in the image", _MIT, 1580),
    KnownReader("smolvlm-256m", "HuggingFaceTB/SmolVLM-256M-Instruct", "chat; the smallest", _APACHE, 513),
    KnownReader("smolvlm-500m", "HuggingFaceTB/SmolVLM-500M-Instruct", "chat; small", _APACHE, 1020),
    KnownReader("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", "chat", _APACHE, 4490),
    KnownReader("qwen2-vl-2b", "Qwen/Qwen2-VL-2B-Instruct", "chat; reads text in images", _APACHE, 4420),
    KnownReader("qwen2.5-vl-3b", "Qwen/Qwen2.5-VL-3B-Instruct", "chat; reads text in images", "Qwen Research", 7510),
    KnownReader("qwen2.5-vl-7b", "Qwen/Qwen2.5-VL-7B-Instruct", "chat; reads text in images", _APACHE, 16600),
    KnownReader("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", "chat; reads text in images", _APACHE, 4260),
    KnownReader("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", "chat; reads text in images", _APACHE, 17500),
    KnownReader("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "chat", "Llama 2", 14100),
    KnownReader("internvl3-1b", f"{_OPENGV}InternVL3-1B-hf", "chat", "Qwen, MIT", 1880),
    KnownReader("internvl3-2b", f"{_OPENGV}InternVL3-2B-hf", "chat", "Qwen, MIT", 4180),
    KnownReader("internvl3-8b", f"{_OPENGV}InternVL3-8B-hf", "chat", "Qwen, MIT", 15900),
)
