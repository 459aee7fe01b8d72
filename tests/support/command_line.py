"""A runner of the program in this process."""

from __future__ import annotations

from typer.testing import CliRunner

runner = CliRunner()


def error_line(stderr: str) -> str:
    """stderr -> its one line, which begins with `error: `."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("error: ")
    return lines[0]
