"""Picture, rows -> HTML for a notebook: a small JPEG inside a URL, a table of the columns that have a value."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

NOTEBOOK_COLUMNS = ("nodule", "risk", "longest_px", "longest_mm", "perpendicular_px", "perpendicular_mm")
NOTEBOOK_SIDE_PX = 480


def data_url(picture: PillowImage) -> str:
    """Picture -> `data:` URL of a JPEG, its longer side at most NOTEBOOK_SIDE_PX, because notebooks store pictures."""
    small, stream = picture.copy(), io.BytesIO()
    small.thumbnail((NOTEBOOK_SIDE_PX, NOTEBOOK_SIDE_PX))
    small.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def html_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Rows -> an HTML table of the columns that have a value somewhere."""
    shown = [name for name in columns if any(row[name] is not None for row in rows)]
    head = "".join(f"<th>{name}</th>" for name in shown)
    lines = ["".join(f"<td>{html.escape(_cell_text(row[name]))}</td>" for name in shown) for row in rows]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell_text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "" if value is None else str(value)
