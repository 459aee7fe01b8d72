"""The records of models that go in and out of the API. Their descriptions are the text of openapi.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from thyrosight.prediction import Record

MAX_AGAIN = 1_000
ItemIdText = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
ModelId = Annotated[str, Field(pattern="^[0-9a-f]{1,64}$", description="16 hexadecimal digits, as in a result")]


class ListedModel(Record):
    """A model that this server can use, or that made results on this server."""

    id: str
    name: str | None = Field(description="None where the bundle is not on this server any more")
    risk_meaning: str | None
    created: str | None = Field(description="ISO 8601")
    is_chosen: bool = Field(description="whether it predicts new images")
    is_available: bool = Field(description="False: results are by it, and this server does not have it")
    num_items: int = Field(description="finished items whose results are by it")


class UnusableBundle(Record):
    """A bundle that the server was started with, and why it can't be used."""

    name: str
    fault: str


class ModelList(Record):
    """The models of this server. A folder of bundles is read anew for each request."""

    models: list[ListedModel]
    unusable: list[UnusableBundle]


class ModelChoice(Record):
    """The model that predicts new images. Earlier results stay as they are."""

    id: ModelId


class PredictAgainIn(Record):
    """Which finished items the chosen model predicts again: listed items, all of a job, or all of another model."""

    items: list[ItemIdText] | None = Field(default=None, min_length=1, max_length=MAX_AGAIN)
    job: ItemIdText | None = None
    model: ModelId | None = Field(default=None, description="items whose result is by this model")

    @model_validator(mode="after")
    def _names_one(self) -> PredictAgainIn:
        if sum(value is not None for value in (self.items, self.job, self.model)) != 1:
            raise ValueError("give items, job or model, and one of them only")
        return self


class QueuedAgain(Record):
    """The result of a request to predict again."""

    model: ModelChoice
    num_queued: int
    num_same: int = Field(description="items that have a result of this model already, or wait for one")
    num_left: int = Field(description="items for which the queue has no place; ask again later")
