"""Scores of clean and disturbed images -> StressTest: the cost of each disturbance, with intervals; its CSV and JSON.

A disturbance is a perturbation and a strength. Every cost compares the same images, clean and disturbed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from thyrosight.errors import InputError
from thyrosight.evaluation.case_scores import CaseScore
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings, ScoreName, estimate
from thyrosight.evaluation.metrics.bootstrap import Statistic, mean_of
from thyrosight.evaluation.metrics.ranking import auroc_of
from thyrosight.evaluation.stress.perturb import PERTURBATIONS, STRENGTHS
from thyrosight.evaluation.summary import UnscoredCase
from thyrosight.types import Float64Array

SCHEMA_VERSION = 1
DAILY = (1, 2)
"""The strengths that occur daily; the headlines state their cost."""

Disturbance = tuple[str, int]
"""A key of PERTURBATIONS and a strength."""
CLEAN: Disturbance = ("clean", 0)
Pair = tuple[CaseScore, CaseScore]
"""One image's scores, clean and disturbed."""


@dataclass(frozen=True)
class StressContext:
    """What was tested: model, cases, selection of rows, settings, time."""

    model_name: str
    model_id: str
    risk_meaning: str
    cases: str
    cases_sha256: str
    selection: str
    with_tta: bool
    settings: EvaluationSettings
    created: str
    notes: tuple[str, ...] = ()
    """Which images the model had seen in training, and what was done with them."""


@dataclass(frozen=True)
class StressRow:
    """One disturbance. A drop is clean - disturbed, over the images that have both scores.

    dice: over the images whose reference still has a nodule. risk_change: mean of |disturbed risk - clean risk| over
    all images with a risk, labelled or not. num_images counts the disturbed images; each estimate has its own n.
    """

    perturbation: str
    strength: int
    meaning: str
    num_images: int
    dice: Estimate
    dice_drop: Estimate
    auroc: Estimate
    auroc_drop: Estimate
    risk_change: Estimate


@dataclass(frozen=True)
class StressTest:
    """The scores of the clean images, all rows, and the headlines.

    A headline is None where its disturbance was not tried.

    `daily`: strengths 1 and 2, which occur daily. worst_daily: the daily row with the largest drop of mean Dice.
    caliper_risk_change: mean |change of risk| when calipers are drawn, over all strengths; _daily: over strengths 1, 2.
    risk_sd: standard deviation of the clean risks. A change of risk is compared with it, because the risks of a model
    that gives all images the same risk never change.
    """

    schema_version: int
    stressed: StressContext
    num_images: int
    num_groups: int
    dice: Estimate
    auroc: Estimate
    risk_sd: float | None
    rows: tuple[StressRow, ...]
    worst_daily: StressRow | None
    caliper_risk_change_daily: Estimate | None
    caliper_risk_change: Estimate | None
    failures: tuple[UnscoredCase, ...]


def summarise_stress(
    scores: Mapping[Disturbance, Sequence[CaseScore]], stressed: StressContext, failures: Sequence[UnscoredCase] = ()
) -> StressTest:
    """{disturbance: scores}, with those of CLEAN -> StressTest; InputError without a clean score."""
    clean = scores[CLEAN]
    if not clean:
        first = f"; the first: {failures[0].case_id}: {failures[0].message}" if failures else ""
        raise InputError(f"{stressed.cases}: none of the {len(failures)} chosen cases could be predicted{first}")
    settings = stressed.settings
    by_id = {row.case_id: row for row in clean}
    paired = {key: [(by_id[row.case_id], row) for row in rows] for key, rows in scores.items()}
    unchanged = paired.pop(CLEAN)
    rows = tuple(_row(key, pairs, settings) for key, pairs in paired.items())
    daily = [row for row in rows if row.strength in DAILY and row.dice_drop.value is not None]
    return StressTest(
        schema_version=SCHEMA_VERSION,
        stressed=stressed,
        num_images=len(clean),
        num_groups=len({row.group for row in clean}),
        dice=_dice(unchanged, settings),
        auroc=_auroc(unchanged, settings),
        risk_sd=float(np.std(risks)) if (risks := [row.risk for row in clean if row.risk is not None]) else None,
        rows=rows,
        worst_daily=max(daily, key=lambda row: row.dice_drop.value or 0.0, default=None),
        caliper_risk_change_daily=_of_calipers(paired, DAILY, settings),
        caliper_risk_change=_of_calipers(paired, STRENGTHS, settings),
        failures=tuple(failures),
    )


