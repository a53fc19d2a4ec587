"""Pages: letters, columns, tables, receipts, forms; for validation newspapers, slides, invoices, calendars."""

from __future__ import annotations

import random
from itertools import pairwise

from PIL.Image import Image

from catalens.training.rendered.sheet import Sheet, Split


def letter(chance: random.Random, split: Split) -> Image:
    """Draw a page of paragraphs, some with a heading."""
    page = Sheet(chance, split)
    margin, size = page.between(15, 60), page.between(9, 17)
    y: float = page.between(15, 60)
    if chance.random() < 0.6:
        page.text((margin, y), page.words(page.between(2, 5)), size * chance.uniform(1.4, 2.4), file=page.bold)
        y += 3 * size
    while y < page.height - 40:
        end = min(page.height - 12, y + size * page.between(3, 14))
        y = page.paragraph((margin, y, page.width - margin, end), size) + size
        if chance.random() < 0.12:
            break
    return page.image


def columns(chance: random.Random, split: Split) -> Image:
    """Draw an article in two or three columns."""
    page = Sheet(chance, split)
    count, margin, size = page.between(2, 3), page.between(12, 30), page.between(7, 11)
    page.text((margin, margin), page.words(page.between(3, 6)), page.between(15, 26), file=page.bold)
    wide = (page.width - 2 * margin) / count
    for at in range(count):
        left, y = margin + at * wide, margin + 50.0
        if chance.random() < 0.3:
            page.pen.rectangle((left, y, left + wide - 10, y + 70), fill=page.shade(120, 220))
            y += 80
        page.paragraph((left, y, left + wide - 10, page.height - margin), size)
    return page.image


def table(chance: random.Random, split: Split) -> Image:
    """Draw rows of words and numbers between rules."""
    page = Sheet(chance, split)
    margin, size, step = page.between(10, 40), page.between(8, 13), page.between(16, 28)
    edges = sorted({margin, page.width - margin, *(page.between(margin + 60, page.width - 60) for _ in range(4))})
    top = margin + page.between(0, 60)
    page.text((margin, top - 26), page.words(3), 16, file=page.bold)
    ruled = chance.random()
    for row, y in enumerate(range(top, page.height - margin - step, step)):
        if row == 0 or (row % 2 and ruled < 0.4):
            page.pen.rectangle((margin, y, edges[-1], y + step), fill=page.shade(185, 235))
        for left, right in pairwise(edges):
            said = page.words(2) if left == margin or row == 0 else page.number()
            page.text((left + 3, y + 3), said[: max(3, int((right - left) / size * 1.6))], size)
        if ruled > 0.3:
            page.pen.line((margin, y, edges[-1], y), fill=page.ink)
    for x in edges if ruled > 0.6 else ():
        page.pen.line((x, top, x, page.height - margin - step), fill=page.ink)
    return page.image


