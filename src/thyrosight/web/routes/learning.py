"""Readings for training and for studies: a training set to download, the log of a study of readers.

The docstrings of routes become texts of the API.
"""

from __future__ import annotations

import zipfile
from typing import Annotated

from fastapi import APIRouter, Query, Response

from thyrosight.environment import utc_now
from thyrosight.errors import InputError
from thyrosight.examination.reading_log import LoggedReading, append_reading
from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.hiding import SecondReader, check_who, hidden, note_reading_of
from thyrosight.web.review.export_item import Download
from thyrosight.web.review.training_set import Scope, write_training_set
from thyrosight.web.routes.items import FrameIndex, ItemId, download_answer
from thyrosight.web.routes.jobs import CurrentService, refusals
from thyrosight.web.schemas import ReaderName
from thyrosight.web.work_list_schemas import StudyReadingIn

LOG_NAME = "reader-study.jsonl"
"""The log's file in the data folder; `thyrosight readers` reads it."""

UNNAMED = "unnamed"
"""Name in the log of a reader who has given no name."""

router = APIRouter(prefix="/api/v1", tags=["learning"])


@router.get("/training-set", response_class=Response, responses=refusals(409))
def get_training_set(
    service: CurrentService,
    second: SecondReader,
    scope: Annotated[
        Scope, Query(description="read: frames that somebody has read; all: the network's outlines as well")
    ] = "read",
    who: Annotated[ReaderName | None, Query(description="this reader's alone; the newest without it")] = None,
) -> Response:
    """Readings as a labelled set in a ZIP: images, masks and the cases.csv that `prepare`, `audit` and `learn` take."""
    if second is not None:
        raise hidden("what was read")
    scratch = service.store.new_incoming()
    path = scratch / "readings.zip"
    try:
        write_training_set(service.store.folder, scratch / "readings", scope, who)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted((scratch / "readings").rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(scratch))
    except BaseException as error:
        service.store.discard(scratch)
        if isinstance(error, InputError):
            raise ApiError(409, "nothing_read", "nobody has read an image here; read some first") from error
        raise
    return download_answer(service, Download("readings.zip", "application/zip", path))


@router.post(
    "/items/{item_id}/frames/{frame}/study", status_code=204, response_class=Response, responses=refusals(404, 409)
)
def post_study_reading(
    item_id: ItemId, frame: FrameIndex, given: StudyReadingIn, service: CurrentService, second: SecondReader
) -> None:
    """Log a reading without or with the network, for a study of readers; `thyrosight readers` compares both."""
    if second is not None:
        check_who(second or UNNAMED, given.reader)
    item = service.item_with_frame(item_id, frame)
    prediction = service.store.prediction(item, frame)
    if prediction is None:
        raise not_found("result")
    image = prediction.image
    reading = LoggedReading(
        **given.model_dump(),
        image_sha256=image.sha256,
        name=item.name,
        frame_index=frame,
        width_px=image.width_px,
        height_px=image.height_px,
        when=utc_now(),
        model_id=prediction.model.id,
    )
    append_reading(service.store.folder / LOG_NAME, reading)
    if not reading.is_empty:
        note_reading_of(service, item, frame, second)
