"""schemathesis over the OpenAPI document, in this process: no server error, every answer one that is declared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.python import asgi

from thyrosight.predict import Predictor
from thyrosight.web.app import create_app
from thyrosight.web.security import Rules
from thyrosight.web.service import Limits, Service
from tiny_bundle import make_tiny_bundle
from web_server import clip_tiff

pytestmark = pytest.mark.slow

schemathesis.checks.load_all_checks()
NOT_ASKED = [
    schemathesis.checks.CHECKS.get_one("positive_data_acceptance"),  # a schema can't say that an outline lies inside
]


class WithoutLifespan:
    """The app for a client that starts and stops it with each request: the service is started once, by the fixture."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


class Running:
    """A service with one clip that is done."""

    def __init__(self, folder: Path) -> None:
        predictor = Predictor.load(make_tiny_bundle(folder / "tiny"), threads=1)
        self.service = Service(predictor, folder / "data", Limits(max_queue=100_000))
        self.app = WithoutLifespan(create_app(self.service, Rules(hosts=frozenset({"127.0.0.1", asgi.HOST}))))
        incoming = self.service.store.new_incoming()
        job_id, self.item_id = "1" * 32, "2" * 32
        (incoming / self.item_id).mkdir()
        (incoming / self.item_id / "source").write_bytes(clip_tiff(2))
        self.service.store.keep(incoming, job_id)
        self.service.queue.accept(job_id, [(self.item_id, "clip.tif")])
        item = self.service.queue.take()
        assert item is not None
        self.service.worker.work(item)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Running:
    return Running(tmp_path_factory.mktemp("schema"))


@pytest.fixture
def api(running: Running) -> Any:
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", running.app)


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_a_declared_one(case: Any, running: Running) -> None:
    given = case.path_parameters or {}
    if re.fullmatch("[0-9a-f]{32}", str(given.get("item_id", ""))):
        given["item_id"] = running.item_id  # else nothing is ever found
        if str(given.get("frame", "")).isdigit():
            given["frame"] = int(given["frame"]) % 3
    case.call_and_validate(excluded_checks=NOT_ASKED)
