"""Tables of an archive in a folder -> their rows and bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def rows_in(out: Path, table: str = "images") -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    parts = sorted((out / table).glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def bytes_in(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}
