"""A folder -> the files of the set in it. Links are followed; files of the system and our own outputs are left out."""

from __future__ import annotations

import os
from pathlib import Path

from thyrosight.files import natural_key, raise_disk_fault

_LEFT_BEHIND = frozenset(("thumbs.db", "desktop.ini", "dicomdir"))
_OURS = ({"cases.csv", "dataset.json"}, {"results.csv", "run.json"})
"""An output folder of `prepare` or `predict` inside the set is recognised by these files. It is not part of the set."""


def files_below(folder: Path) -> list[Path]:
    """Folder -> its files in natural order; linked folders are followed once, hidden files are not looked at."""
    if not folder.is_dir():
        return []
    found: list[Path] = []
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=raise_disk_fault, followlinks=True):
        if (real := os.path.realpath(here)) in seen:
            folders.clear()
            continue
        seen.add(real)
        if Path(here) != folder and any(marks <= set(files) for marks in _OURS):
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "." and not name.startswith("__")]
        found += [Path(here, name) for name in files if name[0] != "." and name.casefold() not in _LEFT_BEHIND]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))
