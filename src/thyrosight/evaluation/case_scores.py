"""One case, its reference and its prediction -> CaseScore; CaseScores <-> per_case.csv, without loss.

Legend: `_px` pixels of the source image, `_mm` millimetres (only where the spacing is known). Overlap, boundary and
detection are scored over the whole source image: a prediction on screen text outside the field counts as well.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from thyrosight.datasets.csv_file import csv_lines, number_of
from thyrosight.errors import InputError
from thyrosight.evaluation.metrics.overlap import (
    MIN_IOU_OF_FOUND_NODULE,
    Detection,
    detect,
    dice,
    hausdorff95,
    iou,
    normalised_surface_dice,
    surface_distances,
)
from thyrosight.files import raise_disk_fault, write_atomic
from thyrosight.measurement.size import measure
from thyrosight.types import BoolArray, Box, Case, Spacing

MISSED, INVENTED, NO_SPACING, NO_REFERENCE = "missed", "invented", "no spacing", "no reference outline"


@dataclass(frozen=True)
class MaskSettings:
    """How masks are scored: NSD's tolerance in pixels and in mm, and the IoU from which a nodule counts as found.

    The defaults come from two readers of the same images (DDTI, 130 images of 560 x 360): half of one reader's boundary
    is within 3.6 pixels of the other's; one reader found 96 % of the other's nodules at IoU 0.3, and 92 % at 0.5.
    """

    nsd_tolerance_px: float = 4.0
    nsd_tolerance_mm: float = 0.5
    min_iou: float = MIN_IOU_OF_FOUND_NODULE


@dataclass(frozen=True)
class CaseScore:
    """The scores of one image. A score without a value is None; without a reference outline all mask scores are None.

    reference_area_px 0: the reference states that there is no nodule. hd95 is None where one of the masks is empty, and
    hd95_reason states which: `missed` (no prediction) or `invented` (no reference). longest_…: the longest diameters of
    the nodules that were found; both lists are in the same order. malignancy_logit is the output of the network, risk
    is calibrated. mean_probability: mean mask probability inside the predicted mask, None if it is empty.
    """

    case_id: str
    group: str
    source: str
    split: str
    fold: int | None
    target: str
    num_panels: int
    field_area_px: int
    field_diagonal_px: float
    row_mm: float | None
    column_mm: float | None
    reference_area_px: int | None
    predicted_area_px: int | None
    dice: float | None
    iou: float | None
    nsd_px: float | None
    nsd_mm: float | None
    hd95_px: float | None
    hd95_mm: float | None
    hd95_reason: str | None
    num_reference: int | None
    num_predicted: int | None
    num_found: int | None
    longest_reference_px: tuple[float, ...]
    longest_predicted_px: tuple[float, ...]
    longest_reference_mm: tuple[float, ...]
    longest_predicted_mm: tuple[float, ...]
    malignancy: int | None
    malignancy_logit: float | None
    risk: float | None
    seconds: float | None
    mean_probability: float | None = None
    reference_boxes_px: tuple[float, ...] = ()
    """x0, y0, x1, y1 of the box of each nodule, where boxes are the reference instead of outlines."""
    predicted_boxes_px: tuple[float, ...] = ()
    """The same numbers for each predicted region; given only where the reference is boxes."""
    predicted_means: tuple[float, ...] = ()
    """Mean probability of each predicted region, in the order of predicted_boxes_px."""

    @property
    def is_outlined(self) -> bool:
        """Whether the reference holds a nodule and its overlap was scored."""
        return self.dice is not None and bool(self.reference_area_px)

    @property
    def num_false(self) -> int:
        return (self.num_predicted or 0) - (self.num_found or 0)


@dataclass(frozen=True)
class CasePrediction:
    """The prediction of one image without its mask. mean_probability is the mean inside the mask."""

    fov: Box
    num_panels: int
    malignancy_logit: float | None = None
    risk: float | None = None
    seconds: float | None = None
    mean_probability: float | None = None
    regions: tuple[tuple[Box, float], ...] = ()
    """Box and mean probability of each predicted region."""


def score_case(
    case: Case,
    reference_HW: BoolArray | None,
    prediction_HW: BoolArray | None,
    predicted: CasePrediction,
    settings: MaskSettings,
) -> CaseScore:
    """Case, masks in source pixels (None: not known, or not predicted), the rest of the prediction -> CaseScore."""
    spacing = Spacing(case.row_mm, case.column_mm) if case.row_mm and case.column_mm else None
    return CaseScore(
        case_id=case.case_id,
        group=case.group,
        source=case.source,
        split=case.split,
        fold=case.fold,
        target=case.target,
        num_panels=predicted.num_panels,
        field_area_px=predicted.fov.width * predicted.fov.height,
        field_diagonal_px=math.hypot(predicted.fov.width, predicted.fov.height),
        row_mm=case.row_mm,
        column_mm=case.column_mm,
        **_mask_scores(reference_HW, prediction_HW, spacing, settings),
        malignancy=case.malignancy,
        malignancy_logit=_finite(predicted.malignancy_logit),
        risk=_finite(predicted.risk),
        seconds=predicted.seconds,
        mean_probability=_finite(predicted.mean_probability),
        **_box_fields(case, predicted),
    )


def _box_fields(case: Case, predicted: CasePrediction) -> dict[str, Any]:
    """-> the fields of CaseScore about boxes; empty where the case has an outline, or has no boxes."""
    if case.mask is not None or not case.boxes:
        return {}
    return {
        "reference_boxes_px": tuple(float(value) for box in case.boxes for value in box),
        "predicted_boxes_px": tuple(float(value) for box, _ in predicted.regions for value in box),
        "predicted_means": tuple(round(mean, 6) for _, mean in predicted.regions),
    }


def _mask_scores(
    reference_HW: BoolArray | None, prediction_HW: BoolArray | None, spacing: Spacing | None, settings: MaskSettings
) -> dict[str, Any]:
    """Masks -> the fields of CaseScore that depend on them."""
    names = [field.name for field in fields(CaseScore)]
    scores: dict[str, Any] = dict.fromkeys(names[names.index("reference_area_px") : names.index("malignancy")])
    scores |= {name: () for name in scores if name.startswith("longest_")}
    if prediction_HW is not None:
        scores["predicted_area_px"] = int(prediction_HW.sum())
    if reference_HW is None or prediction_HW is None:
        return scores | {"hd95_reason": NO_REFERENCE if reference_HW is None else "no predicted outline"}
    surface_px = surface_distances(reference_HW, prediction_HW)
    surface_mm = surface_distances(reference_HW, prediction_HW, spacing) if spacing else None
    found = detect(reference_HW, prediction_HW, settings.min_iou)
    hd95_px = hausdorff95(surface_px)
    reason = None if hd95_px is not None else MISSED if reference_HW.any() else INVENTED
    return scores | {
        "reference_area_px": int(reference_HW.sum()),
        "dice": dice(reference_HW, prediction_HW),
        "iou": iou(reference_HW, prediction_HW),
        "nsd_px": normalised_surface_dice(surface_px, settings.nsd_tolerance_px),
        "nsd_mm": normalised_surface_dice(surface_mm, settings.nsd_tolerance_mm) if surface_mm else None,
        "hd95_px": hd95_px,
        "hd95_mm": hausdorff95(surface_mm) if surface_mm else None,
        "hd95_reason": reason,
        "num_reference": found.num_reference,
        "num_predicted": found.num_predicted,
        "num_found": len(found.matches),
        **_diameters(found, spacing),
    }


def _diameters(found: Detection, spacing: Spacing | None) -> dict[str, tuple[float, ...]]:
    """Matches -> the longest diameters of both outlines of each match, in pixels and, with a spacing, in mm."""
    references = [measure(found.reference_labels_HW == match.reference, spacing) for match in found.matches]
    predictions = [measure(found.prediction_labels_HW == match.prediction, spacing) for match in found.matches]
    return {
        "longest_reference_px": tuple(size.longest_px for size in references),
        "longest_predicted_px": tuple(size.longest_px for size in predictions),
        "longest_reference_mm": tuple(size.longest_mm for size in references if size.longest_mm is not None),
        "longest_predicted_mm": tuple(size.longest_mm for size in predictions if size.longest_mm is not None),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


# per_case.csv

COLUMNS = tuple(field.name for field in fields(CaseScore))
KINDS = {field.name: str(field.type) for field in fields(CaseScore)}
NEEDED = tuple(name for name, kind in KINDS.items() if not kind.startswith("tuple") and not kind.endswith("| None"))
"""Columns that every table must have. Any other column may be absent; its values are then None."""
LIST_SEPARATOR = ";"
DIGITS = 6
"""Significant digits of the numbers in a compact table; scores are quoted with three."""


def write_case_scores(scores: Iterable[CaseScore], path: Path) -> None:
    """Scores -> per_case.csv: one row per image, an empty cell for None, `;` between diameters; whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for score in scores:
        writer.writerow([_text(getattr(score, name)) for name in COLUMNS])
    write_atomic(path, text.getvalue())


