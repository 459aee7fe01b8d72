"""Predictions of a clip's frames -> which of their nodules are one: a track is a nodule over the frames.

Legend: `_HW` masks in the source frame's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thyrosight.geometry import fill_outlines
from thyrosight.prediction import Nodule, Prediction
from thyrosight.types import BoolArray

NoduleKey = tuple[int, int]
"""(frame_index, the nodule's number in that frame)."""

MIN_OVERLAP = 0.1
"""Intersection over union from which outlines in neighbouring frames are one nodule."""


def nodule_mask(prediction: Prediction, nodule: Nodule) -> BoolArray:
    """Prediction and one of its nodules -> mask_HW: the filled outline, border included, as the contract says."""
    shape = (prediction.image.height_px, prediction.image.width_px)
    return fill_outlines([np.asarray(nodule.outline_xy)], shape)


def tracks_by_overlap(predictions: Sequence[Prediction]) -> dict[NoduleKey, int]:
    """Predictions in the order of the frames -> every nodule's track: the best overlap with the frame before.

    Pairs are taken greedily, the largest intersection over union first, down to MIN_OVERLAP; what is left over begins
    a track. A nodule that is missed in one frame is a new track in the next: nothing says that it is the same.
    """
    tracks: dict[NoduleKey, int] = {}
    before: list[tuple[int, BoolArray]] = []
    num_tracks = 0
    for prediction in predictions:
        here = [(nodule.number, nodule_mask(prediction, nodule)) for nodule in prediction.nodules]
        linked = _best_pairs(before, here)
        now = []
        for number, mask_HW in here:
            if number not in linked:
                num_tracks += 1
            track = linked.get(number, num_tracks)
            tracks[prediction.image.frame_index, number] = track
            now.append((track, mask_HW))
        before = now
    return tracks


def _best_pairs(before: Sequence[tuple[int, BoolArray]], here: Sequence[tuple[int, BoolArray]]) -> dict[int, int]:
    """(track, mask) and (number, mask) -> {number: track}, each used once."""
    pairs = []
    for track, one_HW in before:
        for number, other_HW in here:
            overlap = int((one_HW & other_HW).sum()) / max(1, int((one_HW | other_HW).sum()))
            if overlap >= MIN_OVERLAP:
                pairs.append((-overlap, track, number))
    linked: dict[int, int] = {}
    for _, track, number in sorted(pairs):
        if number not in linked and track not in linked.values():
            linked[number] = track
    return linked