def receipt(chance: random.Random, split: Split) -> Image:
    """Draw a long slip of things and prices."""
    page = Sheet(chance, split, (random.Random(chance.random()).choice([220, 260, 320]), page_height(chance)))
    size, right, y = page.between(10, 14), page.width - 70, 60
    page.text((page.width // 4, 15), page.words(2).upper(), size + 5, file=page.bold)
    page.text((20, 38), page.words(4), size - 2, file=page.mono)
    while y < page.height - 90:
        page.text((16, y), page.words(page.between(1, 3))[:18], size, file=page.mono)
        page.text((right, y), f"{chance.randrange(50, 9000) / 100:.2f}", size, file=page.mono)
        y += size + page.between(4, 9)
    page.pen.line((16, y, page.width - 16, y), fill=page.ink)
    page.text((16, y + 8), "TOTAL", size + 4, file=page.bold)
    page.text((right, y + 8), f"{chance.randrange(500, 30000) / 100:.2f}", size + 3, file=page.mono)
    if chance.random() < 0.5:
        for x in range(30, page.width - 30, 4):
            page.pen.rectangle((x, y + 36, x + page.between(0, 3), y + 70), fill=page.ink)
    return page.image


def page_height(chance: random.Random) -> int:
    """Return the height of a slip."""
    return chance.randrange(380, 720)


def form(chance: random.Random, split: Split) -> Image:
    """Draw fields with their names, and boxes to tick."""
    page = Sheet(chance, split)
    size, y = page.between(9, 13), 60
    page.text((20, 18), page.words(4), 20, page.accent if chance.random() < 0.5 else None, page.bold)
    while y < page.height - 40:
        page.text((20, y), page.words(2) + ":", size)
        if chance.random() < 0.3:
            for x in range(150, page.width - 60, 70):
                page.pen.rectangle((x, y, x + 11, y + 11), outline=page.ink)
                page.text((x + 15, y), page.word(), size)
        else:
            page.pen.rectangle((140, y - 3, page.width - 20, y + size + 6), outline=page.shade(80, 170))
            if chance.random() < 0.5:
                page.text((146, y), page.words(2), size, (30, 40, 120))
        y += size + page.between(12, 24)
    return page.image


def newspaper(chance: random.Random, split: Split) -> Image:
    """Draw a front page: its name, headlines, many columns, grey pictures."""
    page = Sheet(chance, split, (430, 600))
    page.text((60, 8), page.words(2), 40, file=page.bold)
    page.pen.line((12, 58, page.width - 12, 58), fill=page.ink, width=2)
    page.text((14, 66), page.words(5), 24, file=page.bold)
    count = page.between(4, 5)
    wide = (page.width - 24) / count
    for at in range(count):
        y = 105.0
        while y < page.height - 30:
            if chance.random() < 0.25:
                page.pen.rectangle((12 + at * wide, y, 6 + (at + 1) * wide, y + 60), fill=page.shade(60, 190))
                y += 66
            y = page.paragraph((12 + at * wide, y, 6 + (at + 1) * wide, min(y + 120, page.height - 10)), 7) + 6
    return page.image


def slide(chance: random.Random, split: Split) -> Image:
    """Draw a slide: a title on a bar, points, a box."""
    page = Sheet(chance, split, (640, chance.choice([360, 480])), dark=True)
    if chance.random() < 0.6:
        page.pen.rectangle((0, 0, page.width, 70), fill=page.accent)
    page.text((30, 18), page.words(3), 32, file=page.bold)
    for at in range(page.between(3, 6)):
        page.pen.ellipse((40, 108 + 40 * at, 48, 116 + 40 * at), fill=page.accent)
        page.text((60, 100 + 40 * at), page.words(page.between(2, 6)), 20)
    if chance.random() < 0.5:
        page.pen.rectangle((420, 110, 610, 300), outline=page.accent, width=4)
    return page.image


def invoice(chance: random.Random, split: Split) -> Image:
    """Draw addresses, positions and a sum."""
    page = Sheet(chance, split, (420, 594))
    page.pen.rectangle((24, 20, 90, 60), fill=page.accent)
    page.text((260, 24), page.words(1).upper(), 26, file=page.bold)
    for left in (24, 250):
        for at in range(4):
            page.text((left, 80 + 15 * at), page.words(2), 11)
    for at in range(page.between(5, 16)):
        y = 170 + 21 * at
        page.text((24, y), str(at + 1), 10)
        page.text((60, y), page.words(3)[:24], 10)
        page.text((340, y), page.number(), 10)
        page.pen.line((24, y + 16, 396, y + 16), fill=page.shade(150, 200))
    page.text((270, 530), page.number(), 16, file=page.bold)
    return page.image


def calendar(chance: random.Random, split: Split) -> Image:
    """Draw a month of days."""
    page = Sheet(chance, split, (500, chance.choice([380, 460])))
    page.text((180, 10), page.words(1), 28, page.accent, page.bold)
    wide, high = page.width / 7, (page.height - 60) / 5
    for day in range(35):
        x, y = day % 7 * wide, 56 + day // 7 * high
        page.pen.rectangle((x, y, x + wide, y + high), outline=page.shade(80, 200))
        page.text((x + 5, y + 4), str(day % 31 + 1), 15)
        if chance.random() < 0.25:
            page.pen.rectangle((x + 4, y + 24, x + wide - 4, y + 38), fill=page.vivid())
            page.text((x + 6, y + 25), page.word(), 10)
    return page.image
