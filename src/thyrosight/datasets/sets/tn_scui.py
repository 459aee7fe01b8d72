"""TN-SCUI2020 (MICCAI challenge): image, mask, train.csv and the unlabelled test folder -> cases.

The set does not name patients. Its file numbers come in runs of one class, so neighbours may be of one patient:
consecutive numbers of one class become one group.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, first_folder, images_in, masks_in, without_masks
from thyrosight.errors import InputError
from thyrosight.types import Case

NAME = "tn_scui"
LABEL_MEANING = "the challenge's CATE: 1 = malignant, 0 = benign"
RUN_LENGTH = 20
"""At most this many neighbours make one group: a run can hold hundreds of images, and folds need many groups."""


def recognise(folder: Path) -> bool:
    """`image`, `mask` and a `train.csv` with the columns ID and CATE."""
    table = _table(folder)
    if table is None or not first_folder(folder, ["image"]) or not first_folder(folder, ["mask"]):
        return False
    with table.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline(1000).lower()
    return "id" in header and "cate" in header


def read(request: Request) -> DataSet:
    """TN-SCUI folder -> its labelled cases in runs, and the unlabelled test images as split "test"."""
    folder = request.folder
    table, image_folder, mask_folder = _table(folder), first_folder(folder, ["image"]), first_folder(folder, ["mask"])
    if table is None or image_folder is None or mask_folder is None:
        raise InputError(f"{folder}: TN-SCUI2020 holds image/, mask/ and train.csv; at least one is not there")
    images, labels = images_in(image_folder), _labels(table)
    masks = masks_in(mask_folder, images)
    groups = runs([(stem, labels.get(stem)) for stem in images])
    cases = [
        Case(stem, image, masks.get(stem), labels.get(stem), groups[stem], NAME, split="train")
        for stem, image in images.items()
    ]
    bare = without_masks(cases)
    test = _test_images(folder)
    cases += [
        Case(stem if stem.startswith("test") else f"test_{stem}", image, None, None, "", NAME, split="test")
        for stem, image in test.items()
    ]
    missing = sorted(set(labels) - set(images))
    left_out = {"row of train.csv without its image": len(missing)} if missing else {}
    notes = [
        f"file numbers come in runs of one class: up to {RUN_LENGTH} consecutive numbers of one class are one group "
        f"({len(set(groups.values()))} runs), joined further where images are near-duplicates",
        f"{len(test)} unlabelled test images (split test)",
        *bare,
    ]
    if num_open := sum(stem not in labels for stem in images):
        notes.append(f"{num_open} images without a row in train.csv: no label")
    return DataSet(NAME, tuple(cases), LABEL_MEANING, left_out, tuple(notes), join_duplicates=True)


def runs(labelled: list[tuple[str, int | None]], length: int = RUN_LENGTH) -> dict[str, str]:
    """(stem, label) in the order of the numbers -> {stem: run}.

    A run is neighbours of one label, at most `length` of them.

    A run also ends where two numbers differ by more than `length`. A stem that is not a number is its own run.
    """
    group: dict[str, str] = {}
    if not labelled:
        return group
    first, size = labelled[0][0], 1
    group[first] = f"run{first}"
    for (before, label_before), (stem, label) in pairwise(labelled):
        is_neighbour = before.isdecimal() and stem.isdecimal() and int(stem) - int(before) <= length
        if is_neighbour and label == label_before and size < length:
            size += 1
        else:
            first, size = stem, 1
        group[stem] = f"run{first}"
    return group


def _labels(table: Path) -> dict[str, int]:
    labels: dict[str, int] = {}
    for number, row in enumerate(read_rows(table), start=2):
        name, cate = row.get("id", ""), row.get("cate", "")
        if not name or cate not in ("0", "1"):
            raise InputError(f"{table} row {number}: ID '{name}', CATE '{cate}'; ID is a file name, CATE 0 or 1")
        labels[Path(name).stem] = int(cate)
    return labels


def _table(folder: Path) -> Path | None:
    return next((path for name in ("train.csv", "Train.csv", "TRAIN.csv") if (path := folder / name).is_file()), None)


def _test_images(folder: Path) -> dict[str, Path]:
    home = first_folder(folder, ["test", "test_image", "test-image"])
    if home is None:
        return {}
    return images_in(first_folder(home, ["image"]) or home)


SET = KnownSet(name=NAME, recognise=recognise, read=read)
