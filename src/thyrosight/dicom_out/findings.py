"""Predictions of one source's frames -> Findings: what SEG and SR are to say, nodules numbered over frames.

A nodule in a frame is named by its key (frame_index, number); a track is one nodule over the frames of a clip.
Legend: `_HW` masks in the source frame's pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from thyrosight.errors import InputError
from thyrosight.geometry import fill_outlines
from thyrosight.prediction import Nodule, Prediction
from thyrosight.types import BoolArray

NoduleKey = tuple[int, int]
OutlinedBy = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
"""DICOM's words: by the software, by the software and then a person, by a person alone."""

MIN_OVERLAP = 0.1
"""Intersection over union from which outlines in neighbouring frames are one nodule."""


@dataclass(frozen=True)
class Judgement:
    """A nodule's TI-RADS assessment, as thyrosight.tirads gives it, and who chose the descriptors.

    assessment has system, points and level; descriptors has composition, echogenicity, shape, margin and foci. Either
    may lack what it does not know. is_proposal: software proposed them and no person has confirmed them.
    """

    assessment: Any
    descriptors: Any = None
    is_proposal: bool = True


@dataclass(frozen=True)
class Findings:
    """What is said of one source: predictions in the order of the frames, and what links and judges their nodules.

    tracks: every nodule's track, from 1 without a gap. outlined_by: those outlines that a person had a hand in.
    judgements: by track. reader: the person's name, where one had a hand in it.
    """

    predictions: tuple[Prediction, ...]
    tracks: Mapping[NoduleKey, int]
    outlined_by: Mapping[NoduleKey, OutlinedBy]
    judgements: Mapping[int, Judgement]
    reader: str | None = None

    @property
    def track_numbers(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.tracks.values())))

    def origin(self, key: NoduleKey) -> OutlinedBy:
        """A nodule's key -> who drew its outline."""
        return self.outlined_by.get(key, "AUTOMATIC")

    def track_origin(self, track: int) -> OutlinedBy:
        """A track -> who drew its outlines: one word where all are of one kind, else SEMIAUTOMATIC."""
        origins = {self.origin(key) for key, number in self.tracks.items() if number == track}
        return origins.pop() if len(origins) == 1 else "SEMIAUTOMATIC"

    def nodules_of(self, track: int) -> Iterator[tuple[Prediction, Nodule]]:
        """A track -> its nodules in the order of the frames."""
        for prediction in self.predictions:
            for nodule in prediction.nodules:
                if self.tracks[prediction.image.frame_index, nodule.number] == track:
                    yield prediction, nodule


def findings_of(
    predictions: Sequence[Prediction],
    *,
    tracks: Mapping[NoduleKey, int] | None = None,
    outlined_by: Mapping[NoduleKey, OutlinedBy] | None = None,
    judgements: Mapping[int, Judgement] | None = None,
    reader: str | None = None,
) -> Findings:
    """Predictions of one source, one a frame -> Findings; without tracks, nodules are linked where they overlap.

    Raises InputError where the predictions are of several files or models, or name a frame twice.
    """
    ordered = tuple(sorted(predictions, key=lambda prediction: prediction.image.frame_index))
    _check_one_source(ordered)
    keys = {(prediction.image.frame_index, nodule.number) for prediction in ordered for nodule in prediction.nodules}
    linked = tracks_by_overlap(ordered) if tracks is None else dict(tracks)
    if missing := sorted(keys - linked.keys()):
        raise InputError(f"nodule {missing[0][1]} of frame {missing[0][0]} is in no track; give every nodule its track")
    places = sorted((linked[key], key[0]) for key in keys)
    if twice_in_frame := [place for place, after in pairwise(places) if place == after]:
        track, frame = twice_in_frame[0]
        raise InputError(f"track {track} has several nodules in frame {frame}; a track is one nodule")
    order = {track: place for place, track in enumerate(sorted({linked[key] for key in keys}), start=1)}
    if tracks is not None and any(track != place for track, place in order.items()):
        raise InputError(f"tracks {sorted(order)}: number them from 1 without a gap")
    return Findings(
        predictions=ordered,
        tracks={key: linked[key] for key in sorted(keys)},
        outlined_by=dict(outlined_by or {}),
        judgements=dict(judgements or {}),
        reader=reader,
    )


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


def _check_one_source(predictions: Sequence[Prediction]) -> None:
    if not predictions:
        raise InputError("no prediction was given: there is nothing to write")
    first = predictions[0]
    for other in predictions[1:]:
        for what, one, two in (
            ("files", first.image.sha256, other.image.sha256),
            ("models", first.model, other.model),
        ):
            if one != two:
                raise InputError(f"the predictions are of several {what}; write one DICOM set for each")
    frames = [prediction.image.frame_index for prediction in predictions]
    if twice := sorted({frame for frame in frames if frames.count(frame) > 1}):
        raise InputError(f"frame {twice[0]} has several predictions; give one a frame")
