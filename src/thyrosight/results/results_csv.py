"""Predictions -> results.csv: its columns, the row of each prediction, the file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from thyrosight.files import open_atomic
from thyrosight.prediction import Nodule, Prediction
from thyrosight.results.layout import CSV_NAME

SIGN_COLUMNS = ("compactness", "solidity", "irregularity", "echogenicity_ratio", "cystic_share", "num_foci")
CSV_COLUMNS = (
    *("case_id", "file", "frame", "width_px", "height_px", "num_panels", "num_nodules", "risk", "risk_share"),
    "nodule_risk",
    *("area_px", "area_mm2", "longest_px", "longest_mm", "perpendicular_px", "perpendicular_mm"),
    *("anteroposterior_px", "anteroposterior_mm", "transverse_px", "transverse_mm", "taller_than_wide"),
    *SIGN_COLUMNS,
    *("mean_probability", "flags", "sha256", "model", "model_id", "software", "seconds"),
)
"""One row per image. risk_share: the share of malignant nodules that the risks assume. The columns from nodule_risk to
mean_probability describe the largest nodule; empty without one."""
NUM_NODULE_COLUMNS = CSV_COLUMNS.index("mean_probability") - CSV_COLUMNS.index("nodule_risk") + 1


def write_results_csv(out: Path, predictions: Iterable[tuple[str, Prediction]]) -> None:
    """Results folder, (case id, prediction) of each case -> OUT/results.csv, whole or not at all.

    Each row is written before the next prediction is asked for.
    """
    with open_atomic(out / CSV_NAME) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for case_id, prediction in predictions:
            writer.writerow(csv_row(case_id, prediction))


def csv_row(case_id: str, prediction: Prediction, num_nodules: int | None = None) -> list[Any]:
    """Prediction -> its row under CSV_COLUMNS; unknown values are empty. num_nodules: of the whole frame."""
    image, nodule = prediction.image, next(iter(prediction.nodules), None)
    row = [
        *(case_id, image.name, image.frame_index, image.width_px, image.height_px),
        *(len(prediction.panels), len(prediction.nodules) if num_nodules is None else num_nodules, prediction.risk),
        round(prediction.risk_share.assumed, 4) if prediction.risk_share else None,
        *(_nodule_values(nodule) if nodule else [None] * NUM_NODULE_COLUMNS),
        ";".join(dict.fromkeys(flag.code for flag in prediction.flags)),
        *(image.sha256, prediction.model.name, prediction.model.id, prediction.software_version, prediction.seconds),
    ]
    return [csv_cell(value) for value in row]


def _nodule_values(nodule: Nodule) -> list[Any]:
    size, signs = nodule.size, nodule.signs
    return [
        *(nodule.risk, size.area_px, size.area_mm2, size.longest_px, size.longest_mm),
        *(size.perpendicular_px, size.perpendicular_mm, size.anteroposterior_px, size.anteroposterior_mm),
        *(size.transverse_px, size.transverse_mm, size.taller_than_wide),
        *(getattr(signs, name, None) for name in SIGN_COLUMNS),
        nodule.mean_probability,
    ]


def csv_cell(value: Any) -> Any:
    """Value -> its CSV cell: a boolean as 0 or 1, and `'` before a text that a spreadsheet would run as a formula."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
