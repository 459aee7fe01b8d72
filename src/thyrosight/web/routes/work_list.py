"""/api/v1/worklist, and facts about a whole item: verdicts, spacing.

The docstrings of routes become texts of the API.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from thyrosight.frames.spacing import unlikely_view
from thyrosight.prediction import ImageIdentity, Prediction
from thyrosight.types import Spacing
from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.hiding import SecondReader, check_question, check_shown, check_who, row_without_network
from thyrosight.web.jobs.store import GivenSpacing
from thyrosight.web.jobs.work_list import ListedRow, list_items, note_verdict
from thyrosight.web.review.kept_reading import server_time
from thyrosight.web.routes.items import ItemId
from thyrosight.web.routes.jobs import CurrentService, item_error, item_of, refusals
from thyrosight.web.schemas import Item
from thyrosight.web.service import Service
from thyrosight.web.work_list_schemas import (
    KeptVerdict,
    ListedItem,
    SpacingIn,
    VerdictIn,
    WorkListPage,
    WorkListQuery,
)

router = APIRouter(prefix="/api/v1", tags=["worklist"])


@router.get("/worklist", responses=refusals())
def get_work_list(
    service: CurrentService, wanted: Annotated[WorkListQuery, Query()], second: SecondReader
) -> WorkListPage:
    """One page of the items that fit the filter. `cursor`: the `next_cursor` of the page before, for the next page."""
    check_question(second, wanted)
    try:
        rows, following, total = list_items(service.queue, wanted)
    except ValueError as error:
        raise ApiError(422, "invalid_request", f"cursor: {error}; begin again without one") from error
    items = [listed(row, row_without_network(service, row, second)) for row in rows]
    return WorkListPage(items=items, total=total, next_cursor=following)


@router.put("/items/{item_id}/verdict", responses=refusals(404, 409, 413))
def put_verdict(item_id: ItemId, given: VerdictIn, service: CurrentService, second: SecondReader) -> KeptVerdict:
    """State that a whole item is read, agreed with or skipped, without outlines; earlier verdicts are kept."""
    check_who(second, given.who)
    item = service.finished_item(item_id)
    if given.verdict == "agreed":
        check_shown(service, item, None, second)
    saved_at = note_verdict(service.queue, item.id, given.who, given.verdict)
    return KeptVerdict(who=given.who, verdict=given.verdict, saved_at=saved_at)


@router.put("/items/{item_id}/spacing", status_code=202, responses=refusals(404, 409, 413))
def put_spacing(item_id: ItemId, given: SpacingIn, service: CurrentService) -> Item:
    """Give the millimetres per pixel of an image whose file states none.

    The result and the readings are measured again.
    """
    item = service.finished_item(item_id)
    known = service.store.prediction(item, 0)
    if known is not None and _states_spacing(known) and service.store.spacing(item) is None:
        raise ApiError(409, "has_spacing", f"{item.name}: its file states its spacing, which is not replaced")
    if known is not None:
        _check_likely(item.name, known.image, Spacing(given.row_mm, given.column_mm))
    kept = GivenSpacing(row_mm=given.row_mm, column_mm=given.column_mm, who=given.who, when=server_time())
    return _measured_again(service, item_id, kept)


def _states_spacing(prediction: Prediction) -> bool:
    """-> whether the file states a spacing, of the image or of the part that holds a nodule."""
    return prediction.image.spacing is not None or any(one.size.longest_mm is not None for one in prediction.nodules)


def _check_likely(name: str, image: ImageIdentity, spacing: Spacing) -> None:
    """ApiError 422 for a spacing with which the image could not be predicted: then its result would be gone."""
    text = f"{spacing.row_mm:g} mm per pixel"
    if reason := unlikely_view(spacing, image.width_px, image.height_px, text):
        raise ApiError(422, "unlikely_spacing", f"{name}: {reason}; give the millimetres of one pixel")


@router.delete("/items/{item_id}/spacing", status_code=202, responses=refusals(404, 409))
def delete_spacing(item_id: ItemId, service: CurrentService) -> Item:
    """Withdraw a given spacing; sizes are in pixels again."""
    item = service.finished_item(item_id)
    if service.store.spacing(item) is None:
        raise ApiError(404, "no_spacing", f"{item.name}: nobody has given a spacing")
    return _measured_again(service, item_id, None)


@router.delete("/items/{item_id}", status_code=204, response_class=Response, responses=refusals(404))
def delete_item(item_id: ItemId, service: CurrentService) -> None:
    """Remove one file, its results and readings. The job is removed with the last of its files."""
    item = service.item(item_id)
    if not service.queue.remove_item(item_id):
        raise not_found("item")
    if service.queue.job(item.job_id) is None:
        service.store.remove(item.job_id)
    else:
        service.store.remove_items(item.job_id, [item_id])


def listed(row: ListedRow, hidden: dict[str, object]) -> ListedItem:
    """Row of the work-list, replacements of hidden values -> record of the API."""
    same = {name: getattr(row, name) for name in ListedItem.model_fields if hasattr(row, name)}
    others = {
        "error": item_error(row),
        "readers": sorted(filter(None, row.readers.split("\x1f"))) if row.readers else [],
        "flags": [flag for flag in row.flags.split(";") if flag],
    }
    return ListedItem.model_validate(same | others | hidden)


def _measured_again(service: Service, item_id: str, given: GivenSpacing | None) -> Item:
    item = service.item(item_id)
    service.store.want_model(item, service.examiner.model_of(item, 0).model)  # not the one that is chosen by now
    service.store.write_spacing(item, given)
    service.examiner.forget(item)
    service.queue.queue_again(item_id)
    service.worker.wake()
    return item_of(service.item(item_id))
