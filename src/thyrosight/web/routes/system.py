"""/api/v1/health and /metrics: the state of the service. The docstrings of routes become texts of the API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from thyrosight.inference.predictor import Predictor
from thyrosight.web.prometheus import metrics_text
from thyrosight.web.routes.jobs import CurrentService, refusals
from thyrosight.web.schemas import Health, QueueState, ServedModel, ServedOperatingPoint
from thyrosight.web.service import Service

_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

router = APIRouter(tags=["service"])


@router.get("/api/v1/health", responses=refusals())
def get_health(service: CurrentService) -> Health:
    """Whether the service is up, what it serves, and how many items wait."""
    from thyrosight.environment import __version__

    return Health(
        status="ok" if service.worker.is_alive() else "worker_stopped",
        version=__version__,
        model=served_model(service.predictor),
        queue=queue_state(service),
    )


@router.get("/metrics", response_class=Response, responses=_TEXT | refusals())
def get_metrics(service: CurrentService) -> Response:
    """Counts and times in the text format of Prometheus."""
    return Response(metrics_text(service), media_type="text/plain; version=0.0.4; charset=utf-8")


def served_model(predictor: Predictor) -> ServedModel:
    """Predictor -> the facts that a client needs about its model."""
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
    """-> how many items wait and run, and how many may wait."""
    counts = service.queue.counts()
    return QueueState(queued=counts["queued"], running=counts["running"], capacity=service.queue.capacity)
