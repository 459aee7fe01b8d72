"""/api/v1/jobs: uploads, and the state of each job. The docstrings of routes become texts of the API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.jobs.queue import ItemRow, JobRow, QueueFullError
from thyrosight.web.jobs.store import new_id
from thyrosight.web.jobs.uploads import Upload, drain, label, receive_files
from thyrosight.web.jobs.work_list import ListedRow
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
    """HTTP statuses of errors -> their entries in the OpenAPI document, with those that any request may get."""
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
async def send_files(
    request: Request,
    service: CurrentService,
    name: Annotated[str | None, Query(max_length=200, description="of the study or folder")] = None,
) -> AcceptedJob:
    """Send one or more images or clips as `files`. An accepted job is on the disk and survives a restart.

    A file name may hold folders. A folder that is too large for one request can still be one job: send its first part
    here, and the others to `/jobs/ID/files`.
    """
    return await _taken(request, service, None, None if name is None else label(name))


@router.post(
    "/{job_id}/files",
    status_code=202,
    response_model=AcceptedJob,
    responses=refusals(404, 408, 413, 415, 503),
    openapi_extra={"requestBody": _UPLOAD_BODY},
)
async def send_more_files(request: Request, job_id: JobId, service: CurrentService) -> AcceptedJob:
    """Send more files of the same study or folder; the answer names them.

    Items of a job are in the order of their paths.
    """
    if service.queue.job(job_id) is None:
        await drain(request)
        raise not_found("job")
    return await _taken(request, service, job_id, None)


async def _taken(request: Request, service: Service, job_id: str | None, name: str | None) -> AcceptedJob:
    peer = request.client.host if request.client else ""
    try:
        await run_in_threadpool(service.begin_upload, peer)
    except ApiError as error:
        service.refused[error.code] += 1
        await drain(request)
        raise
    try:
        return await _receive(request, service, job_id, name)
    except ApiError as error:
        service.refused[error.code] += 1
        await drain(request)
        raise
    finally:
        service.end_upload(peer)


async def _receive(request: Request, service: Service, job_id: str | None, name: str | None) -> AcceptedJob:
    folder = await run_in_threadpool(service.store.new_incoming)
    try:
        uploads = await receive_files(request, folder, service.limits.upload)
        job, items = await run_in_threadpool(_keep, service, folder, uploads, job_id, name)
    except BaseException as error:
        await run_in_threadpool(service.store.discard, folder)
        if isinstance(error, QueueFullError):
            raise queue_full() from None
        raise
    service.worker.wake()
    taken = [AcceptedItem(id=item.id, name=item.name, state="queued") for item in items]
    return AcceptedJob(id=job.id, created=job.created, items=taken)


def _keep(
    service: Service, folder: FilePath, uploads: Sequence[Upload], job_id: str | None, name: str | None
) -> tuple[JobRow, Sequence[ItemRow]]:
    """Received files -> the job and its new items, on the disk and in the queue; where this fails, nothing is kept."""
    items = [(upload.id, upload.name, upload.path) for upload in uploads]
    if job_id is None:
        new = new_id()
        service.store.keep(folder, new)
        try:
            job = service.queue.accept(new, items, name)
        except BaseException:
            service.store.remove(new)
            raise
        return job, job.items
    try:
        service.store.add(folder, job_id, [upload.id for upload in uploads])
    except FileNotFoundError:
        raise not_found("job") from None
    try:
        added = service.queue.append(job_id, items)
    except BaseException:
        service.store.remove_items(job_id, [upload.id for upload in uploads])
        raise
    job_row = service.queue.job(job_id)
    if added is None or job_row is None:
        raise not_found("job")
    return job_row, added


@router.get("", responses=refusals())
def list_jobs(
    service: CurrentService,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> JobPage:
    """One page of the jobs, newest first."""
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
        {
            "id": row.id,
            "name": row.name,
            "created": row.created,
            "state": row.state,
            "items": [*map(item_of, row.items)],
        }
    )


def item_error(row: ItemRow | ListedRow) -> ErrorDetail | None:
    """Row of an item -> why it failed; None where it did not."""
    if row.state != "failed":
        return None
    return ErrorDetail(code=row.error_code or "failed", message=row.error_message or "")


def item_of(row: ItemRow) -> Item:
    """Row of the queue -> record of the API."""
    error = item_error(row)
    return Item.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "path": row.path,
            "state": row.state,
            "error": error,
            "num_frames": row.num_frames,
            "frames_done": row.frames_done,
            "seconds": row.seconds,
        }
    )
