"""A folder -> the files in it that may hold labels or patients of its images in a form that is not read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from thyrosight.files import raise_disk_fault
from thyrosight.folders.folder_files import files_below

SPREADSHEETS = frozenset(f".{name}" for name in ("xlsx", "xlsm", "xlsb", "xls", "ods", "numbers", "sav", "dta", "rds"))
_TEXTS = frozenset((".json", ".jsonl", ".ndjson", ".txt", ".dat", ".md", ".html", ".yaml", ".yml"))
_OUTLINES = re.compile(rb"points|polygon|segmentation|bbox|bndbox|shapes|vertices|contour", re.IGNORECASE)
MAX_OPENED, MAX_BYTES = 20, 4 << 20
MIN_SHARE = 0.5
"""A text lists the images where it holds the names of at least this share of them."""
FIX = "save it as CSV (UTF-8) in this folder, with a header and a column that names the images"


def unread_tables(folder: Path, names: Mapping[str, Sequence[Path]]) -> list[Path]:
    """Folder, {name of an image: its files} -> spreadsheets, and texts without outlines that list the images.

    Only files of the folder and of its sub-folders count.
    """
    near = [path for path in files_below(folder) if len(path.relative_to(folder).parts) <= 2]
    found = [path for path in near if path.suffix.casefold() in SPREADSHEETS]
    texts = [path for path in near if path.suffix.casefold() in _TEXTS and path.stem.casefold() not in names]
    return [*found, *(path for path in texts[:MAX_OPENED] if _lists_images(path, names))]


def _lists_images(path: Path, names: Mapping[str, Sequence[Path]]) -> bool:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError as error:
        raise_disk_fault(error, path)
        return False
    if _OUTLINES.search(content):
        return False
    words = set(re.findall(r"[\w-]+(?:\.[\w-]+)*", content.decode("utf-8", "replace").casefold()))
    num_named = sum(
        name in words or any(path.name.casefold() in words for path in same) for name, same in names.items()
    )
    return num_named >= max(1.0, MIN_SHARE * len(names))
