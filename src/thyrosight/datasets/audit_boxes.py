"""Cases with boxes of nodules -> what is wrong with the boxes, before a network uses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from thyrosight.types import Box, Case
from thyrosight.views.boxes import box_iou, clipped

BoxFinding = tuple[Literal["error", "warning", "note"], str, str, list[Case]]
"""Severity, kind, message, the cases that have it."""
TINY_PX = 8
"""A box with a shorter side is too small to learn an outline from."""
INSIDE_SHARE = 0.95
"""A box must be inside the image, and inside the ultrasound field, with at least this share of its area. TN5000 has a
box one pixel past the border."""
SAME_IOU = 0.9
"""IoU from which two boxes of one picture count as the same nodule."""


def box_findings(cases: Sequence[Case], sizes_hw: Sequence[tuple[int, int] | None]) -> Iterator[BoxFinding]:
    """Cases, the size of each image (None: unreadable) -> findings; none where no case has boxes."""
    boxed = [(case, size) for case, size in zip(cases, sizes_hw, strict=True) if case.boxes]
    outside = [case for case, size in boxed if size and _least_share(case, _whole(size)) < 1.0]
    if far := [case for case, size in boxed if size and _least_share(case, _whole(size)) < INSIDE_SHARE]:
        yield (
            "error",
            "nodule box outside",
            "over 5 % of a nodule's box is outside the image: correct the boxes column, in the pixels of the image",
            far,
        )
    if near := [case for case in outside if case not in far]:
        yield "note", "nodule box past the border", "a nodule's box reaches a little past the image", near
    if beyond := [case for case, _ in boxed if _is_beyond(case)]:
        yield (
            "warning",
            "field cuts a nodule box",
            "over 5 % of a nodule's box is outside the ultrasound field: correct the box, or fov in the table",
            beyond,
        )
    if tiny := [case for case, _ in boxed if any(min(box.width, box.height) < TINY_PX for box in case.boxes)]:
        yield "warning", "tiny nodule box", f"a box with a side below {TINY_PX} pixels: look whether it is meant", tiny
    if twice := [case for case, _ in boxed if _has_same(case.boxes)]:
        yield "warning", "one nodule boxed twice", "two boxes of one picture are almost the same: remove one", twice
    if both := [case for case, _ in boxed if case.mask is not None]:
        yield "note", "outline and boxes", "a case has an outline and boxes: the outline trains and is scored", both
    if alone := [case for case, _ in boxed if case.mask is None]:
        yield (
            "note",
            "boxes alone",
            "boxes, no outline: they teach by loss.box_weight, detection is scored",
            alone,
        )
    yield from _labels_of_one_file(cases)


def _labels_of_one_file(cases: Sequence[Case]) -> Iterator[BoxFinding]:
    """Findings for image files with rows of label 0 and of label 1: these labels contradict each other."""
    labels: dict[str, set[int]] = {}
    for case in cases:
        if case.malignancy is not None:
            labels.setdefault(str(case.image), set()).add(case.malignancy)
    if torn := [case for case in cases if len(labels.get(str(case.image), ())) > 1]:
        yield (
            "warning",
            "one picture with two labels",
            "one image file is labelled 0 in one row and 1 in another: join the rows, or leave both out",
            torn,
        )


def _whole(size_hw: tuple[int, int]) -> Box:
    return Box(0, 0, size_hw[1], size_hw[0])


def _is_beyond(case: Case) -> bool:
    """Whether less than INSIDE_SHARE of a box of the case is inside the ultrasound field."""
    return case.fov is not None and _least_share(case, case.fov) < INSIDE_SHARE


def _least_share(case: Case, field: Box) -> float:
    """-> the share of each of the case's boxes that is inside the field; the smallest of them."""
    return min(_share(box, field) for box in case.boxes)


def _share(box: Box, field: Box) -> float:
    part = clipped(box, field)
    return part.width * part.height / (box.width * box.height) if part else 0.0


def _has_same(boxes: Sequence[Box]) -> bool:
    return any(box_iou(one, other) >= SAME_IOU for place, one in enumerate(boxes) for other in boxes[place + 1 :])
