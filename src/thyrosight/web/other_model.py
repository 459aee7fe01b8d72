"""New result of a frame that has one already -> the new result, in which known nodules keep their UIDs and numbers.

A reader may have agreed with the old result by a single key, without a reading of their own. Before the result of
another model replaces the old result, its outlines become a reading of this reader.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thyrosight.errors import InputError
from thyrosight.measurement.cine import with_names
from thyrosight.measurement.nodule_uids import new_nodule_uid
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.prediction import Nodule, Prediction
from thyrosight.web.jobs.queue import ItemRow, JobQueue
from thyrosight.web.jobs.store import Store
from thyrosight.web.jobs.work_list import agreed_readers, note_verdict
from thyrosight.web.review.corrections import keep_as_it_is, present_readings
from thyrosight.web.review.kept_reading import item_numbers
from thyrosight.web.review.nodule_identity import best_uids, numbered
from thyrosight.web.review.reading_files import read_numbers, write_numbers


def take_over(queue: JobQueue, store: Store, item: ItemRow, new: Prediction) -> Prediction:
    """The new result of a frame that has one already -> the new result, with the UIDs and numbers of the old nodules.

    A nodule that overlaps a known one is the same nodule, and keeps its UID and number. Any other nodule gets a number
    that no nodule of the item ever had. If another model made the old result, this is kept among the earlier results,
    and an agreement with it becomes a reading of its outlines. InputError where the item was deleted meanwhile.
    """
    index = new.image.frame_index
    old = store.prediction(item, index)
    if old is None:
        return new
    if old.model != new.model:
        store.keep_earlier(item, old)
        _keep_agreements(queue, store, item, old)
    read = [finding.nodule for reading in present_readings(store, item, index) for finding in reading.findings]
    numbers = item_numbers(store, item, old)
    try:
        write_numbers(store.readings_folder(item), numbers)
    except FileNotFoundError as error:
        raise InputError(f"{item.name}: was deleted meanwhile") from error
    return _named_as(new, [*old.nodules, *read], numbers)


def known_numbers(store: Store, item: ItemRow) -> dict[str, int]:
    """-> {UID: number} of nodules that the item had by another model, or by a reader; empty for a new item."""
    return read_numbers(store.readings_folder(item))


def _keep_agreements(queue: JobQueue, store: Store, item: ItemRow, old: Prediction) -> None:
    """Still image: the old result becomes a reading of each reader who agreed with this result and has no own reading.

    Clip: a reading is of one frame and not of a whole clip, so the verdict becomes `read`.
    """
    for who in agreed_readers(queue, item.id):
        if old.image.num_frames > 1:
            note_verdict(queue, item.id, who, "read")
        else:
            keep_as_it_is(store, item, old, who)


def _named_as(new: Prediction, known: Sequence[Nodule], numbers: dict[str, int]) -> Prediction:
    size_hw = (new.image.height_px, new.image.width_px)
    masks = [fill_outlines([np.asarray(nodule.outline_xy)], size_hw) for nodule in new.nodules]
    uids_of = best_uids(masks, known, size_hw)
    taken = set(uids_of.values())
    names = {}
    for index, nodule in enumerate(new.nodules):
        uid = uids_of.get(index) or nodule.uid
        if uid is None or (index not in uids_of and uid in taken):
            uid = new_nodule_uid()
        numbers = numbered([uid], numbers)
        names[nodule.number] = (numbers[uid], uid)
    return with_names(new, names)
