"""Cells, titles -> the Markdown of a model card: bullets, tables, lines that can't break them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def bullets(rows: Iterable[tuple[str, str]]) -> str:
    """(title, text) -> a line each; one without a text is left out."""
    return "\n".join(f"- {title}: {text}" for title, text in rows if text)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Titles, rows of cells -> a table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def one_line(text: str) -> str:
    """Text -> one line."""
    return " ".join(text.split())
