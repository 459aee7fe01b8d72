"""CaseScores -> Selective: the scores when the least sure images are declined, for the risk and for the outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thyrosight.evaluation.case_scores import CaseScore
from thyrosight.evaluation.estimates import Estimate, EvaluationSettings, ScoreName, estimate, random_stream
from thyrosight.evaluation.metrics import calibration, ranking
from thyrosight.evaluation.metrics.bootstrap import MIN_DEFINED_SHARE, Statistic, draw_values, mean_of
from thyrosight.evaluation.metrics.selective import aurc_of, confidence_of_risks, curve_of, least_confidences
from thyrosight.evaluation.scores import labelled
from thyrosight.types import Float64Array

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
MIN_CASES = 10
"""With fewer images there is no curve, because a fifth of them would be one or two images."""


@dataclass(frozen=True)
class CoverageCurve:
    """One score at each coverage with its pointwise 95 % band; None where the score is undefined."""

    name: str
    title: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True)
class Selective:
    """Scores of the images that are answered (the surest images), and the area under the risk-coverage curve.

    least_confidence: the confidence of the last image that is answered at each coverage. Compare the aurc with two
    values: aurc_without_order, where every image is equally likely to be declined, and aurc_of_best_order, where the
    worst images are declined first (no method can know these).
    """

    name: str
    title: str
    confidence: str
    coverage: tuple[float, ...]
    least_confidence: tuple[float, ...]
    curves: tuple[CoverageCurve, ...]
    aurc: Estimate
    aurc_without_order: float
    aurc_of_best_order: float

    def curve(self, name: str) -> CoverageCurve:
        """Name -> the curve of this name; KeyError lists the known names."""
        for curve in self.curves:
            if curve.name == name:
                return curve
        raise KeyError(f"no curve {name!r}; there are {', '.join(curve.name for curve in self.curves)}")


def selective_scores(rows: Sequence[CaseScore], settings: EvaluationSettings) -> tuple[Selective, ...]:
    """Rows -> Selective of the risk and of the outline, each only where there are enough images."""
    return tuple(found for found in (_of_risk(rows, settings), _of_outline(rows, settings)) if found is not None)


def _of_risk(rows: Sequence[CaseScore], settings: EvaluationSettings) -> Selective | None:
    """Labelled rows, sorted by |risk - 0.5| -> share on the right side of 0.5, Brier, AUROC; None below MIN_CASES rows.

    The loss is 1 where the risk is on the wrong side of 0.5, else 0.
    """
    labels, risks, groups = labelled(rows)
    if len(labels) < MIN_CASES:
        return None
    wrong = [float((risk >= 0.5) != bool(label)) for label, risk in zip(labels, risks, strict=True)]
    kinds: dict[tuple[str, str], Statistic] = {
        ("accuracy", "Accuracy at risk 0.5"): mean_of([1.0 - loss for loss in wrong]),
        ("brier", "Brier score"): calibration.brier_of(labels, risks),
        ("auroc", "AUROC"): ranking.auroc_of(labels, risks),
    }
    return _selective(
        ("risk", "Risk", "distance of the calibrated risk from 0.5"),
        kinds,
        (wrong, confidence_of_risks(risks).tolist(), groups),
        ScoreName("aurc_risk", "AURC of the risk (wrong side of 0.5)"),
        settings,
    )


def _of_outline(rows: Sequence[CaseScore], settings: EvaluationSettings) -> Selective | None:
    """Outlined rows, sorted by mean probability in the mask -> mean Dice; an empty mask is the least sure.

    None below MIN_CASES images, or where the mean probability of one of them is unknown.
    """
    kept = [
        (row.dice, row.mean_probability if row.predicted_area_px else 0.0, row.group) for row in rows if row.is_outlined
    ]
    known = [(dice, sure, group) for dice, sure, group in kept if dice is not None and sure is not None]
    if len(known) < len(kept) or len(known) < MIN_CASES:
        return None
    dices, confidences = [dice for dice, _, _ in known], [sure for _, sure, _ in known]
    return _selective(
        ("outline", "Outline", "the mean probability inside what was outlined; 0 where nothing was"),
        {("dice", "Dice, mean"): mean_of(dices)},
        ([1.0 - dice for dice in dices], confidences, [group for _, _, group in known]),
        ScoreName("aurc_outline", "AURC of the outline (1 - Dice)"),
        settings,
    )


def _selective(
    what: tuple[str, str, str],
    kinds: dict[tuple[str, str], Statistic],
    cases: tuple[list[float], list[float], list[str]],
    area: ScoreName,
    settings: EvaluationSettings,
) -> Selective:
    """(name, title, confidence in words), statistics, (losses, confidences, groups), the area's name -> Selective."""
    name, title, confidence = what
    losses, confidences, groups = cases
    best = aurc_of(losses, [-loss for loss in losses])
    return Selective(
        name=name,
        title=title,
        confidence=confidence,
        coverage=COVERAGES,
        least_confidence=least_confidences(confidences, COVERAGES),
        curves=tuple(
            _curve(f"selective {name} {kind[0]}", kind, curve_of(statistic, confidences, COVERAGES), groups, settings)
            for kind, statistic in kinds.items()
        ),
        aurc=estimate(area, aurc_of(losses, confidences), groups, settings),
        aurc_without_order=float(np.mean(losses)),
        aurc_of_best_order=float(best(np.ones((1, len(losses))))[0]),
    )


def _curve(
    stream: str, kind: tuple[str, str], statistic: Statistic, groups: Sequence[str], settings: EvaluationSettings
) -> CoverageCurve:
    values_C = statistic(np.ones((1, len(groups))))[0]
    lows, highs = np.full_like(values_C, np.nan), np.full_like(values_C, np.nan)
    if len(set(groups)) > 1:
        values_DC = draw_values(statistic, groups, random_stream(settings, stream), settings.draws)
        usable_C = np.isfinite(values_DC).mean(axis=0) >= MIN_DEFINED_SHARE
        if usable_C.any():
            lows[usable_C], highs[usable_C] = np.nanpercentile(values_DC[:, usable_C], [2.5, 97.5], axis=0)
    return CoverageCurve(*kind, _finite(values_C), _finite(lows), _finite(highs))


def _finite(values_C: Float64Array) -> tuple[float | None, ...]:
    return tuple(round(value, 6) if np.isfinite(value) else None for value in values_C.tolist())
