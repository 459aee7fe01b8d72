"""Log of readings without and with the network, cases.csv -> paired AUROC and Dice, with intervals by group.

A pair is one reader's last reading without the network and last reading with it, of one image. AUROC is computed per
reader, because two readers use a scale differently; the result is the mean over readers. The bootstrap draws groups of
cases, so that all readings of a patient are drawn together. Readers are not drawn: the interval is for these readers
and other patients.

Legend: N pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.evaluation.estimates import (
    DEFAULT_SETTINGS,
    Estimate,
    EvaluationSettings,
    ScoreName,
    estimate,
    random_stream,
)
from thyrosight.evaluation.metrics import ranking
from thyrosight.evaluation.metrics.bootstrap import Difference, Statistic, mean_of, paired_bootstrap
from thyrosight.evaluation.metrics.overlap import dice
from thyrosight.examination.reading_log import LoggedReading, read_log
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.types import BoolArray, Case, Float64Array


@dataclass(frozen=True)
class ReaderScore:
    """One score without the network, with it, and with - without; intervals by group of cases."""

    name: str
    title: str
    without: Estimate
    with_network: Estimate
    gain: Difference


@dataclass(frozen=True)
class ReaderStudy:
    """The result of a log of readings. left_out: {reason: number of readings}; faults: lines that could not be read.

    by_reader: (reader, score name, without, with), each on the reader's own pairs. seconds_…: medians over the pairs,
    None where no reading states its time. rated_by: what AUROC ranks by, `suspicion` or `tirads_points`.
    """

    log: str
    num_readings: int
    num_readers: int
    num_images: int
    num_pairs: int
    scores: tuple[ReaderScore, ...]
    by_reader: tuple[tuple[str, str, float | None, float | None], ...]
    seconds_without: float | None
    seconds_with: float | None
    rated_by: str
    left_out: dict[str, int]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Pair:
    case: Case
    group: str
    without: LoggedReading
    shown: LoggedReading


def study_readers(log: Path, cases_csv: Path, settings: EvaluationSettings = DEFAULT_SETTINGS) -> ReaderStudy:
    """Log of readings, cases.csv with masks or labels -> ReaderStudy. Images are matched by their SHA-256.

    InputError where the log holds no pair of readings of an image of cases.csv.
    """
    readings, faults = read_log(log)
    cases = {case.image_sha256: case for case in read_cases(cases_csv) if case.image_sha256}
    pairs, left_out = _pairs(readings, cases)
    if not pairs:
        counts = "; ".join(f"{num} {reason}" for reason, num in left_out.items())
        raise InputError(f"{log}: no reader read an image of {cases_csv} without and with the network ({counts})")
    rated_by = _scale(pairs)
    kinds = {"auroc": "AUROC, mean of readers", "dice": "Dice, mean of readings"}
    values = {"auroc": _ratings(pairs, rated_by), "dice": _dices(pairs)}
    scores = tuple(_score(name, kinds[name], values[name], settings) for name in kinds)
    return ReaderStudy(
        log=log.name,
        num_readings=len(readings),
        num_readers=len({pair.without.reader for pair in pairs}),
        num_images=len({pair.case.case_id for pair in pairs}),
        num_pairs=len(pairs),
        scores=scores,
        by_reader=tuple(line for name in kinds for line in _by_reader(name, values[name])),
        seconds_without=_median([pair.without.seconds for pair in pairs]),
        seconds_with=_median([pair.shown.seconds for pair in pairs]),
        rated_by=rated_by,
        left_out=dict(left_out),
        faults=tuple(faults),
    )


def _pairs(readings: Sequence[LoggedReading], cases: dict[str, Case]) -> tuple[list[_Pair], Counter[str]]:
    """Readings, {SHA-256: case} -> pairs, and the reasons why other readings are left out.

    A pair takes the last reading of each kind.
    """
    left_out: Counter[str] = Counter()
    last: dict[tuple[str, str, bool], LoggedReading] = {}
    for reading in readings:
        if reading.image_sha256 not in cases:
            left_out["readings of images that are not in cases.csv"] += 1
        elif reading.frame_index:
            left_out["readings of a clip's later frame"] += 1
        elif reading.is_empty:
            left_out["readings that neither outline nor rate"] += 1
        else:
            key = (reading.reader, reading.image_sha256, reading.network_shown)
            left_out["readings that the reader replaced later"] += key in last
            last[key] = reading
    pairs = []
    for (reader, sha256, shown), reading in last.items():
        other = last.get((reader, sha256, not shown))
        if other is None:
            left_out[f"readings {'with' if shown else 'without'} the network alone"] += 1
        elif not shown:
            case = cases[sha256]
            pairs.append(_Pair(case, case.group or case.case_id, reading, other))
    return pairs, +left_out


def _scale(pairs: Sequence[_Pair]) -> str:
    """-> the number by which AUROC ranks all pairs: `suspicion`, or `tirads_points` if more pairs have points."""
    both = [(pair.without, pair.shown) for pair in pairs]
    num = {
        name: sum(getattr(one, name) is not None and getattr(other, name) is not None for one, other in both)
        for name in ("suspicion", "tirads_points")
    }
    return "suspicion" if num["suspicion"] >= num["tirads_points"] else "tirads_points"


@dataclass(frozen=True)
class _Values:
    """Values without and with the network, one per pair that has both. labels: malignancy of each pair; 0 for Dice."""

    readers: list[str]
    groups: list[str]
    without: list[float]
    shown: list[float]
    labels: list[int]


def _ratings(pairs: Sequence[_Pair], scale: str) -> _Values:
    found = _Values([], [], [], [], [])
    for pair in pairs:
        ratings = getattr(pair.without, scale), getattr(pair.shown, scale)
        if pair.case.malignancy is not None and None not in ratings:
            _add(found, pair, float(ratings[0]), float(ratings[1]), pair.case.malignancy)
    return found


def _dices(pairs: Sequence[_Pair]) -> _Values:
    found = _Values([], [], [], [], [])
    for pair in pairs:
        if pair.case.mask is None or pair.without.outlines_xy is None or pair.shown.outlines_xy is None:
            continue
        shape_hw = (pair.without.height_px, pair.without.width_px)
        reference_HW = load_mask(pair.case, shape_hw)
        if reference_HW.any():
            dices = [dice(reference_HW, _mask(one, shape_hw)) for one in (pair.without, pair.shown)]
            _add(found, pair, dices[0], dices[1])
    return found


def _add(found: _Values, pair: _Pair, without: float, shown: float, label: int = 0) -> None:
    for values, value in (
        (found.readers, pair.without.reader),
        (found.groups, pair.group),
        (found.without, without),
        (found.shown, shown),
        (found.labels, label),
    ):
        values.append(value)  # type: ignore[arg-type]


def _mask(reading: LoggedReading, shape_hw: tuple[int, int]) -> BoolArray:
    return fill_outlines([np.asarray(outline_xy) for outline_xy in reading.outlines_xy or ()], shape_hw)


def _score(name: str, title: str, values: _Values, settings: EvaluationSettings) -> ReaderScore:
    """Values of all pairs of readings -> the score without the network, the score with it, and the paired gain."""
    statistics = [_statistic(name, values, numbers) for numbers in (values.without, values.shown)]
    score = ScoreName(f"readers_{name}", title)
    without, shown = (estimate(score, statistic, values.groups, settings, "pairs") for statistic in statistics)
    gain = Difference(None, None, None, 0, None, without.reason or f"no pair has a {name}")
    if statistics[0] is not None and statistics[1] is not None:
        rng = random_stream(settings, score.name)
        gain = paired_bootstrap(statistics[1], statistics[0], values.groups, rng, settings.draws)
    return ReaderScore(name, title, without, shown, gain)


def _statistic(name: str, values: _Values, numbers: Sequence[float]) -> Statistic | None:
    if not numbers:
        return None
    return mean_of(numbers) if name == "dice" else _mean_auroc(values.readers, values.labels, numbers)


def _mean_auroc(readers: Sequence[str], labels: Sequence[int], ratings: Sequence[float]) -> Statistic:
    """-> the statistic: mean over readers of the AUROC of each reader's own ratings; NaN where one is undefined."""
    places = [np.flatnonzero(np.array(readers) == reader).tolist() for reader in dict.fromkeys(readers)]
    each = [ranking.auroc_of([labels[k] for k in own], [ratings[k] for k in own]) for own in places]

    def statistic(weights_DN: Float64Array) -> Float64Array:
        columns = [auroc(weights_DN[:, own]) for auroc, own in zip(each, places, strict=True)]
        return np.asarray(np.mean(columns, axis=0), dtype=np.float64)

    return statistic


def _by_reader(name: str, values: _Values) -> list[tuple[str, str, float | None, float | None]]:
    lines = []
    for reader in dict.fromkeys(values.readers):
        own = [k for k, other in enumerate(values.readers) if other == reader]
        both = []
        for numbers in (values.without, values.shown):
            picked, labels = [numbers[k] for k in own], [values.labels[k] for k in own]
            both.append(float(np.mean(picked)) if name == "dice" else ranking.auroc(labels, picked))
        lines.append((reader, name, both[0], both[1]))
    return lines


def _median(seconds: Sequence[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return float(np.median(known)) if known else None
