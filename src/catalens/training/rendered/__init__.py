"""Drawings, documents and scientific pictures made by code: what no photograph of the training tables shows.

Training and validation share no generator, no font and no photograph, so that validation measures what was learned of
drawings and documents and not of these generators.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops
from PIL.Image import Image as Picture

from catalens.training.rendered import documents, drawings, observed, photographs, scientific, screens
from catalens.training.rendered.sheet import Split

DRAWING, DOCUMENT = "drawing", "document or screenshot"
"""Labels of the everyday schema's subject."""
BOTH = (DRAWING, DOCUMENT)

Draw = Callable[[random.Random, Split], Picture]
Observe = Callable[[random.Random], Picture]
Redraw = Callable[[random.Random, Picture], Picture]

COMPOSED: Mapping[Split, Mapping[Draw, tuple[str, ...]]] = {
    "train": {
        documents.letter: (DOCUMENT,),
        documents.columns: (DOCUMENT,),
        documents.table: (DOCUMENT,),
        documents.receipt: (DOCUMENT,),
        documents.form: (DOCUMENT,),
        screens.window: (DOCUMENT,),
        screens.code: (DOCUMENT,),
        screens.chat: (DOCUMENT,),
        screens.chart: (DOCUMENT,),
        drawings.scene: (DRAWING,),
        drawings.outlines: (DRAWING,),
        drawings.sketch: (DRAWING,),
        drawings.logo: (DRAWING,),
        drawings.icon: (DRAWING,),
        drawings.flow: BOTH,
    },
    "val": {
        documents.newspaper: (DOCUMENT,),
        documents.slide: (DOCUMENT,),
        documents.invoice: (DOCUMENT,),
        documents.calendar: (DOCUMENT,),
        screens.spreadsheet: (DOCUMENT,),
        screens.terminal: (DOCUMENT,),
        screens.web_page: (DOCUMENT,),
        screens.settings: (DOCUMENT,),
        drawings.stick_figures: (DRAWING,),
        drawings.vehicle: (DRAWING,),
        drawings.emblem: (DRAWING,),
        drawings.network: BOTH,
    },
}
"""What is drawn for each split, and the labels that are right for it."""
REDRAWN: Mapping[Split, tuple[Redraw, ...]] = {
    "train": (photographs.lines, photographs.pencil, photographs.few_colours),
    "val": (photographs.cartoon, photographs.hatched, photographs.dots, photographs.painted),
}
"""What photographs are made into drawings by."""
OBSERVED: Mapping[Split, tuple[Observe, ...]] = {
    "train": (
        scientific.glowing_cells,
        scientific.stars,
        scientific.planet,
        scientific.bones,
        scientific.fan,
        scientific.body_slice,
        scientific.heat,
        scientific.spectrogram,
        scientific.stained_tissue,
        scientific.relief,
    ),
    "val": (
        observed.dark_shapes,
        observed.galaxy,
        observed.eclipse,
        observed.chest,
        observed.fundus,
        observed.gel,
        observed.rings,
        observed.rods,
        observed.echo,
        observed.from_above,
    ),
}
"""What scientific pictures are made by."""
DARKENED: Mapping[Split, tuple[Redraw, ...]] = {
    "train": (scientific.through_a_tube, scientific.in_the_dark),
    "val": (observed.night_vision, observed.negative),
}
"""What photographs are made into such pictures by."""


@dataclass(frozen=True, slots=True)
class Example:
    """A drawn picture.

    Attributes:
        kind: name of what drew it.
        right: the labels that are right.
        picture: JPEG or PNG bytes.
    """

    kind: str
    right: tuple[str, ...]
    picture: bytes


def render(split: Split, photos: Sequence[bytes], *, each: int, seed: int = 0) -> list[Example]:
    """Draw `each` pictures of every kind, a third of those on paper as a camera sees them.

    Args:
        split: "train" or "val"; they share no kind and no font.
        photos: photographs of the same split, which some drawings are made of.
        each: how many of each kind.
        seed: the same pictures come from the same seed and fonts.
    """
    out = []
    for draw, right in COMPOSED[split].items():
        for at in range(each):
            chance = random.Random(f"{seed} {draw.__name__} {at}")
            picture = draw(chance, split)
            if chance.random() < 0.3:
                picture = photographed(chance, picture)
            out.append(Example(draw.__name__, right, _stored(chance, picture)))
    return [*out, *_redrawn(REDRAWN[split], (DRAWING,), photos, each=each, seed=seed)]


def observe(split: Split, photos: Sequence[bytes], *, each: int, seed: int = 0) -> list[Example]:
    """Make `each` scientific pictures of every kind: neither drawings nor documents, nor anything that has a label."""
    out = []
    for make in OBSERVED[split]:
        for at in range(each):
            chance = random.Random(f"{seed} {make.__name__} {at}")
            out.append(Example(make.__name__, (), _stored(chance, make(chance))))
    return [*out, *_redrawn(DARKENED[split], (), photos, each=each, seed=seed)]


def _redrawn(
    ways: Sequence[Redraw], right: tuple[str, ...], photos: Sequence[bytes], *, each: int, seed: int
) -> list[Example]:
    out = []
    for redraw in ways:
        for at in range(each):
            chance = random.Random(f"{seed} {redraw.__name__} {at}")
            photo = Image.open(io.BytesIO(chance.choice(photos))).convert("RGB")
            out.append(Example(redraw.__name__, right, _stored(chance, redraw(chance, photo))))
    return out


def photographed(chance: random.Random, page: Picture) -> Picture:
    """Return a page as a camera sees it: a little turned, on something, in uneven light."""
    wide, high = page.size
    margin = int(chance.uniform(0, 0.12) * wide)
    desk = tuple(chance.randrange(40, 220) for _ in range(3))
    out = Image.new("RGB", (wide + 2 * margin, high + 2 * margin), desk)
    out.paste(page, (margin, margin))
    out = out.rotate(chance.uniform(-7, 7), Image.Resampling.BILINEAR, fillcolor=desk)
    light = Image.linear_gradient("L").rotate(chance.choice((0, 90, 180, 270))).resize(out.size)
    least = chance.randrange(110, 230)
    light = light.point(lambda each: least + each * (255 - least) // 255)
    return ImageChops.multiply(out, light.convert("RGB"))


def _stored(chance: random.Random, picture: Picture) -> bytes:
    kept = io.BytesIO()
    if chance.random() < 0.5:
        picture.save(kept, "JPEG", quality=chance.randrange(35, 95))
    else:
        picture.save(kept, "PNG", compress_level=1)
    return kept.getvalue()
