"""Image files -> ImageFacts: size, ultrasound field, panels, fingerprint. A file that can't be read is a fault."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from thyrosight.datasets.prints.duplicates import Fingerprint, fingerprint
from thyrosight.datasets.sets.layout import write_mask
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.files import raise_shortage, readable
from thyrosight.frames.mask_area import NestedLabelsError, num_slips
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.frames.mask_pages import is_turned_by_tag
from thyrosight.types import BoolArray, Box, Case, Frame, Progress, UInt8Array

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class ImageFacts:
    """What one image file holds.

    Where the file can be read, fault is None and all fields but the spacing have a value.
    """

    path: Path
    fault: str | None
    sha256: str = ""
    size_hw: tuple[int, int] = (0, 0)
    fov: Box | None = None
    panels: tuple[Box, ...] = ()
    row_mm: float | None = None
    column_mm: float | None = None
    print: Fingerprint | None = None
    mask: Path | None = None
    """The mask file to use; None: the case has none."""
    num_mask_px: int | None = None
    mask_fault: str | None = None
    """Why the mask can't be used; None: it can, or there is none."""
    mask_levels: tuple[str, ...] = ()
    """The values in the mask file, as written there."""
    num_slips: int = 0
    """Parts of the mask that are smaller than MIN_LINE_PX, next to a larger one."""
    is_rectangle: bool = False
    """The mask is one filled rectangle, as a box would be drawn."""
    is_turned_alone: bool = False
    """The image has an orientation tag that turns or mirrors it, and its mask has none."""
    outer_label: str | None = None
    """The label that encloses another one; given where this is why the mask can't be used."""


def scan_case(case: Case, keep_labels: frozenset[str] | None = None, masks: Path | None = None) -> ImageFacts:
    """Case -> the facts of its image and its mask; a field and views that the case has are kept.

    keep_labels: the labels of the mask file that are nodules (None: all). A mask of these labels alone is written below
    `masks`.
    """
    from thyrosight.frames.load import load_frame
    from thyrosight.views.field import field_of_view, find_panels

    try:
        frame = load_frame(case.image)
    except (ThyrosightError, OSError) as error:
        raise_shortage(error)
        return ImageFacts(case.image, fault=str(error))
    field = case.fov or field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
    facts = ImageFacts(
        path=case.image,
        fault=None,
        sha256=frame.sha256,
        size_hw=frame.size_hw,
        fov=field,
        panels=case.panels or tuple(find_panels(frame.image_HW, field)),
        row_mm=frame.spacing.row_mm if frame.spacing else None,
        column_mm=frame.spacing.column_mm if frame.spacing else None,
        print=fingerprint(crop(frame, field)),
    )
    return _with_mask(facts, case, frame, keep_labels, masks)


def _with_mask(
    facts: ImageFacts, case: Case, frame: Frame, keep_labels: frozenset[str] | None, masks: Path | None
) -> ImageFacts:
    """-> the facts, completed by those of the case's mask: the file to use, its pixels, what is wrong with it."""
    if case.mask is None:
        return facts
    if masks is not None and masks.resolve() in case.mask.resolve().parents:
        keep_labels = None  # drawn by the reader of the set: nodules alone
    try:
        image = read_mask_image(case.mask, frame.size_hw, keep_labels)
    except InputError as error:
        raise_shortage(error)
        outer = error.outer if isinstance(error, NestedLabelsError) else None
        return replace(facts, mask=case.mask, mask_fault=str(error), outer_label=outer)
    path = case.mask
    if keep_labels is not None and masks is not None:
        path = masks / f"{case.case_id}.png"
        write_mask(path, image.mask_HW)
    is_turned_alone = is_turned_by_tag(case.image) and not is_turned_by_tag(case.mask)
    facts = replace(facts, mask=path, num_mask_px=int(image.mask_HW.sum()), mask_levels=image.levels)
    facts = replace(facts, num_slips=num_slips(image.mask_HW), is_rectangle=_is_rectangle(image.mask_HW))
    return replace(facts, is_turned_alone=is_turned_alone)


def _is_rectangle(mask_HW: BoolArray) -> bool:
    rows, columns = np.nonzero(mask_HW)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)) if len(rows) else None
    return box is not None and bool(mask_HW[box].all())


def notes_on_masks(facts: Sequence[ImageFacts]) -> list[str]:
    """-> a note on masks with several labels, with small parts, and of plain rectangles; none where there are none."""
    return [*_several_labels(facts), *_slips(facts), *_rectangles(facts)]


def _several_labels(facts: Sequence[ImageFacts]) -> list[str]:
    """-> a note on masks with several labels, which may be classes; empty where there are none."""
    several = [one for one in facts if len(one.mask_levels) > 1 and not one.mask_levels[0].startswith("page")]
    if not several:
        return []
    levels = sorted({level for one in several for level in one.mask_levels}, key=lambda level: (len(level), level))
    return [
        f"{len(several)} masks hold several labels ({', '.join(levels[:6])}{' ...' if len(levels) > 6 else ''}): each "
        f"counts as a nodule; if they are classes, choose: --mask-label nodule={levels[-1]}"
    ]


def _slips(facts: Sequence[ImageFacts]) -> list[str]:
    """-> a note on masks with small parts next to a nodule; empty where there are none."""
    with_slips = [one for one in facts if one.num_slips]
    if not with_slips:
        return []
    name = with_slips[0].mask.name if with_slips[0].mask else ""
    return [
        f"{len(with_slips)} masks hold small parts next to a nodule (a slip of the brush, a mark, a sign?), which "
        f"count as nodules too, e.g. {readable(name)}"
    ]


def _rectangles(facts: Sequence[ImageFacts]) -> list[str]:
    """-> a note on masks that may be boxes; empty where there are none."""
    boxes = [one for one in facts if one.is_rectangle]
    name = boxes[0].mask.name if boxes and boxes[0].mask else ""
    note = f"{len(boxes)} masks are plain rectangles, e.g. {readable(name)}: if these are boxes, they are no outlines"
    return [note] if boxes else []


def crop(frame: Frame, field: Box) -> UInt8Array:
    """Frame, its ultrasound field -> the gray pixels of the field."""
    return frame.image_HW[field.slices]


def in_order(work: Callable[[T], U], items: Sequence[T], workers: int, progress: Progress | None = None) -> Iterator[U]:
    """-> work(item) of each item, in order, `workers` at a time; only a few results wait in memory.

    It uses threads, because decoding and filtering release the interpreter lock, and threads work in any script and
    notebook.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = [pool.submit(work, item) for item in islice(waiting, 4 * max(1, workers))]
        for done in range(1, len(items) + 1):
            result = running.pop(0).result()
            running += [pool.submit(work, item) for item in islice(waiting, 1)]
            if progress is not None:
                progress(done, len(items))
            yield result


def list_sha256(lines: Iterable[str]) -> str:
    """Lines -> the SHA-256 of the sorted lines, each with a line feed; it identifies a list of files."""
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode("utf-8")).hexdigest()
