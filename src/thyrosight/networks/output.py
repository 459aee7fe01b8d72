"""Output: the record that every network returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Output(NamedTuple):
    """The logits that a network returns.

    mask_logits_B1HW: at the input's size. class_logits_B2: (benign, malignant) before the softmax, so that risk =
    softmax(class_logits)[:, 1]. malignancy_map_B1HW: malignancy logit per pixel at the input's size, zeros where a
    network has no map. The other fields are for training only, and None where a network lacks them. gland_logits_B1HW:
    the thyroid at the input's size. descriptor_logits: (B, terms) per descriptor of the lexicon. question_logits_BQ:
    the logit of each question; class_logits_B2 answers the first question.
    """

    mask_logits_B1HW: Tensor
    class_logits_B2: Tensor
    malignancy_map_B1HW: Tensor
    gland_logits_B1HW: Tensor | None = None
    descriptor_logits: tuple[Tensor, ...] | None = None
    question_logits_BQ: Tensor | None = None
