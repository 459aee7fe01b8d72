"""A person's reading of a frame <-> correction.json beside the network's result, which it never touches."""

from __future__ import annotations

from thyrosight.errors import InputError
from thyrosight.files import write_atomic
from thyrosight.tirads.reading import descriptors_of
from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.jobs.examiner import Examiner
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.store import CORRECTION_NAME, Store
from thyrosight.web.review.outlines import measure_outlines
from thyrosight.web.schemas import Correction, CorrectionIn


def read_correction(store: Store, item: ItemRow, frame_index: int) -> Correction | None:
    """-> what a person said of the frame; None where nobody has, or what is there can't be read."""
    try:
        content = store.frame_file(item, frame_index, CORRECTION_NAME).read_bytes()
        return Correction.model_validate_json(content)
    except (OSError, ValueError):
        return None


def keep_correction(
    store: Store, examiner: Examiner, item: ItemRow, frame_index: int, given: CorrectionIn
) -> Correction:
    """A person's outlines and words -> the same with what they measure, kept. ApiError 422 where they don't fit."""
    check_words(given)
    measures = []
    if given.outlines_xy:
        with examiner.turn():
            examination = examiner.examination(item, frame_index)
            measures = measure_outlines(examiner.predictor, examination, given.outlines_xy)
    kept = Correction(
        **given.model_dump(),
        item_id=item.id,
        frame_index=frame_index,
        measures=measures,
        model=examiner.predictor.model,
    )
    try:
        write_atomic(store.frame_file(item, frame_index, CORRECTION_NAME), kept.model_dump_json(indent=2) + "\n")
    except InputError as error:
        raise not_found("item") from error  # deleted meanwhile
    return kept


def remove_correction(store: Store, item: ItemRow, frame_index: int) -> bool:
    """-> whether there was one."""
    try:
        store.frame_file(item, frame_index, CORRECTION_NAME).unlink()
    except FileNotFoundError:
        return False
    return True


def check_words(given: CorrectionIn) -> None:
    """ApiError 422 where descriptors don't fit the outlines, or one is none of the lexicon's."""
    if given.descriptors and len(given.descriptors) != len(given.outlines_xy):
        message = f"{len(given.descriptors)} descriptors for {len(given.outlines_xy)} outlines; give one entry each"
        raise ApiError(422, "invalid_request", message)
    for number, words in enumerate(given.descriptors, 1):
        try:
            descriptors_of(words or {})
        except ValueError as error:
            first = str(error).splitlines()
            said = next((line.strip() for line in first if "Value error" in line), first[0])
            raise ApiError(422, "invalid_request", f"outline {number}: {said}") from error
