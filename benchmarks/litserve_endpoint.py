"""sentence-transformers behind LitServe; its workers import this module."""

# LitServe looks at annotations as objects, so they are not postponed here.
from typing import Any

import litserve
from fastapi import Request
from PIL import Image
from sentence_transformers import SentenceTransformer

from benchmarks.library_endpoint import picture_of


def serve(checkpoint: str, port: int) -> None:
    """Serve `POST /embed` until terminated."""
    api = Embeddings(checkpoint)
    litserve.LitServer(api, accelerator="cpu").run(host="127.0.0.1", port=port, generate_client_file=False)


class Embeddings(litserve.LitAPI):
    """One vector per picture, in dynamic batches by the same rules as ours."""

    def __init__(self, checkpoint: str) -> None:
        super().__init__(max_batch_size=32, batch_timeout=0.005, api_path="/embed")
        self.checkpoint = checkpoint

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        self.model = SentenceTransformer(self.checkpoint, device=device)

    def decode_request(self, request: Request) -> Image.Image:
        """Return the picture of a request; LitServe gives the body that it has read as JSON."""
        body: Any = request
        return picture_of(body)

    def batch(self, inputs: list[Image.Image]) -> list[Image.Image]:
        """Return the pictures as the model takes them."""
        return inputs

    def predict(self, x: list[Image.Image]) -> Any:  # noqa: ANN401 - (n, dim) vectors
        """Return the vectors of a batch."""
        return self.model.encode(x, batch_size=len(x), normalize_embeddings=True, show_progress_bar=False)

    def unbatch(self, output: Any) -> Any:  # noqa: ANN401
        """Return one vector per request."""
        return list(output)

    def encode_response(self, output: Any) -> dict[str, list[float]]:  # noqa: ANN401
        """Return the answer's body."""
        return {"embedding": output.tolist()}
