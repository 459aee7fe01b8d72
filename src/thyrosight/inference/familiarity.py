"""Frame, what a model's training frames measure like -> how unlike them it is; and the fit of that measure.

One class: fitted on ultrasound alone, so that it needs no list of what else there is in the world. The distance is
Mahalanobis' (Proc Natl Inst Sci India 2:49, 1936) in the statistics of thyrosight.view_statistics, each brought to a
robust scale and clipped, under a covariance shrunk after Ledoit and Wolf (J Multivar Anal 88:365, 2004). Every training
view is joined by copies of it as other settings or another scanner might show it; directions in which those differ
count for less. The threshold is exceeded by FLAGGED_SHARE of held-out frames that were changed in that way, their
groups out of the fit in turn (cross-conformal: Vovk, Ann Math Artif Intell 74:9, 2015), and by fewer as they are.

Legend: N views, S statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.records import NUM_STATISTICS, Familiarity
from thyrosight.types import Box, Case, Frame, UInt8Array

FLAGGED_SHARE = 0.02
"""Of held-out frames shown as by another scanner: what is no ultrasound lies far enough off to spare most of those."""
MIN_FRAMES = 50
"""Of fewer frames nobody can say what is usual: no measure is fitted."""
MAX_FRAMES_A_SOURCE = 1000
"""More, spread over the set, would change nothing but the time; and no set drowns another."""
NUM_VARIED = 3
NUM_FOLDS = 5
CLIP = 8.0
"""In robust standard deviations; beyond it a statistic is unlike, and how far tells no more."""
SCALE_FLOOR = 0.01

Values = NDArray[np.floating[Any]]


def distance(frame: Frame, familiarity: Familiarity, fov: Box | None = None, panels: tuple[Box, ...] = ()) -> float:
    """Frame -> how unlike the training frames it is, about 1 where it is like them; views are found if not given."""
    from thyrosight.views.statistics import view_statistics

    statistics_NS = np.stack([view_statistics(view_HW) for view_HW in _views(frame, fov, panels)])
    return float(_Reference.of(familiarity).distances(statistics_NS).mean())


def fit_familiarity(cases: Sequence[Case], seed: int = 0) -> Familiarity | None:
    """Training rows -> what their frames measure like; None for fewer than MIN_FRAMES, or all of one group.

    Reads every image that counts once; some 20 ms a view.
    """
    chosen = _spread(cases)
    groups = [f"{case.source}/{case.group}" for case in chosen]
    if len(chosen) < MIN_FRAMES or len(set(groups)) < 2:
        return None
    frames = [_measured(case, np.random.default_rng([seed, index])) for index, case in enumerate(chosen)]
    plain_N, varied_N = _held_out_distances(frames, groups, seed)
    threshold = conformal_quantile(varied_N, FLAGGED_SHARE)
    reference = _Reference.fit(frames)
    return Familiarity(
        centre=_rounded(reference.centre_S),
        scale=_rounded(reference.scale_S),
        whitening=tuple(_rounded(row[: k + 1]) for k, row in enumerate(reference.whitening_SS)),
        threshold=round(threshold, 4),
        num_frames=len(frames),
        flagged_held_out=round(float(np.mean(plain_N > threshold)), 4),
    )


def conformal_quantile(distances_N: Values, share: float) -> float:
    """Held-out distances -> the smallest of them that at most `share` of new, exchangeable ones are expected to exceed.

    The ceil((n + 1)(1 - share))-th smallest (Vovk, Gammerman and Shafer 2005); the largest where there are too few.
    """
    rank = int(np.ceil((len(distances_N) + 1) * (1 - share) - 1e-9))
    return float(np.sort(distances_N)[min(rank, len(distances_N)) - 1])


@dataclass(frozen=True)
class _Measured:
    """Statistics of one frame's views: plain_NS, and varied_NVS of V changed copies of each."""

    plain_NS: Values
    varied_NVS: Values


