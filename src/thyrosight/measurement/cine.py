"""Predictions of a clip's frames -> Clip: nodules linked over frames, their largest section, risk over frames.

Linking states which outlines belong to one nodule; it changes no outline.
Legend: a track is the sections of one nodule over the frames; frames are numbered as in the file (frame_index).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from thyrosight.errors import InputError
from thyrosight.measurement.nodule_uids import new_nodule_uid
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import Nodule, NoduleSize, Prediction, Probability, Record
from thyrosight.types import BoolArray, Box

MIN_IOU = 0.2
"""Outlines of neighbouring frames that overlap less are not linked."""
MAX_GAP_FRAMES = 5
"""A track continues if its nodule was missed in at most this many frames."""
STEADY_FRAMES, STEADY_COVERAGE = 3, 0.5
"""A track may be noise if it has fewer frames than this, or at most this share of the frames from its first to its
last."""
RISK_FLOOR = 1e-6
"""When logits are averaged, risks are limited to this distance from 0 and 1."""

FLICKER = f"no nodule is seen steadily, in {STEADY_FRAMES} frames and most between: what was outlined may be noise"
NO_NODULE = "no nodule found in any frame; that does not exclude one"
NO_RISK = "the model does not rate malignancy"


class Spread(Record):
    """A number over frames: smallest, median, largest, standard deviation (n - 1; None for a single frame)."""

    minimum: float
    median: float
    maximum: float
    sd: float | None
    num_frames: int = Field(ge=1)


class Track(Record):
    """One nodule over the frames of a clip, in one view.

    stability: mean IoU of its outlines in frames next to each other, 1 for an outline that does not move. A moving
    probe lowers it, and so does a network whose outlines jump from frame to frame. coverage: share of the frames from
    first to last in which it is seen.
    """

    number: int = Field(ge=1, description="in a new clip, 1 is the steady track with the largest section; it stays")
    uid: str | None = Field(default=None, description="identifies the nodule: the UID of its first section")
    panel_index: int = Field(ge=0)
    frames: tuple[int, ...] = Field(description="frame_index of each frame in which it is seen")
    nodule_numbers: tuple[int, ...] = Field(description="its number within each of these frames' predictions")
    is_steady: bool = Field(description="seen in 3 frames (or in all, if fewer) and in most from its first to its last")
    largest_frame: int = Field(description="the frame with its largest area")
    largest_size: NoduleSize
    risk: Probability | None = Field(ge=0, le=1, description="sigmoid of the area-weighted mean logit of its risks")
    risk_spread: Spread | None
    stability: float | None = Field(ge=0, le=1)
    coverage: float = Field(gt=0, le=1)


class Clip(Record):
    """The result of all frames of one clip together. Its risk does not use frames without a nodule."""

    num_frames: int = Field(ge=1, description="frames that were predicted")
    tracks: tuple[Track, ...]
    representative_frame: int = Field(description="largest section of the first track; the middle frame without one")
    risk: Probability | None = Field(ge=0, le=1, description="the highest risk of a steady track")
    risk_spread: Spread | None = Field(description="of that track")
    risk_reason: str | None


NoduleKey = tuple[int, int]
"""(frame_index, the nodule's number in that frame)."""


@dataclass
class _Seen:
    """One nodule in one frame: position in the clip, record, mask within its bounding box."""

    position: int
    frame_index: int
    nodule: Nodule
    box: Box
    mask_HW: BoolArray


@dataclass
class _Open:
    """A track that may continue in the next frame."""

    panel_index: int
    seen: list[_Seen] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)


