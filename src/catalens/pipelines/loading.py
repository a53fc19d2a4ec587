"""`catalens.load`: a lens over the models that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from catalens.pipelines.lens import Lens
from catalens.pipelines.session import Session, SessionConfig


def load(
    *,
    encoder: str | None = None,
    reader: str = "starter",
    device: str | None = None,
    runtime: str = "auto",
    quantise: Literal["8bit", "4bit"] | None = None,
    threads: int | None = None,
    cache: str | Path | None = "default",
    api_key: str | None = None,
) -> Lens:
    """Return a lens over the models that are named; nothing is loaded until it is used.

    Args:
        encoder: a name of `catalens models`, any open_clip pair or hub id, or a bundle's folder; None routes each
            picture to the bundled product or everyday encoder.
        reader: what captions and answers: a bundled name, a short name such as "blip-large", a hub id, a folder, or
            `https://host/v1#model`.
        device: where torch runs models, such as "cuda:0"; None is the best there is.
        runtime: what runs compiled encoders: "auto", "onnxruntime", "openvino" or "torch".
        quantise: keep a torch reader's weights in "8bit" or "4bit".
        threads: processor threads of a model; None uses every core.
        cache: folder for what can be made again, such as label vectors; "default" is the user's cache folder, None
            keeps nothing.
        api_key: for servers of chat completions.
    """
    from catalens.models.cache import default_cache

    folder = default_cache() if cache == "default" else None if cache is None else Path(cache)
    config = SessionConfig(
        encoder=encoder,
        reader=reader,
        device=device,
        runtime=runtime,
        quantise=quantise,
        threads=threads,
        cache=folder,
        api_key=api_key,
    )
    return Lens(Session(config))
