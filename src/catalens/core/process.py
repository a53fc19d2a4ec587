"""How a command ends well: Ctrl-C at any moment, and standard streams that are closed or full.

It is imported before everything else, so it imports next to nothing.
"""

from __future__ import annotations

import _thread  # threading takes longer to import
import atexit
import io
import os
import signal
import sys
from types import FrameType

TYPE_CHECKING = False  # of typing, which takes a while to import
if TYPE_CHECKING:
    from typing import TextIO

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""


class Interrupts:
    """What Ctrl-C does: the first raises KeyboardInterrupt where work can be tidied up, else it ends the process.

    An exception is no use while modules are imported or Python shuts down: extension modules turn it into other errors,
    and threads that are waited for swallow it.
    """

    def __init__(self) -> None:
        self.seen = False
        self._may_raise = self._waiting = False
        self._postponed, self._counting = 0, _thread.allocate_lock()

    def install(self) -> None:
        """Handle SIGINT from now on, unless it is ignored, as it is for jobs in the background."""
        if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
            signal.signal(signal.SIGINT, self._handle)
            # Python takes the handler away as it ends, and what is done would look interrupted: first in, last out.
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)

    def allow(self, *, raising: bool) -> None:
        """Return whether an exception would reach code that tidies up."""
        self._may_raise = raising

    def postpone(self) -> None:
        """Let Ctrl-C wait until `deliver`, of each thread that postpones it.

        A library of C++ whose import was cut short cannot be imported again, and a child process whose parent ended
        while it was started shows a traceback.
        """
        with self._counting:
            self._postponed += 1

    def deliver(self) -> None:
        """End `postpone`, with what came meanwhile."""
        with self._counting:
            self._postponed -= 1
            due = self._waiting and not self._postponed
            if due:
                self._waiting = False
        if due:
            signal.raise_signal(signal.SIGINT)  # the main thread handles it, whichever this is

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self._postponed:
            self._waiting = True
            return
        if self._may_raise and not self.seen:
            self.seen = True
            raise KeyboardInterrupt
        end_interrupted()


interrupts = Interrupts()


def end_interrupted() -> None:
    """End at once with 130 and one line: libraries may wait for their threads, or fail, in an orderly exit."""
    try:  # noqa: SIM105 - contextlib would have to be imported first
        os.write(2, b"interrupted\n")
    except OSError:
        pass
    os._exit(INTERRUPTED)


STANDARD_OUTPUT = "standard output"


class _Output(io.FileIO):
    """Standard output, which errors name: nothing else tells them from those of another file."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        try:
            return super().write(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, STANDARD_OUTPUT) from error


class _Messages(io.FileIO):
    """Standard error; where it cannot be written, nobody reads it."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        try:
            return super().write(content)
        except OSError:
            return len(content)


def hold_standard_streams() -> None:
    """Keep descriptors 0 to 2 taken where a caller closed them (`>&-`), and name standard output in its errors.

    The next file that is opened would get the free number, and what is printed would be written into it. A closed
    standard output becomes a descriptor that cannot be written, so that results that are lost are an error; messages
    and input become the null device.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # gets this number, the lowest that is free
    sys.stdin = sys.stdin or os.fdopen(0, "r", encoding="utf-8")
    sys.stdout = _stream(sys.stdout, _Output(1, "w", closefd=False), "strict", line_buffering=False)
    sys.stderr = _stream(sys.stderr, _Messages(2, "w", closefd=False), "backslashreplace", line_buffering=True)


def _stream(old: TextIO | None, raw: io.FileIO, errors: str, *, line_buffering: bool) -> TextIO:
    if old is not None and old.isatty():
        return old
    encoding, errors = ("utf-8", errors) if old is None else (old.encoding, old.errors or errors)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=line_buffering)