def _row(key: Disturbance, pairs: Sequence[Pair], settings: EvaluationSettings) -> StressRow:
    name, strength = key
    return StressRow(
        perturbation=name,
        strength=strength,
        meaning=PERTURBATIONS[name][strength - 1].meaning,
        num_images=len(pairs),
        dice=_dice(pairs, settings),
        dice_drop=_dice_drop(pairs, settings),
        auroc=_auroc(pairs, settings),
        auroc_drop=_auroc_drop(pairs, settings),
        risk_change=_risk_change(pairs, settings),
    )


def _dice(pairs: Sequence[Pair], settings: EvaluationSettings) -> Estimate:
    outlined = _outlined(pairs)
    return _over(ScoreName("dice", "Dice, mean"), mean_of([row.dice or 0.0 for _, row in outlined]), outlined, settings)


def _dice_drop(pairs: Sequence[Pair], settings: EvaluationSettings) -> Estimate:
    outlined = _outlined(pairs)
    drops = [(clean.dice or 0.0) - (row.dice or 0.0) for clean, row in outlined]
    return _over(ScoreName("dice_drop", "Dice, clean - disturbed"), mean_of(drops), outlined, settings)


def _auroc(pairs: Sequence[Pair], settings: EvaluationSettings) -> Estimate:
    rated = _labelled(pairs)
    return _over(ScoreName("auroc", "AUROC"), _auroc_of([row for _, row in rated]), rated, settings)


def _auroc_drop(pairs: Sequence[Pair], settings: EvaluationSettings) -> Estimate:
    rated = _labelled(pairs)
    of_clean, of_disturbed = (_auroc_of([pair[k] for pair in rated]) for k in (0, 1))

    def drop(weights_DN: Float64Array) -> Float64Array:
        return of_clean(weights_DN) - of_disturbed(weights_DN)

    return _over(ScoreName("auroc_drop", "AUROC, clean - disturbed"), drop, rated, settings)


def _risk_change(pairs: Sequence[Pair], settings: EvaluationSettings) -> Estimate:
    rated = [pair for pair in pairs if all(row.risk is not None for row in pair)]
    changes = [abs((row.risk or 0.0) - (clean.risk or 0.0)) for clean, row in rated]
    return _over(ScoreName("risk_change", "|change of risk|, mean"), mean_of(changes), rated, settings)


def _of_calipers(
    paired: Mapping[Disturbance, Sequence[Pair]], strengths: Sequence[int], settings: EvaluationSettings
) -> Estimate | None:
    pairs = [pair for strength in strengths for pair in paired.get(("calipers", strength), ())]
    return _risk_change(pairs, settings) if pairs else None


def _outlined(pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in pairs if all(row.is_outlined for row in pair)]


def _labelled(pairs: Sequence[Pair]) -> list[Pair]:
    """-> the pairs with a label and both risks."""
    return [pair for pair in pairs if pair[0].malignancy is not None and all(row.risk is not None for row in pair)]


def _auroc_of(rows: Sequence[CaseScore]) -> Statistic:
    if not rows:
        return lambda weights_DN: np.full(len(weights_DN), np.nan)
    return auroc_of([row.malignancy or 0 for row in rows], [row.risk or 0.0 for row in rows])


def _over(score: ScoreName, statistic: Statistic, pairs: Sequence[Pair], settings: EvaluationSettings) -> Estimate:
    return estimate(score, statistic, [clean.group for clean, _ in pairs], settings)


# Files

COLUMNS = ("perturbation", "strength", "meaning", "num_images")
ESTIMATES = ("dice", "dice_drop", "auroc", "auroc_drop", "risk_change")


def stress_csv(test: StressTest) -> str:
    """-> one row per disturbance, with value, interval and n of every estimate; an absent number is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(name + part for name in ESTIMATES for part in ("", "_low", "_high", "_n"))])
    for row in test.rows:
        cells: list[object] = [getattr(row, name) for name in COLUMNS]
        for name in ESTIMATES:
            estimate: Estimate = getattr(row, name)
            numbers = (estimate.value, estimate.low, estimate.high)
            cells += ["" if number is None else f"{number:.6g}" for number in numbers] + [estimate.n]
        writer.writerow(cells)
    return text.getvalue()


def stress_json(test: StressTest) -> str:
    """-> indented JSON; every value is finite or null."""
    return json.dumps(asdict(test), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
