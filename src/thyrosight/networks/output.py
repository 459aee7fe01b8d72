"""What every network returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Output(NamedTuple):
    """What every network returns, raw.

    mask_logits_B1HW at the input's size; class_logits_B2 (benign, malignant) before the softmax, so that
    risk = softmax(class_logits)[:, 1]; malignancy_map_B1HW per-pixel malignancy logits at the input's size
    (zeros where a network has none). What only teaches, None where a network has it not: gland_logits_B1HW, the
    thyroid at the input's size; descriptor_logits, (B, terms) for each descriptor of the lexicon.
    """

    mask_logits_B1HW: Tensor
    class_logits_B2: Tensor
    malignancy_map_B1HW: Tensor
    gland_logits_B1HW: Tensor | None = None
    descriptor_logits: tuple[Tensor, ...] | None = None
