"""`python -m thyrosight` -> the command line."""

from __future__ import annotations

from thyrosight.cli import main

if __name__ == "__main__":
    main()
