"""The records that go in and out of the API, except the prediction (thyrosight.prediction.Prediction).

Their docstrings and descriptions are the text of /api/v1/openapi.json.
Legend: `_xy` points (column, row) of pixel centres in the source image, `_px` source pixels, `_mm` millimetres.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from thyrosight.measurement.cine import Spread, Track
from thyrosight.prediction import ModelIdentity, NoduleSize, Record
from thyrosight.tirads.assessment import SystemName
from thyrosight.tirads.proposals import MeasuredSigns

State = Literal["queued", "running", "done", "failed"]

MAX_OUTLINES = 32
MAX_OUTLINE_POINTS = 2_000
MAX_COORDINATE = 100_000

Coordinate = Annotated[float, Field(strict=True, ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
OutlineXY = Annotated[list[tuple[Coordinate, Coordinate]], Field(min_length=3, max_length=MAX_OUTLINE_POINTS)]
ShortText = Annotated[str, Field(max_length=100)]
DescriptorValue = ShortText | bool | Annotated[list[ShortText], Field(max_length=16)] | None
DescriptorWords = Annotated[dict[ShortText, DescriptorValue], Field(max_length=16)]


class ErrorDetail(Record):
    """What is wrong: a code for programs, a line for people."""

    code: str
    message: str


class ErrorFault(BaseModel):
    """One of several faults: of a field of the request, or of one of its files."""

    model_config = ConfigDict(extra="allow")

    fault: str
    where: str | None = None


class ErrorWithFaults(ErrorDetail):
    """What is wrong, with the single faults where there are several."""

    detail: list[ErrorFault] | None = None


class ErrorAnswer(Record):
    """The shape of every refusal."""

    error: ErrorWithFaults


class ServedOperatingPoint(Record):
    """A threshold on the calibrated risk, and what it was chosen for."""

    name: str
    threshold: float
    meaning: str


class ServedModel(Record):
    """The network that is loaded."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    id: str
    risk_meaning: str
    operating_points: list[ServedOperatingPoint]
    mask_threshold: float
    has_malignancy_map: bool


class QueueState(Record):
    """Items that wait, that are in work, and how many may wait."""

    queued: int
    running: int
    capacity: int


class Health(Record):
    """Is the service up, and what does it serve?"""

    status: Literal["ok", "worker_stopped"]
    version: str
    model: ServedModel
    queue: QueueState


class AcceptedItem(Record):
    """One file of a job that was just taken."""

    id: str
    name: str
    state: State


class AcceptedJob(Record):
    """A job that is on the disk and in the queue: it survives a restart."""

    id: str
    created: str = Field(description="ISO 8601, UTC")
    items: list[AcceptedItem]


class Item(Record):
    """One file of a job. A clip has several frames; those that are done can be read while the rest is in work."""

    id: str
    name: str
    state: State
    error: ErrorDetail | None
    num_frames: int | None = Field(description="None until the file was opened")
    frames_done: int
    seconds: float | None = Field(description="of work on it; None until it is finished")


class Job(Record):
    """Files that were sent together."""

    id: str
    created: str = Field(description="ISO 8601, UTC")
    state: State = Field(description="failed: every file failed; done: all are finished, and at least one is done")
    items: list[Item]


class JobPage(Record):
    """Jobs, newest first."""

    jobs: list[Job]
    total: int
    next_offset: int | None = Field(description="offset of the next page; None on the last one")


class OutlinesIn(Record):
    """A person's outlines on one frame."""

    outlines_xy: list[OutlineXY] = Field(min_length=1, max_length=MAX_OUTLINES)


class OutlineMeasure(Record):
    """What a person's outline measures; the risk is the calibrated mean of the malignancy map under it."""

    size: NoduleSize
    mean_probability: float = Field(ge=0, le=1, description="mean mask probability inside the outline")
    risk: float | None = Field(ge=0, le=1)
    risk_interval: tuple[float, float] | None
    risk_interval_reason: str | None
    signs: dict[str, Any] | None = Field(None, description="measured signs, where this version measures them")


class CorrectionIn(Record):
    """A person's reading of one frame. No outline: there is no nodule. descriptors: one entry an outline, or none."""

    outlines_xy: list[OutlineXY] = Field(max_length=MAX_OUTLINES)
    descriptors: list[DescriptorWords | None] = Field(default=[], max_length=MAX_OUTLINES)
    system: SystemName = Field("acr", description="which TI-RADS the descriptors are rated by in reports")
    note: str = Field("", max_length=4_000)
    who: str = Field("", max_length=200)
    when: str = Field("", max_length=64)


class Correction(CorrectionIn):
    """A person's reading as it is kept, apart from the network's result, with what its outlines measure."""

    schema_version: Literal[1] = 1
    item_id: str
    frame_index: int
    measures: list[OutlineMeasure]
    model: ModelIdentity = Field(description="whose malignancy map the risks were read from")


class ClipFrame(Record):
    """One frame of a clip in short; sizes are those of its largest nodule."""

    frame_index: int
    num_nodules: int
    area_px: int | None
    longest_mm: float | None
    risk: float | None


class ClipSummary(Record):
    """A clip as one examination; see thyrosight.cine for tracks and risk."""

    num_frames: int
    num_frames_with_nodule: int
    largest_frame: int | None = Field(description="the frame that shows the largest section; None without a nodule")
    risk: float | None = Field(ge=0, le=1, description="of the leading nodule over its frames")
    risk_spread: Spread | None
    risk_reason: str | None
    tracks: tuple[Track, ...]
    frames: list[ClipFrame]


class TiradsIn(Record):
    """A nodule's descriptors in the words of the lexicon; what is left out is not known."""

    system: SystemName = "acr"
    longest_mm: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = None
    composition: ShortText | None = None
    echogenicity: ShortText | None = None
    shape: ShortText | None = None
    margin: ShortText | None = None
    foci: Annotated[list[ShortText], Field(max_length=16)] | None = None
    signs: MeasuredSigns | None = Field(default=None, description="what was measured; proposes words that are left out")
