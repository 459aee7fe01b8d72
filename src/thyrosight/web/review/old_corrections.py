"""correction.json of an earlier version, next to a frame's result -> the first version of the frame's readings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from thyrosight.files import raise_disk_fault
from thyrosight.measurement.outlines import fill_outlines, outlines
from thyrosight.prediction import ModelIdentity, Nodule, Prediction
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import CORRECTION_NAME, Store
from thyrosight.web.review.kept_reading import kept_reading
from thyrosight.web.review.nodule_identity import findings_in
from thyrosight.web.review.outlines import panel_of
from thyrosight.web.review.reading_files import add_version, write_numbers
from thyrosight.web.schemas import CorrectionIn

_GIVEN = ("outlines_xy", "descriptors", "system", "note", "who", "when")


def adopt_old_correction(store: Store, item: ItemRow, frame_index: int, folder: Path) -> None:
    """Writes the old correction as version 1 into the folder of the frame's versions; the old file stays.

    Nothing happens where there is no old correction, or where it can't be read.
    """
    path = store.frame_file(item, frame_index, CORRECTION_NAME)
    try:
        old = json.loads(path.read_bytes())
        saved_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
        given = CorrectionIn(**{name: old[name] for name in _GIVEN if name in old})
        model = ModelIdentity.model_validate(old["model"])
        measures = [*old["measures"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error)
        return
    prediction = store.prediction(item, frame_index)
    if prediction is None or len(measures) != len(given.outlines_xy or ()):
        return
    findings = findings_in(given, prediction.nodules, (prediction.image.height_px, prediction.image.width_px))
    nodules = _nodules(prediction, given.outlines_xy or [], measures)
    kept, numbers = kept_reading(store, prediction, item, given, findings, nodules)
    correction = kept.model_copy(update={"saved_at": saved_at, "model": model})
    write_numbers(folder.parent, numbers)
    add_version(folder, 1, correction.who, saved_at, correction)


def _nodules(prediction: Prediction, rings: Sequence[Any], measures: Sequence[Mapping[str, Any]]) -> list[Nodule]:
    """-> the nodules, with the measures that were written then."""
    shape = (prediction.image.height_px, prediction.image.width_px)
    panels = [panel.box for panel in prediction.panels]
    found = []
    for ring, measure in zip(rings, measures, strict=True):
        mask_HW = fill_outlines([np.asarray(ring)], shape)
        outline_xy = tuple((int(x), int(y)) for x, y in outlines(mask_HW)[0])
        place = {"number": 1, "panel_index": panel_of(mask_HW, panels), "outline_xy": outline_xy}
        found.append(Nodule.model_validate({**measure, **place}))
    return found
