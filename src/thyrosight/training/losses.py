"""Output and Batch -> losses: the formulas of the original recipe and our own, and the table of all parts.

Shapes: B batch, H rows, W columns. Everything is computed in float32, also where autocast chose another type for the
network.
The original recipe is that of the original network (networks/vnet2d.py). The letterbox border counts as background:
without this rule a network outlines the border, and rates the risk by it.
A new part is one entry of PARTS and its weight in config.LossConfig.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from thyrosight.config import LossConfig
from thyrosight.networks.output import Output
from thyrosight.training.batch import Batch
from thyrosight.training.box_loss import box_mask_loss

UNLABELLED = -1
PIXELS = (1, 2, 3)
"""All axes except the batch."""


def soft_dice_loss(probability_B1HW: Tensor, target_B1HW: Tensor, smooth: float = 1e-5) -> Tensor:
    """Probability and 0/1 target -> 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) of each image (B,).

    Source: Milletari et al. 2016 (arXiv:1606.04797), in the original recipe's form: sums in the denominator, not sums
    of squares. An empty target asks for an empty mask: the loss is 0 where the mask is empty too, else near 1.
    """
    probability, target = probability_B1HW.float(), target_B1HW.float()
    shared = (probability * target).sum(dim=PIXELS)
    return 1.0 - (2.0 * shared + smooth) / (probability.sum(dim=PIXELS) + target.sum(dim=PIXELS) + smooth)


def mask_cross_entropy(mask_logits_B1HW: Tensor, target_B1HW: Tensor) -> Tensor:
    """Logits and 0/1 target -> mean over the pixels of -t log p - (1 - t) log(1 - p), of each image (B,).

    It is computed from logits, so that it stays finite at any confidence. The original recipe passes probabilities in
    place of logits, so its p is at least 0.5; this is the correct formula.
    """
    logits, target = mask_logits_B1HW.float(), target_B1HW.float()
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=PIXELS)


def focal_loss(
    mask_logits_B1HW: Tensor, target_B1HW: Tensor, alpha: float = 0.25, gamma: float = 4.0, reduction: str = "mean"
) -> Tensor:
    """Logits and 0/1 target -> alpha_t (1 - p_t)^gamma (-log p_t), over the pixels of each image (B,).

    p_t is the probability of the true class; alpha_t is alpha in the nodule and 1 - alpha outside. Source: Lin et al.
    2017 (arXiv:1708.02002); alpha 0.25 and gamma 4 are the original recipe's. The original takes the sum over the
    pixels ("sum"), which is far larger than every other loss; the "mean" does not depend on the image's size. The
    original also clips p to [1e-5, 1 - 1e-5]. Logits need no clipping: a confidently wrong pixel keeps its gradient.
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f"unknown reduction {reduction!r}; known: mean, sum")
    logits, target = mask_logits_B1HW.float(), target_B1HW.float()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = torch.sigmoid(logits) * (1.0 - target) + torch.sigmoid(-logits) * target
    weight = alpha * target + (1.0 - alpha) * (1.0 - target)
    loss_B1HW = weight * wrong**gamma * cross_entropy
    return loss_B1HW.mean(dim=PIXELS) if reduction == "mean" else loss_B1HW.sum(dim=PIXELS)


def dice_from_logits(mask_logits_B1HW: Tensor, target_B1HW: Tensor) -> Tensor:
    """Logits and 0/1 target -> soft Dice loss of each image (B,)."""
    return soft_dice_loss(torch.sigmoid(mask_logits_B1HW.float()), target_B1HW)


def dice_and_cross_entropy(mask_logits_B1HW: Tensor, target_B1HW: Tensor) -> Tensor:
    """Logits and 0/1 target -> soft Dice loss + pixel-wise cross-entropy of each image (B,)."""
    return dice_from_logits(mask_logits_B1HW, target_B1HW) + mask_cross_entropy(mask_logits_B1HW, target_B1HW)


