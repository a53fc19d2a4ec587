"""The `catalens` command, also as `python -m catalens`.

Only what is needed to end well comes before the command line itself, whose imports take a while: an interrupt in
the middle of them is an interrupt, not a fault.
"""

from __future__ import annotations

import gc

from catalens.core.process import end_interrupted, hold_standard_streams, interrupts

TYPE_CHECKING = False  # of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the command line; Ctrl-C at any moment ends it with 130 and one line."""
    interrupts.install()
    hold_standard_streams()
    try:
        run = _command_line()
        run()
    except KeyboardInterrupt:
        end_interrupted()


def _command_line() -> Callable[[], None]:
    """Import it without collecting garbage: all of it stays, and looking through it takes an eighth of `--help`."""
    gc.disable()
    try:
        from catalens.cli import main as run
    finally:
        gc.freeze()
        gc.enable()
    return run


if __name__ == "__main__":
    main()
