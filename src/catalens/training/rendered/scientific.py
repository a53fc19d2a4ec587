"""Pictures as instruments make them, for training: telescopes, microscopes, x-rays, heat cameras."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from PIL.Image import Image as Picture

from catalens.training.rendered.fields import Ramp, Scope, blurred, coloured, stretched, taken

GREY: Ramp = ((0, 0, 0), (255, 255, 255))
_RAMPS: tuple[Ramp, ...] = (
    GREY,
    ((255, 255, 255), (0, 0, 0)),
    ((0, 0, 0), (120, 0, 90), (240, 90, 30), (255, 230, 120), (255, 255, 255)),
    ((0, 0, 140), (0, 180, 255), (120, 255, 120), (255, 200, 0), (150, 0, 0)),
    ((10, 10, 60), (40, 90, 160), (220, 220, 190), (180, 80, 40)),
)


def glowing_cells(chance: random.Random) -> Picture:
    """Stained cells that shine in the dark, in one to three colours."""
    scope, out = Scope(chance), np.zeros((224, 224, 3), np.float32)
    size = chance.uniform(0.01, 0.12)
    for _ in range(chance.randrange(1, 4)):
        colour = np.array(chance.choice([(40, 255, 60), (255, 50, 40), (60, 90, 255), (255, 255, 255), (255, 60, 255)]))
        field = np.zeros((224, 224), np.float32)
        for _ in range(chance.randrange(2, 45)):
            part = scope.disc(scope.place(), size * chance.uniform(0.5, 1.6), chance.uniform(0.002, 0.03),
                              stretch=chance.uniform(0.5, 2), turn=chance.uniform(0, 6))  # fmt: skip
            field = np.maximum(field, part * chance.uniform(0.2, 1))
        out += (field * (0.6 + 0.4 * scope.rough(1)))[:, :, None] * colour
    return taken(scope, out + chance.uniform(0, 30), noise=chance.uniform(1, 14))


def stars(chance: random.Random) -> Picture:
    """Stars, few or many, some with a nebula."""
    scope = Scope(chance)
    out = scope.rng.exponential(chance.uniform(0, 3), (224, 224, 3)).astype(np.float32)
    if chance.random() < 0.5:
        cloud = np.clip(scope.rough(chance.uniform(1.3, 2.2)) * 2 - chance.uniform(0.6, 1.2), 0, 1)
        out += cloud[:, :, None] * np.array([chance.uniform(20, 220) for _ in range(3)])
    tint = chance.uniform(0, 60)
    for _ in range(chance.choice((5, 20, 60, 200))):
        light = 300 * chance.random() ** chance.uniform(1, 5)
        star = scope.spot(scope.place(), chance.choice((0.003, 0.004, 0.007, 0.012)))
        out += light * star[:, :, None] * np.array([1, 1 - chance.uniform(0, tint) / 255, 1 - tint / 300])
    return taken(scope, out, noise=chance.uniform(0, 8))


def planet(chance: random.Random) -> Picture:
    """A globe lit from a side, or a part of one, with craters or belts."""
    scope = Scope(chance)
    at, radius = scope.place(0.1), chance.uniform(0.15, 1.1)
    across, down = (scope.x - at[0]) / radius, (scope.y - at[1]) / radius
    depth = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
    turn = chance.uniform(0, 6.3)
    light = np.clip(across * math.cos(turn) + down * math.sin(turn) + depth * chance.uniform(0, 1.6), 0, 1.2)
    ground = 0.5 + 0.5 * scope.rough(chance.uniform(0.8, 1.6))
    if chance.random() < 0.3:
        ground = 0.6 + 0.4 * np.sin(down * chance.uniform(8, 40) + 2 * scope.rough(1.8))
    for _ in range(chance.choice((0, 20, 80))):
        place, size = scope.place(), radius * chance.uniform(0.01, 0.1)
        ring = scope.disc(place, size, 0.004) - 0.9 * scope.disc((place[0] + 0.2 * size, place[1]), size * 0.9, 0.004)
        ground = ground + 0.5 * ring
    tint = np.array([chance.uniform(180, 255) for _ in range(3)]) if chance.random() < 0.5 else np.full(3, 230)
    out = (light * ground * (depth > 0))[:, :, None] * tint
    return taken(scope, out, noise=chance.uniform(0, 8))


def bones(chance: random.Random) -> Picture:
    """An x-ray: soft tissue, and bones that add up, bright or dark."""
    scope = Scope(chance)
    out = 0.3 * scope.disc(
        (0.5, 0.5), chance.uniform(0.3, 0.7), chance.uniform(0.02, 0.1), stretch=chance.uniform(0.5, 1)
    )
    turn, count = chance.uniform(-0.5, 0.5) + chance.choice((0, math.pi / 2)), chance.randrange(1, 9)
    for at in range(count):
        place = ((at + 1) / (count + 1) + chance.gauss(0, 0.03), chance.uniform(0.3, 0.7))
        place = place if abs(math.cos(turn)) < 0.7 else place[::-1]
        bone = scope.disc(place, chance.uniform(0.015, 0.06), 0.006, stretch=chance.uniform(3, 20), turn=turn)
        out = out + chance.uniform(0.2, 0.5) * bone * (0.7 + 0.3 * scope.rough(1))
    out = stretched(np.power(out, chance.uniform(0.6, 1.4)) + 0.1 * scope.rough(2))
    return taken(scope, coloured(out, GREY if chance.random() < 0.85 else GREY[::-1]), noise=chance.uniform(1, 10))


def fan(chance: random.Random) -> Picture:
    """Ultrasound: a fan of speckle on black."""
    scope = Scope(chance)
    across, down = scope.x - 0.5, scope.y + chance.uniform(0, 0.15)
    far, angle = np.hypot(across, down), np.abs(np.arctan2(across, down))
    tissue = np.clip(scope.rough(chance.uniform(1, 2)) * 1.6 - 0.3, 0, 1)
    for _ in range(chance.randrange(0, 4)):
        tissue = tissue * (1 - scope.disc(scope.place(0.25), chance.uniform(0.04, 0.2), 0.01, stretch=1.5))
    inside = (far > chance.uniform(0.05, 0.25)) & (far < chance.uniform(0.8, 1.1)) & (angle < chance.uniform(0.4, 0.9))
    out = 0.75 * tissue * scope.speckle(chance.uniform(0.5, 2)) * inside
    return taken(scope, coloured(out, GREY), noise=chance.uniform(0, 3))


def body_slice(chance: random.Random) -> Picture:
    """A slice through a body or a head, in greys on black."""
    scope = Scope(chance)
    at, size, wide = (0.5, 0.5), chance.uniform(0.28, 0.42), chance.uniform(0.8, 1.4)
    out = chance.uniform(0.25, 0.8) * scope.disc(at, size, 0.006, stretch=wide)
    out -= chance.uniform(0, 0.4) * scope.disc(at, size * chance.uniform(0.8, 0.94), 0.006, stretch=wide)
    for _ in range(chance.randrange(2, 12)):
        place = tuple(0.5 + chance.gauss(0, size * 0.35) for _ in range(2))
        level, radius = chance.uniform(-0.3, 0.4), size * chance.uniform(0.05, 0.4)
        wide_part, turn = chance.uniform(0.5, 2), chance.uniform(0, 3)
        out += level * scope.disc((place[0], place[1]), radius, 0.008, stretch=wide_part, turn=turn)
    out = np.clip(out * (0.8 + 0.4 * scope.rough(1)), 0, 1) * scope.disc(at, size * 1.05, 0.004, stretch=wide)
    return taken(scope, coloured(out, GREY), noise=chance.uniform(1, 10))


def heat(chance: random.Random) -> Picture:
    """A smooth field in false colours."""
    scope = Scope(chance)
    field = 0.4 * scope.rough(chance.uniform(1.6, 3))
    for _ in range(chance.randrange(0, 8)):
        part = scope.disc(
            scope.place(), chance.uniform(0.03, 0.3), chance.uniform(0.01, 0.1), stretch=chance.uniform(0.4, 2)
        )
        field = field + chance.uniform(-0.4, 0.8) * part
    return taken(scope, coloured(stretched(field), chance.choice(_RAMPS)), noise=chance.uniform(0, 12))


def spectrogram(chance: random.Random) -> Picture:
    """Sound over time in false colours: lines and bursts over noise."""
    scope = Scope(chance)
    field = 0.35 * blurred(scope.rng.random((224, 224)).astype(np.float32), 1) + 0.5 * (scope.y**2)
    pitch, wave = chance.uniform(0.04, 0.2), chance.uniform(0, 0.05)
    for at in range(chance.randrange(0, 12)):
        height = 1 - pitch * (at + 1) * (1 + wave * np.sin(scope.x * chance.uniform(3, 30)))
        loud = 0.9**at * (np.sin(scope.x * chance.uniform(3, 20)) > -0.3)
        field += loud * np.exp(-((scope.y - height) ** 2) / 2e-4)
    for _ in range(chance.randrange(0, 10)):
        field += 0.6 * np.exp(-((scope.x - chance.random()) ** 2) / 4e-4) * scope.y
    return taken(scope, coloured(field, chance.choice(_RAMPS)), noise=chance.uniform(0, 10))


def stained_tissue(chance: random.Random) -> Picture:
    """Tissue on a bright slide: a pink or blue ground with many dark nuclei."""
    scope = Scope(chance)
    light, ground = (
        np.array([chance.randrange(200, 256) for _ in range(3)]),
        np.array(chance.choice([(225, 150, 190), (190, 170, 220), (220, 200, 170), (170, 200, 215)])),
    )
    share = np.clip(scope.rough(chance.uniform(0.8, 1.6)) * 2 - chance.uniform(0, 1), 0, 1)[:, :, None]
    out = light * (1 - share) + ground * share
    nucleus = np.array(chance.choice([(80, 40, 130), (60, 60, 140), (120, 70, 40), (110, 20, 70)]))
    size = chance.uniform(0.006, 0.04)
    for _ in range(chance.randrange(10, 120)):
        part = scope.disc(scope.place(), size * chance.uniform(0.6, 1.4), 0.004, stretch=chance.uniform(0.7, 2),
                          turn=chance.uniform(0, 6))[:, :, None] * chance.uniform(0.4, 1)  # fmt: skip
        out = out * (1 - part) + nucleus * part
    return taken(scope, out, noise=chance.uniform(2, 12))


def relief(chance: random.Random) -> Picture:
    """A rough surface lit from a side, as an electron microscope or a satellite sees it."""
    scope = Scope(chance)
    height = scope.rough(chance.uniform(0.9, 2))
    for _ in range(chance.choice((0, 0, 10, 40))):
        height = np.maximum(
            height, chance.uniform(0.5, 1.2) * scope.disc(scope.place(), chance.uniform(0.01, 0.1), 0.01)
        )
    turn = chance.uniform(0, 6.3)
    down, across = np.gradient(height)
    slope = stretched(np.asarray(np.clip(across * math.cos(turn) + down * math.sin(turn), -0.05, 0.05)))
    out = coloured(0.6 * slope + 0.4 * height, GREY)
    if chance.random() < 0.4:
        tints = [[chance.randrange(30, 200) for _ in range(3)] for _ in range(3)]
        out = 0.5 * out + 0.6 * coloured(scope.rough(1.8), [(r, g, b) for r, g, b in tints])
    return taken(scope, out, noise=chance.uniform(0, 12))


def through_a_tube(chance: random.Random, photograph: Picture) -> Picture:
    """A detail of a photograph in a dark round field, without its colours or in others."""
    side = min(photograph.width * chance.uniform(0.2, 0.6), photograph.height)
    left, top = (chance.uniform(0, each - side) for each in photograph.size)
    grey = ImageOps.grayscale(photograph).resize(
        (224, 224), Image.Resampling.BICUBIC, (left, top, left + side, top + side)
    )
    scope = Scope(chance)
    field = stretched(
        np.asarray(ImageOps.autocontrast(grey.filter(ImageFilter.GaussianBlur(chance.uniform(0, 6)))), np.float32)
    )
    seen = scope.disc((0.5, 0.5), chance.uniform(0.3, 0.6), chance.choice((0.004, 0.05)))
    ramp = chance.choice((*_RAMPS[:3], ((20, 5, 0), (190, 80, 20), (250, 200, 110))))
    return taken(scope, coloured(field * chance.uniform(0.5, 1), ramp) * seen[:, :, None], noise=chance.uniform(0, 10))


def in_the_dark(chance: random.Random, photograph: Picture) -> Picture:
    """A photograph with hardly any light, of which some things still shine."""
    pixels = np.asarray(photograph.resize((224, 224)), np.float32) / 255
    scope = Scope(chance)
    if chance.random() < 0.5:
        pixels = pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    tint = np.array([chance.uniform(0.5, 1), chance.uniform(0.6, 1), 1])
    return taken(
        scope, 255 * chance.uniform(0.3, 1) * pixels ** chance.uniform(1.5, 5) * tint, noise=chance.uniform(2, 14)
    )
