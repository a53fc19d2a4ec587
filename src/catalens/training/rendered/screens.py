"""Screens: windows, code, chats, charts for training; spreadsheets, terminals, web pages, settings for validation."""

from __future__ import annotations

import random

from PIL.Image import Image

from catalens.training.rendered.sheet import Sheet, Split

_WIDE = ((640, 400), (600, 450), (560, 560))
_TALL = ((300, 620), (330, 560), (360, 640))


def window(chance: random.Random, split: Split) -> Image:
    """Draw a desktop with a window: a bar, a list at the side, rows."""
    screen = Sheet(chance, split, chance.choice(_WIDE), dark=True)
    left, top = screen.between(0, 70), screen.between(0, 50)
    if left > 20:
        screen.pen.rectangle((0, 0, screen.width, screen.height), fill=screen.vivid())
    right, bottom = screen.width - screen.between(0, left), screen.height - screen.between(0, top)
    screen.pen.rectangle((left, top, right, bottom), fill=screen.paper)
    bar = screen.shade(30, 80) if screen.is_dark else screen.shade(190, 230)
    screen.pen.rectangle((left, top, right, top + 24), fill=bar)
    for at, colour in enumerate(((236, 95, 86), (245, 190, 60), (98, 200, 84))):
        screen.pen.ellipse((left + 8 + 16 * at, top + 7, left + 18 + 16 * at, top + 17), fill=colour)
    screen.text((left + 90, top + 5), screen.words(3), 12)
    side = left + screen.between(0, 150)
    screen.pen.rectangle((left, top + 24, side, bottom), fill=bar)
    for y in range(top + 34, bottom - 20, 22):
        screen.text((left + 8, y), screen.word()[: max(1, (side - left) // 9)], 12)
    chosen, step = screen.between(0, 8), screen.between(18, 40)
    for at, y in enumerate(range(top + 32, bottom - step, step)):
        if at == chosen:
            screen.pen.rectangle((side, y - 2, right, y + step - 4), fill=screen.accent)
        screen.pen.rectangle((side + 8, y + 1, side + 20, y + 13), fill=screen.vivid())
        screen.text((side + 28, y), screen.words(screen.between(1, 4)), 12)
        screen.text((right - 80, y), screen.number(), 11)
    return screen.image


def code(chance: random.Random, split: Split) -> Image:
    """Draw indented lines in several colours, most of them on dark."""
    screen = Sheet(chance, split, chance.choice(_WIDE), dark=True)
    colours = [screen.vivid() for _ in range(4)] + [screen.ink] * 3
    size, gutter, indent = screen.between(10, 15), screen.between(0, 40), 0
    screen.pen.rectangle((0, 0, gutter, screen.height), fill=screen.shade(30, 60) if screen.is_dark else None)
    for at, y in enumerate(range(6, screen.height - size, int(size * 1.45))):
        if gutter > 14:
            screen.text((4, y), str(at + 1), size - 2, screen.shade(110, 150), screen.mono)
        indent = min(6, max(0, indent + chance.choice((-2, -1, 0, 0, 1, 1))))
        x = gutter + 8 + indent * size * 2
        for _ in range(screen.between(0, 7)):
            said = screen.word() + chance.choice(("(", ")", " =", ":", ",", ".", " {", "}", ""))
            x += screen.text((x, y), said, size, chance.choice(colours), screen.mono) + size // 2
    return screen.image


def chat(chance: random.Random, split: Split) -> Image:
    """Draw a conversation in bubbles on a phone."""
    screen = Sheet(chance, split, chance.choice(_TALL), dark=True)
    screen.pen.rectangle((0, 0, screen.width, 50), fill=screen.accent)
    screen.pen.ellipse((10, 10, 40, 40), fill=screen.vivid())
    screen.text((50, 15), screen.words(2), 16, (255, 255, 255), screen.bold)
    other, y = screen.shade(60, 90) if screen.is_dark else screen.shade(205, 225), 64
    while y < screen.height - 80:
        high, wide = screen.between(24, 90), screen.between(90, screen.width * 0.7)
        is_mine = chance.random() < 0.5
        left = screen.width - wide - 10 if is_mine else 10
        screen.pen.rounded_rectangle((left, y, left + wide, y + high), 12, fill=screen.accent if is_mine else other)
        screen.paragraph((left + 10, y + 5, left + wide - 8, y + high - 2), 13)
        y += high + screen.between(6, 16)
    screen.pen.rounded_rectangle((10, screen.height - 40, screen.width - 10, screen.height - 8), 14, outline=screen.ink)
    return screen.image


def chart(chance: random.Random, split: Split) -> Image:
    """Draw bars, lines or a pie, with axes, a title and a legend."""
    screen = Sheet(chance, split, chance.choice(_WIDE), dark=True)
    left, top, right, bottom = 60, 50, screen.width - 30, screen.height - 50
    screen.text((left + 40, 12), screen.words(4), 20, file=screen.bold)
    kind, colours = chance.random(), [screen.vivid() for _ in range(5)]
    if kind < 0.2:
        begin = 0.0
        for colour in colours:
            end = begin + chance.uniform(20, 110)
            screen.pen.pieslice((left + 40, top, left + 40 + bottom - top, bottom), begin, end, fill=colour)
            begin = end
        screen.pen.pieslice((left + 40, top, left + 40 + bottom - top, bottom), begin, 360, fill=screen.vivid())
        return screen.image
    for y in range(top, bottom + 1, 40):
        screen.pen.line((left, y, right, y), fill=screen.shade(60, 90) if screen.is_dark else screen.shade(200, 225))
        screen.text((20, y - 6), screen.number()[:5], 11)
    screen.pen.line((left, top, left, bottom, right, bottom), fill=screen.ink, width=2)
    count = screen.between(4, 24)
    step = (right - left) / count
    for series in range(screen.between(1, 4) if kind > 0.6 else 1):
        heights = [chance.uniform(0.1, 1) * (bottom - top) for _ in range(count)]
        if kind > 0.6:
            points = [(left + at * step, bottom - each) for at, each in enumerate(heights)]
            screen.pen.line(points, fill=colours[series], width=screen.between(1, 4))
        else:
            for at, each in enumerate(heights):
                x = left + at * step
                screen.pen.rectangle((x + step * 0.15, bottom - each, x + step * 0.85, bottom), fill=colours[0])
    return screen.image


def spreadsheet(chance: random.Random, split: Split) -> Image:
    """Draw a grid with letters above and numbers at the side."""
    screen = Sheet(chance, split, chance.choice(_WIDE), dark=True)
    wide, high = screen.between(60, 110), screen.between(17, 26)
    screen.pen.rectangle((0, 0, screen.width, 40), fill=screen.accent)
    for x in range(30, screen.width, wide):
        screen.pen.line((x, 40, x, screen.height), fill=screen.shade(150, 190))
        screen.text((x + wide // 2, 42), chance.choice("ABCDEFGHIJ"), 12)
    for y in range(60, screen.height, high):
        screen.pen.line((0, y, screen.width, y), fill=screen.shade(150, 190))
        for x in range(30, screen.width, wide):
            if chance.random() < 0.65:
                screen.text((x + 4, y + 2), chance.choice((screen.number(), screen.word())), 12)
    return screen.image


def terminal(chance: random.Random, split: Split) -> Image:
    """Draw lines of one light colour on black."""
    screen = Sheet(chance, split, chance.choice(_WIDE))
    screen.pen.rectangle(
        (0, 0, screen.width, screen.height), fill=chance.choice(((0, 0, 0), (20, 20, 30), (48, 10, 36)))
    )
    colour = chance.choice(((220, 220, 220), (80, 230, 90), (240, 200, 90)))
    for y in range(6, screen.between(120, screen.height), 17):
        screen.text((6, y), "$ " + screen.words(screen.between(1, 9)), 13, colour, screen.mono)
    return screen.image


def web_page(chance: random.Random, split: Split) -> Image:
    """Draw a page in a browser: an address, a menu, cards with grey pictures and text."""
    screen = Sheet(chance, split, chance.choice(((640, 480), (600, 600))), dark=True)
    screen.pen.rectangle((0, 0, screen.width, 34), fill=screen.shade(200, 225))
    screen.pen.rounded_rectangle((60, 7, screen.width - 60, 27), 9, fill=(255, 255, 255))
    screen.text((70, 10), f"www.{screen.word()}.example", 12, (60, 60, 60))
    screen.text((20, 46), screen.word().upper(), 24, screen.accent, screen.bold)
    for at in range(5):
        screen.text((200 + 80 * at, 52), screen.word(), 14)
    wide = (screen.width - 40) // 3
    for y in range(90, screen.height, 190):
        for at in range(3):
            x = 20 + at * wide
            screen.pen.rectangle((x, y, x + wide - 12, y + 100), fill=screen.shade(110, 210))
            screen.paragraph((x, y + 106, x + wide - 14, y + 175), 12)
    return screen.image


def settings(chance: random.Random, split: Split) -> Image:
    """Draw rows with switches on a phone."""
    screen = Sheet(chance, split, chance.choice(_TALL), dark=True)
    screen.text((16, 24), screen.words(1), 28, file=screen.bold)
    for y in range(80, screen.height - 30, screen.between(40, 62)):
        screen.pen.rounded_rectangle((14, y, 38, y + 24), 6, fill=screen.vivid())
        screen.text((50, y), screen.words(2)[:18], 15)
        is_on, right = chance.random() < 0.5, screen.width
        screen.pen.rounded_rectangle(
            (right - 56, y, right - 16, y + 22), 11, fill=screen.accent if is_on else (150, 150, 150)
        )
        screen.pen.ellipse(
            (right - 36 if is_on else right - 55, y + 1, right - 17 if is_on else right - 36, y + 21),
            fill=(255, 255, 255),
        )
        screen.pen.line((50, y + 33, right, y + 33), fill=screen.shade(150, 200))
    return screen.image
