"""Service, rules -> the ASGI app: the page, /api/v1 and /metrics, with one shape for every error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from thyrosight.web.errors import add_error_handlers
from thyrosight.web.routes import items as item_routes
from thyrosight.web.routes import jobs as job_routes
from thyrosight.web.routes import learning as learning_routes
from thyrosight.web.routes import models as model_routes
from thyrosight.web.routes import readings as reading_routes
from thyrosight.web.routes import system as system_routes
from thyrosight.web.routes import tirads as tirads_routes
from thyrosight.web.routes import work_list as work_list_routes
from thyrosight.web.security import Guard, Rules
from thyrosight.web.service import Service

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
NO_PAGE = b"Thyrosight is running. This installation has no page; the API is at /api/v1/openapi.json\n"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
}


def create_app(service: Service, rules: Rules | None = None) -> ASGIApp:
    """Service -> the app behind its guard. The service starts and stops with the server."""
    api = create_api(service)
    return Guard(api, replace(rules or Rules(), open_paths=frozenset(api.state.pages)))


def create_api(service: Service) -> FastAPI:
    """Service -> the app without its guard."""
    from thyrosight.environment import __version__

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        try:
            yield
        finally:
            await run_in_threadpool(service.stop)

    api = FastAPI(
        title="Thyrosight",
        version=__version__,
        summary="Nodules in thyroid ultrasound: outline, size, risk of malignancy. For research; not a medical device.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    api.openapi = partial(_described, api)  # type: ignore[method-assign]
    api.state.service = service
    api.state.pages = page_files(STATIC)
    add_error_handlers(api)
    for path, (content, media_type) in api.state.pages.items():
        api.add_route(path, _answer(content, media_type), methods=["GET"], include_in_schema=False)
    api.state.routes = [route for route in api.routes if isinstance(route, Route)]
    parts = (
        *(job_routes, item_routes, reading_routes, work_list_routes, learning_routes),
        *(model_routes, system_routes, tirads_routes),
    )
    for part in parts:
        api.include_router(part.router)
        api.state.routes += [route for route in part.router.routes if isinstance(route, Route | APIRoute)]
    return api


def _described(api: FastAPI) -> dict[str, Any]:
    """-> the OpenAPI document, with the token that a server beyond loopback asks for."""
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, summary=api.summary, routes=api.routes)
        words = "The secret of --token-file. A server on loopback without one asks for none."
        scheme = {"type": "http", "scheme": "bearer", "description": words}
        document.setdefault("components", {})["securitySchemes"] = {"token": scheme}
        document["security"] = [{"token": []}, {}]
        api.openapi_schema = document
    return api.openapi_schema


def page_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Folder of the page -> {path of a request: (content, media type)}.

    It is read once; no other file can be requested.

    Every file is at /NAME and at /static/NAME; index.html is at / too.
    """
    found = {"/": (NO_PAGE, "text/plain; charset=utf-8")}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in MEDIA_TYPES:
            name = path.relative_to(folder).as_posix()
            for place in (f"/{name}", f"/static/{name}", *(["/"] if name == INDEX else [])):
                found[place] = (path.read_bytes(), MEDIA_TYPES[path.suffix])
    return found


def _answer(content: bytes, media_type: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer
