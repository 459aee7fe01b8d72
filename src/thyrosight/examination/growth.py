"""Two examinations of a patient -> pairs of their nodules; per pair, what changed, how much, and how certain this is.

Growth is defined as by ATA (Haugen et al., Thyroid 26:1, 2016, recommendation 23) and ACR TI-RADS (Tessler et al., J Am
Coll Radiol 14:587, 2017): at least 20 % in two diameters and at least 2 mm in each of them, or 50 % of volume. A
measured change holds the true change and the errors of both measurements, so each change has a 95 % interval. Growth by
the definition may be smaller than the difference between two readers; the sentence of the report then says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from thyrosight.examination.records import ExaminedNodule, ThyroidExam
from thyrosight.examination.sizes import DIRECTIONS, ERRORS, Z95, Errors, NoduleDimensions, nodule_dimensions
from thyrosight.measurement.cine import best_pairs
from thyrosight.prediction import Record

MIN_SHARE, MIN_MM, MIN_DIAMETERS, MIN_VOLUME_SHARE = 0.20, 2.0, 2, 0.50
DECIMALS = 6
"""Shares are compared after rounding to this many decimals, so that 10.0 to 12.0 mm is 20 %."""
SIZE_SD_LOG = 0.35
"""For matching: standard deviation of the logarithm of one nodule's longest diameter over two examinations; the nodule
may have grown by half."""
MIN_MATCH = 0.05

Verdict = Literal["grown", "not grown", "not judged"]
MatchedBy = Literal["uid", "program"]


class Change(Record):
    """One measure, before and now; share is now / before - 1, with its 95 % interval from both measurements."""

    name: Literal["length", "width", "depth", "volume"]
    before: float = Field(gt=0, description="mm, or ml")
    now: float = Field(gt=0)
    share: float
    low: float
    high: float

    @property
    def is_beyond_error(self) -> bool:
        """Whether the interval of the change excludes zero."""
        return self.low > 0 or self.high < 0


class Growth(Record):
    """A nodule compared with itself in the earlier examination. earlier_number: its number there.

    criteria: the parts of the definition of growth that are met, in words (`50 % of volume: ...`).
    is_certain: every value inside the 95 % intervals of the changes gives the same verdict.
    is_beyond_error: the nodule has grown, and the intervals of the changes that count as growth exclude "no change".
    """

    earlier_number: int
    earlier_date: str | None
    matched_by: MatchedBy
    changes: tuple[Change, ...]
    verdict: Verdict
    criteria: tuple[str, ...]
    is_certain: bool
    is_beyond_error: bool
    words: str

    @property
    def in_short(self) -> str:
        """-> `grown, volume +80%, beyond the error`, for a cell of a table."""
        if not self.changes or self.verdict == "not judged":
            return self.verdict
        main = next((one for one in self.changes if one.name == "volume"), None)
        main = main or max(self.changes, key=lambda one: abs(one.share))
        doubt = "" if self.is_certain else "growth not excluded"
        if self.verdict == "grown":
            doubt = "certain" if self.is_certain else "beyond the error" if self.is_beyond_error else "within the error"
        return ", ".join(part for part in (self.verdict, f"{main.name} {main.share:+.0%}", doubt) if part)


class ExamComparison(Record):
    """Two examinations: {number now: Growth}, and the numbers that have no partner in the other examination."""

    growth: dict[int, Growth]
    new: tuple[int, ...]
    not_seen_again: tuple[int, ...]


def compare_examinations(now: ThyroidExam, earlier: ThyroidExam, errors: Errors = ERRORS) -> ExamComparison:
    """Examination, an earlier one -> pairs of nodules (by uid, or as the program proposes), and their growth."""
    pairs = _matches(now, earlier, errors)
    growth = {}
    for one, other, matched_by in pairs:
        both = nodule_dimensions(other, earlier, errors), nodule_dimensions(one, now, errors)
        growth[one.number] = growth_of(*both, other.number, earlier.date, matched_by)
    matched = {other.number for _, other, _ in pairs}
    return ExamComparison(
        growth=growth,
        new=tuple(one.number for one in now.nodules if one.number not in growth),
        not_seen_again=tuple(one.number for one in earlier.nodules if one.number not in matched),
    )


def growth_of(
    before: NoduleDimensions,
    now: NoduleDimensions,
    earlier_number: int = 1,
    earlier_date: str | None = None,
    matched_by: MatchedBy = "uid",
) -> Growth:
    """Dimensions before and now -> Growth. Without both volumes, or two diameters of both, growth is not judged."""
    changes = _changes(before, now)
    diameters = [change for change in changes if change.name != "volume"]
    volume = next((change for change in changes if change.name == "volume"), None)
    met = [change for change in diameters if _is_larger(change)]
    criteria = []
    if len(met) >= MIN_DIAMETERS:
        finding = ", ".join(f"{one.name} {one.before:.1f} to {one.now:.1f} mm ({one.share:+.0%})" for one in met)
        criteria.append(f"20 % and 2 mm in {len(met)} diameters: {finding}")
    if volume is not None and round(volume.share, DECIMALS) >= MIN_VOLUME_SHARE:
        criteria.append(f"50 % of volume: {volume.before:.2f} to {volume.now:.2f} ml ({volume.share:+.0%})")
    is_judged = volume is not None or len(diameters) >= MIN_DIAMETERS
    verdict: Verdict = "not judged" if not is_judged else "grown" if criteria else "not grown"
    is_certain = is_judged and (_surely_grown(diameters, volume) if criteria else _surely_not(diameters, volume))
    is_beyond_error = bool(criteria) and _surely_more(met, volume)
    return Growth(
        earlier_number=earlier_number,
        earlier_date=earlier_date,
        matched_by=matched_by,
        changes=changes,
        verdict=verdict,
        criteria=tuple(criteria),
        is_certain=is_certain,
        is_beyond_error=is_beyond_error,
        words=_words(verdict, (is_certain, is_beyond_error), criteria, volume, diameters),
    )


def _changes(before: NoduleDimensions, now: NoduleDimensions) -> tuple[Change, ...]:
    found = []
    for name in DIRECTIONS:
        old, new = before.diameter(name), now.diameter(name)
        if old is not None and new is not None:
            found.append(_change(name, old.mm, new.mm, math.hypot(old.sd_log, new.sd_log)))
    if before.volume_ml and now.volume_ml and before.volume_sd_log and now.volume_sd_log:
        sd_log = math.hypot(before.volume_sd_log, now.volume_sd_log)
        found.append(_change("volume", before.volume_ml, now.volume_ml, sd_log))
    return tuple(found)


def _change(name: Literal["length", "width", "depth", "volume"], before: float, now: float, sd_log: float) -> Change:
    ratio = now / before
    return Change(
        name=name,
        before=before,
        now=now,
        share=ratio - 1,
        low=ratio * math.exp(-Z95 * sd_log) - 1,
        high=ratio * math.exp(Z95 * sd_log) - 1,
    )


def _is_larger(change: Change) -> bool:
    is_share = round(change.share, DECIMALS) >= MIN_SHARE
    return is_share and round(change.now - change.before, DECIMALS) >= MIN_MM


def _surely_grown(diameters: Sequence[Change], volume: Change | None) -> bool:
    """Whether every value in the intervals is growth by the definition."""
    lows = [(round(one.low, DECIMALS), round(one.before * one.low, DECIMALS)) for one in diameters]
    met = [share for share, mm in lows if share >= MIN_SHARE and mm >= MIN_MM]
    return len(met) >= MIN_DIAMETERS or (volume is not None and round(volume.low, DECIMALS) >= MIN_VOLUME_SHARE)


def _surely_more(met: Sequence[Change], volume: Change | None) -> bool:
    """Whether the intervals of the measures that count as growth exclude "no change"."""
    by_diameters = len(met) >= MIN_DIAMETERS and sum(one.low > 0 for one in met) >= MIN_DIAMETERS
    by_volume = volume is not None and volume.share >= MIN_VOLUME_SHARE and volume.low > 0
    return by_diameters or by_volume


def _surely_not(diameters: Sequence[Change], volume: Change | None) -> bool:
    """Whether no value in the intervals is growth by the definition."""
    could = [one for one in diameters if one.high >= MIN_SHARE and one.before * one.high >= MIN_MM]
    return len(could) < MIN_DIAMETERS and (volume is None or volume.high < MIN_VOLUME_SHARE)


def _words(
    verdict: Verdict,
    certainty: tuple[bool, bool],
    criteria: Sequence[str],
    volume: Change | None,
    diameters: Sequence[Change],
) -> str:
    """-> the sentence of the report."""
    if verdict == "not judged":
        return "growth not judged: it takes two diameters in both examinations, or both volumes"
    is_certain, is_beyond_error = certainty
    main = volume or max(diameters, key=lambda one: abs(one.share))
    spread = f"{main.name} {main.share:+.0%}, 95 % interval {main.low:+.0%} to {main.high:+.0%}"
    if verdict == "grown":
        finding = f"grown ({'; '.join(criteria)})"
        if is_certain:
            return f"{finding}; the whole interval is growth by the definition ({spread})"
        if is_beyond_error:
            return f"{finding}; more than the error of two measurements, though the true growth may be less ({spread})"
        return f"{finding}; yet the difference is within the error of two measurements ({spread})"
    is_smaller = volume is not None and volume.high < 0
    finding = "smaller" if is_smaller else "not grown"
    if is_certain:
        return f"{finding} ({spread})"
    return f"{finding} by the definition ({spread}); growth can't be excluded"


def _matches(
    now: ThyroidExam, earlier: ThyroidExam, errors: Errors
) -> list[tuple[ExaminedNodule, ExaminedNodule, MatchedBy]]:
    """-> (nodule, the same nodule earlier, who matched them), in the order of the nodules now."""
    of_uid = {other.uid: other for other in earlier.nodules}
    pairs: list[tuple[ExaminedNodule, ExaminedNodule, MatchedBy]] = []
    pairs += [(one, of_uid[one.uid], "uid") for one in now.nodules if one.uid in of_uid]
    taken = {one.uid for one, _, _ in pairs}
    rows = [one for one in now.nodules if one.uid not in taken]
    columns = [other for other in earlier.nodules if other.uid not in taken]
    sizes = (
        [nodule_dimensions(one, now, errors) for one in rows],
        [nodule_dimensions(other, earlier, errors) for other in columns],
    )
    gain_RC = np.array(
        [
            [_gain(a, size_a, b, size_b) for b, size_b in zip(columns, sizes[1], strict=True)]
            for a, size_a in zip(rows, sizes[0], strict=True)
        ]
    ).reshape(len(rows), len(columns))
    gain_RC[gain_RC < MIN_MATCH] = 0
    pairs += [(rows[r], columns[c], "program") for r, c in best_pairs(gain_RC)]
    return sorted(pairs, key=lambda pair: pair[0].number)


def _gain(one: ExaminedNodule, size: NoduleDimensions, other: ExaminedNodule, before: NoduleDimensions) -> float:
    """-> how well the two fit as one nodule at two times, 0 to 1; 0 where sides or poles exclude this."""
    if one.side is not None and other.side is not None and one.side != other.side:
        return 0.0
    gain = 1.0
    if one.pole is not None and other.pole is not None:
        poles = ("upper", "middle", "lower")
        gain *= (1.0, 0.3, 0.0)[abs(poles.index(one.pole) - poles.index(other.pole))]
    elif one.pole is not None or other.pole is not None or one.side is None or other.side is None:
        gain *= 0.6
    if size.longest_mm is not None and before.longest_mm is not None:
        gain *= math.exp(-0.5 * (math.log(size.longest_mm / before.longest_mm) / SIZE_SD_LOG) ** 2)
    return gain
