"""/api/v1/tirads: a nodule's descriptors, signs and longest diameter -> TI-RADS level and advice, without an image."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ValidationError

from thyrosight.tirads.assessment import Assessment, assess
from thyrosight.tirads.descriptors import Descriptors, override
from thyrosight.tirads.proposals import propose
from thyrosight.web.errors import ApiError
from thyrosight.web.routes.jobs import refusals
from thyrosight.web.schemas import TiradsIn

router = APIRouter(tags=["service"])


@router.post("/api/v1/tirads", responses=refusals(413))
def rate_tirads(given: TiradsIn) -> Assessment:
    """Descriptors (also those proposed from measured signs) and the longest diameter -> level and advice."""
    words = given.model_dump(include={"composition", "echogenicity", "shape", "margin", "foci"}, exclude_none=True)
    try:
        descriptors = Descriptors.model_validate(words)
    except ValueError as error:
        raise ApiError(422, "invalid_request", _first_line(error)) from error
    if given.signs is not None:
        descriptors = override(propose(given.signs), descriptors)
    return assess(descriptors, given.longest_mm, given.system)


def _first_line(error: ValueError) -> str:
    """A pydantic error -> its message on the first field."""
    faults = error.errors() if isinstance(error, ValidationError) else []
    return str(faults[0]["msg"]).removeprefix("Value error, ") if faults else str(error)
