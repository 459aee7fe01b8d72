"""Mask logits and boxes -> loss, so that outlines are learned from boxes (BoxInst: Tian et al., CVPR 2021).

Shapes: B batch (only rows with boxes), H rows, W columns. Everything is computed in float32. The loss has four parts:
- ellipse_dice_loss: the mask is about the ellipse inscribed in a box.
- zone_cross_entropy: the core of a box is nodule, and pixels outside all boxes are not.
- projection_loss: the projections of the mask on both axes are those of the box.
- pairwise_loss: neighbouring cells that look alike are both nodule, or both not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PAIRWISE_WEIGHT = 0.2
OUTSIDE_WEIGHT = 0.5
"""Weight of a pixel outside the boxes; a pixel in a core has 1. It is smaller because not every nodule has a box."""
STRIDE = 4
"""Side of a cell in pixels. Cells are compared and not single pixels, because speckle alone makes pixels differ."""
ALIKE = 0.04
"""Largest difference in gray, as a share of full scale, of two neighbours that look alike."""
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""(rows, columns) from one cell to its neighbour; the opposite directions would give the same pairs."""


def box_mask_loss(
    logits_B1HW: Tensor, image_B1HW: Tensor, inside_B1HW: Tensor, ellipse_B1HW: Tensor, core_B1HW: Tensor
) -> Tensor:
    """Logits, image, masks of the boxes (as BoxMasks, 0/1) -> loss of each image (B,)."""
    logits = logits_B1HW.float()
    inside, ellipse, core = inside_B1HW.float(), ellipse_B1HW.float(), core_B1HW.float()
    probability = torch.sigmoid(logits)
    return (
        ellipse_dice_loss(probability, ellipse)
        + zone_cross_entropy(logits, inside, core)
        + projection_loss(probability * inside, ellipse)
        + PAIRWISE_WEIGHT * pairwise_loss(probability, image_B1HW.float(), inside)
    )


def ellipse_dice_loss(probability_B1HW: Tensor, ellipse_B1HW: Tensor, smooth: float = 1e-5) -> Tensor:
    """Probability and the boxes' ellipses -> 1 - soft Dice (B,).

    The cost of a false area is relative to the nodule's area.

    Without this part, a false region as large as a small nodule would cost next to nothing, because it is a small share
    of all pixels outside.
    """
    axes = (1, 2, 3)
    shared = (probability_B1HW * ellipse_B1HW).sum(dim=axes)
    both = probability_B1HW.sum(dim=axes) + ellipse_B1HW.sum(dim=axes)
    return 1.0 - (2.0 * shared + smooth) / (both + smooth)


def projection_loss(probability_B1HW: Tensor, target_B1HW: Tensor, smooth: float = 1e-5) -> Tensor:
    """Probability, mask of the boxes -> 1 - Dice of the maxima along an axis, as the mean over both axes (B,).

    The Dice has squares in its denominator, as in BoxInst: 1 - 2 sum(p t) / (sum(p^2) + sum(t^2)).
    """
    losses = []
    for axis in (2, 3):
        projected, wanted = probability_B1HW.amax(dim=axis).flatten(1), target_B1HW.amax(dim=axis).flatten(1)
        shared = (projected * wanted).sum(dim=1)
        both = (projected**2).sum(dim=1) + (wanted**2).sum(dim=1)
        losses.append(1.0 - (2.0 * shared + smooth) / (both + smooth))
    return torch.stack(losses).mean(dim=0)


def zone_cross_entropy(logits_B1HW: Tensor, inside_B1HW: Tensor, core_B1HW: Tensor) -> Tensor:
    """Cross-entropy to 1 in the cores and, with OUTSIDE_WEIGHT, to 0 outside the boxes: mean over these pixels (B,).

    Pixels inside a box and outside its core are not used here.
    """
    outside = OUTSIDE_WEIGHT * (1.0 - inside_B1HW)
    loss = F.softplus(-logits_B1HW) * core_B1HW + F.softplus(logits_B1HW) * outside
    axes = (1, 2, 3)
    return loss.sum(dim=axes) / (core_B1HW + outside).sum(dim=axes).clamp(min=1.0)


def pairwise_loss(probability_B1HW: Tensor, image_B1HW: Tensor, inside_B1HW: Tensor) -> Tensor:
    """-> (B,): mean of -log P(both are nodule, or both are not) over pairs of neighbouring cells that look alike.

    One cell of the pair must be in a box. 0 where no such cells look alike.
    """
    if min(image_B1HW.shape[-2:]) < 4 * STRIDE:
        return probability_B1HW.new_zeros(len(probability_B1HW))
    probability, image, inside = (
        F.avg_pool2d(values, STRIDE) for values in (probability_B1HW, image_B1HW, inside_B1HW)
    )
    total = probability.new_zeros(len(probability))
    number = probability.new_zeros(len(probability))
    for rows, columns in NEIGHBOURS:
        one_p, other_p = _pair(probability, rows, columns)
        one_i, other_i = _pair(image, rows, columns)
        one_b, other_b = _pair(inside, rows, columns)
        counts = ((one_i - other_i).abs() <= ALIKE) & (torch.maximum(one_b, other_b) > 0.5)
        same = (one_p * other_p + (1 - one_p) * (1 - other_p)).clamp(min=1e-4)
        total = total - (same.log() * counts).sum(dim=(1, 2, 3))
        number = number + counts.sum(dim=(1, 2, 3))
    return total / number.clamp(min=1.0)


def _pair(values: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """(B, 1, h, w) -> (the cells with a neighbour at this offset, these neighbours). columns < 0 is to the left."""
    height, width = values.shape[-2:]
    left, right = max(0, -columns), max(0, columns)
    one = values[..., : height - rows, left : width - right]
    other = values[..., rows:, left + columns : width - right + columns]
    return one, other
