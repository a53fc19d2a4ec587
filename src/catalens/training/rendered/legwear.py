"""Trousers, shorts and underwear on an easel, each function one kind."""

from __future__ import annotations

from catalens.training.rendered.cloth import Cloth
from catalens.training.rendered.easel import Easel, arc, mirrored
from catalens.training.rendered.paints import Colour, apart, darker


def jeans(easel: Easel, of: Cloth) -> None:
    """Sew it of denim: bright stitches, rivets, faded thighs, scooped pockets."""
    hip, end = _trousers(easel, of, flare=easel.chance.uniform(0.5, 1.1))
    faded = darker(of.colour, 1.0)
    pale: Colour = (min(255, faded[0] + 45), min(255, faded[1] + 45), min(255, faded[2] + 45))
    for side in (1, -1) if easel.yes(0.75) else ():
        easel.area(arc((side * hip * 0.55, -0.1), 0.1, easel.near(0.3)), pale, inked=False)
    thread = easel.chance.choice(((215, 150, 60), (230, 190, 120), (240, 235, 220)))
    easel.both([(hip * 0.4, -0.97), (hip * 0.6, -0.8), (hip * 0.98, -0.78)], thread, 0.02)
    easel.line([(0.06, -0.98), (0.07, -0.72), (0, -0.6)], thread, 0.016)
    easel.both([(hip * 0.98, -0.7), (hip * 0.8, end - 0.05)], thread, 0.012)
    easel.dot((0, -1.03), 0.035, (190, 150, 90))


def trousers(easel: Easel, of: Cloth) -> None:
    """Press it: creases, slanted pockets, a plain band."""
    hip, end = _trousers(easel, of, flare=easel.chance.uniform(0.7, 1.15))
    easel.both([(hip * 0.55, -0.8), (hip * 0.6, end - 0.04)], of.seam, easel.chance.choice((0.008, 0.015)))
    easel.both([(hip * 0.65, -0.96), (hip * 0.95, -0.65)], of.seam, 0.018)
    easel.line([(0.03, -0.96), (0, -0.55)], of.seam, 0.015)


def track_pants(easel: Easel, of: Cloth) -> None:
    """Gather it at the waist and tie it; stripes run down the sides."""
    hip, end = _trousers(easel, of, flare=easel.chance.uniform(0.6, 1.0))
    stripe = apart(easel.chance, of.colour)
    for shift in (0.0, 0.07)[: easel.chance.randrange(1, 3)]:
        easel.both([(hip * 0.95 - shift, -0.9), (hip * 0.86 - shift, end - 0.04)], stripe, 0.04)
    easel.both([(0.03, -0.98), (0.08, -0.6)], stripe, 0.025)
    for x in range(-6, 7):
        easel.line([(x * hip / 7, -1.08), (x * hip / 7, -0.98)], of.seam, 0.012)


def leggings(easel: Easel, of: Cloth) -> None:
    """Draw two narrow legs without seams or pockets."""
    _trousers(easel, of, flare=easel.chance.uniform(0.35, 0.45))


def shorts(easel: Easel, of: Cloth) -> None:
    """End the legs above the knee, wider than the hips."""
    hip, end, leg = easel.near(0.56), easel.chance.uniform(0.2, 0.62), easel.near(0.8, 0.12)
    half = [(0, -0.66), (hip, -0.68), (leg, end), (leg * 0.12, end + 0.05), (0, easel.chance.uniform(-0.15, 0.05))]
    easel.area(mirrored(half), of.paint, sharp=easel.yes(0.6))
    easel.area(mirrored([(0, -0.72), (hip, -0.74), (hip, -0.6), (0, -0.58)]), darker(of.colour, 0.88), sharp=True)
    easel.both([(hip * 0.75, -0.56), (hip * 1.04, -0.25)], of.seam, 0.02)
    easel.line([(0, -0.58), (0, -0.05)], of.seam, 0.015)
    if easel.yes(0.5):
        easel.both([(0.03, -0.62), (0.08, -0.3)], apart(easel.chance, of.colour), 0.025)
    easel.both([(leg * 0.15, end - 0.05), (leg * 0.95, end - 0.09)], of.seam, 0.012)


def bra(easel: Easel, of: Cloth) -> None:
    """Draw two cups, a band and straps."""
    easel.both([(0.42, -0.9), (0.46, -0.1)], darker(of.colour, 0.85), easel.near(0.05, 0.5))
    easel.area(mirrored([(0, 0.12), (0.8, 0.02), (0.82, 0.32), (0, 0.34)]), darker(of.colour, 0.9))
    easel.pair([(0.02, 0.1), (0.2, -0.12), (0.46, -0.3), (0.76, 0.02), (0.62, 0.34), (0.16, 0.36)], of.paint)


def briefs(easel: Easel, of: Cloth) -> None:
    """Cut two openings for the legs below a band."""
    hip = easel.near(0.72)
    easel.area(mirrored([(0, -0.4), (hip, -0.42), (hip * 0.96, -0.1), (0.32, 0.22), (0.16, 0.5), (0, 0.52)]), of.paint)
    band = apart(easel.chance, of.colour) if easel.yes(0.5) else of.seam
    easel.area(mirrored([(0, -0.42), (hip, -0.44), (hip, -0.28), (0, -0.26)]), band, sharp=True)
    easel.both([(hip * 0.95, -0.1), (0.32, 0.2), (0.16, 0.48)], of.seam, 0.02)


def _trousers(easel: Easel, of: Cloth, *, flare: float) -> tuple[float, float]:
    """Draw two legs and a band; return half the width of the hips, and where the legs end."""
    hip, end = easel.near(0.46, 0.12), easel.chance.uniform(0.95, 1.2)
    foot, apart_by = hip * 0.55 * flare, easel.chance.uniform(0.02, 0.25)
    crotch = easel.chance.uniform(-0.5, -0.3)
    inner = apart_by * 0.5
    half = [(0, -1.05), (hip * 0.88, -1.06), (hip, -0.55), (inner + foot * 1.9, end), (inner, end + 0.02), (0, crotch)]
    easel.area(mirrored(half), of.paint, sharp=easel.yes(0.5))
    easel.area(
        mirrored([(0, -1.1), (hip * 0.88, -1.12), (hip * 0.92, -0.98), (0, -0.96)]), darker(of.colour, 0.86), sharp=True
    )
    easel.line([(0, -0.96), (0, crotch)], of.seam, 0.015)
    return hip, end
