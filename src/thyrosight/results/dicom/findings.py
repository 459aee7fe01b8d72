"""Predictions of one source's frames -> Findings: the content of SEG and SR, with nodules numbered over frames.

A key (frame_index, number) names a nodule in one frame; a track is one nodule over the frames of a clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from thyrosight.errors import InputError
from thyrosight.measurement.cine import NoduleKey, summarise_clip, track_numbers
from thyrosight.prediction import Nodule, Prediction

OutlinedBy = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
"""Who drew an outline, in words of DICOM: the software; the software, then changed by a person; a person."""


@dataclass(frozen=True)
class Findings:
    """The predictions of one source, in the order of its frames, with the tracks and ratings of their nodules.

    tracks: {key of a nodule: its track}. A track has the number that the nodule has in every other file, so numbers may
    be missing. outlined_by: {key of a nodule that a person drew or changed: who drew it}. assessments: TI-RADS by
    track. notes: a person's notes by frame. nodule_notes: a person's notes by nodule. reader: name of the person, if
    any.
    """

    predictions: tuple[Prediction, ...]
    tracks: Mapping[NoduleKey, int]
    outlined_by: Mapping[NoduleKey, OutlinedBy]
    assessments: Mapping[int, Any]
    notes: Mapping[int, str]
    nodule_notes: Mapping[NoduleKey, str] = field(default_factory=dict)
    reader: str | None = None

    @property
    def track_numbers(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.tracks.values())))

    def segment_number(self, track: int) -> int:
        """Track -> the number of its segment in SEG; numbers of segments have no gap (PS3.3 C.8.20.4)."""
        return self.track_numbers.index(track) + 1

    def track_uid(self, track: int) -> str | None:
        """Track -> the UID of its nodule; None where the results are of a version without UIDs."""
        return next((nodule.uid for _, nodule in self.nodules_of(track)), None)

    def origin(self, key: NoduleKey) -> OutlinedBy:
        """Key of a nodule -> who drew its outline."""
        return self.outlined_by.get(key, "AUTOMATIC")

    def track_origin(self, track: int) -> OutlinedBy:
        """Track -> who drew its outlines; SEMIAUTOMATIC where they differ."""
        origins = {self.origin(key) for key, number in self.tracks.items() if number == track}
        return origins.pop() if len(origins) == 1 else "SEMIAUTOMATIC"

    def nodules_of(self, track: int) -> Iterator[tuple[Prediction, Nodule]]:
        """Track -> its nodules in the order of the frames."""
        for prediction in self.predictions:
            for nodule in prediction.nodules:
                if self.tracks[prediction.image.frame_index, nodule.number] == track:
                    yield prediction, nodule


def findings_of(
    predictions: Sequence[Prediction],
    *,
    tracks: Mapping[NoduleKey, int] | None = None,
    outlined_by: Mapping[NoduleKey, OutlinedBy] | None = None,
    assessments: Mapping[int, Any] | None = None,
    notes: Mapping[int, str] | None = None,
    nodule_notes: Mapping[NoduleKey, str] | None = None,
    reader: str | None = None,
) -> Findings:
    """Predictions of one source, one per frame -> Findings. Without given tracks, nodules are linked over frames here.

    InputError where there is no prediction, where predictions are of several files or models, or where a frame has
    several predictions. Also where the given tracks lack a nodule, where a track holds two nodules of one frame, or
    where a track's number is below 1.
    """
    ordered = tuple(sorted(predictions, key=lambda prediction: prediction.image.frame_index))
    _check_one_source(ordered)
    keys = {(prediction.image.frame_index, nodule.number) for prediction in ordered for nodule in prediction.nodules}
    linked = track_numbers(summarise_clip(ordered).tracks) if tracks is None else dict(tracks)
    if missing := sorted(keys - linked.keys()):
        raise InputError(f"nodule {missing[0][1]} of frame {missing[0][0]} is in no track; give every nodule its track")
    places = sorted((linked[key], key[0]) for key in keys)
    if twice_in_frame := [place for place, after in pairwise(places) if place == after]:
        track, frame = twice_in_frame[0]
        raise InputError(f"track {track} has several nodules in frame {frame}; a track is one nodule")
    if any(track < 1 for track, _ in places):
        raise InputError(f"tracks {sorted({track for track, _ in places})}: number them from 1")
    return Findings(
        predictions=ordered,
        tracks={key: linked[key] for key in sorted(keys)},
        outlined_by=dict(outlined_by or {}),
        assessments=dict(assessments or {}),
        notes=dict(notes or {}),
        nodule_notes=dict(nodule_notes or {}),
        reader=reader,
    )


def _check_one_source(predictions: Sequence[Prediction]) -> None:
    if not predictions:
        raise InputError("no prediction was given, so there is nothing to write")
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
        raise InputError(f"frame {twice[0]} has several predictions; give one per frame")
