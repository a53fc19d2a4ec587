"""The `catalens` command, also as `python -m catalens`.

Only what is needed to end well comes before the command line itself, whose imports take a while: an interrupt in
the middle of them is an interrupt, not a fault.
"""

from __future__ import annotations

from catalens.core.process import end_interrupted, hold_standard_streams, interrupts


def main() -> None:
    """Run the command line; Ctrl-C at any moment ends it with 130 and one line."""
    interrupts.install()
    hold_standard_streams()
    try:
        from catalens.cli import main as run

        run()
    except KeyboardInterrupt:
        end_interrupted()


if __name__ == "__main__":
    main()
