"""Health, metrics, and TI-RADS, which needs no image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError

from thyrosight.inference.predictor import Predictor
from thyrosight.tirads.assessment import Assessment, assess
from thyrosight.tirads.descriptors import Descriptors, override
from thyrosight.tirads.proposals import propose
from thyrosight.web.errors import ApiError
from thyrosight.web.routes.jobs import Here, refusals
from thyrosight.web.schemas import Health, QueueState, ServedModel, ServedOperatingPoint, TiradsIn
from thyrosight.web.service import Service

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

router = APIRouter(tags=["service"])


@router.get("/api/v1/health", responses=refusals())
def get_health(service: Here) -> Health:
    """Is the service up, what does it serve, how much waits?"""
    from thyrosight.environment import __version__

    return Health(
        status="ok" if service.worker.is_alive() else "worker_stopped",
        version=__version__,
        model=served_model(service.predictor),
        queue=queue_state(service),
    )


@router.get("/metrics", response_class=Response, responses=_TEXT | refusals())
def get_metrics(service: Here) -> Response:
    """Counts and times in the text format of Prometheus."""
    return Response(metrics_text(service), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.post("/api/v1/tirads", responses=refusals(413))
def rate_tirads(given: TiradsIn) -> Assessment:
    """Descriptors, those proposed from measured signs among them, and the longest diameter -> level and advice."""
    words = given.model_dump(include={"composition", "echogenicity", "shape", "margin", "foci"}, exclude_none=True)
    try:
        descriptors = Descriptors.model_validate(words)
    except ValueError as error:
        raise ApiError(422, "invalid_request", _first_line(error)) from error
    if given.signs is not None:
        descriptors = override(propose(given.signs), descriptors)
    return assess(descriptors, given.longest_mm, given.system)


def served_model(predictor: Predictor) -> ServedModel:
    """-> what the page and a client need to know of the network."""
    info = predictor.info
    return ServedModel(
        name=predictor.model.name,
        id=predictor.model.id,
        risk_meaning=info.risk_meaning,
        operating_points=[
            ServedOperatingPoint(name=point.name, threshold=point.threshold, meaning=point.meaning)
            for point in info.operating_points
        ],
        mask_threshold=info.mask_threshold,
        has_malignancy_map=info.has_malignancy and info.has_malignancy_map,
    )


def queue_state(service: Service) -> QueueState:
    """-> how much waits and runs."""
    counts = service.queue.counts()
    return QueueState(queued=counts["queued"], running=counts["running"], capacity=service.queue.capacity)


def _first_line(error: ValueError) -> str:
    """A pydantic error -> what is wrong with the first field, in its own words."""
    faults = error.errors() if isinstance(error, ValidationError) else []
    return str(faults[0]["msg"]).removeprefix("Value error, ") if faults else str(error)


def metrics_text(service: Service) -> str:
    """-> the text format of Prometheus, version 0.0.4. Items are those on the disk; the rest counts since the start."""
    return "".join(f"{line}\n" for line in _lines(service))


def _lines(service: Service) -> Iterator[str]:
    counts = service.queue.counts()
    yield from _head("thyrosight_items", "gauge", "Files on the disk, by state.")
    yield from (f'thyrosight_items{{state="{state}"}} {number}' for state, number in counts.items())
    yield from _head("thyrosight_queue_length", "gauge", "Files that wait.")
    yield f"thyrosight_queue_length {counts['queued']}"
    yield from _head("thyrosight_queue_capacity", "gauge", "Files that may wait.")
    yield f"thyrosight_queue_capacity {service.queue.capacity}"
    num_frames, seconds = service.worker.tally.read()
    yield from _head("thyrosight_prediction_seconds", "summary", "Time to examine a frame.")
    yield f"thyrosight_prediction_seconds_sum {seconds:.6f}"
    yield f"thyrosight_prediction_seconds_count {num_frames}"
    yield from _head("thyrosight_uploads_refused_total", "counter", "Uploads that were refused, by reason.")
    for code, number in sorted(service.refused.items()):
        yield f'thyrosight_uploads_refused_total{{reason="{code}"}} {number}'
    yield from _head("thyrosight_worker_alive", "gauge", "1 while the worker runs.")
    yield f"thyrosight_worker_alive {int(service.worker.is_alive())}"


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"
