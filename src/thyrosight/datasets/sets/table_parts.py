"""CSV files named after splits or classes (train.csv, test.csv; benign.csv, malignant.csv) -> parts of a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.folders.words import BENIGN_WORDS, MALIGNANT_WORDS, SPLIT_WORDS
from thyrosight.types import Case


@dataclass(frozen=True)
class TablePart:
    """One table of a set, and what its name or its folder states about all of its rows."""

    path: Path
    split: str = ""
    malignancy: int | None = None

    @property
    def in_words(self) -> str:
        """What the name states about all rows, as the end of a note; empty where it states nothing."""
        label = "" if self.malignancy is None else ("benign", "malignant")[self.malignancy]
        said = " and ".join(word for word in (self.split, label) if word)
        return f"; all rows are {said}, by its name" if said else ""

    def with_name_of(self, case: Case, where: str) -> Case:
        """A row's case -> the same, completed by what the table's name states.

        InputError where the row states another class than the name.
        """
        if None not in (self.malignancy, case.malignancy) and self.malignancy != case.malignancy:
            raise InputError(f"{where}: its label is not the one that the name of the table says; correct one")
        label = self.malignancy if case.malignancy is None else case.malignancy
        return replace(case, malignancy=label, split=case.split or self.split)


def parts_of_table(tables: Sequence[Path], folder: Path) -> list[TablePart]:
    """Tables below a folder -> those named after a split or a class, if there are two different names or more."""
    parts = [part for table in tables if (part := _part(table, folder)) is not None]
    return parts if len({(part.split, part.malignancy) for part in parts}) > 1 else []


def split_in(name: str) -> str:
    """A file's name -> the split in it; empty where it has none, or two."""
    found = {SPLIT_WORDS[word] for word in _words(name) if word in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else ""


def _part(table: Path, folder: Path) -> TablePart | None:
    place = table.relative_to(folder).with_suffix("")
    for name in reversed(place.parts):
        words = set(_words(name))
        is_malignant, is_benign = bool(words & MALIGNANT_WORDS), bool(words & BENIGN_WORDS)
        malignancy = int(is_malignant) if is_malignant != is_benign else None
        if (split := split_in(name)) or malignancy is not None:
            return TablePart(table, split, malignancy)
    return None


def _words(name: str) -> list[str]:
    """`Train_labels2` -> train, labels."""
    plain = unicodedata.normalize("NFC", name).casefold()
    return [word for part in re.split(r"[\W_]+", plain) if (word := part.rstrip("0123456789"))]
