"""A folder with a cases.csv of Thyrosight (phantoms, or a set prepared before) -> its cases as they are."""

from __future__ import annotations

from pathlib import Path

from thyrosight.bundle.records import Origin
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request
from thyrosight.datasets.table import read_cases
from thyrosight.files import raise_disk_fault

NAME = "cases"
GUESSED_GROUPS = frozenset({"readings"})
"""Sources whose groups are a guess: sets exported from the page, which knows a patient only by a folder's name."""
RISK_MEANING = "probability that the phantom was drawn as malignant"
ORIGIN = Origin(
    citation="drawn by `thyrosight phantom`",
    population="none: synthetic",
    outlines_by="the program that drew the nodule: exact",
    labels_by="the program that drew the nodule",
)


def recognise(folder: Path) -> bool:
    """A folder that holds `cases.csv`, or that file itself."""
    return (folder / "cases.csv").is_file() or (folder.is_file() and folder.name == "cases.csv")


def read(request: Request) -> DataSet:
    """Folder with cases.csv -> its cases; groups, folds, splits, fields and panels that it gives are kept.

    Groups that are a guess are joined where they share near-duplicates.
    """
    cases = tuple(read_cases(request.folder))
    sources = sorted({case.source for case in cases})
    return DataSet(
        "+".join(sources) or NAME,
        cases,
        _label_meaning(request.folder),
        notes=("cases.csv taken as given",),
        join_duplicates=not GUESSED_GROUPS.isdisjoint(sources),
    )


def _label_meaning(folder: Path) -> str:
    """-> the meaning of the labels as the dataset.json next to the table states it."""
    import json

    home = folder if folder.is_dir() else folder.parent
    try:
        content = json.loads((home / "dataset.json").read_text(encoding="utf-8"))
        return str(content["risk_meaning"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error, home / "dataset.json")
        return "not stated by the set"


SET = KnownSet(name=NAME, recognise=recognise, read=read, source="phantom", risk_meaning=RISK_MEANING, origin=ORIGIN)
