"""Frame, statistics of the training frames -> how much the frame differs from them; training rows -> these statistics.

It is a one-class method: the fit uses ultrasound alone, so it needs no examples of other pictures.
- Distance: Mahalanobis (Proc Natl Inst Sci India 2:49, 1936) over the numbers of views/statistics.py. Each number is
  brought to a robust scale and clipped. The covariance is shrunk (Ledoit and Wolf, J Multivar Anal 88:365, 2004).
- Varied copies: the fit also gets each training view as other settings or another scanner might show it. So directions
in which the copies differ have less weight.
- Threshold: a share FLAGGED_SHARE of the varied held-out frames exceeds it; of unchanged frames a smaller share. The
groups are dealt
  into NUM_FOLDS folds. Each fold is measured by a fit without it (cross-conformal prediction: Vovk, Ann Math Artif
  Intell 74:9, 2015).

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
"""Share of varied held-out frames above the threshold: small, because other pictures are much farther away."""
MIN_FRAMES = 50
"""Fewer frames do not show what is usual, so nothing is fitted."""
MAX_FRAMES_PER_SOURCE = 1000
"""More frames would cost time and change nothing. The limit also keeps a large set from outweighing a small one."""
NUM_VARIED = 3
NUM_FOLDS = 5
CLIP = 8.0
"""Larger deviations from the centre, in robust standard deviations, are clipped to this one, so that no single extreme
statistic decides the distance."""
SCALE_FLOOR = 0.01

Values = NDArray[np.floating[Any]]


def distance(frame: Frame, familiarity: Familiarity, fov: Box | None = None, panels: tuple[Box, ...] = ()) -> float:
    """Frame -> its distance from the training frames, about 1 for a usual frame; views are found where not given."""
    from thyrosight.views.statistics import view_statistics

    statistics_NS = np.stack([view_statistics(view_HW) for view_HW in _views(frame, fov, panels)])
    return float(_Reference.of(familiarity).distances(statistics_NS).mean())


def fit_familiarity(cases: Sequence[Case], seed: int = 0) -> Familiarity | None:
    """Training rows -> statistics of their frames and the threshold; None for fewer than MIN_FRAMES, or one group only.

    Reads every chosen image once; takes some 20 ms per view.
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
    """Held-out distances -> a threshold that new, exchangeable distances exceed with a probability of at most `share`.

    The ceil((n + 1)(1 - share))-th smallest (Vovk, Gammerman and Shafer 2005); the largest where n is too small.
    """
    rank = int(np.ceil((len(distances_N) + 1) * (1 - share) - 1e-9))
    return float(np.sort(distances_N)[min(rank, len(distances_N)) - 1])


@dataclass(frozen=True)
class _Measured:
    """Statistics of one frame's views: plain_NS of the views as they are, varied_NVS of V varied copies per view."""

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
        """Frames, unchanged and varied -> the reference: centre, scale and whitening.

        centre: median. scale: median deviation. whitening: inverse Cholesky factor of the moments.
        """
        plain = [frame.plain_NS for frame in frames]
        all_NS = np.concatenate([*plain, *(frame.varied_NVS.reshape(-1, NUM_STATISTICS) for frame in frames)])
        centre_S = np.median(all_NS, axis=0)
        scale_S = 1.4826 * np.median(np.abs(all_NS - centre_S), axis=0) + SCALE_FLOOR
        moments_SS = shrunk_moments(np.clip((all_NS - centre_S) / scale_S, -CLIP, CLIP))
        return cls(centre_S, scale_S, np.linalg.inv(np.linalg.cholesky(moments_SS)))

    def distances(self, statistics_NS: Values) -> Values:
        """Statistics of views -> one distance per view."""
        z_NS = np.clip((statistics_NS - self.centre_S) / self.scale_S, -CLIP, CLIP)
        return np.asarray(np.linalg.norm(z_NS @ self.whitening_SS.T, axis=-1) / np.sqrt(NUM_STATISTICS))


def _measured(case: Case, rng: np.random.Generator) -> _Measured:
    from thyrosight.frames.load import load_frame
    from thyrosight.views.statistics import statistics_at_size, varied, view_statistics

    views = _views(load_frame(case.image), case.fov, case.panels)
    copies = [[statistics_at_size(varied(view_HW, rng)) for _ in range(NUM_VARIED)] for view_HW in views]
    return _Measured(np.stack([view_statistics(view_HW) for view_HW in views]), np.array(copies, np.float64))


def shrunk_moments(z_NS: Values) -> Values:
    """Standardised statistics -> second moments about 0, shrunk to a multiple of the identity (Ledoit and Wolf)."""
    num, size = z_NS.shape
    moments_SS = z_NS.T @ z_NS / num
    mean = float(np.trace(moments_SS)) / size
    spread = float(np.square(moments_SS - mean * np.eye(size)).sum())
    noise = (float(np.square(np.square(z_NS).sum(axis=1)).sum()) / num - float(np.square(moments_SS).sum())) / num
    weight = min(1.0, max(0.0, noise) / spread) if spread > 0 else 1.0
    return np.asarray((1 - weight) * moments_SS + (weight * mean + 1e-6) * np.eye(size))


def _held_out_distances(frames: Sequence[_Measured], groups: Sequence[str], seed: int) -> tuple[Values, Values]:
    """-> (distances of the unchanged frames, of the varied frames), each from a fit without the frame's group."""
    names = sorted(set(groups))
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    fold_of = {names[index]: place % NUM_FOLDS for place, index in enumerate(order)}
    folds = np.array([fold_of[group] for group in groups])
    plain: list[float] = []
    varied: list[float] = []
    for fold in range(NUM_FOLDS):
        kept = [frame for frame, own in zip(frames, folds, strict=True) if own != fold]
        held_out = [frame for frame, own in zip(frames, folds, strict=True) if own == fold]
        if not kept or not held_out:
            continue
        reference = _Reference.fit(kept)
        for frame in held_out:
            plain.append(float(reference.distances(frame.plain_NS).mean()))
            varied.extend(reference.distances(frame.varied_NVS).mean(axis=0).tolist())
    return np.array(plain), np.array(varied)


def _views(frame: Frame, fov: Box | None, panels: tuple[Box, ...]) -> list[UInt8Array]:
    """Frame -> the pixels of its views; fov and panels are found where they are not given."""
    from thyrosight.views.field import field_of_view, find_panels

    if not panels:
        panels = find_panels(frame.image_HW, fov or field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions))
    return [np.ascontiguousarray(frame.image_HW[panel.slices]) for panel in panels]


def _spread(cases: Sequence[Case]) -> list[Case]:
    """Rows -> at most MAX_FRAMES_PER_SOURCE rows per source, spread evenly over the source's rows."""
    by_source: dict[str, list[Case]] = {}
    for case in cases:
        by_source.setdefault(case.source, []).append(case)
    chosen: list[Case] = []
    for _, rows in sorted(by_source.items()):
        number = min(len(rows), MAX_FRAMES_PER_SOURCE)
        chosen.extend(rows[index * len(rows) // number] for index in range(number))
    return chosen


def _rounded(values: Any) -> tuple[float, ...]:
    """-> values rounded to six significant digits; the fit is less precise than that."""
    return tuple(float(f"{value:.6g}") for value in values)
