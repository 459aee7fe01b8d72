"""Predictions of a clip's frames -> ClipSummary: the clip as one examination; a nodule has one number in all frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from thyrosight.measurement.cine import numbered_by_track, summarise_clip
from thyrosight.prediction import Prediction
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import Store
from thyrosight.web.schemas import ClipFrame, ClipSummary


def clip_frame(prediction: Prediction) -> ClipFrame:
    """One frame's prediction -> its entry in the summary; sizes are of its largest nodule."""
    largest = next(iter(prediction.nodules), None)
    return ClipFrame(
        frame_index=prediction.image.frame_index,
        num_nodules=len(prediction.nodules),
        area_px=largest.size.area_px if largest else None,
        longest_mm=largest.size.longest_mm if largest else None,
        risk=highest_risk(prediction),
    )


def highest_risk(prediction: Prediction) -> float | None:
    """Prediction -> the highest risk of its nodules, for lists of images; None where no nodule has a risk."""
    return max((nodule.risk for nodule in prediction.nodules if nodule.risk is not None), default=None)


def number_clip(store: Store, item: ItemRow, num_frames: int, known: Mapping[str, int]) -> None:
    """Gives each nodule of a finished clip the number and the UID of its track, and writes the clip's summary.

    known: {UID: number} of nodules that the clip had before; the track of such a nodule keeps its UID and number.
    """
    found = [(index, store.prediction(item, index)) for index in range(num_frames)]
    before = {index: prediction for index, prediction in found if prediction is not None}
    after = numbered_by_track(list(before.values()), known)
    for (index, old), new in zip(before.items(), after, strict=True):
        if new != old:
            store.write_result(item, index, new.to_json())
    store.write_clip(item, clip_summary(after).model_dump_json())


def clip_summary(predictions: Iterable[Prediction]) -> ClipSummary:
    """Predictions of all frames, in order -> the clip's risk and tracks, and one entry per frame."""
    found = list(predictions)
    clip = summarise_clip(found)
    frames = [clip_frame(prediction) for prediction in found]
    return ClipSummary(
        num_frames=clip.num_frames,
        num_frames_with_nodule=sum(frame.num_nodules > 0 for frame in frames),
        largest_frame=clip.representative_frame if clip.tracks else None,
        risk=clip.risk,
        risk_spread=clip.risk_spread,
        risk_reason=clip.risk_reason,
        tracks=clip.tracks,
        frames=frames,
    )
