"""A shipped painter with no weights: for tests, and to try the plumbing without paying for a model."""

from __future__ import annotations

import hashlib

from PIL import Image

from catalens.core.types import PaintRequest


class FakePainter:
    """Lays a colour over the picture: the prompt and the seed choose the colour, the strength how much of it."""

    name = "fake"

    def paint(self, request: PaintRequest) -> Image.Image:
        """Return the picture in its own size; the same request always gives the same pixels."""
        wish = f"{request.prompt}\0{request.negative_prompt}\0{request.seed}\0{request.steps}\0{request.guidance}"
        red, green, blue = hashlib.sha256(wish.encode()).digest()[:3]
        colour = Image.new("RGB", request.image.size, (red, green, blue))
        return Image.blend(request.image, colour, request.strength)

    def close(self) -> None:
        """Hold nothing, so free nothing."""
