"""Any error of a request -> an answer of one shape, {error: {code, message, detail?}}, never a traceback."""

from __future__ import annotations

import sqlite3
import sys
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from thyrosight.errors import ThyrosightError
from thyrosight.files import disk_fault_of

MAX_FAULTS = 20
"""One answer lists at most this many faults."""
MAX_TEXT = 300

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class ApiError(HTTPException):
    """An error for the caller: HTTP status, a code for programs, a line for people, a list of faults."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers) if headers else None)
        self.code = code
        self.message = message
        self.faults = detail

    @property
    def response(self) -> JSONResponse:
        return error_response(self.status_code, self.code, self.message, self.faults, self.headers)


def not_found(what: str) -> ApiError:
    """`job`, `item` ... -> ApiError 404."""
    return ApiError(404, "not_found", f"there is no such {what}; it may have been deleted")


def try_later(code: str, message: str, seconds: int) -> ApiError:
    """-> ApiError 503 with Retry-After."""
    return ApiError(503, code, message, headers={"Retry-After": str(seconds)})


def error_response(
    status: int,
    code: str,
    message: str,
    detail: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """-> the answer, in the shape that every error has."""
    error: dict[str, Any] = {"code": code, "message": _legal(message)}
    if detail:
        error["detail"] = [{key: _legal(value) for key, value in fault.items()} for fault in detail]
    return JSONResponse({"error": error}, status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Adds the handlers to the app: every error then has the same shape of answer."""
    app.add_exception_handler(StarletteHTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ThyrosightError, _on_thyrosight)
    for kind in (OSError, sqlite3.Error):
        app.add_exception_handler(kind, _on_storage)
    app.add_exception_handler(Exception, _on_unexpected)


def allowed_methods(request: Request) -> set[str]:
    """Request -> the methods allowed at its path, from all routes; a single route knows only its own methods."""
    found: set[str] = set()
    for route in request.app.state.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


def unexpected(error: BaseException) -> JSONResponse:
    """A bug of ours -> 500 without details; the traceback goes to stderr."""
    traceback.print_exception(error, file=sys.stderr)
    return _internal_error(error)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ApiError):
        return error.response
    assert isinstance(error, StarletteHTTPException)
    status = error.status_code
    message = {
        404: f"there is nothing at {request.url.path[:MAX_TEXT]}",
        405: f"{request.method[:20]} is not possible here",
    }.get(status, str(error.detail) or HTTPStatus(status).phrase)
    headers = {"Allow": ", ".join(sorted(allowed_methods(request)))} if status == 405 else error.headers
    return error_response(status, _CODES.get(status, "refused"), message, headers=headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Pydantic's errors -> 422. The values are not repeated, because they may be huge, or no legal JSON."""
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "fault": str(fault["msg"])}
        for fault in error.errors()[:MAX_FAULTS]
    ]
    first = faults[0] if faults else {"where": "request", "fault": "not valid"}
    return error_response(422, "invalid_request", f"{first['where']}: {first['fault']}", faults)


async def _on_thyrosight(request: Request, error: Exception) -> JSONResponse:
    refused = disk_fault_of(error)
    if refused is not None:
        return await _on_storage(request, refused)
    return error_response(422, "unusable", str(error))


async def _on_storage(request: Request, error: Exception) -> JSONResponse:
    """Error of the data folder (full, read-only, damaged, missing) -> 503, because the request may succeed later."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    sys.stderr.write(f"the data folder can't be used ({reason})\n")
    return try_later("storage", f"the data folder of this server can't be used ({reason})", 60).response


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    return _internal_error(error)  # Starlette raises the error again after the answer, so that the guard reports it


def _internal_error(error: BaseException) -> JSONResponse:
    return error_response(500, "internal_error", f"internal error ({type(error).__name__}); please report it")


def _legal(value: Any) -> Any:
    """Text -> legal UTF-8 of at most MAX_TEXT characters; any other value as it is."""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else value
