"""Predictor, rows of cases.csv -> the rows that the model has not seen, and a note on the rows that it has seen.

datasets/pictures/seen_rows.py finds out which rows were seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from thyrosight.datasets.pictures.seen_rows import SeenRows, rows_seen_by
from thyrosight.errors import InputError
from thyrosight.evaluation.summary import EvaluationContext
from thyrosight.inference.predictor import Predictor
from thyrosight.types import Case


def without_seen(
    predictor: Predictor, cases: Sequence[Case], where: Path, even_if_seen: bool
) -> tuple[list[Case], SeenRows]:
    """Rows -> (the rows to score, the rows that the model has seen). InputError where it has seen all of them."""
    seen = rows_seen_by(predictor.info, predictor.seen, cases)
    kept = list(cases) if even_if_seen else [case for case in cases if seen.reason(case) is None]
    if not kept:
        first = cases[0]
        raise InputError(
            f"{where}: {predictor.info.name} has seen all {len(cases)} chosen images in training (the first: "
            f"{first.case_id}, {seen.reason(first)}); choose rows that it has not seen, or pass --even-if-seen"
        )
    return kept, seen


def with_seen(
    context: EvaluationContext, seen: SeenRows, cases: Sequence[Case], even_if_seen: bool
) -> EvaluationContext:
    """Context, seen rows, all chosen cases -> the context with the case_ids of the seen rows and a note on them."""
    done = "scored all the same: these scores do not hold for other images" if even_if_seen else "left out"
    names = tuple(case.case_id for case in seen.of(cases))
    notes = (*context.notes, *seen.notes(cases, done))
    if even_if_seen:
        return replace(context, notes=notes, scored_although_seen=names)
    return replace(context, notes=notes, left_out_as_seen=names)
