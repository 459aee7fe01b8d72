"""The records of inference: the network's maps of one frame, and everything that was computed from the frame."""

from __future__ import annotations

from dataclasses import dataclass

from thyrosight.prediction import Prediction
from thyrosight.types import BoolArray, Box, FloatArray, Frame


@dataclass(frozen=True)
class RawPrediction:
    """The network's output for one frame, in source pixels and before calibration.

    probability_HW: mask probability, float32, 0 outside the panels.
    malignancy_logit: mean over the panels in which a nodule was found, or over all panels if none was found; NaN where
    the network does not rate malignancy. malignancy_map_HW: float32 logits, 0 outside the panels and where the network
    has no map. mask_HW: the union of the nodules' masks. view_logits, nodule_masks: one entry per panel. A nodule's
    mask has the panel's size; the largest comes first. text: boxes of burned-in text in the field. In
    the image for a network with crop "field", this text is filled in from its surroundings.
    """

    probability_HW: FloatArray
    malignancy_logit: float
    malignancy_map_HW: FloatArray
    fov: Box
    panels: tuple[Box, ...]
    mask_HW: BoolArray
    view_logits: tuple[float, ...]
    nodule_masks: tuple[tuple[BoolArray, ...], ...]
    text: tuple[Box, ...]
    seconds: float
    is_text_sought: bool = False
    """Whether the field was searched for text. It is not for a network on whole frames, which gets the image as it
    is."""


@dataclass(frozen=True)
class Examination:
    """One frame, the network's maps and the prediction."""

    frame: Frame
    raw: RawPrediction
    prediction: Prediction

    @property
    def mask_HW(self) -> BoolArray:
        """The union of the nodules' masks, in source pixels."""
        return self.raw.mask_HW

    @property
    def text(self) -> tuple[Box, ...] | None:
        """The boxes of the text in the field; None where the field was not searched for text."""
        return self.raw.text if self.raw.is_text_sought else None
