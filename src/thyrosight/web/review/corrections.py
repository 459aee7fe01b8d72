"""A person's correction of a frame <-> correction.json, next to the network's result, which stays as it is."""

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
    """-> the frame's correction; None where there is none, or its file can't be read."""
    try:
        content = store.frame_file(item, frame_index, CORRECTION_NAME).read_bytes()
        return Correction.model_validate_json(content)
    except (OSError, ValueError):
        return None


def write_correction(
    store: Store, examiner: Examiner, item: ItemRow, frame_index: int, given: CorrectionIn
) -> Correction:
    """Outlines, descriptors, note -> the correction with measures, written. ApiError 422 where they are not valid."""
    check_descriptors(given)
    measures = []
    if given.outlines_xy:
        with examiner.turn():
            examination = examiner.examination(item, frame_index)
            measures = measure_outlines(examiner.predictor, examination, given.outlines_xy)
    correction = Correction(
        **given.model_dump(),
        item_id=item.id,
        frame_index=frame_index,
        measures=measures,
        model=examiner.predictor.model,
    )
    try:
        write_atomic(store.frame_file(item, frame_index, CORRECTION_NAME), correction.model_dump_json(indent=2) + "\n")
    except InputError as error:
        raise not_found("item") from error  # the job was deleted meanwhile
    return correction


def remove_correction(store: Store, item: ItemRow, frame_index: int) -> bool:
    """Deletes the frame's correction -> whether there was one."""
    try:
        store.frame_file(item, frame_index, CORRECTION_NAME).unlink()
    except FileNotFoundError:
        return False
    return True


def check_descriptors(given: CorrectionIn) -> None:
    """ApiError 422 where the number of descriptors is not that of the outlines, or a word is not in the lexicon."""
    if given.descriptors and len(given.descriptors) != len(given.outlines_xy):
        message = f"{len(given.descriptors)} descriptors for {len(given.outlines_xy)} outlines; give one entry each"
        raise ApiError(422, "invalid_request", message)
    for number, words in enumerate(given.descriptors, 1):
        try:
            descriptors_of(words or {})
        except ValueError as error:
            lines = str(error).splitlines()
            reason = next((line.strip() for line in lines if "Value error" in line), lines[0])
            raise ApiError(422, "invalid_request", f"outline {number}: {reason}") from error
