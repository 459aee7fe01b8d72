"""Cases, their audit -> one PNG for a person to look at: pairs that show one picture, and the odd images and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from thyrosight.datasets.contact_sheet import TEXT_BGR, TEXT_PX, TILE_PX, tile_of
from thyrosight.types import Case, UInt8Array

if TYPE_CHECKING:
    from thyrosight.datasets.audits.records import AuditReport

ODD = ("blank image", "noise", "tiny mask", "large mask", "background mask", "one mask twice", "empty mask")
MAX_PAIRS, MAX_ODD, NUM_COLUMNS = 30, 24, 3
GAP_PX, TITLE_PX = 8, 22
APART_BGR, WITHIN_BGR = (60, 60, 230), (110, 110, 110)


def pairs_sheet(cases: Sequence[Case], report: AuditReport) -> bytes | None:
    """Cases, their audit -> PNG of at most 30 pairs and 24 odd cases; None where there is neither.

    A red line marks a pair that is apart: a network may learn from one image and be scored on the other.
    """
    by_id = {case.case_id: case for case in cases}
    blocks = [
        _block([by_id[pair.first], by_id[pair.second]], pair.kind.partition(",")[0], pair.is_apart)
        for pair in report.pairs[:MAX_PAIRS]
    ]
    odd = {case_id: finding.kind for finding in report.findings if finding.kind in ODD for case_id in finding.case_ids}
    blocks += [_block([by_id[case_id]], kind, False) for case_id, kind in list(odd.items())[:MAX_ODD]]
    if not blocks:
        return None
    blank_HW3 = np.zeros_like(blocks[0])
    blocks += [blank_HW3] * (-len(blocks) % NUM_COLUMNS)
    rows = [np.hstack(blocks[start : start + NUM_COLUMNS]) for start in range(0, len(blocks), NUM_COLUMNS)]
    return cv2.imencode(".png", np.vstack(rows))[1].tobytes()


def _block(cases: Sequence[Case], title: str, is_apart: bool) -> UInt8Array:
    """One or two cases -> their pictures next to each other _HW3, with a title above."""
    height, width = TITLE_PX + TILE_PX + TEXT_PX + GAP_PX, 2 * TILE_PX + GAP_PX
    block_HW3 = np.zeros((height, width, 3), np.uint8)
    block_HW3[:3, : width - GAP_PX] = APART_BGR if is_apart else WITHIN_BGR
    words = f"{title}, apart" if is_apart else title
    cv2.putText(block_HW3, words, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.42, TEXT_BGR, 1, cv2.LINE_AA)
    for place, case in enumerate(cases):
        tile_HW3 = tile_of(case)
        left = place * TILE_PX
        block_HW3[TITLE_PX : TITLE_PX + tile_HW3.shape[0], left : left + TILE_PX] = tile_HW3
    return block_HW3
