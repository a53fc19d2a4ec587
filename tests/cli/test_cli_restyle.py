"""restyle: what is asked of the painter, where paintings go, what they carry, and that nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from catalens.core.images import read_image
from catalens.core.types import PaintRequest
from catalens.models.painters.fake import FakePainter
from catalens.render.image_metadata import PaintFacts, read_painted
from tests.support.ran import Run

PAINT = ("--painter", "fake", "--prompt", "a boat")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_a_picture_is_painted_and_carries_what_it_was_made_with(run: Run, photos: list[Path]) -> None:
    ran = run(
        *("restyle", photos[0], *PAINT, "--artist", "Van Gogh", "--work", "The Starry Night", "--output", "out.png"),
        *("--strength", 0.7, "--seed", 5, "--steps", 9, "--guidance", 3.5, "--negative", "blur"),
    )
    assert ran.code == 0, ran.err
    prompt = "This scene is a The Starry Night painting with Van Gogh style, a boat"
    facts = PaintFacts(prompt=prompt, negative_prompt="blur", model="fake", seed=5, strength=0.7, steps=9, guidance=3.5)
    assert read_painted(Path("out.png")) == facts
    request = PaintRequest(
        image=read_image(photos[0]),
        prompt=prompt,
        negative_prompt="blur",
        strength=0.7,
        seed=5,
        steps=9,
        guidance=3.5,
    )
    assert read_image("out.png").tobytes() == FakePainter().paint(request).tobytes()
    (row,) = ran.rows
    assert (row["output"], row["painter"], row["prompt"]) == ("out.png", "fake", prompt)


def test_a_dry_run_prints_the_request_and_needs_no_painter(run: Run, photos: list[Path]) -> None:
    ran = run(
        *("restyle", photos[0], "--prompt", "a boat", "--artist", "Monet", "--dry-run"),
        *("--painter", "no/such/painter", "--output", "new/folder"),
    )
    assert ran.code == 0, ran.err
    image = read_image(photos[0])
    assert ran.rows == [
        {
            "id": str(photos[0]),
            "source": str(photos[0]),
            "output": f"new/folder/{photos[0].stem}-restyled.png",
            "painter": "no/such/painter",
            "prompt": "This scene is a painting with Monet style, a boat",
            "negative_prompt": "",
            "strength": 0.6,
            "steps": None,
            "guidance": None,
            "seed": 0,
            "image": {"width": image.width, "height": image.height},
        }
    ]
    assert list(Path().iterdir()) == []


def test_words_come_from_the_picture_where_none_are_given(run: Run, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    for name in ("artists", "flavors", "mediums", "movements", "sites", "negative"):
        (tmp_path / "words" / f"{name}.txt").write_text("".join(f"{name} {n}\n" for n in range(4)), encoding="utf-8")
    ran = run(
        *("restyle", photos[0], "--vocabulary", tmp_path / "words", "--no-caption", "--mode", "fast"),
        *("--negative", "auto", "--artist", "Monet", "--painter", "fake", "--output", "out.png"),
    )
    assert ran.code == 0, ran.err
    start, words = ran.rows[0]["prompt"].split(", ", 1)
    assert start == "This scene is a painting with Monet style"
    assert any(word in words for word in ("artists", "flavors", "mediums", "movements", "sites"))
    assert ran.rows[0]["negative_prompt"]
    assert read_painted(Path("out.png")).negative_prompt == ran.rows[0]["negative_prompt"]


def test_several_pictures_go_to_a_folder_and_a_broken_one_stops_none(run: Run, broken: Path) -> None:
    ran = run("restyle", broken, *PAINT, "--output", "deep/folder")
    assert ran.code == 1
    assert sorted(each.name for each in Path("deep/folder").iterdir()) == ["0-restyled.png", "2-restyled.png"]
    assert [row["id"] for row in ran.rows if "error" in row] == ["1.png"]
    assert "1 of 3 items failed" in ran.err


def test_pictures_of_one_name_do_not_overwrite_each_other(run: Run, photos: list[Path], tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "twins" / folder).mkdir(parents=True)
        Image.open(photos[0]).save(tmp_path / "twins" / folder / "same.png")
    ran = run("restyle", tmp_path / "twins", *PAINT, "--output", "out", "--overwrite")
    assert ran.code == 1
    assert "where that of a/same.png goes" in ran.err
    assert [each.name for each in Path("out").iterdir()] == ["same-restyled.png"]


def test_a_file_that_is_there_stays_unless_it_may_be_overwritten(run: Run, photos: list[Path]) -> None:
    Path("out.png").write_bytes(b"precious")
    ran = run("restyle", photos[0], *PAINT, "--output", "out.png")
    assert ran.code == 0
    assert "1 paintings exist already; --if-exists overwrite replaces them" in ran.err
    assert Path("out.png").read_bytes() == b"precious"
    assert run("restyle", photos[0], *PAINT, "--output", "out.png", "--if-exists", "overwrite").code == 0
    assert read_painted(Path("out.png")).model == "fake"


def test_a_painter_that_fails_is_an_error_of_its_picture(run: Run, photos: list[Path]) -> None:
    ran = run("restyle", photos[0], "-", *PAINT, "--output", "out", stdin=b"no picture")
    assert ran.code == 1
    assert [row["id"] for row in ran.rows if "error" in row] == ["-"]
    assert len(list(Path("out").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "a"], "no painter is named: give --painter"),
        (["--prompt", "a", "--painter", "fakes"], "there is no painter 'fakes'"),
        ([*PAINT, "--template", "by {artist}"], "{prompt} is missing"),
        ([*PAINT, "--template", "{prompt} by {artist}"], "asks for artist"),
        (["--painter", "fake", "--prompt", " "], "there is no prompt"),
        ([*PAINT, "--output", "out.gif"], "ends in .png"),
        ([*PAINT, "--no-caption"], "exclude each other"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    run: Run, photos: list[Path], arguments: list[str], message: str
) -> None:
    ran = run("restyle", photos[0], *arguments)
    assert ran.code in (2, 3)
    assert message in " ".join(ran.err.split())
    assert list(Path().iterdir()) == []


def test_one_file_for_several_pictures_is_refused_before_work(run: Run, photos: list[Path], shop: Path) -> None:
    for several in ((photos[0], photos[1]), (shop / "photos",), (shop / "products.csv",)):
        ran = run("restyle", *several, *PAINT, "--output", "out.png")
        assert ran.code == 2
        assert "give a folder for several" in ran.err
