"""The results of a clip's frames -> its summary: a clip is one examination."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from thyrosight.prediction import Prediction
from thyrosight.web.schemas import ClipFrame, ClipSummary, RiskOverFrames


def clip_frame(prediction: Prediction) -> ClipFrame:
    """One frame's result -> its line of the summary; the sizes are those of its largest nodule."""
    largest = next(iter(prediction.nodules), None)
    return ClipFrame(
        frame_index=prediction.image.frame_index,
        num_nodules=len(prediction.nodules),
        area_px=largest.size.area_px if largest else None,
        longest_mm=largest.size.longest_mm if largest else None,
        risk=prediction.risk,
    )


def clip_summary(predictions: Iterable[Prediction]) -> ClipSummary:
    """Results of all frames, in order -> summary; of frames whose sections are equally large the first is named."""
    frames = [clip_frame(prediction) for prediction in predictions]
    with_nodule = [frame for frame in frames if frame.num_nodules]
    largest = max(with_nodule, key=lambda frame: frame.area_px or 0, default=None)
    risks = [frame.risk for frame in with_nodule or frames if frame.risk is not None]
    return ClipSummary(
        num_frames=len(frames),
        num_frames_with_nodule=len(with_nodule),
        largest_frame=largest.frame_index if largest else None,
        risk=risk_over_frames(risks) if risks else None,
        frames=frames,
    )


def risk_over_frames(risks: list[float]) -> RiskOverFrames:
    """Risks -> mean, sample standard deviation (0 for a single one), range."""
    mean = sum(risks) / len(risks)
    squares = sum((risk - mean) ** 2 for risk in risks)
    return RiskOverFrames(
        mean=round(mean, 6),
        standard_deviation=round(sqrt(squares / max(1, len(risks) - 1)), 6),
        minimum=min(risks),
        maximum=max(risks),
        num_frames=len(risks),
    )
