"""A shipped painter without weights, for tests and dry runs."""

from __future__ import annotations

import hashlib

from PIL import Image

from catalens.core.types import PaintRequest


class FakePainter:
    """Blends the image with a colour that depends on the request; the strength is the colour's share."""

    name = "fake"

    def paint(self, request: PaintRequest) -> Image.Image:
        """Return an image of the same size; equal requests return equal pixels."""
        wish = f"{request.prompt}\0{request.negative_prompt}\0{request.seed}\0{request.steps}\0{request.guidance}"
        red, green, blue = hashlib.sha256(wish.encode()).digest()[:3]
        colour = Image.new("RGB", request.image.size, (red, green, blue))
        return Image.blend(request.image, colour, request.strength)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""
