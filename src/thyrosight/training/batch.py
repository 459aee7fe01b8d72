"""Sample and Batch: the records that a training step gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thyrosight.types import BoolArray, FloatArray
from thyrosight.views.boxes import BoxMasks

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """One view of one case, letterboxed to the network's input.

    image_HW: float32 in [0, 1]. mask_HW: bool; all False where has_mask is False. has_mask: whether the network learns
    from mask_HW; an image of data.healthy_sources has an empty mask to learn from. valid_HW: bool, False on the
    letterbox border. malignancy: the label 1 or 0 of the network's first question; -1 without a label for it. risk: the
    target for `question`: a label 0 or 1, a grade between them, or -1. gland_HW: bool, the thyroid; None where it is
    not outlined. descriptors: for each descriptor, in the order of the lexicon, the index of its term, or -1.
    view_index: number of the view within its case.
    """

    image_HW: FloatArray
    mask_HW: BoolArray
    valid_HW: BoolArray
    has_mask: bool
    malignancy: int
    risk: float
    gland_HW: BoolArray | None
    descriptors: tuple[int, ...]
    case_index: int
    view_index: int
    boxes: BoxMasks | None = None
    """Masks of the boxes, where boxes replace the outline; else None."""
    question: int = 0
    """Index of the network's question that the risk answers; 0 is the network's own question."""


@dataclass(frozen=True)
class Batch:
    """B samples, stacked. `collate` fills every field; a batch made in another way may leave the optional ones None.

    The network learns nothing from a label that is None.
    image_B1HW: float32 in [0, 1]. mask_B1HW, gland_B1HW: float32, 0 or 1. valid_B1HW, has_mask_B, has_gland_B,
    has_box_B: bool. malignancy_B: int64, 1, 0 or -1. risk_B: float32, the target of the risk, 0 to 1, or -1.
    descriptors_BD: int64, the index of the term of each of D descriptors, or -1.
    """

    image_B1HW: Tensor
    mask_B1HW: Tensor
    valid_B1HW: Tensor
    has_mask_B: Tensor
    malignancy_B: Tensor
    risk_B: Tensor
    gland_B1HW: Tensor | None = None
    has_gland_B: Tensor | None = None
    descriptors_BD: Tensor | None = None
    box_B3HW: Tensor | None = None
    """float32, 0 or 1: whether a pixel is in a box, in its ellipse, in its core (as BoxMasks)."""
    has_box_B: Tensor | None = None
    question_B: Tensor | None = None
    """int64: index of the network's question that risk_B answers. None: all answer the network's own question."""
