"""per_case.csv of two models on the same cases -> difference (first - second) of each score, with a paired interval."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from thyrosight.errors import InputError
from thyrosight.evaluation.box_scores import box_statistics
from thyrosight.evaluation.case_scores import CaseScore, read_case_scores
from thyrosight.evaluation.estimates import DEFAULT_SETTINGS, EvaluationSettings, random_stream
from thyrosight.evaluation.metrics import calibration, ranking
from thyrosight.evaluation.metrics.bootstrap import Difference, Statistic, paired_bootstrap, ratio_of
from thyrosight.evaluation.scores import hd95_or_diagonal
from thyrosight.files import write_atomic
from thyrosight.files.earlier_files import json_table, refuse_strangers


@dataclass(frozen=True)
class ComparedScore:
    """One score of both models on the same cases; their difference (first - second) with its paired interval."""

    name: str
    title: str
    higher_is_better: bool
    first: float | None
    second: float | None
    difference: Difference
    n: int
    num_groups: int


@dataclass(frozen=True)
class Comparison:
    """Two evaluations on the cases that are in both; num_left_out cases are in only one of them."""

    first: str
    second: str
    num_cases: int
    num_groups: int
    num_left_out: int
    scores: tuple[ComparedScore, ...]
    notes: tuple[str, ...] = ()
    """Sentences of both evaluations about images that a model had seen in training."""


def compare(
    first: Path | str,
    second: Path | str,
    *,
    out: Path | str | None = None,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
) -> Comparison:
    """per_case.csv of two models -> paired differences (first - second) on the cases that both have.

    out: a file for the result as JSON. InputError where the tables have no case in common, or differ in the reference,
    label or group of a case.
    """
    first, second = Path(first), Path(second)
    subject = {"first": str(first), "second": str(second)}
    if out is not None:
        what = "a comparison of these two"
        refuse_strangers([Path(out)], lambda path: subject.items() <= json_table(path).items(), what)
    rows_a = {row.case_id: row for row in read_case_scores(first)}
    rows_b = {row.case_id: row for row in read_case_scores(second)}
    common = [case_id for case_id in rows_a if case_id in rows_b]
    if not common:
        raise InputError(f"{first} and {second}: no case is in both; compare two evaluations of the same cases.csv")
    pairs = [(rows_a[case_id], rows_b[case_id]) for case_id in common]
    for a, b in pairs:
        if (a.group, a.malignancy) != (b.group, b.malignancy) or not _same_reference(a, b):
            raise InputError(f"case {a.case_id}: its reference, label or group differs between {first} and {second}")
    comparison = Comparison(
        first=str(first),
        second=str(second),
        num_cases=len(common),
        num_groups=len({a.group for a, _ in pairs}),
        num_left_out=len(rows_a.keys() ^ rows_b.keys()),
        scores=(*(_compared(kind, pairs, settings) for kind in COMPARED), *_compared_boxes(pairs, settings)),
        notes=(*_seen_in(first, "first"), *_seen_in(second, "second")),
    )
    if out is not None:
        write_atomic(Path(out), json.dumps(asdict(comparison), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return comparison


def _seen_in(table: Path, which: str) -> tuple[str, ...]:
    """per_case.csv -> a sentence about images that its model had seen, from the evaluation.json next to it."""
    folder = table if table.is_dir() else table.parent
    evaluated = json_table(folder / "evaluation.json").get("evaluated")
    seen = evaluated.get("scored_although_seen") if isinstance(evaluated, dict) else None
    if not seen:
        return ()
    return (
        f"{which}: {len(seen)} images were scored although the model had seen them in training; the comparison "
        "is not fair to the other",
    )


def _same_reference(a: CaseScore, b: CaseScore) -> bool:
    has_same_area = None in (a.reference_area_px, b.reference_area_px) or a.reference_area_px == b.reference_area_px
    return has_same_area and a.reference_boxes_px == b.reference_boxes_px


Numbers = Callable[[CaseScore], tuple[float, float] | None]
"""A case -> the two numbers of a score (value, and weight or label); None where the case has no such score."""


@dataclass(frozen=True)
class _ScoreKind:
    name: str
    title: str
    higher_is_better: bool
    numbers: Numbers
    statistic_of: Callable[[list[float], list[float]], Statistic]


def _compared(
    kind: _ScoreKind, pairs: Sequence[tuple[CaseScore, CaseScore]], settings: EvaluationSettings
) -> ComparedScore:
    kept = [
        (of_a, of_b, a.group)
        for a, b in pairs
        if (of_a := kind.numbers(a)) is not None and (of_b := kind.numbers(b)) is not None
    ]
    if not kept:
        nothing = Difference(None, None, None, 0, None, "no case has it in both")
        return ComparedScore(kind.name, kind.title, kind.higher_is_better, None, None, nothing, 0, 0)
    statistic_a, statistic_b = (
        kind.statistic_of([first for first, _ in numbers], [second for _, second in numbers])
        for numbers in ([of_a for of_a, _, _ in kept], [of_b for _, of_b, _ in kept])
    )
    groups = [group for _, _, group in kept]
    return _paired((kind.name, kind.title, kind.higher_is_better), statistic_a, statistic_b, groups, settings)


def _compared_boxes(pairs: Sequence[tuple[CaseScore, CaseScore]], settings: EvaluationSettings) -> list[ComparedScore]:
    """Pairs of rows -> the scores of boxes; none where no reference is boxes."""
    kept = [(a, b) for a, b in pairs if a.reference_boxes_px]
    if not kept:
        return []
    of_a, of_b = (box_statistics(rows) for rows in zip(*kept, strict=True))
    groups = [a.group for a, _ in kept]
    return [
        replace(_paired((*a.score[:2], a.higher_is_better), a.statistic, b.statistic, groups, settings), n=a.n)
        for a, b in zip(of_a, of_b, strict=True)
    ]


def _paired(
    score: tuple[str, str, bool],
    statistic_a: Statistic,
    statistic_b: Statistic,
    groups: Sequence[str],
    settings: EvaluationSettings,
) -> ComparedScore:
    """(name, title, whether higher is better), a statistic per model on the same cases -> the paired difference."""
    rng = random_stream(settings, f"compare {score[0]}")
    difference = paired_bootstrap(statistic_a, statistic_b, groups, rng, settings.draws)
    values = [float(statistic(np.ones((1, len(groups))))[0]) for statistic in (statistic_a, statistic_b)]
    first, second = (value if math.isfinite(value) else None for value in values)
    return ComparedScore(*score, first, second, difference, len(groups), len(set(groups)))


def _outlined(value: Callable[[CaseScore], float | None]) -> Numbers:
    def numbers(row: CaseScore) -> tuple[float, float] | None:
        number = value(row) if row.is_outlined else None
        return None if number is None else (number, 1.0)

    return numbers


def _rated(row: CaseScore) -> tuple[float, float] | None:
    return None if row.malignancy is None or row.risk is None else (float(row.malignancy), row.risk)


def _found(row: CaseScore) -> tuple[float, float] | None:
    return None if row.num_reference is None else (float(row.num_found or 0), float(row.num_reference))


def _false(row: CaseScore) -> tuple[float, float] | None:
    return None if row.num_reference is None else (float(row.num_false), 1.0)


COMPARED = (
    _ScoreKind("dice", "Dice, mean", True, _outlined(lambda row: row.dice), ratio_of),
    _ScoreKind("iou", "IoU, mean", True, _outlined(lambda row: row.iou), ratio_of),
    _ScoreKind("nsd_px", "NSD, mean", True, _outlined(lambda row: row.nsd_px), ratio_of),
    _ScoreKind("hd95_px_all", "HD95 px, mean, missed = diagonal", False, _outlined(hd95_or_diagonal), ratio_of),
    _ScoreKind("nodule_sensitivity", "Nodules found", True, _found, ratio_of),
    _ScoreKind("false_positives_per_image", "False positives per image", False, _false, ratio_of),
    _ScoreKind("auroc", "AUROC", True, _rated, ranking.auroc_of),
    _ScoreKind("average_precision", "Average precision", True, _rated, ranking.average_precision_of),
    _ScoreKind("brier", "Brier score", False, _rated, calibration.brier_of),
)
"""The scores by which two models are compared. All are ratios; a mean is a ratio with denominators of 1."""
