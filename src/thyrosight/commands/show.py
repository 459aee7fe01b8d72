"""Results -> the terminal: tables for people on stdout, pure JSON for programs, remarks on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import typer


def plain(value: Any) -> Any:
    """A record, however nested -> what JSON can hold; a number that is not finite becomes null."""
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | int | bool) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return str(value)


def print_json(value: Any) -> None:
    """A record -> indented JSON on stdout."""
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Rows -> an aligned table on stdout; numbers as they come, None as a dash."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(cell_text(cell) for cell in row))
    Console(highlight=False, markup=False).print(table)


def cell_text(value: object) -> str:
    """One value -> its text in a table: four significant digits, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def remark(text: str) -> None:
    """A line for people -> stderr, so that stdout stays the result."""
    typer.echo(text, err=True)


@contextmanager
def stdout_kept_for_json(as_json: bool) -> Iterator[None]:
    """Under --json whatever prints while the work runs goes to stderr: stdout is the JSON and nothing else."""
    if not as_json:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield
