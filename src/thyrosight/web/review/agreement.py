"""Readings of one frame by several readers -> the agreement of each pair: Dice, paired nodules, diameters, levels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from thyrosight.measurement.cine import best_pairs
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.types import BoolArray
from thyrosight.web.schemas import Correction, KeptFinding, PairedFindings, ReaderAgreement

LEAST_DICE = 0.1
"""Outlines with a smaller Dice are not the same nodule."""


def agreements_of(readings: Sequence[Correction]) -> list[ReaderAgreement]:
    """Readings of one frame -> one entry for each pair of readers."""
    return [_agreement(a, b) for a, b in combinations(readings, 2)]


def _agreement(a: Correction, b: Correction) -> ReaderAgreement:
    masks_a, masks_b = _masks(a, b)
    dice_AB = np.array([[_dice(x, y) for y in masks_b] for x in masks_a]).reshape(len(masks_a), len(masks_b))
    pairs = best_pairs(np.where(dice_AB >= LEAST_DICE, dice_AB, 0))
    return ReaderAgreement(
        who_a=a.who,
        who_b=b.who,
        dice=round(_dice(_union(masks_a), _union(masks_b)), 4),
        pairs=[_pair(a.findings[i], b.findings[j], float(dice_AB[i, j])) for i, j in pairs],
        only_a=[finding.uid for i, finding in enumerate(a.findings) if i not in {i for i, _ in pairs}],
        only_b=[finding.uid for j, finding in enumerate(b.findings) if j not in {j for _, j in pairs}],
    )


def _pair(a: KeptFinding, b: KeptFinding, dice: float) -> PairedFindings:
    of_a, of_b = a.nodule.size, b.nodule.size
    in_mm = None if of_a.longest_mm is None or of_b.longest_mm is None else of_b.longest_mm - of_a.longest_mm
    return PairedFindings(
        uid_a=a.uid,
        uid_b=b.uid,
        number_a=a.number,
        number_b=b.number,
        dice=round(dice, 4),
        longest_difference_px=round(of_b.longest_px - of_a.longest_px, 3),
        longest_difference_mm=None if in_mm is None else round(in_mm, 3),
        level_a=a.level,
        level_b=b.level,
    )


def _masks(a: Correction, b: Correction) -> tuple[list[BoolArray], list[BoolArray]]:
    """-> for each of both readings the masks of its findings, all on a canvas of the same size."""
    outlines = [np.asarray(finding.nodule.outline_xy) for one in (a, b) for finding in one.findings]
    width, height = np.max(np.concatenate(outlines), axis=0) + 1 if outlines else (1, 1)
    masks = [fill_outlines([outline_xy], (int(height), int(width))) for outline_xy in outlines]
    return masks[: len(a.findings)], masks[len(a.findings) :]


def _union(masks: Sequence[BoolArray]) -> BoolArray:
    return np.any(masks, axis=0) if masks else np.zeros((1, 1), np.bool_)


def _dice(a_HW: BoolArray, b_HW: BoolArray) -> float:
    """Dice coefficient (Dice 1945) of two masks; 1 where both are empty."""
    both, sizes = np.count_nonzero(a_HW & b_HW), np.count_nonzero(a_HW) + np.count_nonzero(b_HW)
    return 2 * both / sizes if sizes else 1.0