@dataclass(frozen=True)
class _Reference:
    """Centre, scale and whitening of a Familiarity, as arrays."""

    centre_S: Values
    scale_S: Values
    whitening_SS: Values

    @classmethod
    def of(cls, familiarity: Familiarity) -> _Reference:
        whitening_SS = np.zeros((NUM_STATISTICS, NUM_STATISTICS))
        for k, row in enumerate(familiarity.whitening):
            whitening_SS[k, : k + 1] = row
        return cls(np.array(familiarity.centre), np.array(familiarity.scale), whitening_SS)

    @classmethod
    def fit(cls, frames: Sequence[_Measured]) -> _Reference:
        """Frames as they are and varied -> median, scaled median deviation, inverse Cholesky factor of the moments."""
        plain = [frame.plain_NS for frame in frames]
        all_NS = np.concatenate([*plain, *(frame.varied_NVS.reshape(-1, NUM_STATISTICS) for frame in frames)])
        centre_S = np.median(all_NS, axis=0)
        scale_S = 1.4826 * np.median(np.abs(all_NS - centre_S), axis=0) + SCALE_FLOOR
        moments_SS = shrunk_moments(np.clip((all_NS - centre_S) / scale_S, -CLIP, CLIP))
        return cls(centre_S, scale_S, np.linalg.inv(np.linalg.cholesky(moments_SS)))

    def distances(self, statistics_NS: Values) -> Values:
        """Statistics of views -> distance of each."""
        z_NS = np.clip((statistics_NS - self.centre_S) / self.scale_S, -CLIP, CLIP)
        return np.asarray(np.linalg.norm(z_NS @ self.whitening_SS.T, axis=-1) / np.sqrt(NUM_STATISTICS))


def _measured(case: Case, rng: np.random.Generator) -> _Measured:
    from thyrosight.frames.load import load_frame
    from thyrosight.views.statistics import statistics_at_size, varied, view_statistics

    views = _views(load_frame(case.image), case.fov, case.panels)
    copies = [[statistics_at_size(varied(view_HW, rng)) for _ in range(NUM_VARIED)] for view_HW in views]
    return _Measured(np.stack([view_statistics(view_HW) for view_HW in views]), np.array(copies, np.float64))


def shrunk_moments(z_NS: Values) -> Values:
    """Standardised statistics -> second moments about 0, drawn towards a multiple of the identity (Ledoit and Wolf)."""
    num, size = z_NS.shape
    moments_SS = z_NS.T @ z_NS / num
    mean = float(np.trace(moments_SS)) / size
    spread = float(np.square(moments_SS - mean * np.eye(size)).sum())
    noise = (float(np.square(np.square(z_NS).sum(axis=1)).sum()) / num - float(np.square(moments_SS).sum())) / num
    weight = min(1.0, max(0.0, noise) / spread) if spread > 0 else 1.0
    return np.asarray((1 - weight) * moments_SS + (weight * mean + 1e-6) * np.eye(size))


def _held_out_distances(frames: Sequence[_Measured], groups: Sequence[str], seed: int) -> tuple[Values, Values]:
    """-> distances of the frames as they are, and of the varied ones, each by a fit without its group."""
    names = sorted(set(groups))
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    fold_of = {names[index]: place % NUM_FOLDS for place, index in enumerate(order)}
    folds = np.array([fold_of[group] for group in groups])
    plain: list[float] = []
    varied: list[float] = []
    for fold in range(NUM_FOLDS):
        kept = [frame for frame, its in zip(frames, folds, strict=True) if its != fold]
        held_out = [frame for frame, its in zip(frames, folds, strict=True) if its == fold]
        if not kept or not held_out:
            continue
        reference = _Reference.fit(kept)
        for frame in held_out:
            plain.append(float(reference.distances(frame.plain_NS).mean()))
            varied.extend(reference.distances(frame.varied_NVS).mean(axis=0).tolist())
    return np.array(plain), np.array(varied)


def _views(frame: Frame, fov: Box | None, panels: tuple[Box, ...]) -> list[UInt8Array]:
    """Frame -> the pixels of its views, which are found where they are not given."""
    from thyrosight.views.field import field_of_view, find_panels

    if not panels:
        panels = find_panels(frame.image_HW, fov or field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions))
    return [np.ascontiguousarray(frame.image_HW[panel.slices]) for panel in panels]


def _spread(cases: Sequence[Case]) -> list[Case]:
    """Rows -> at most MAX_FRAMES_A_SOURCE of each source, evenly over its list."""
    by_source: dict[str, list[Case]] = {}
    for case in cases:
        by_source.setdefault(case.source, []).append(case)
    chosen: list[Case] = []
    for _, rows in sorted(by_source.items()):
        number = min(len(rows), MAX_FRAMES_A_SOURCE)
        chosen.extend(rows[index * len(rows) // number] for index in range(number))
    return chosen


def _rounded(values: Any) -> tuple[float, ...]:
    """-> six significant digits, which is more than the fit can tell."""
    return tuple(float(f"{value:.6g}") for value in values)
