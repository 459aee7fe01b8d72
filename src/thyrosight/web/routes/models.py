"""/api/v1/models: the models, the choice of the one that predicts, and a second prediction by another model.

The docstrings of routes become texts of the API.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from thyrosight.errors import BundleError
from thyrosight.prediction import Prediction
from thyrosight.web.errors import ApiError, not_found
from thyrosight.web.hiding import SecondReader, check_shown
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.work_list import items_by_model
from thyrosight.web.model_schemas import (
    ListedModel,
    ModelChoice,
    ModelList,
    PredictAgainIn,
    QueuedAgain,
    UnusableBundle,
)
from thyrosight.web.routes.items import FrameIndex, ItemId
from thyrosight.web.routes.jobs import CurrentService, refusals
from thyrosight.web.routes.system import served_model
from thyrosight.web.schemas import ServedModel
from thyrosight.web.service import Service

router = APIRouter(prefix="/api/v1", tags=["models"])


@router.get("/models", responses=refusals())
def get_models(service: CurrentService) -> ModelList:
    """The models that this server can use, and those that made its results."""
    known = service.models.known()
    counts = {model_id: len(found) for model_id, found in items_by_model(service.queue).items()}
    chosen = service.models.chosen.model.id
    models = [
        ListedModel(
            id=model.id or "",
            name=model.info.name,
            risk_meaning=model.info.risk_meaning,
            created=model.info.created,
            is_chosen=model.id == chosen,
            is_available=True,
            num_items=counts.pop(model.id or "", 0),
        )
        for model in known
        if model.info is not None
    ]
    models += [_gone(model_id, number) for model_id, number in counts.items()]
    faults = [UnusableBundle(name=model.path.name, fault=model.fault) for model in known if model.fault is not None]
    return ModelList(models=models, unusable=faults)


@router.put("/model", responses=refusals(404, 409, 413))
def put_model(given: ModelChoice, service: CurrentService) -> ServedModel:
    """Choose the model that predicts new images; it stays chosen after a restart. Earlier results keep their model."""
    try:
        found = service.models.choose(given.id, service.store.folder)
    except BundleError as error:
        raise ApiError(409, "unusable_model", " ".join(str(error).split())) from error
    if found is None:
        raise not_found("model")
    return served_model(found)


@router.post("/predict-again", status_code=202, responses=refusals(404, 413))
def predict_again(given: PredictAgainIn, service: CurrentService) -> QueuedAgain:
    """Let the chosen model predict finished items again.

    Nodules keep their numbers, readings are kept and measured anew, and the old result is kept with the earlier
    results.
    """
    chosen = service.models.chosen.model
    num_queued = num_same = num_left = 0
    room = service.queue.capacity - service.queue.counts()["queued"]
    for item in _wanted(service, given):
        found = service.store.prediction(item, 0)
        is_by_chosen = item.state == "done" and found is not None and found.model == chosen
        if is_by_chosen or item.state in ("queued", "running"):
            num_same += 1
        elif num_queued >= room:
            num_left += 1
        else:
            service.store.want_model(item, chosen)
            service.examiner.forget(item)
            num_queued += service.queue.queue_again(item.id)
    service.worker.wake()
    return QueuedAgain(model=ModelChoice(id=chosen.id), num_queued=num_queued, num_same=num_same, num_left=num_left)


@router.get("/items/{item_id}/frames/{frame}/earlier", responses=refusals(404, 409))
def get_earlier(item_id: ItemId, frame: FrameIndex, service: CurrentService, second: SecondReader) -> list[Prediction]:
    """Results of other models that the frame had before it was predicted again, the newest first."""
    item = service.item_with_frame(item_id, frame)
    check_shown(service, item, frame, second)
    return service.store.earlier(item, frame)


def _gone(model_id: str, num_items: int) -> ListedModel:
    """-> the entry of a model that made results here and is no longer on this server."""
    return ListedModel(
        id=model_id,
        name=None,
        risk_meaning=None,
        created=None,
        is_chosen=False,
        is_available=False,
        num_items=num_items,
    )


def _wanted(service: Service, given: PredictAgainIn) -> Sequence[ItemRow]:
    """-> the items of the request; ApiError 404 where an item or the job does not exist."""
    if given.items is not None:
        return [service.item(item_id) for item_id in given.items]
    if given.job is not None:
        job = service.queue.job(given.job)
        if job is None:
            raise not_found("job")
        return job.items
    ids = items_by_model(service.queue).get(given.model or "", [])
    found = [service.queue.item(item_id) for item_id in ids]
    return [item for item in found if item is not None]
