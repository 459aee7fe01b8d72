"""Results -> the terminal: tables for people or pure JSON on stdout; remarks and progress bars on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from thyrosight.files.plain_text import printable, printable_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

    from thyrosight.results.predict_folder import FileProgress
    from thyrosight.types import Progress

UNFOLDED = 10_000
"""A line width that no line reaches, so that no line is folded."""


def plain(value: Any) -> Any:
    """A record of any depth -> dicts, lists and values for JSON; a number that is not finite becomes null."""
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
    typer.echo(printable_json(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows -> an aligned table on stdout; None is a dash."""
    texts = [list(columns), *([cell_text(cell) for cell in row] for row in rows)]
    if not sys.stdout.isatty() and all(text.isascii() for line in texts for text in line):  # rich takes 30 ms to load
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        for line in texts:
            typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
        return
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for line in texts[1:]:
        table.add_row(*line)
    stdout_console().print(table)


def stdout_console(*, markup: bool = False) -> Console:
    """-> stdout as a rich console; in a pipe no line is folded, so that `grep` finds whole lines."""
    from rich.console import Console

    return Console(highlight=False, markup=markup, width=None if sys.stdout.isatty() else UNFOLDED)


def print_facts(facts: Mapping[str, Any]) -> None:
    """{name: value} -> one line per name on stdout, names as words; {} and [] are a dash."""
    names = {key: words(key) for key in facts}
    width = max(map(len, names.values()), default=0)
    for key, value in facts.items():
        typer.echo(f"{names[key]:<{width}}  {in_line(value)}")


def cell_text(value: object) -> str:
    """One value -> its text in a table: four significant digits, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return one_line(str(value))


def one_line(text: str) -> str:
    """Text of any origin -> what a table's cell can hold: printable, and in one line."""
    return printable(" ".join(text.split("\n")))


def words(name: str) -> str:
    """Name of a field -> words for people: `num_images` is `images`."""
    return name.removeprefix("num_").replace("_", " ")


def in_line(value: Any) -> str:
    """A plain value, a list or a dict -> one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(str(key))}: {in_line(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(in_line(item) for item in value) or "-"
    return cell_text(value)


def remark(text: str) -> None:
    """A line for people -> stderr, so that stdout stays the result."""
    typer.echo(printable(text), err=True)


@contextmanager
def stdout_kept_for_json(as_json: bool) -> Iterator[None]:
    """With --json, everything that is printed during the work goes to stderr, so that stdout holds the JSON alone."""
    if not as_json:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """Label -> a Progress that draws a bar with the time left on stderr; where stderr is no terminal, it draws nothing.

    The bar appears with the first step and disappears with the last. One bar therefore serves several rounds of work,
    and the work between two rounds may draw a bar of its own.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    bar = _bar(is_transient=True)
    task = bar.add_task(label, total=None)

    def show(done: int, total: int) -> None:
        if not bar.live.is_started:
            bar.reset(task, total=total)
            bar.start()
        bar.update(task, completed=done, total=total)
        if done >= total:
            bar.stop()

    try:
        yield show
    finally:
        bar.stop()


@contextmanager
def file_progress() -> Iterator[FileProgress]:
    """-> a function to call after each image.

    It writes each failure as a line on stderr; on a terminal it also draws a bar.
    """
    if not sys.stderr.isatty():
        yield lambda done, total, name, fault: remark(fault) if fault is not None else None
        return
    bar = _bar(is_transient=False)
    task = bar.add_task("", total=None)

    def show(done: int, total: int, name: str, fault: str | None) -> None:
        if total > 1:
            bar.start()
        if fault is not None:
            bar.console.print(printable(fault))
        bar.update(task, completed=done, total=total, description=printable(name[-40:]))

    try:
        yield show
    finally:
        bar.stop()


def _bar(*, is_transient: bool) -> Bar:
    """-> a bar on stderr with number, time left and a text; a transient one disappears when it stops."""
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True, highlight=False, markup=False)
    return progress.Progress(*columns, console=console, transient=is_transient)
