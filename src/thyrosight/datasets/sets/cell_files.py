"""A path as a table or an annotation file writes it -> the file that it means on this computer.

Spreadsheets and people change names. A path of another computer (`C:\\data\\img\\1.png`, `\\\\server\\share\\1.png`)
may mean a file that has the same name here.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from thyrosight.datasets.csv_file import MADE_BY_A_SPREADSHEET, whole_number
from thyrosight.datasets.sets.layout import IMAGE_SUFFIXES
from thyrosight.errors import InputError
from thyrosight.folders.folder_files import files_below
from thyrosight.frames.load import SUFFIXES

MAX_PATH_LENGTH = 4_000


def parts_of(written: str) -> tuple[str, ...]:
    """A path of any system -> its folders and its name, without the drive or `file:`; `.` and `..` are left out."""
    plain = re.sub(r"^(file:)?[/\\]*([A-Za-z]:)?", "", written.strip())
    return tuple(part for part in re.split(r"[/\\]+", plain) if part not in ("", ".", ".."))


def nearest(written: str, found: Sequence[Path]) -> list[Path]:
    """A written path, files of its name -> the files with which it has the most last folders in common.

    Among several such files, the one whose name and ending are as written, if there is one.
    """
    *folders, name = ("", *parts_of(written))

    def num_common(path: Path) -> int:
        pairs = zip(reversed(folders), reversed(path.parent.parts), strict=False)
        same = [a.casefold() == b.casefold() for a, b in pairs]
        return [*same, False].index(False)

    most = max(map(num_common, found), default=0)
    best = [path for path in found if num_common(path) == most]
    return [path for path in best if path.name == name] or best


class Moved:
    """Records which file each written path means, and counts the files that are in other folders than written."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._written: dict[Path, str] = {}
        self._moved: dict[Path, str] = {}

    def add(self, written: str, path: Path, *, is_moved: bool = True) -> None:
        """Records that the path `written` means the file `path`.

        InputError where two written paths with different folders lead to this one file.
        """
        if is_moved and _parts_differ(parts_of(written)[:-1], path.parent.parts, at_length=True):
            self._moved.setdefault(path, written)
        other = self._written.setdefault(path, written)
        if path in self._moved and _parts_differ(parts_of(other), parts_of(written)):
            raise InputError(
                f"{self.home}: '{other}' and '{written}' would both be {path}, the only file of that name; correct "
                "the paths to where the files are"
            )

    def notes(self) -> list[str]:
        """-> one sentence: how many files were found in another folder than written, and one example.

        An empty list where there is no such file.
        """
        if not self._moved:
            return []
        path, written = next(iter(self._moved.items()))
        at = path.relative_to(self.home).as_posix() if path.is_relative_to(self.home) else path.name
        number = len(self._moved)
        return [f"{number} files were found by their names, in other folders than written, e.g. '{written}' is {at}"]


def _parts_differ(first: Sequence[str], second: Sequence[str], *, at_length: bool = False) -> bool:
    """Whether the last folders of two paths differ, compared over the length of the shorter.

    at_length: they also differ where the first path is longer.
    """
    pairs = [a.casefold() == b.casefold() for a, b in zip(reversed(first), reversed(second), strict=False)]
    return not all(pairs) or (at_length and len(pairs) < len(first))


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
        self._below: dict[str, list[Path]] | None = None
        self._moved = Moved(folder)

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
            self._moved.add(text, path, is_moved=False)
            return path
        there = self._by_stem(path.parent)
        others = there.get(_key(path), [])
        number = whole_number(path.name)
        if not others and number.isdecimal():  # a spreadsheet turns 0007 into 7, and pandas 7 into 7.0
            others = [one for key, files in there.items() if key.lstrip("0") == number.lstrip("0") for one in files]
        if len(others) > 1:
            names = " or ".join(sorted(one.name for one in others)[:3])
            raise InputError(f"{self.folder}: '{text}' of the table could be {names}; write the whole name")
        if others:
            self.num_other_endings += 1
            return others[0]
        if MADE_BY_A_SPREADSHEET.match(text):
            raise InputError(
                f"{self.folder}: '{text}' of the table is no file here; a spreadsheet makes this of a name that looks "
                "like a number or a date: format the column as text there, and write the names again"
            )
        return path if path.parent.is_dir() else self._moved_here(text) or path

    def _moved_here(self, text: str) -> Path | None:
        """A path whose folder does not exist -> the file of its name below the table's folder.

        None where there is no such file.
        """
        if not (parts := parts_of(text)):
            return None
        if self._below is None:
            self._below = {}
            for path in files_below(self.folder):
                if path.suffix.lower() in SUFFIXES:
                    self._below.setdefault(_key(path), []).append(path)
        found = nearest(text, self._below.get(_key(Path(parts[-1])), []))
        if len(found) > 1:
            raise InputError(
                f"{self.folder}: '{text}' of the table is not there, and could be {found[0]} or {found[1]}; write the "
                "path from the table's folder"
            )
        if found:
            self._moved.add(text, found[0])
        return found[0] if found else None

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
        said = [f"{number} files were found under another ending or spelling than the table writes"] if number else []
        return said + self._moved.notes()


def _key(path: Path) -> str:
    """File -> its name as compared: without ending and case, accents composed (macOS separates them)."""
    return unicodedata.normalize("NFC", stem_of(path)).casefold()


def stem_of(path: Path) -> str:
    """File -> its name without the ending of an image; a name with other dots (a UID) stays whole."""
    return path.stem if path.suffix.lower() in SUFFIXES | set(IMAGE_SUFFIXES) else path.name
