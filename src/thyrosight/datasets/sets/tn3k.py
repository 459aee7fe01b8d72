"""TN3K (Gong et al., ISBI 2021): folders, fold JSON and label CSVs -> cases with the published test set and folds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from thyrosight.bundle.records import Origin
from thyrosight.datasets.csv_file import csv_lines
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, first_folder, images_in, masks_in, without_masks
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.types import Case

NAME = "tn3k"
LABEL_MEANING = "the set's label (label4trainval.csv, label4test.csv): 1 = malignant, 0 = benign"
ORIGIN = Origin(
    citation="Gong et al., Thyroid region prior guided attention for ultrasound segmentation of thyroid nodules, "
    "Computers in Biology and Medicine 2023",
    collected="January 2016 to August 2020",
    population="2,421 patients",
    outlines_by="nodules, for the publication",
    eligibility="at least one nodule; no lymph nodes or large coloured areas; one image of a region or view",
)
FOLD_FILE = re.compile(r"fold[_-]?(\d+)\.json$", re.IGNORECASE)


def recognise(folder: Path) -> bool:
    """`trainval-image` with `trainval-mask`, or `test-image` with `test-mask`."""
    return any(
        first_folder(folder, [f"{part}-image"]) and first_folder(folder, [f"{part}-mask"])
        for part in ("trainval", "test")
    )


def read(request: Request) -> DataSet:
    """TN3K folder -> its cases: `trainval` with the published folds if they are complete, `test` as the test split."""
    folder = request.folder
    trainval, trainval_notes = _cases_of_part(folder, "trainval")
    test, test_notes = _cases_of_part(folder, "test")
    names = [case.image.stem for case in trainval]
    folds, splits, fold_note = _published_folds(folder, names)
    trainval = [
        _with_split(case, splits.get(case.image.stem, "train"), folds.get(case.image.stem)) for case in trainval
    ]
    test = [_with_split(case, "test", None) for case in test]
    notes = tuple(note for note in (*trainval_notes, *test_notes, fold_note) if note)
    return DataSet(NAME, (*trainval, *test), LABEL_MEANING, notes=notes)


def _with_split(case: Case, split: str, fold: int | None) -> Case:
    from dataclasses import replace

    return replace(case, split=split, fold=fold)


def _cases_of_part(folder: Path, part: str) -> tuple[list[Case], list[str]]:
    image_folder, mask_folder = first_folder(folder, [f"{part}-image"]), first_folder(folder, [f"{part}-mask"])
    if image_folder is None:
        return [], [f"no {part}-image: that part is not there"]
    images = images_in(image_folder)
    masks = masks_in(mask_folder, images)
    labels = _labels(folder / f"label4{part}.csv")
    cases = []
    for stem, image in images.items():
        cases.append(Case(f"{part}_{stem}", image, masks.get(stem), labels.get(stem), "", NAME))
    notes = without_masks(cases, f"{part} images")
    if num_open := sum(case.malignancy is None for case in cases):
        notes.append(f"{num_open} {part} images without a label (label4{part}.csv)")
    return cases, notes


def _labels(path: Path) -> dict[str, int]:
    """`name,label` lines, with or without a header -> {file stem: 0 or 1}.

    The ending is ignored, because the images may have another one now.
    """
    if not path.is_file():
        return {}
    labels: dict[str, int] = {}
    for number, line in enumerate(csv_lines(path), start=1):
        label = line[-1].strip() if len(line) >= 2 else ""
        if label in ("0", "1", "0.0", "1.0"):
            stem = Path(line[0].strip().replace("\\", "/")).stem
            if labels.setdefault(stem, int(float(label))) != int(float(label)):
                raise InputError(f"{path} row {number}: {stem} has both labels; correct one")
        elif number > 1 and label:
            raise InputError(f"{path} row {number}: label '{label}'; 0 is benign, 1 malignant")
    return labels


def _published_folds(folder: Path, names: list[str]) -> tuple[dict[str, int], dict[str, str], str]:
    """Folder, file stems of trainval in natural order -> ({stem: fold}, {stem: train or val}, a note).

    Each JSON `…fold{K}.json` is {"train": [...], "val": [...]}; an entry is an index into the sorted files, or a name.
    Validation part K becomes fold K if all parts together hold every image exactly once. A single file gives a
    train/val split instead.
    """
    files = {int(match[1]): path for path in sorted(folder.glob("**/*.json")) if (match := FOLD_FILE.search(path.name))}
    if not files:
        return {}, {}, "no fold JSON: folds are made here"
    known, by_number = set(names), {int(name): name for name in names if name.isdecimal()}
    parts = {number: _stems(path, known, by_number) for number, path in files.items()}
    folds: dict[str, int] = {}
    for number, part in parts.items():
        folds.update(dict.fromkeys(part["val"], number))
    num_listed = sum(len(set(part["val"])) for part in parts.values())
    if set(folds) == known and num_listed == len(known):
        return folds, {}, f"published folds taken from {len(files)} JSON files"
    if len(files) == 1:
        (part,) = parts.values()
        return (
            {},
            dict.fromkeys(part["val"], "val"),
            f"published train/val split taken from {next(iter(files.values())).name}",
        )
    return {}, {}, f"the {len(files)} fold JSON files don't hold every image exactly once: folds are made here"


def _stems(path: Path, known: set[str], by_number: Mapping[int, str]) -> dict[str, list[str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = {name: list(content[name]) for name in ("train", "val")}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise_disk_fault(error, path)
        raise InputError(
            f'{path}: not {{"train": [...], "val": [...]}} ({error}); take the file from the set again'
        ) from None
    stems: dict[str, list[str]] = {}
    for name, entries in parts.items():
        stems[name] = [
            by_number.get(entry, "") if isinstance(entry, int) else Path(str(entry)).stem for entry in entries
        ]
        strange = [entry for entry, stem in zip(entries, stems[name], strict=True) if stem not in known]
        if strange:
            raise InputError(
                f"{path}: '{name}' lists {strange[0]}, which is no image of trainval-image ({len(strange)} such)"
            )
    return stems


SET = KnownSet(name=NAME, recognise=recognise, read=read, origin=ORIGIN)
