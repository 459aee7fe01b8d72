"""schemathesis over the OpenAPI document, in this process: no server error, every answer one that is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast, get_args

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, settings
from pydantic import BaseModel, ValidationError
from schemathesis.python import asgi

from thyrosight.inference.predictor import Predictor
from thyrosight.web.app import create_api, create_app
from thyrosight.web.security import Rules
from thyrosight.web.service import Service, ServiceLimits
from thyrosight.web.work_list_schemas import StudyReadingIn
from tiny_bundle import make_tiny_bundle
from web_server import clip_tiff

pytestmark = pytest.mark.slow

schemathesis.checks.load_all_checks()
NOT_ASKED = [
    schemathesis.checks.CHECKS.get_one("positive_data_acceptance"),  # a schema can't say that an outline lies inside
]


class Door:
    """Leads to the app of the service that the fixture started; starting and stopping are none of its business."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


DOOR = Door()
schema = schemathesis.openapi.from_dict(create_api(cast("Service", None)).openapi())
schema.app = DOOR


@pytest.fixture(scope="module")
def item_id(tmp_path_factory: pytest.TempPathFactory) -> str:
    """-> a clip that is done, in a service that accepts jobs and does not work on them."""
    folder = tmp_path_factory.mktemp("schema")
    predictor = Predictor.load(make_tiny_bundle(folder / "tiny"), threads=1)
    service = Service(predictor, folder / "data", ServiceLimits(max_queue=100_000))
    DOOR.app = create_app(service, Rules(hosts=frozenset({"127.0.0.1", asgi.HOST})))
    job_id, item_id, incoming = "1" * 32, "2" * 32, service.store.new_incoming()
    (incoming / item_id).mkdir()
    (incoming / item_id / "source").write_bytes(clip_tiff(2))
    service.store.keep(incoming, job_id)
    service.queue.accept(job_id, [(item_id, "clip.tif")])
    item = service.queue.take()
    assert item is not None
    service.worker.work(item)
    return item_id


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_a_declared_one(case: Any, item_id: str) -> None:
    given = case.path_parameters or {}
    if re.fullmatch("[0-9a-f]{32}", str(given.get("item_id", ""))):
        given["item_id"] = item_id  # else nothing is ever found
        if str(given.get("frame", "")).isdigit():
            given["frame"] = int(given["frame"]) % 3
    case.call_and_validate(excluded_checks=NOT_ASKED)


@pytest.mark.parametrize("name", ["seconds", "suspicion", "tirads_points", "network_shown"])
def test_a_number_is_no_text_and_no_truth_value(name: str) -> None:
    """Once false was kept as 0 seconds, and "yes" as true."""
    reading = {"reader": "a", "network_shown": True, "outlines_xy": []}
    StudyReadingIn.model_validate(reading)
    for wrong in ("1", "yes", 1 if name == "network_shown" else False):
        with pytest.raises(ValidationError, match=name):
            StudyReadingIn.model_validate(reading | {name: wrong})


def routes_of(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif inner := getattr(route, "original_router", None):
            yield from routes_of(inner)


def lax_parts(kind: Any, name: str, is_strict: bool = False) -> Iterator[str]:
    """Type of a field -> the names of its numbers and truth values that pydantic would make out of other values."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for field, info in kind.model_fields.items():
            strict = any(getattr(mark, "strict", False) for mark in info.metadata)
            yield from lax_parts(info.annotation, f"{kind.__name__}.{field}", strict)
    elif marks := getattr(kind, "__metadata__", ()):
        inner = [each for mark in marks for each in (mark, *getattr(mark, "metadata", ()))]
        yield from lax_parts(kind.__origin__, name, is_strict or any(getattr(each, "strict", False) for each in inner))
    elif kind in (int, float, bool):
        yield from [] if is_strict else [name]
    else:
        for part in get_args(kind):
            yield from lax_parts(part, name, is_strict and type(None) in get_args(kind))


def test_every_number_of_a_request_is_taken_as_it_is() -> None:
    """Strict, so that no text, true or false is kept as a number. Descriptors are a union that says `bool` itself."""
    bodies = [body for route in routes_of(create_api(cast("Service", None))) for body in route.dependant.body_params]
    assert len(bodies) > 8
    lax = {name for body in bodies for name in lax_parts(body.field_info.annotation, body.name)}
    assert {name for name in lax if not name.endswith(".descriptors")} == set()