def compact_case_scores(scores: Sequence[CaseScore]) -> str:
    """Scores -> the text of a small per_case.csv: numbers to 6 digits, without columns that are empty in all rows.

    `read_case_scores` reads this text, and `pool` makes the same evaluation from it again.
    """
    rows = [{name: _text(getattr(score, name), DIGITS) for name in COLUMNS} for score in scores]
    kept = [name for name in COLUMNS if name in NEEDED or any(row[name] for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(kept)
    writer.writerows([[row[name] for name in kept] for row in rows])
    return text.getvalue()


def read_case_scores(path: Path) -> list[CaseScore]:
    """per_case.csv (or the folder that holds it) -> its scores; InputError names the file, the row and the fix.

    Columns other than NEEDED may be absent, as in older files and in compact ones.
    """
    path = path / "per_case.csv" if path.is_dir() else path
    header, *lines = csv_lines(path) or [[]]
    rows = [dict(zip(header, line, strict=False)) for line in lines]
    missing = [name for name in NEEDED if not rows or name not in rows[0]]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing[:5])}, or no row; pass the per_case.csv of an evaluation"
        )
    scores = [_read_row(row, f"{path} row {number}") for number, row in enumerate(rows, start=2)]
    _refuse_repeated(scores, path)
    return scores


