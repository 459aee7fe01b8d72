"""/api/v1/items/ID/frames/N/correction, readings, history: readings of a frame.

The docstrings of routes become texts of the API.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from thyrosight.web.errors import ApiError
from thyrosight.web.hiding import SecondReader, check_shown, check_who, is_hidden, note_reading_of
from thyrosight.web.review.agreement import agreements_of
from thyrosight.web.review.corrections import (
    NO_CORRECTION,
    frame_versions,
    history_of,
    present_readings,
    read_correction,
    remove_correction,
    write_correction,
)
from thyrosight.web.review.item_facts import index_readings
from thyrosight.web.review.reading_files import read_version
from thyrosight.web.routes.items import PREFIX, FrameIndex, ItemId
from thyrosight.web.routes.jobs import CurrentService, refusals
from thyrosight.web.schemas import Correction, CorrectionIn, ReaderName, Readings, ReadingVersion

Who = Annotated[ReaderName | None, Query(description="name of the reader; without it the newest reading")]
IfMatch = Annotated[str | None, Header(max_length=200, description="the ETag of the reading that is replaced")]

router = APIRouter(prefix=PREFIX + "/frames/{frame}", tags=["readings"])


@router.get("/correction", responses=refusals(404, 409))
def get_correction(
    item_id: ItemId,
    frame: FrameIndex,
    service: CurrentService,
    response: Response,
    second: SecondReader,
    who: Who = None,
) -> Correction:
    """A reader's reading of the frame, with its ETag; 404 where there is none."""
    item = service.item_with_frame(item_id, frame)
    if who is not None and is_hidden(service, item, frame, second):
        check_who(second, who)
    if who is None:
        check_shown(service, item, frame, second)
    found = read_correction(service.store, item, frame, who)
    if found is None:
        raise ApiError(404, "no_correction", NO_CORRECTION)
    response.headers["ETag"] = found.etag
    return found


@router.put("/correction", responses=refusals(404, 409, 413, 428, 503))
def put_correction(
    item_id: ItemId,
    frame: FrameIndex,
    given: CorrectionIn,
    service: CurrentService,
    response: Response,
    second: SecondReader,
    if_match: IfMatch = None,
) -> Correction:
    """Keep a reader's reading, apart from the network's result and from other readers' readings.

    Where this reader has a reading already, If-Match must hold its ETag. 428 without If-Match; 409, with both readings
    in `detail`, where it holds the ETag of another version. Every version stays in the history.
    """
    check_who(second, given.who)
    item = service.finished_item(item_id)
    service.item_with_frame(item_id, frame)
    kept = write_correction(service.store, service.examiner, item, frame, given, if_match)
    index_readings(service.queue, service.store, item)
    note_reading_of(service, item, frame, second)
    response.headers["ETag"] = kept.etag
    return kept


@router.delete("/correction", status_code=204, response_class=Response, responses=refusals(404, 409, 428))
def delete_correction(
    item_id: ItemId,
    frame: FrameIndex,
    service: CurrentService,
    second: SecondReader,
    who: Who = None,
    if_match: IfMatch = None,
) -> None:
    """Withdraw a reading, with its ETag in If-Match. The network's result is valid again, and the history is kept."""
    item = service.item_with_frame(item_id, frame)
    if second is not None:
        check_who(second, second if who is None else who)
        who = second
    if not remove_correction(service.store, item, frame, who, if_match):
        raise ApiError(404, "no_correction", NO_CORRECTION)
    index_readings(service.queue, service.store, item)


@router.get("/readings", responses=refusals(404, 409))
def get_readings(item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader) -> Readings:
    """The present reading of each reader, and the agreement of each pair of readers."""
    check_shown(service, service.item_with_frame(item_id, frame), frame, second)
    found = present_readings(service.store, service.item_with_frame(item_id, frame), frame)
    return Readings(readings=found, agreement=agreements_of(found))


@router.get("/history", responses=refusals(404, 409))
def get_history(
    item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader
) -> list[ReadingVersion]:
    """Who saved or removed a reading of the frame, and when; oldest first."""
    check_shown(service, service.item_with_frame(item_id, frame), frame, second)
    return history_of(service.store, service.item_with_frame(item_id, frame), frame)


@router.get("/history/{version}", responses=refusals(404, 409))
def get_version(
    item_id: ItemId,
    frame: FrameIndex,
    version: Annotated[int, Path(ge=1, le=10**9)],
    service: CurrentService,
    second: SecondReader,
) -> Correction:
    """An earlier version of a reading, as it was saved."""
    check_shown(service, service.item_with_frame(item_id, frame), frame, second)
    files = frame_versions(service.store, service.item_with_frame(item_id, frame), frame)
    found = next((read_version(file) for file in files if file.version == version), None)
    if found is None:
        raise ApiError(404, "no_version", f"there is no reading with version {version}")
    return found
