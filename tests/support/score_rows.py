"""Invented rows of a per_case.csv, with known risks and mean probabilities."""

from __future__ import annotations

import numpy as np

from thyrosight.evaluation.case_scores import CaseScore


def rows_of(num: int = 40) -> list[CaseScore]:
    """Rows whose mean probability sets their Dice, and whose label is drawn with their risk; two rows per group."""
    rng = np.random.default_rng(5)
    rows = []
    for index in range(num):
        risk = round(float(rng.random()), 3)
        label = int(rng.random() < risk)
        rows.append(row(f"c{index}", group=f"g{index // 2}", risk=risk, malignancy=label, sure=index / num))
    return rows


def row(case_id: str, *, group: str, risk: float, malignancy: int, sure: float | None) -> CaseScore:
    found = sure is not None
    return CaseScore(
        case_id=case_id,
        group=group,
        source="s",
        split="",
        fold=0,
        target="nodule",
        num_panels=1,
        field_area_px=100,
        field_diagonal_px=14.0,
        row_mm=None,
        column_mm=None,
        reference_area_px=10,
        predicted_area_px=10 if found else 0,
        dice=(0.5 + sure / 2) if sure is not None else 0.0,
        iou=0.5,
        nsd_px=0.5,
        nsd_mm=None,
        hd95_px=1.0,
        hd95_mm=None,
        hd95_reason=None,
        num_reference=1,
        num_predicted=int(found),
        num_found=int(found),
        longest_reference_px=(),
        longest_predicted_px=(),
        longest_reference_mm=(),
        longest_predicted_mm=(),
        malignancy=malignancy,
        malignancy_logit=risk,
        risk=risk,
        seconds=None,
        mean_probability=sure,
    )