def is_case_scores(path: Path) -> bool:
    """Whether the file is a per_case.csv by its header."""
    try:
        with open(path, encoding="utf-8") as stream:
            header = stream.readline().strip().split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise_disk_fault(error, path)
        return False
    return set(NEEDED) <= set(header) <= set(COLUMNS)


def _text(value: object, digits: int | None = None) -> str:
    """Value -> its cell. digits: significant digits of a number; None: all of them."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return LIST_SEPARATOR.join(_text(item, digits) for item in value)
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    return str(value)


def _read_row(row: dict[str, str], where: str) -> CaseScore:
    values = {}
    for name in COLUMNS:
        try:
            values[name] = _value(row.get(name) or "", KINDS[name])
        except ValueError:
            raise InputError(f"{where}: {name} is {row.get(name)!r}, not {KINDS[name]}; evaluate again") from None
    return CaseScore(**values)


def _value(text: str, kind: str) -> Any:
    if kind.startswith("tuple"):
        return tuple(number_of(part) for part in text.split(LIST_SEPARATOR)) if text else ()
    if not text and kind.endswith("| None"):
        return None
    plain = kind.partition(" ")[0]
    return int(text) if plain == "int" else number_of(text) if plain == "float" else text


def _refuse_repeated(scores: Sequence[CaseScore], path: Path) -> None:
    seen: set[str] = set()
    for score in scores:
        if score.case_id in seen:
            raise InputError(f"{path}: case {score.case_id} is there twice; evaluate again")
        seen.add(score.case_id)
