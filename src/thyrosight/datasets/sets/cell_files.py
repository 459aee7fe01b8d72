"""A cell of a table -> the file that it means, where spreadsheets and people have changed its name."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Protocol

from thyrosight.datasets.sets.layout import IMAGE_SUFFIXES
from thyrosight.errors import InputError
from thyrosight.frames.load import SUFFIXES

MAX_PATH_LENGTH = 4_000


class FilesOfCells(Protocol):
    """Cells of a table -> paths."""

    def path(self, text: str) -> Path:
        """A cell -> the file that it means."""
        ...


class FilesNextTo:
    """Cells -> files of a folder. It counts the files whose ending differs from the one in the table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_other_endings = 0
        self._there: dict[Path, dict[str, list[Path]]] = {}

    def path(self, text: str) -> Path:
        """Cell -> the file that it means; the path as written where there is no such file.

        InputError where several files could be meant: one name with two endings.
        """
        if len(text) > MAX_PATH_LENGTH:
            raise InputError(
                f"{self.folder}: '{text[:40]}…' of the table is longer than any path; write the file's path"
            )
        path = Path(os.path.normpath(self.folder / text))
        if not path.is_file() and "\\" in text:
            path = Path(os.path.normpath(self.folder / text.replace("\\", "/")))
        if path.is_file():
            return path
        there = self._by_stem(path.parent)
        others = there.get(_key(path), [])
        if not others and path.name.isdecimal():  # a spreadsheet turns 0007 into 7
            others = [one for key, files in there.items() if key.lstrip("0") == path.name.lstrip("0") for one in files]
        if len(others) > 1:
            names = " or ".join(sorted(one.name for one in others)[:3])
            raise InputError(f"{self.folder}: '{text}' of the table could be {names}; write the whole name")
        if others:
            self.num_other_endings += 1
            return others[0]
        return path

    def _by_stem(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._there:
            found: dict[str, list[Path]] = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.suffix.lower() in SUFFIXES:
                    found.setdefault(_key(path), []).append(path)
            self._there[folder] = found
        return self._there[folder]

    def notes(self) -> list[str]:
        number = self.num_other_endings
        return [f"{number} files were found under another ending or spelling than the table writes"] if number else []


def _key(path: Path) -> str:
    """File -> its name as names are compared: without ending and case, accents composed (macOS stores them apart)."""
    return unicodedata.normalize("NFC", stem_of(path)).casefold()


def stem_of(path: Path) -> str:
    """File -> its name without the ending of an image; a name with other dots (a UID) stays whole."""
    return path.stem if path.suffix.lower() in SUFFIXES | set(IMAGE_SUFFIXES) else path.name
