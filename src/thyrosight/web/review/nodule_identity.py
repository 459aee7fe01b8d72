"""Findings as they were sent, the network's nodules -> for each finding: its nodule, its number, who outlined it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from thyrosight.measurement.nodule_uids import new_nodule_uid
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import Nodule
from thyrosight.types import BoolArray
from thyrosight.web.errors import ApiError
from thyrosight.web.schemas import CorrectionIn, FindingIn, FindingOrigin

LEAST_IOU = 0.1
"""An outline without a UID belongs to a known nodule only where their intersection over union is above this."""
SAME_IOU = 0.95
"""Two outlines of one reading are the same nodule where their intersection over union is above this."""


def findings_in(given: CorrectionIn, known: Sequence[Nodule], size_hw: tuple[int, int]) -> list[FindingIn]:
    """What was sent, the nodules that the reader saw -> findings.

    Where outlines were sent without UIDs, each gets the UID of the nodule that it overlaps most.

    ApiError 422 where one UID is given twice, or where outlines and descriptors differ in number.
    """
    if given.findings is not None:
        uids = [finding.uid for finding in given.findings if finding.uid is not None]
        if len(set(uids)) < len(uids):
            raise ApiError(422, "invalid_request", "one uid is given twice; a nodule has one outline per frame")
        return given.findings
    outlines_xy = given.outlines_xy or []
    if given.descriptors and len(given.descriptors) != len(outlines_xy):
        message = f"{len(given.descriptors)} descriptors for {len(outlines_xy)} outlines; give one entry each"
        raise ApiError(422, "invalid_request", message)
    words = given.descriptors or [None] * len(outlines_xy)
    masks = [fill_outlines([np.asarray(outline_xy)], size_hw) for outline_xy in outlines_xy]
    uids_of = best_uids(masks, known, size_hw)
    pairs = zip(outlines_xy, words, strict=True)
    return [FindingIn(uid=uids_of.get(i), outline_xy=ring, descriptors=word) for i, (ring, word) in enumerate(pairs)]


def check_apart(findings: Sequence[FindingIn], numbers: Mapping[str, int], size_hw: tuple[int, int]) -> None:
    """ApiError 422, which names both, where two outlines of a reading are (almost) one and the same.

    numbers: {UID: number} of the nodules that are known.
    """
    masks = [fill_outlines([np.asarray(finding.outline_xy)], size_hw) for finding in findings]
    areas = [int(np.count_nonzero(mask_HW)) for mask_HW in masks]
    for first, second in combinations(range(len(masks)), 2):
        if min(areas[first], areas[second]) <= SAME_IOU * max(areas[first], areas[second]):
            continue  # too different in size to be the same
        shared = int(np.count_nonzero(masks[first] & masks[second]))
        iou = shared / max(1, areas[first] + areas[second] - shared)
        if iou > SAME_IOU:
            names = [_name_of(findings[at], at + 1, numbers) for at in (first, second)]
            overlap = f"they overlap by {iou:.0%}"
            message = f"{names[0]} and {names[1]} have the same outline ({overlap}); leave one of them out"
            raise ApiError(422, "same_outline", message)


def _name_of(finding: FindingIn, place: int, numbers: Mapping[str, int]) -> str:
    """-> a finding in words: by its number where it is known, else by its place among those that were sent."""
    if finding.uid is not None and finding.uid in numbers:
        return f"nodule {numbers[finding.uid]}"
    return f"outline {place}, which is new,"


def uid_of(finding: FindingIn, measured: Nodule, network: Sequence[Nodule], taken: set[str]) -> str:
    """Finding, its measures -> its UID: as given, or of the network's nodule with this outline, or a new UID.

    taken: UIDs that other findings have.
    """
    if finding.uid is not None:
        return finding.uid
    for nodule in network:
        if nodule.uid is not None and nodule.uid not in taken and nodule.outline_xy == measured.outline_xy:
            return nodule.uid
    return new_nodule_uid()


def origin_of(finding: FindingIn, uid: str, measured: Nodule, network: Sequence[Nodule]) -> FindingOrigin:
    """Finding, its UID, its measures -> who drew its outline. Outlines with the same pixels are the same outline."""
    if any(nodule.outline_xy == measured.outline_xy for nodule in network):
        return "network"
    if any(nodule.uid == uid for nodule in network):
        return "network_changed"
    return "person" if finding.drawn_with == "hand" else "person_with_network"


def numbered(uids: Sequence[str], numbers: dict[str, int]) -> dict[str, int]:
    """UIDs, {UID: number} so far -> the same with new UIDs.

    Their numbers continue from the highest number ever given.
    """
    found = dict(numbers)
    for uid in uids:
        if uid not in found:
            found[uid] = max(found.values(), default=0) + 1
    return found


def best_uids(masks: Sequence[BoolArray], known: Sequence[Nodule], size_hw: tuple[int, int]) -> dict[int, str]:
    """Masks of outlines, known nodules -> {index of an outline: UID}.

    Pairs with the largest overlap are formed first.
    """
    pairs = []
    for nodule in known:
        nodule_HW = fill_outlines([np.asarray(nodule.outline_xy)], size_hw)
        for index, mask_HW in enumerate(masks):
            iou = int(np.count_nonzero(mask_HW & nodule_HW)) / max(1, int(np.count_nonzero(mask_HW | nodule_HW)))
            if iou > LEAST_IOU and nodule.uid is not None:
                pairs.append((iou, index, nodule.uid))
    found: dict[int, str] = {}
    for _, index, uid in sorted(pairs, key=lambda pair: (-pair[0], pair[1])):
        if index not in found and uid not in found.values():
            found[index] = uid
    return found
