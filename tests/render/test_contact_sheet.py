"""The contact sheet: where things lie, and what a broken picture becomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import InputError
from catalens.render.contact_sheet import MOST_CELLS, Cell, contact_sheet


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()}


def test_pictures_come_in_rows_in_their_order() -> None:
    shades = [(200, 0, i * 40) for i in range(5)]
    sheet = contact_sheet([Cell(Image.new("RGB", (30, 40), shade)) for shade in shades], columns=3)
    pixels = np.asarray(sheet)
    centres = [np.argwhere((pixels == shade).all(axis=-1)).mean(axis=0) for shade in shades]
    assert [centre[0] < sheet.height / 2 for centre in centres] == [True, True, True, False, False]
    assert centres[0][1] < centres[1][1] < centres[2][1]
    assert centres[3][1] == pytest.approx(centres[0][1])


def test_pictures_keep_their_shape() -> None:
    sheet = np.asarray(contact_sheet([Cell(Image.new("RGB", (400, 100), (200, 0, 40)))]))
    rows, columns = np.nonzero((sheet == (200, 0, 40)).all(axis=-1))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(4, rel=0.05)


def test_a_broken_picture_is_a_grey_cell_with_its_reason(tmp_path: Path) -> None:
    good = Image.new("RGB", (30, 40), (200, 0, 40))
    sheet = contact_sheet([Cell(tmp_path / "gone.jpg", "gone", 0.5), Cell(b"junk"), Cell(good, "here")])
    left, right = sheet.crop((0, 0, sheet.width // 3, sheet.height)), sheet.crop((2 * sheet.width // 3, 0, *sheet.size))
    assert (220, 223, 228) in colours(left)
    assert (200, 0, 40) in colours(right)
    assert left.tobytes() != contact_sheet([Cell(b"junk", "gone", 0.5)]).crop((0, 0, *left.size)).tobytes()


def test_a_title_and_a_score_are_drawn() -> None:
    picture = Image.new("RGB", (30, 40))
    assert contact_sheet([Cell(picture)]).height < contact_sheet([Cell(picture)], title="red dress").height
    bars = []
    for score in (-0.2, 0.2, 0.8, 7.0):
        sheet = np.asarray(contact_sheet([Cell(picture, "x", score)]))
        bars.append(int((sheet == (47, 111, 222)).all(axis=-1).sum()))
    assert bars[0] == 0
    assert 0 < bars[1] < bars[2] < bars[3]


def test_a_note_is_drawn_below_the_score_and_every_cell_has_room_for_it() -> None:
    picture = Image.new("RGB", (30, 40))
    plain, noted, long = (
        contact_sheet([Cell(picture, "x", 0.5, note), Cell(picture)]) for note in ("", "is: a dog", "is: a dog " * 40)
    )
    assert plain.height < noted.height == long.height
    ink = np.argwhere((np.asarray(noted.crop((0, plain.height - 60, *noted.size))) == (102, 112, 133)).all(axis=-1))
    assert len(ink) > 20


def test_an_empty_sheet_is_a_sheet_and_too_large_a_one_is_refused() -> None:
    assert contact_sheet([], title="nothing like it").width > 100
    with pytest.raises(InputError, match="401 pictures"):
        contact_sheet([Cell(b"")] * (MOST_CELLS + 1))
    with pytest.raises(InputError, match="0 columns"):
        contact_sheet([], columns=0)
