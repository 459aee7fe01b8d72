"""`python -m thyrosight`, and the program `thyrosight` -> the command line."""

from __future__ import annotations

import gc


def main() -> None:
    """sys.argv -> the command's exit code.

    Python does not search for reference cycles while the command line loads, for there are none; it does later.
    """
    gc.disable()
    from thyrosight.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
