"""The `catalens` command, also as `python -m catalens`.

Only what is needed to end well comes before the command line itself, whose imports take a while: an interrupt in
the middle of them is an interrupt, not a fault.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C at any moment ends it with 130 and one line."""
    try:
        from catalens.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.stderr.flush()
        # Libraries that were being imported may wait for their threads, or fail, in an orderly exit.
        os._exit(130)


if __name__ == "__main__":
    main()