def dice_and_focal(mask_logits_B1HW: Tensor, target_B1HW: Tensor) -> Tensor:
    """Logits and 0/1 target -> soft Dice loss + mean focal loss of each image (B,)."""
    return dice_from_logits(mask_logits_B1HW, target_B1HW) + focal_loss(mask_logits_B1HW, target_B1HW)


MASK_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dice": dice_from_logits,
    "cross_entropy": mask_cross_entropy,
    "focal": focal_loss,
    "dice+cross_entropy": dice_and_cross_entropy,
    "dice+focal": dice_and_focal,
}
"""(mask_logits_B1HW, target_B1HW) -> loss of each image (B,)."""


def classification_cross_entropy(
    class_logits_B2: Tensor,
    risk_B: Tensor,
    class_weights: tuple[float, float] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Logits (benign, malignant), risks -> mean softmax cross-entropy of the labelled images, a scalar.

    risk_B: 0 or 1 is a label, a grade between them is divided between both classes, and -1 is no label. With
    class_weights the loss is the weighted mean, sum(w loss) / sum(w). label_smoothing: the share of the target that is
    divided evenly between the classes (Szegedy et al. 2016, arXiv:1512.00567). Unlabelled rows change neither value nor
    gradient, whatever their logits; where no image is labelled, the loss and its gradient are exactly 0.
    """
    labelled_B = risk_B != UNLABELLED
    logits, risk = class_logits_B2[labelled_B].float(), risk_B[labelled_B].float()
    if risk.numel() == 0:
        return logits.sum()
    weights = logits.new_tensor(class_weights or (1.0, 1.0))
    truth = torch.stack([1.0 - risk, risk], dim=1)
    smoothed = truth * (1.0 - label_smoothing) + 0.5 * label_smoothing
    loss = -(smoothed * weights * F.log_softmax(logits, dim=1)).sum()
    return loss / (truth * weights).sum()


def malignancy_map_cross_entropy(
    malignancy_map_B1HW: Tensor, mask_B1HW: Tensor, risk_B: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Per-pixel malignancy logits, true mask and risks -> mean cross-entropy under the mask, a scalar.

    The target of each pixel in the nodule is the risk of the image. All images have the same weight, whatever the size
    of their nodules. Images without a label or with an empty mask are left out; where no image remains, the result is
    0.
    """
    rated_B = (risk_B != UNLABELLED) & (mask_B1HW > 0).flatten(1).any(dim=1)
    logits, mask = malignancy_map_B1HW[rated_B].float(), (mask_B1HW[rated_B] > 0).float()
    if logits.shape[0] == 0:
        return logits.sum()
    truth = risk_B[rated_B].float() * (1.0 - label_smoothing) + 0.5 * label_smoothing
    target = truth[:, None, None, None].expand_as(logits)
    loss_B1HW = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return ((loss_B1HW * mask).sum(dim=PIXELS) / mask.sum(dim=PIXELS)).mean()


def descriptor_cross_entropy(logits: Sequence[Tensor], descriptors_BD: Tensor) -> Tensor:
    """Logits (B, terms) per descriptor, indices of terms or -1 -> mean cross-entropy of the known terms, a scalar."""
    known = descriptors_BD != UNLABELLED
    losses = [
        F.cross_entropy(logits_BK[known[:, place]].float(), descriptors_BD[known[:, place], place], reduction="sum")
        for place, logits_BK in enumerate(logits)
    ]
    return torch.stack(losses).sum() / known.sum().clamp(min=1)


def mean_mask_loss(logits_B1HW: Tensor, target_B1HW: Tensor, outlined_B: Tensor, name: str) -> Tensor:
    """Mean of the named mask loss over the outlined images, a scalar; 0 where there are none."""
    loss_B = MASK_LOSSES[name](logits_B1HW[outlined_B], target_B1HW[outlined_B])
    return loss_B.sum() / max(loss_B.numel(), 1)


def presence_cross_entropy(mask_logits_B1HW: Tensor, target_B1HW: Tensor, share: float = 0.002) -> Tensor:
    """Logits and 0/1 target -> cross-entropy of "the image has a nodule" of each image (B,).

    The image's logit is the mean of its highest mask logits. Their number is `share` of all pixels, the area of the
    smallest nodule that is predicted. In an image with a nodule only logits inside the nodule are used, so that no
    other place is rewarded.
    """
    logits_BN, inside_BN = mask_logits_B1HW.flatten(1).float(), target_B1HW.flatten(1) > 0.5
    is_there_B1 = inside_BN.any(dim=1, keepdim=True)
    lowest = torch.finfo(logits_BN.dtype).min
    eligible_BN = torch.where(is_there_B1 & ~inside_BN, lowest, logits_BN)
    top_BK = eligible_BN.topk(max(1, round(share * logits_BN.shape[1])), dim=1).values
    counts_BK = top_BK > lowest
    mean_B = torch.where(counts_BK, top_BK, 0.0).sum(dim=1) / counts_BK.sum(dim=1)
    return F.binary_cross_entropy_with_logits(mean_B, is_there_B1[:, 0].float(), reduction="none")


@dataclass(frozen=True)
class LossSettings(LossConfig):
    """The configured losses, and the weights of (benign, malignant) that the training rows give; None: both 1."""

    class_weights: tuple[float, float] | None = None


class LossPart(NamedTuple):
    """One term of the total.

    loss: (output, batch, settings) -> a mean over rows, a scalar; None where the network has no such output, or the
    batch has no such target. num_rows: (batch, settings) -> the number of rows in this mean (for descriptors, the
    number of terms; for a weighted mean, the sum of the weights).
    """

    loss: Callable[[Output, Batch, LossSettings], Tensor | None]
    num_rows: Callable[[Batch, LossSettings], Tensor]


def _mask_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor:
    return mean_mask_loss(output.mask_logits_B1HW, batch.mask_B1HW, batch.has_mask_B, settings.mask)


def _malignancy_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor:
    return classification_cross_entropy(
        asked_logits(output, batch), batch.risk_B, settings.class_weights, settings.label_smoothing
    )


def _map_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor:
    outlined_B = batch.has_mask_B
    return malignancy_map_cross_entropy(
        output.malignancy_map_B1HW[outlined_B],
        batch.mask_B1HW[outlined_B],
        batch.risk_B[outlined_B],
        settings.label_smoothing,
    )


def _gland_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor | None:
    if output.gland_logits_B1HW is None or batch.gland_B1HW is None or batch.has_gland_B is None:
        return None
    return mean_mask_loss(output.gland_logits_B1HW, batch.gland_B1HW, batch.has_gland_B, settings.mask)


def _descriptor_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor | None:
    if output.descriptor_logits is None or batch.descriptors_BD is None:
        return None
    return descriptor_cross_entropy(output.descriptor_logits, batch.descriptors_BD)


def _presence_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor:
    loss_B = presence_cross_entropy(output.mask_logits_B1HW[batch.has_mask_B], batch.mask_B1HW[batch.has_mask_B])
    return loss_B.sum() / max(loss_B.numel(), 1)


def _box_part(output: Output, batch: Batch, settings: LossSettings) -> Tensor | None:
    if batch.box_B3HW is None or batch.has_box_B is None:
        return None
    boxed_B = batch.has_box_B
    boxes = torch.split(batch.box_B3HW[boxed_B], 1, dim=1)
    loss_B = box_mask_loss(output.mask_logits_B1HW[boxed_B], batch.image_B1HW[boxed_B], *boxes)
    return loss_B.sum() / max(loss_B.numel(), 1)


def asked_logits(output: Output, batch: Batch) -> Tensor:
    """Output and Batch -> (B, 2): the logits of each row for the question that its risk answers."""
    if output.question_logits_BQ is None or batch.question_B is None:
        return output.class_logits_B2
    logit_B = output.question_logits_BQ.gather(1, batch.question_B[:, None])[:, 0]
    return torch.stack([torch.zeros_like(logit_B), logit_B], dim=1)


def _count(rows_B: Tensor | None, batch: Batch) -> Tensor:
    return batch.has_mask_B.new_zeros((), dtype=torch.int64) if rows_B is None else rows_B.sum()


def _known_terms(batch: Batch) -> Tensor | None:
    return None if batch.descriptors_BD is None else batch.descriptors_BD != UNLABELLED


def _rated_weight(batch: Batch, settings: LossSettings) -> Tensor:
    """-> the divisor of the malignancy part: the sum over labelled rows of the weight of their class."""
    risk = batch.risk_B[batch.risk_B != UNLABELLED].float()
    benign, malignant = settings.class_weights or (1.0, 1.0)
    return ((1.0 - risk) * benign + risk * malignant).sum()


def _mapped_rows(batch: Batch) -> Tensor:
    """-> the rows of the map part: rows with a risk and an outline that is not empty."""
    return (batch.risk_B != UNLABELLED) & batch.has_mask_B & (batch.mask_B1HW > 0).flatten(1).any(dim=1)


PARTS: dict[str, LossPart] = {
    "mask": LossPart(_mask_part, lambda batch, _: batch.has_mask_B.sum()),
    "malignancy": LossPart(_malignancy_part, _rated_weight),
    "map": LossPart(_map_part, lambda batch, _: _mapped_rows(batch).sum()),
    "gland": LossPart(_gland_part, lambda batch, _: _count(batch.has_gland_B, batch)),
    "descriptor": LossPart(_descriptor_part, lambda batch, _: _count(_known_terms(batch), batch)),
    "presence": LossPart(_presence_part, lambda batch, _: batch.has_mask_B.sum()),
    "box": LossPart(_box_part, lambda batch, _: _count(batch.has_box_B, batch)),
}
"""All parts of the loss. The weight of part X is `loss.X_weight`, its column in metrics.csv is train_X_loss."""

MAIN_PARTS = ("mask", "malignancy")
"""metrics.csv has the columns of these parts in every run, and the column of another part if its weight is not 0."""


def part_weights(settings: LossConfig) -> dict[str, float]:
    """Settings -> the weight of each part."""
    return {name: float(getattr(settings, f"{name}_weight")) for name in PARTS}


def part_column(name: str) -> str:
    """Name of a part of the loss -> its column in metrics.csv."""
    return f"train_{name}_loss"


class MultitaskLoss(NamedTuple):
    """The loss as scalars. total: the weighted sum, with gradient.

    parts: {part: its loss, not weighted}; 0 where its weight is 0.
    """

    total: Tensor
    parts: dict[str, Tensor]


def multitask_loss(output: Output, batch: Batch, settings: LossSettings) -> MultitaskLoss:
    """Output and Batch -> each part (a mean over the rows that have its annotation) and the weighted sum of the parts.

    A part with weight 0 is not computed, so an output that is not trained can't change the gradient of other outputs.
    """
    weights = part_weights(settings)
    computed = {name: part.loss(output, batch, settings) for name, part in PARTS.items() if weights[name] > 0}
    none = output.class_logits_B2.new_zeros((), dtype=torch.float32)
    parts = {name: none if (value := computed.get(name)) is None else value for name in PARTS}
    total = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
    return MultitaskLoss(total, parts)


def num_rows_of_parts(batch: Batch, settings: LossSettings) -> Tensor:
    """Batch -> the number of rows over which each part is a mean, in the order of PARTS: (parts,) float."""
    return torch.stack([part.num_rows(batch, settings).float() for part in PARTS.values()])


def shared_loss(loss: MultitaskLoss, batch: Batch, settings: LossSettings) -> MultitaskLoss:
    """This process's loss -> the same, weighted by its rows.

    The mean over processes is then the loss of the whole batch. Each part is a mean over the rows that have its
    annotation, and the processes have different numbers of such rows. A single process keeps its loss as it is.
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return loss
    own = num_rows_of_parts(batch, settings)
    everywhere = own.clone()
    torch.distributed.all_reduce(everywhere)
    share = torch.distributed.get_world_size() * own / torch.where(everywhere > 0, everywhere, 1.0)
    parts = {name: part * share[index] for index, (name, part) in enumerate(loss.parts.items())}
    weights = part_weights(settings)
    return MultitaskLoss(torch.stack([weights[name] * part for name, part in parts.items()]).sum(), parts)
