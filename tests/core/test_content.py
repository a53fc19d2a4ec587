"""Bytes from strangers: never more than allowed in memory, and never from outside a folder."""

from __future__ import annotations

import base64
import io
import tracemalloc
from pathlib import Path

import pytest

from catalens.core.confinement import confine
from catalens.core.content import read_content, read_stream
from catalens.core.errors import ImageError, InputError

MB = 2**20


class Endless(io.RawIOBase):
    """A stream that never ends, and counts what was taken."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "an endless stream was read to its end"
        self.taken += size
        return b"x" * size


def test_a_stream_is_read_up_to_its_limit() -> None:
    assert read_stream(io.BytesIO(b"12345"), max_bytes=5) == b"12345"
    endless = Endless()
    content = read_stream(endless, max_bytes=MB)  # type: ignore[arg-type]
    assert endless.taken == MB + 1
    with pytest.raises(ImageError, match="over the limit of 1,048,576 bytes"):
        read_content(content, max_bytes=MB)


@pytest.mark.parametrize(
    ("start", "repeated", "times"),
    [
        ("data:image/png;base64,", "A", 40 * MB),
        ("data:image/png;base64,", "A \n", 13 * MB),
        ("data:image/png;base64,", "%41", 13 * MB),
        ("data:,", "x", 40 * MB),
        ("data:,", "%41", 13 * MB),
        ("data:", "x", 40 * MB),
        ("", "A", 40 * MB),
        ("", "A/", 20 * MB),
        ("", "é/", 20 * MB),
    ],
)
def test_long_texts_are_refused_in_the_memory_of_a_few_copies(start: str, repeated: str, times: int) -> None:
    text = start + repeated * times
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as caught:
            read_content(text, max_bytes=MB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 400
    assert peak < 2.5 * len(text)


def test_base64_is_read_with_line_breaks_escapes_and_either_alphabet() -> None:
    content = bytes(range(256))
    text = base64.b64encode(content).decode()
    for body in (text, text.replace("=", "%3D"), text.replace("+", "%2B"), "%0A".join([text[:60], text[60:]])):
        assert read_content(f"data:image/png;base64,{body}", max_bytes=256)[0] == content
    assert read_content(text.replace("+", "-").replace("/", "_").rstrip("="), max_bytes=256)[0] == content


class TestConfine:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "root" / "a").mkdir(parents=True)
        (tmp_path / "root" / "a" / "1.jpg").touch()
        (tmp_path / "secret.jpg").touch()
        (tmp_path / "rootless").mkdir()
        (tmp_path / "root" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
        (tmp_path / "root" / "in.jpg").symlink_to(tmp_path / "root" / "a" / "1.jpg")
        return tmp_path / "root"

    def test_inside(self, root: Path) -> None:
        for path in ("a/1.jpg", root / "a" / "1.jpg", "in.jpg", "a/../a/./1.jpg", "../root/a/1.jpg"):
            assert confine(path, root) == (root / "a" / "1.jpg").resolve()
        assert confine("none.jpg", root) == (root / "none.jpg").resolve()

    @pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "out.jpg", "a/../../secret.jpg", "../rootless/x"])
    def test_outside(self, root: Path, path: str) -> None:
        with pytest.raises(InputError, match=r"outside .*root, which is all that may be read"):
            confine(path, root)

    def test_what_is_no_path(self, root: Path) -> None:
        with pytest.raises(InputError, match="cannot be looked up"):
            confine("a\0b", root)
        with pytest.raises(InputError, match=r"cannot be looked up in .*none"):
            confine("a", root / "none")
