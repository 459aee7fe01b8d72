"""BUS-BRA (Gómez-Flores et al., Medical Physics, 2024): breast lesions, outline and pathology -> one case per image.

Images/bus_NNNN-S.png (or .jpg), Masks/mask_NNNN-S.png, bus_data.csv; an optional groups.csv next to them gives the
fold. Patients are the groups. Cite the paper; the set has a licence of its own.
"""

from __future__ import annotations

from pathlib import Path

from thyrosight.bundle.records import Origin
from thyrosight.datasets.csv_file import read_rows
from thyrosight.datasets.sets.layout import DataSet, KnownSet, Request, first_folder, images_in
from thyrosight.errors import InputError
from thyrosight.types import Case

NAME = "busbra"
TABLE = "bus_data.csv"
RISK_MEANING = "probability that a breast lesion is malignant by pathology"
ORIGIN = Origin(
    citation="Gómez-Flores et al., BUS-BRA: a breast ultrasound dataset for assessing computer-aided diagnosis "
    "systems, Medical Physics, 2024",
    devices="four scanners, named image by image in bus_data.csv",
    population="1,064 patients in the whole set",
    labels_by="pathology; the set also has histology and BI-RADS",
)
CLASSES = {"benign": 0, "malignant": 1}
LABEL_MEANING = "pathology of a breast lesion: 1 = malignant, 0 = benign"


def recognise(folder: Path) -> bool:
    """Whether it holds `Images`, `Masks` and bus_data.csv."""
    return bool(first_folder(folder, ["Images"]) and first_folder(folder, ["Masks"]) and (folder / TABLE).is_file())


def read(request: Request) -> DataSet:
    """BUS-BRA folder -> one case per image with the mask of its lesion; the patient is the group."""
    folder = request.folder
    image_folder, mask_folder = first_folder(folder, ["Images"]), first_folder(folder, ["Masks"])
    if image_folder is None or mask_folder is None:
        raise InputError(f"{folder}: no Images and Masks in it; BUS-BRA has both, and {TABLE}")
    rows, folds = _rows(folder), _folds(folder)
    masks = images_in(mask_folder)
    cases = []
    left_out = {f"not in {TABLE}": 0, "not in groups.csv": 0, "image without a mask": 0}
    for stem, image in images_in(image_folder).items():
        row, mask = rows.get(stem), masks.get(stem.replace("bus_", "mask_", 1))
        if row is None or mask is None or (folds and stem not in folds):
            why = f"not in {TABLE}" if row is None else "image without a mask" if mask is None else "not in groups.csv"
            left_out[why] += 1
            continue
        pathology = row.get("pathology", "").lower()
        if pathology not in CLASSES:
            raise InputError(f"{folder / TABLE}: {stem} has pathology '{pathology}'; BUS-BRA has benign and malignant")
        fold = folds.get(stem, "")
        cases.append(
            Case(
                case_id=stem,
                image=image,
                mask=mask,
                malignancy=CLASSES[pathology],
                group=row["case"],
                source=NAME,
                fold=int(fold) if fold else None,
                target="lesion",
            )
        )
    note = f"{len({case.group for case in cases})} patients, each one group"
    return DataSet(
        NAME, tuple(cases), LABEL_MEANING, {why: number for why, number in left_out.items() if number}, (note,)
    )


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / TABLE
    rows = read_rows(path)
    if not {"id", "case", "pathology"} <= set(rows[0] if rows else {}):
        raise InputError(f"{path}: needs the columns ID, Case and Pathology")
    return {row["id"]: row for row in rows}


def _folds(folder: Path) -> dict[str, str]:
    """groups.csv next to the set (ID, fold) -> the fold of each image; empty where there is no such file."""
    path = folder / "groups.csv"
    if not path.is_file():
        return {}
    rows = read_rows(path)
    if not {"id", "fold"} <= set(rows[0] if rows else {}):
        raise InputError(f"{path}: needs the columns ID and fold")
    return {row["id"]: row["fold"] for row in rows}


SET = KnownSet(name=NAME, recognise=recognise, read=read, risk_meaning=RISK_MEANING, origin=ORIGIN)
