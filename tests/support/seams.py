"""What every stand-in for a model of the protocols needs besides the one method that a test is about."""

from __future__ import annotations

from typing import Self


class Closeable:
    """The part of a reader, writer or painter that holds nothing."""

    input_size_wh: tuple[int, int] | None = None
    keeps_history = True

    def close(self) -> None:
        """Free nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
