"""`python -m thyrosight` -> the command line."""

from thyrosight.cli import main

if __name__ == "__main__":
    main()
