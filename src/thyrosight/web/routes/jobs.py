"""/api/v1/jobs: uploads in, states out. Docstrings are texts of the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.jobs.queue import ItemRow, JobRow, QueueFullError
from thyrosight.web.jobs.store import new_id
from thyrosight.web.jobs.uploads import drain, receive_files
from thyrosight.web.schemas import AcceptedItem, AcceptedJob, ErrorAnswer, ErrorDetail, Item, Job, JobPage
from thyrosight.web.service import Service, queue_full

MAX_PAGE = 100

_UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
                },
            }
        }
    },
}


def service_of(request: Request) -> Service:
    """Request -> the service behind its app."""
    found: Service = request.app.state.service
    return found


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """HTTP statuses of errors -> their entries in the OpenAPI document, with those that every request may get."""
    words = {
        400: "The request can't be read",
        401: "A token is needed",
        403: "Unknown host, or a page of another site",
        404: "There is no such thing",
        405: "That method is not possible here",
        408: "The sender was silent for too long",
        409: "There is no result yet, or none that fits",
        413: "Too large",
        415: "No image",
        422: "The request does not say what is needed",
        428: "If-Match is needed: something would be replaced that the sender has not seen",
        503: "Too busy; try again after Retry-After seconds",
    }
    return {
        status: {"model": ErrorAnswer, "description": words[status]} for status in (400, 401, 403, 405, 422, *statuses)
    }


CurrentService = Annotated[Service, Depends(service_of)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=202,
    response_model=AcceptedJob,
    responses=refusals(408, 413, 415, 503),
    openapi_extra={"requestBody": _UPLOAD_BODY},
)
async def send_files(request: Request, service: CurrentService) -> AcceptedJob:
    """Send one or more images or clips as `files`. What is accepted is on the disk and survives a restart."""
    peer = request.client.host if request.client else ""
    try:
        await run_in_threadpool(service.begin_upload, peer)
    except ApiError as error:
        service.refused[error.code] += 1
        await drain(request)
        raise
    try:
        return await _receive(request, service)
    except ApiError as error:
        service.refused[error.code] += 1
        await drain(request)
        raise
    finally:
        service.end_upload(peer)


async def _receive(request: Request, service: Service) -> AcceptedJob:
    folder = await run_in_threadpool(service.store.new_incoming)
    job_id = new_id()
    is_kept = False
    try:
        uploads = await receive_files(request, folder, service.limits.upload)
        await run_in_threadpool(service.store.keep, folder, job_id)
        is_kept = True
        items = [(upload.id, upload.name) for upload in uploads]
        job = await run_in_threadpool(service.queue.accept, job_id, items)
    except BaseException as error:
        await run_in_threadpool(service.store.discard, folder)
        if is_kept:
            await run_in_threadpool(service.store.remove, job_id)
        if isinstance(error, QueueFullError):
            raise queue_full() from None
        raise
    service.worker.wake()
    taken = [AcceptedItem(id=item.id, name=item.name, state="queued") for item in job.items]
    return AcceptedJob(id=job.id, created=job.created, items=taken)


@router.get("", responses=refusals())
def list_jobs(
    service: CurrentService,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> JobPage:
    """Jobs, newest first, a page at a time."""
    rows, total = service.queue.jobs(limit, offset)
    end = offset + limit
    return JobPage(jobs=[job_of(row) for row in rows], total=total, next_offset=end if end < total else None)


@router.get("/{job_id}", responses=refusals(404))
def get_job(job_id: JobId, service: CurrentService) -> Job:
    """One job with the state of each of its files."""
    row = service.queue.job(job_id)
    if row is None:
        raise not_found("job")
    return job_of(row)


@router.delete("/{job_id}", status_code=204, response_class=Response, responses=refusals(404))
def delete_job(job_id: JobId, service: CurrentService) -> None:
    """Remove a job: its files, its results and its corrections."""
    if not service.queue.remove(job_id):
        raise not_found("job")
    service.store.remove(job_id)


def job_of(row: JobRow) -> Job:
    """Row of the queue -> record of the API."""
    return Job.model_validate(
        {"id": row.id, "created": row.created, "state": row.state, "items": [*map(item_of, row.items)]}
    )


def item_of(row: ItemRow) -> Item:
    """Row of the queue -> record of the API."""
    error = (
        ErrorDetail(code=row.error_code or "failed", message=row.error_message or "") if row.state == "failed" else None
    )
    return Item.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "state": row.state,
            "error": error,
            "num_frames": row.num_frames,
            "frames_done": row.frames_done,
            "seconds": row.seconds,
        }
    )