def summarise_clip(predictions: Sequence[Prediction]) -> Clip:
    """Predictions of one clip's frames, in any order -> Clip.

    Consecutive given frames count as neighbours, also where only every second frame was predicted. InputError without
    frames, with frames of several files, or with a frame given twice.
    """
    frames = sorted(predictions, key=lambda prediction: prediction.image.frame_index)
    _check(frames)
    linked = _linked(frames)
    tracks = _numbered([_track(track, len(frames)) for track in linked], _given_numbers(linked))
    steady = [track for track in tracks if track.is_steady]
    rated = [track for track in steady or tracks if track.risk is not None]
    leading = max(rated, key=lambda track: track.risk or 0.0, default=None)
    reason = NO_NODULE if not tracks else NO_RISK if leading is None else None if steady else FLICKER
    middle = frames[(len(frames) - 1) // 2].image.frame_index
    return Clip(
        num_frames=len(frames),
        tracks=tracks,
        representative_frame=tracks[0].largest_frame if tracks else middle,
        risk=leading.risk if leading else None,
        risk_spread=leading.risk_spread if leading else None,
        risk_reason=reason,
    )


def track_numbers(tracks: Iterable[Track]) -> dict[NoduleKey, int]:
    """Tracks -> {(frame_index, number of the nodule in that frame): number of its track}."""
    return {key: track.number for track in tracks for key in zip(track.frames, track.nodule_numbers, strict=True)}


def numbered_by_track(
    predictions: Sequence[Prediction], known: Mapping[str, int] | None = None
) -> tuple[Prediction, ...]:
    """Predictions of one clip's frames -> the same, each nodule with the number and the UID of its track.

    So a nodule has the same number in all frames, and in every file that is made of them. A second call changes
    nothing. known: {UID: number} of nodules that another model found in the clip. A track gets the UID and the number
    of the known nodule to which most of its sections belong. Any other track gets a number that no known nodule has.
    """
    tracks = _named(summarise_clip(predictions).tracks, predictions, known or {})
    by_key = {key: track for track in tracks for key in zip(track.frames, track.nodule_numbers, strict=True)}

    def name_of(frame_index: int, number: int) -> tuple[int, str | None]:
        track = by_key[frame_index, number]
        return track.number, track.uid

    return tuple(
        with_names(one, {nodule.number: name_of(one.image.frame_index, nodule.number) for nodule in one.nodules})
        for one in predictions
    )


def with_names(prediction: Prediction, names: Mapping[int, tuple[int, str | None]]) -> Prediction:
    """Prediction, {number: (new number, UID)} of its nodules -> the same, renamed in nodules and flags."""
    nodules = tuple(
        nodule.model_copy(update={"number": names[nodule.number][0], "uid": names[nodule.number][1]})
        for nodule in prediction.nodules
    )
    numbers = {old: new for old, (new, _) in names.items()}
    flags = tuple(flag.model_copy(update={"message": _renumbered(flag.message, numbers)}) for flag in prediction.flags)
    return prediction.model_copy(update={"nodules": nodules, "flags": flags})


def _named(tracks: Sequence[Track], predictions: Sequence[Prediction], known: Mapping[str, int]) -> tuple[Track, ...]:
    """Tracks -> the same with UIDs and numbers of known nodules; other tracks get numbers that no known nodule has."""
    if not known:
        return tuple(tracks)
    uid_of = {(one.image.frame_index, nodule.number): nodule.uid for one in predictions for nodule in one.nodules}
    votes: list[tuple[int, int, str]] = []
    for index, track in enumerate(tracks):
        uids = Counter(uid_of[key] for key in zip(track.frames, track.nodule_numbers, strict=True))
        votes += [(count, index, uid) for uid, count in uids.items() if uid is not None and uid in known]
    names: dict[int, str] = {}
    for _, index, uid in sorted(votes, key=lambda vote: (-vote[0], vote[1])):
        if index not in names and uid not in names.values():
            names[index] = uid
    found, highest = [], max(known.values())
    for index, track in enumerate(tracks):
        if index in names:
            changes: dict[str, object] = {"uid": names[index], "number": known[names[index]]}
        else:
            highest += 1
            is_taken = track.uid in known
            changes = {"uid": new_nodule_uid() if is_taken else track.uid, "number": highest}
        found.append(track.model_copy(update=changes))
    return tuple(found)


def _renumbered(message: str, numbers: Mapping[int, int]) -> str:
    """Message of a flag, {old number: new} -> the message with the new numbers of the nodules that it names."""

    def new(match: re.Match[str]) -> str:
        return match[1] + ", ".join(str(numbers.get(int(old), int(old))) for old in match[2].split(", "))

    return re.sub(r"^(nodules? )(\d+(?:, \d+)*)", new, message)


def _check(frames: Sequence[Prediction]) -> None:
    if not frames:
        raise InputError("a clip needs at least one frame; give the predictions of its frames")
    images = [frame.image for frame in frames]
    if len({(image.name, image.width_px, image.height_px) for image in images}) > 1:
        raise InputError(
            f"{images[0].name}: the predictions are of several files or sizes; give the frames of one clip"
        )
    indices = [image.frame_index for image in images]
    twice = sorted({index for index in indices if indices.count(index) > 1})
    if twice:
        raise InputError(f"{images[0].name}: frame {twice[0]} is given twice; give each frame once")


def _linked(frames: Sequence[Prediction]) -> list[_Open]:
    """Frames in order -> tracks. The outlines of a frame are assigned to the tracks of the MAX_GAP_FRAMES before it.

    The assignment has the largest sum of IoU (Jaccard 1912), and each pair has at least MIN_IOU. This is the method of
    Bewley et al., Simple online and realtime tracking, ICIP 2016, without its Kalman filter, because the file does not
    state how the probe moves.
    """
    tracks: list[_Open] = []
    for position, frame in enumerate(frames):
        seen = [_seen(position, frame, nodule) for nodule in frame.nodules]
        live = [track for track in tracks if position - track.seen[-1].position <= MAX_GAP_FRAMES + 1]
        iou_TS = np.array([[_iou_in_track(track, new) for new in seen] for track in live]).reshape(len(live), len(seen))
        iou_TS[iou_TS < MIN_IOU] = 0
        pairs = best_pairs(iou_TS)
        for row, column in pairs:
            if seen[column].position == live[row].seen[-1].position + 1:
                live[row].overlaps.append(float(iou_TS[row, column]))
            live[row].seen.append(seen[column])
        taken = {column for _, column in pairs}
        tracks += [_Open(new.nodule.panel_index, [new]) for i, new in enumerate(seen) if i not in taken]
    return tracks


def best_pairs(gain_RC: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Gains (R, C), at least 0 -> pairs (row, column) with the largest sum, each row and column at most once.

    Shortest augmenting paths with potentials (Kuhn, Naval Res Logist Q 2:83, 1955; Jonker and Volgenant, Computing
    38:325, 1987). Additional columns of gain 0 allow a row to stay without a pair.
    """
    num_rows, num_columns = gain_RC.shape
    cost = np.zeros((num_rows + 1, num_rows + num_columns + 1))
    cost[1:, 1 : num_columns + 1] = -gain_RC
    row_price, column_price = np.zeros(num_rows + 1), np.zeros(cost.shape[1])
    row_of = np.zeros(cost.shape[1], np.int64)
    for row in range(1, num_rows + 1):
        row_of[0], column = row, 0
        nearest, came_from = np.full(cost.shape[1], np.inf), np.zeros(cost.shape[1], np.int64)
        is_done = np.zeros(cost.shape[1], np.bool_)
        while row_of[column]:
            is_done[column] = True
            slack = cost[row_of[column]] - row_price[row_of[column]] - column_price
            is_nearer = ~is_done & (slack < nearest)
            nearest[is_nearer], came_from[is_nearer] = slack[is_nearer], column
            following = int(np.where(is_done, np.inf, nearest).argmin())
            step = nearest[following]
            row_price[row_of[is_done]] += step
            column_price[is_done] -= step
            nearest[~is_done] -= step
            column = following
        while column:
            row_of[column] = row_of[came_from[column]]
            column = int(came_from[column])
    chosen = [(int(row_of[c]) - 1, c - 1) for c in range(1, num_columns + 1) if row_of[c]]
    return sorted((row, column) for row, column in chosen if gain_RC[row, column] > 0)


def _seen(position: int, frame: Prediction, nodule: Nodule) -> _Seen:
    xs, ys = zip(*nodule.outline_xy, strict=True)
    box = Box(min(xs), min(ys), max(xs) + 1, max(ys) + 1)
    outline_xy = np.array(nodule.outline_xy) - [box.x0, box.y0]
    mask_HW = fill_outlines([outline_xy], (box.height, box.width))
    return _Seen(position, frame.image.frame_index, nodule, box, mask_HW)


def _iou_in_track(track: _Open, new: _Seen) -> float:
    """-> IoU with the track's last outline; 0 in another view."""
    return outline_iou(track.seen[-1], new) if track.panel_index == new.nodule.panel_index else 0.0


def outline_iou(a: _Seen, b: _Seen) -> float:
    """Two outlined nodules -> intersection over union of their masks in pixels, 0 to 1."""
    shared = Box(max(a.box.x0, b.box.x0), max(a.box.y0, b.box.y0), min(a.box.x1, b.box.x1), min(a.box.y1, b.box.y1))
    if shared.width <= 0 or shared.height <= 0:
        return 0.0
    parts = []
    for seen in (a, b):
        x, y = shared.x0 - seen.box.x0, shared.y0 - seen.box.y0
        parts.append(seen.mask_HW[y : y + shared.height, x : x + shared.width])
    both = cv2.countNonZero((parts[0] & parts[1]).view(np.uint8))
    either = np.count_nonzero(a.mask_HW) + np.count_nonzero(b.mask_HW) - both
    return float(both / either)


def _track(track: _Open, num_frames: int) -> Track:
    """A finished track -> its record, without its number."""
    nodules = [seen.nodule for seen in track.seen]
    largest = max(track.seen, key=lambda seen: seen.nodule.size.area_px)
    rated = [(nodule.risk, nodule.size.area_px) for nodule in nodules if nodule.risk is not None]
    coverage = len(nodules) / (track.seen[-1].position - track.seen[0].position + 1)
    return Track(
        number=1,
        uid=nodules[0].uid,
        panel_index=track.panel_index,
        frames=tuple(seen.frame_index for seen in track.seen),
        nodule_numbers=tuple(nodule.number for nodule in nodules),
        is_steady=len(nodules) >= min(STEADY_FRAMES, num_frames) and coverage > STEADY_COVERAGE,
        largest_frame=largest.frame_index,
        largest_size=largest.nodule.size,
        risk=mean_risk([risk for risk, _ in rated], [area for _, area in rated]) if rated else None,
        risk_spread=spread_of([risk for risk, _ in rated]) if rated else None,
        stability=round(float(np.mean(track.overlaps)), 4) if track.overlaps else None,
        coverage=round(coverage, 4),
    )


def _given_numbers(linked: Sequence[_Open]) -> dict[str, int] | None:
    """-> {UID: number} of the tracks, if each track already has a single UID and number in all its frames.

    None where a track has none yet, or several.
    """
    names = [{(seen.nodule.uid, seen.nodule.number) for seen in track.seen} for track in linked]
    if any(len(of_track) > 1 for of_track in names):
        return None
    found = {uid: number for of_track in names for uid, number in of_track if uid is not None}
    return found if len(found) == len(set(found.values())) == len(linked) else None


def _numbered(tracks: list[Track], given: Mapping[str, int] | None) -> tuple[Track, ...]:
    """-> the tracks, numbered from 1: steady tracks first, then by falling size of the largest section.

    given: {UID: number} if the nodules already have numbers, else None.
    """
    order = sorted(tracks, key=lambda track: (not track.is_steady, -track.largest_size.area_px, track.frames[0]))
    numbers = [given[track.uid or ""] for track in order] if given is not None else range(1, len(order) + 1)
    return tuple(track.model_copy(update={"number": number}) for number, track in zip(numbers, order, strict=True))


def mean_risk(risks: Sequence[float], areas_px: Sequence[int]) -> float:
    """Risks of one nodule's sections, their areas -> sigmoid of the area-weighted mean logit, 0 to 1.

    Logits are averaged, because they add evidence (the logarithmic opinion pool: Genest and Zidek, Stat Sci 1:114,
    1986). A larger section has more weight, because it shows more of the nodule. Frames are not independent, so many
    frames do not make the mean more certain.
    """
    kept = np.clip(np.asarray(risks, np.float64), RISK_FLOOR, 1 - RISK_FLOOR)
    logit = float(np.average(np.log(kept / (1 - kept)), weights=areas_px))
    return round(1 / (1 + math.exp(-logit)), 6)


def spread_of(values: Sequence[float]) -> Spread:
    """One or more numbers -> their Spread."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(
        minimum=min(values),
        median=round(float(np.median(values)), 6),
        maximum=max(values),
        sd=None if sd is None else round(sd, 6),
        num_frames=len(values),
    )
