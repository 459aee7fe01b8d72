"""Bundle, rows of cases.csv -> which of their images the bundle has seen, and how that is known.

A row is compared with the images that the bundle recorded: it was seen if it is the same file, the same pixels, nearly
the same picture, or another image of the same patient. Where the images of a set were not recorded, the set's name and
fold decide (bundle/training_sets).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.seen_images import ImagePrint, SeenImages, pixel_hash, short_hash
from thyrosight.bundle.store import Bundle
from thyrosight.bundle.training_sets import names_a_set, seen_by_name, without_record
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.pictures.sketches import alike, sketch
from thyrosight.datasets.scan import in_order
from thyrosight.datasets.table import group_key
from thyrosight.errors import ConfigError, ThyrosightError
from thyrosight.files import raise_disk_fault
from thyrosight.types import Case

FILE, PIXELS, ALIKE, GROUP = "the same file", "the same pixels", "nearly the same picture", "another image of its group"
MAX_NAMED = 8


@dataclass(frozen=True)
class SeenRows:
    """how: source/case_id of each seen row -> how that is known, in words.

    doubts: sentences on the rows for which it can't be known.
    """

    how: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    def reason(self, case: Case) -> str | None:
        """-> how it is known that the row was seen; None where it was not."""
        return self.how.get(_name(case))

    def of(self, cases: Sequence[Case]) -> list[Case]:
        """-> the rows among `cases` that were seen."""
        return [case for case in cases if self.reason(case) is not None]

    def notes(self, cases: Sequence[Case], what_is_done: str) -> tuple[str, ...]:
        """Rows, a phrase that says what is done with seen rows -> sentences for a report.

        Empty where no row was seen.
        """
        seen = self.of(cases)
        if not seen:
            return self.doubts
        named = ", ".join(f"{case.case_id} ({self.reason(case)})" for case in seen[:MAX_NAMED])
        more = f" and {len(seen) - MAX_NAMED} more" if len(seen) > MAX_NAMED else ""
        return (
            f"{len(seen)} of {len(cases)} images have been seen by the model in training and {what_is_done}: "
            f"{named}{more}.",
            *self.doubts,
        )


def image_print(case: Case) -> ImagePrint | None:
    """Case -> the print of its image; None where it can't be read."""
    try:
        frame = load_image(case)
    except (ThyrosightError, OSError) as error:
        raise_disk_fault(error)
        return None
    field_HW = frame.image_HW if case.fov is None else frame.image_HW[case.fov.slices]
    return ImagePrint(short_hash(frame.sha256), pixel_hash(frame.image_HW), sketch(np.ascontiguousarray(field_HW)))


def images_of(cases: Sequence[Case], workers: int = 2) -> SeenImages:
    """Rows that a network learns from -> the record of their images, for its bundle."""
    return SeenImages.of([one for one in in_order(image_print, cases, workers) if one is not None])


def rows_seen_by(info: BundleInfo, seen: SeenImages, cases: Sequence[Case], workers: int = 2) -> SeenRows:
    """Bundle's info, the record of its images, rows -> which rows it has seen."""
    # Without a record there is nothing to ask, whatever the sets claim.
    by_name = seen_by_name(without_record(info.training_sets) if len(seen) else info.training_sets, cases)
    how = {
        _name(case): f"a row of {entry.source} that it learned from ({entry.split})"
        for case, entry in zip(cases, by_name, strict=True)
        if entry is not None and names_a_set(entry)
    }
    doubtful = {entry.source for entry in by_name if entry is not None and not names_a_set(entry)}
    doubts = tuple(
        f"The model learned from a set called {source} as well, and recorded no image of it, "
        "so nobody can know whether it has seen these images."
        for source in sorted(doubtful)
    )
    if len(seen):
        how |= _seen_by_image(seen, cases, workers)
    certain = {group_key(case) for case in cases if how.get(_name(case)) in (FILE, PIXELS)}
    for case in cases:
        if group_key(case) in certain:
            how.setdefault(_name(case), GROUP)
    return SeenRows(how, doubts)


def refuse_start(bundle: Bundle, kept_out: Sequence[Case]) -> None:
    """ConfigError where the bundle has seen an image of `kept_out`, the rows that the run must not learn from.

    Only the same file or the same pixels count here. The evaluation leaves out pictures that are nearly the same.
    """
    if not len(bundle.seen):
        return
    seen = rows_seen_by(bundle.info, bundle.seen, kept_out)
    certain = [case for case in kept_out if seen.reason(case) in (FILE, PIXELS)]
    if certain:
        raise ConfigError(
            f"network.start_from: {bundle.info.name} has learned from {len(certain)} of the {len(kept_out)} images "
            f"that are kept out now (the first: {certain[0].case_id}, {seen.reason(certain[0])}), so they would not be "
            "unseen; start from another bundle, or from ImageNet by --recipe scratch or --set network.start_from="
        )


def _seen_by_image(seen: SeenImages, cases: Sequence[Case], workers: int) -> dict[str, str]:
    prints = list(in_order(image_print, cases, workers))
    files, pixels = seen.files, seen.pixels
    readable = [place for place, one in enumerate(prints) if one is not None]
    sketches = [one.sketch for one in prints if one is not None]
    near = {readable[i] for i, _ in alike(np.stack(sketches), seen.sketches_NK)} if sketches else set()
    how = {}
    for place, (case, one) in enumerate(zip(cases, prints, strict=True)):
        if one is not None and one.file in files:
            how[_name(case)] = FILE
        elif one is not None and one.pixels in pixels:
            how[_name(case)] = PIXELS
        elif place in near:
            how[_name(case)] = ALIKE
    return how


def _name(case: Case) -> str:
    return f"{case.source}/{case.case_id}"
