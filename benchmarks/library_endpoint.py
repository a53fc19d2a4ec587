"""sentence-transformers behind HTTP, as its users serve it: a call per request, or batched by LitServe."""

from __future__ import annotations

import base64
import io
import sys
from typing import Any, Literal

from PIL import Image

Server = Literal["fastapi", "litserve"]


def main(server: Server, checkpoint: str, port: int) -> None:
    """Serve `POST /embed` with {"input": data address} until terminated."""
    if server == "fastapi":
        _fastapi(checkpoint, port)
    else:
        from benchmarks.litserve_endpoint import serve

        serve(checkpoint, port)


def picture_of(body: dict[str, Any]) -> Image.Image:
    """Return the picture of a request."""
    return Image.open(io.BytesIO(base64.b64decode(body["input"].partition(",")[2]))).convert("RGB")


def _fastapi(checkpoint: str, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from sentence_transformers import SentenceTransformer

    app, model = FastAPI(), SentenceTransformer(checkpoint, device="cpu")

    @app.post("/embed")
    def embed(body: dict[str, Any]) -> dict[str, list[float]]:
        return {"embedding": model.encode(picture_of(body), normalize_embeddings=True).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))  # type: ignore[arg-type]  # checked by whoever starts it
