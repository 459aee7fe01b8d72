"""/api/v1/items: results and pictures of frames, a person's outlines, exports.

The docstrings of routes become texts of the API.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import FileResponse, StreamingResponse

from thyrosight.errors import InputError
from thyrosight.files import disk_fault_of, write_atomic
from thyrosight.prediction import Prediction
from thyrosight.results.layout import CLIP_NAME, MASK_NAME, OVERLAY_NAME
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import picture_png
from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.hiding import HIDDEN_MEASURES, SecondReader, check_shown, is_hidden, without_network
from thyrosight.web.jobs.store import IMAGE_NAME, MAP_NAME
from thyrosight.web.review.export_item import Download, ExportItem, Reader
from thyrosight.web.review.exports import EXPORTS
from thyrosight.web.review.outlines import measure_outlines, outline_there
from thyrosight.web.routes.jobs import CurrentService, item_of, refusals
from thyrosight.web.schemas import ClipSummary, Item, OutlineMeasure, OutlinesIn, OutlineThere, PointedAtIn, ReaderName
from thyrosight.web.service import Service

ItemId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
FrameIndex = Annotated[int, Path(ge=0, le=1_000_000, description="0 for a still")]
Kind = Literal["json", "csv", "png", "report", "zip", "seg", "sr"]

_PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}
_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

PREFIX = "/api/v1/items/{item_id}"
router = APIRouter(prefix=PREFIX, tags=["items"])


@router.get("", responses=refusals(404))
def get_item(item_id: ItemId, service: CurrentService) -> Item:
    """One file and its state."""
    return item_of(service.item(item_id))


@router.get("/clip", response_model=ClipSummary, responses=refusals(404, 409))
def get_clip(item_id: ItemId, service: CurrentService, second: SecondReader) -> FileResponse:
    """A clip as one examination; 404 for stills."""
    item = service.finished_item(item_id)
    if item.num_frames == 1:
        raise ApiError(404, "no_clip", f"{item.name}: a still image, not a clip")
    check_shown(service, item, None, second)
    return _sent(service.store.item_folder(item) / CLIP_NAME, "application/json")


@router.get("/frames/{frame}/result", response_model=Prediction, responses=refusals(404, 409))
def get_result(item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader) -> Response:
    """The network's result for a frame: the same JSON as `thyrosight predict` writes.

    A second reader (header `Second-Reader`, or a second reader's token) gets it without nodules and risk until they
    have read the frame.
    """
    item = service.item_with_frame(item_id, frame)
    found = service.store.prediction(item, frame)
    if found is None:
        raise not_found("result")
    if is_hidden(service, item, frame, second):
        found = without_network(found)
    return Response(found.to_json(), media_type="application/json")


@router.get("/frames/{frame}/image.png", response_class=Response, responses=_PNG | refusals(404, 409))
def get_image(item_id: ItemId, frame: FrameIndex, service: CurrentService) -> FileResponse:
    """The frame in the source's own pixels: blank outside the ultrasound field, text inside it filled in."""
    return _frame_file(service, item_id, frame, IMAGE_NAME, "image/png")


@router.get("/frames/{frame}/mask.png", response_class=Response, responses=_PNG | refusals(404, 409))
def get_mask(item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader) -> FileResponse:
    """The network's nodules: 0 and 255, in the source's own pixels."""
    check_shown(service, service.item_with_frame(item_id, frame), frame, second)
    return _frame_file(service, item_id, frame, MASK_NAME, "image/png")


@router.get("/frames/{frame}/malignancy_map.png", response_class=Response, responses=_PNG | refusals(404, 409))
def get_malignancy_map(
    item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader
) -> FileResponse:
    """Calibrated risk of each pixel, 0 to 255 for 0 to 1, in the source's own pixels; 404 if the model has none."""
    item = service.item_with_frame(item_id, frame)
    check_shown(service, item, frame, second)
    if not service.store.frame_file(item, frame, MAP_NAME).is_file():
        found = service.store.prediction(item, frame)
        raise ApiError(404, "no_map", f"the model {found.model.name if found else 'of it'} has no malignancy map")
    return _frame_file(service, item_id, frame, MAP_NAME, "image/png")


@router.get("/frames/{frame}/overlay.png", response_class=Response, responses=_PNG | refusals(404, 409, 503))
def get_overlay(item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader) -> Response:
    """The picture with outlines and legend, cropped to the field and enlarged; its pixels are not the source's."""
    item = service.item_with_frame(item_id, frame)
    check_shown(service, item, frame, second)
    path = service.store.frame_file(item, frame, OVERLAY_NAME)
    if not path.is_file():
        prediction = service.store.prediction(item, frame)
        if prediction is None:
            raise not_found("result")
        with service.examiner.turn():
            picture = picture_png(draw_overlay(service.examiner.frame(item, frame), prediction))
            try:
                write_atomic(path, picture)
            except InputError as error:
                if disk_fault_of(error) is not None:  # it need not be kept
                    return Response(picture, media_type="image/png")
                raise not_found("item") from error  # the job was deleted meanwhile
    return _sent(path, "image/png")


@router.post("/frames/{frame}/measure", responses=refusals(404, 409, 413, 503))
def measure_frame(
    item_id: ItemId, frame: FrameIndex, given: OutlinesIn, service: CurrentService, second: SecondReader
) -> list[OutlineMeasure]:
    """Measure outlines in the same way as the network's own; nothing is stored."""
    item = service.item_with_frame(item_id, frame)
    with service.examiner.turn():
        predictor, examination = service.examiner.examination(item, frame)
        if not is_hidden(service, item, frame, second):
            return measure_outlines(predictor, examination, given.outlines_xy, given.others_xy)
        measured = measure_outlines(predictor, examination, given.outlines_xy, given.others_xy or ())
        return [one.model_copy(update=HIDDEN_MEASURES) for one in measured]


@router.post("/frames/{frame}/outline", responses=refusals(404, 409, 413, 503))
def outline_frame(
    item_id: ItemId, frame: FrameIndex, given: PointedAtIn, service: CurrentService, second: SecondReader
) -> OutlineThere:
    """Point at a nodule: the network outlines it in closer views around the point; nothing is stored.

    The measure has a risk only where the network outlines the nodule in the whole view as well. 404 where the network
    sees nothing at the point.
    """
    item = service.item_with_frame(item_id, frame)
    with service.examiner.turn():
        check_shown(service, item, frame, second)
        return outline_there(*service.examiner.examination(item, frame), given)


@router.get("/export/{kind}", response_class=Response, responses=refusals(404, 409, 503))
def export_item(
    item_id: ItemId,
    kind: Kind,
    service: CurrentService,
    second: SecondReader,
    frame: Annotated[int | None, Query(ge=0, le=1_000_000, description="which frame, for png")] = None,
    reader: Annotated[
        Reader | None, Query(description="whose outlines, for png, seg and sr; a person's where there are any")
    ] = None,
    who: Annotated[ReaderName | None, Query(description="which reader's; the newest without it")] = None,
) -> Response:
    """One file to download. json, csv, report and zip hold the network's result and the person's, each marked."""
    item = service.finished_item(item_id)
    check_shown(service, item, None, second)
    with service.examiner.turn():
        made = EXPORTS[kind](ExportItem(item, service.store, service.examiner, frame, reader, who))
    return download_answer(service, made)


def _frame_file(service: Service, item_id: str, frame: int, name: str, media_type: str) -> FileResponse:
    item = service.item_with_frame(item_id, frame)
    return _sent(service.store.frame_file(item, frame, name), media_type)


def _sent(path: FilePath, media_type: str) -> FileResponse:
    try:
        status = path.stat()
    except OSError:
        raise not_found("result") from None
    return FileResponse(path, media_type=media_type, stat_result=status)


def download_answer(service: Service, made: Download) -> Response:
    """-> the file as an attachment, because a browser must not show a report as a page of this server."""
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(made.name, safe='')}",
        "content-security-policy": _REPORT_POLICY,
    }
    if isinstance(made.content, bytes):
        return Response(made.content, media_type=made.media_type, headers=headers)
    return StreamingResponse(_blocks(service, made.content), media_type=made.media_type, headers=headers)


def _blocks(service: Service, path: FilePath) -> Iterator[bytes]:
    """A file -> its blocks. Its folder is deleted at the end, also where the receiver closes the connection."""
    try:
        with open(path, "rb") as stream:
            while block := stream.read(1 << 18):
                yield block
    finally:
        service.store.discard(path.parent)
