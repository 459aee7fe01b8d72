"""The records that go in and out of the API, except the prediction (thyrosight.prediction.Prediction).

Their docstrings and descriptions are the text of /api/v1/openapi.json.
Legend: `_xy` points (column, row) of pixel centres in the source image, `_px` source pixels, `_mm` millimetres.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from thyrosight.measurement.cine import Spread, Track
from thyrosight.prediction import ModelIdentity, Nodule, NoduleSize, PixelBox, Record
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
UID_PATTERN = r"^[0-2](\.(0|[1-9][0-9]*)){1,40}$"
"""A DICOM UID (PS3.5, 9)."""
PlaceXY = tuple[Coordinate, Coordinate]
NoduleUid = Annotated[str, Field(max_length=64, pattern=UID_PATTERN)]


_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Control characters except tab and line feed, marks that change the direction of writing, and code points that are no
characters."""


def clean_name(name: str) -> str:
    """Name of a reader -> the same in NFC, without control characters and surplus blanks: one name per person."""
    composed = unicodedata.normalize("NFC", name)
    return " ".join("".join(mark for mark in composed if mark.isprintable() or mark.isspace()).split())


def clean_text(text: str) -> str:
    """Text of a reader -> the same without control characters and marks of direction, which no file may hold."""
    return _NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


ReaderName = Annotated[str, Field(max_length=200), AfterValidator(clean_name)]
FindingNote = Annotated[str, Field(max_length=2_000), AfterValidator(clean_text)]
FrameNote = Annotated[str, Field(max_length=4_000), AfterValidator(clean_text)]
DrawnWith = Literal["hand", "click", "box"]
FindingOrigin = Literal["network", "network_changed", "person_with_network", "person"]
"""Who made an outline: the network; the network, then changed by a person; the network at a person's point; a
person."""


class ErrorDetail(Record):
    """The fault: a code for programs, a line for people."""

    code: str
    message: str


class ErrorFault(BaseModel):
    """One of several faults, in a field of the request or in one of its files."""

    model_config = ConfigDict(extra="allow")

    fault: str
    where: str | None = None


class ErrorWithFaults(ErrorDetail):
    """The fault; where there are several, a list of them."""

    detail: list[ErrorFault] | None = None


class ErrorAnswer(Record):
    """The shape of every refusal."""

    error: ErrorWithFaults


class ServedOperatingPoint(Record):
    """A threshold on the calibrated risk, and its purpose."""

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
    """Number of items that wait, number of items in work, and the largest number that may wait."""

    queued: int
    running: int
    capacity: int


class Health(Record):
    """Whether the service is up, and what it serves."""

    status: Literal["ok", "worker_stopped"]
    version: str
    model: ServedModel
    queue: QueueState


class AcceptedItem(Record):
    """One file of a job that was just accepted."""

    id: str
    name: str
    state: State


class AcceptedJob(Record):
    """A job that is on the disk and in the queue, so that it survives a restart."""

    id: str
    created: str = Field(description="ISO 8601, UTC")
    items: list[AcceptedItem]


class Item(Record):
    """One file of a job. A clip has several frames; finished frames can be read while others are in work."""

    id: str
    name: str
    path: str = Field("", description="the sender's name with its folders")
    state: State
    error: ErrorDetail | None
    num_frames: int | None = Field(description="None until the file was opened")
    frames_done: int
    seconds: float | None = Field(description="of work on it; None until it is finished")


class Job(Record):
    """Files that were sent together, or belong to one study or folder; items in the order of their paths."""

    id: str
    name: str | None = Field(None, description="of the study or folder")
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
    others_xy: list[OutlineXY] | None = Field(
        default=None, max_length=MAX_OUTLINES, description="the frame's other nodules; None: those of the network"
    )


class OutlineMeasure(Record):
    """The measures of an outline. For an unchanged outline of the network, they are equal to those in its result."""

    size: NoduleSize
    mean_probability: float | None = Field(
        ge=0, le=1, description="mean mask probability inside the outline; None where it is hidden from a second reader"
    )
    risk: float | None = Field(ge=0, le=1, description="calibrated mean of the malignancy map inside the outline")
    risk_interval: tuple[float, float] | None
    risk_interval_reason: str | None
    risk_reason: str | None = Field(default=None, description="why this outline has no risk of its own")
    signs: dict[str, Any] | None = Field(None, description="measured signs, where this version measures them")


class PointedAtIn(Record):
    """A reader's question: one or several points in one nodule, or a box around it."""

    point_xy: PlaceXY | None = None
    inside_xy: list[PlaceXY] = Field(default=[], max_length=32, description="further points in the nodule")
    outside_xy: list[PlaceXY] = Field(default=[], max_length=32, description="points that must be outside the outline")
    box: PixelBox | None = Field(default=None, description="instead of points")
    threshold: float | None = Field(
        strict=True, default=None, ge=0.01, le=0.99, description="of the mask probability; None: it is chosen"
    )
    others_xy: list[OutlineXY] | None = Field(default=None, max_length=MAX_OUTLINES, description="as in measure")

    @model_validator(mode="after")
    def _has_points_or_a_box(self) -> PointedAtIn:
        if (self.box is None) == (self.point_xy is None):
            raise ValueError("give point_xy, or box, and not both")
        return self


class OutlineThere(Record):
    """The network's outline where a reader has pointed."""

    outline_xy: list[tuple[int, int]]
    threshold: float = Field(description="at which the mask probability was cut")
    views: list[PixelBox] = Field(description="the closer looks that were taken")
    measure: OutlineMeasure


class FindingIn(Record):
    """One nodule of a person's reading."""

    uid: NoduleUid | None = Field(default=None, description="which nodule it is; None: a new one, which gets a UID")
    outline_xy: OutlineXY
    descriptors: DescriptorWords | None = None
    note: FindingNote = ""
    drawn_with: DrawnWith = Field(default="hand", description="click, box: the network outlined at a place")


class CorrectionIn(Record):
    """A person's reading of one frame. An empty list of findings states that there is no nodule. Give `findings`.

    For earlier clients, `outlines_xy` is accepted too, with one entry of `descriptors` per outline or without
    descriptors. Such an outline belongs to the nodule that it overlaps most.
    """

    findings: list[FindingIn] | None = Field(default=None, max_length=MAX_OUTLINES)
    outlines_xy: list[OutlineXY] | None = Field(default=None, max_length=MAX_OUTLINES)
    descriptors: list[DescriptorWords | None] = Field(default=[], max_length=MAX_OUTLINES)
    system: SystemName = Field("acr", description="the TI-RADS that rates the descriptors")
    calipers_xy: list[tuple[PlaceXY, PlaceXY]] = Field(default=[], max_length=MAX_OUTLINES)
    note: FrameNote = Field("", description="of the frame; a nodule has its own")
    who: ReaderName = Field("", description="name of the reader; each reader has a reading of their own")
    when: Annotated[str, Field(max_length=64), AfterValidator(clean_text)] = Field(
        "", description="by the reader's clock; the server keeps its own time as well"
    )

    @model_validator(mode="after")
    def _has_one_of_both(self) -> CorrectionIn:
        if (self.findings is None) == (self.outlines_xy is None):
            raise ValueError("give findings, or outlines_xy, and not both")
        return self


class KeptFinding(FindingIn):
    """One nodule of a reading as it is stored."""

    uid: NoduleUid
    number: int = Field(ge=1, description="the same in every file, and never given to another nodule of the item")
    origin: FindingOrigin
    nodule: Nodule = Field(description="its measures and, where the network sees a nodule there, its risk")
    level: str | None = Field(description="TI-RADS level, or the range of levels that is possible")
    is_level_proposed: bool = Field(description="the reader's words alone would not give this level")


class Correction(Record):
    """A person's reading as it is stored, separate from the network's result."""

    schema_version: Literal[2] = 2
    item_id: str
    frame_index: int
    version: int = Field(ge=1, description="counts the readings of this frame, of all readers")
    etag: str = Field(description="for If-Match")
    who: str
    when: str
    saved_at: str = Field(description="ISO 8601, UTC, by the server's clock")
    findings: list[KeptFinding]
    changes_network: bool = Field(description="False where the findings are the network's own, all and untouched")
    next_number: int = Field(description="number of the next new nodule of this item")
    system: SystemName
    calipers_xy: list[tuple[PlaceXY, PlaceXY]]
    note: str
    model: ModelIdentity = Field(description="whose malignancy map the risks were read from")
    outlines_xy: list[OutlineXY] = Field(description="of the findings, in their order")
    descriptors: list[DescriptorWords | None] = Field(description="of the findings, in their order")
    measures: list[OutlineMeasure] = Field(description="of the findings, in their order")


class ReadingVersion(Record):
    """One entry of a frame's history. Readings that were replaced or removed stay in the history."""

    version: int
    who: str
    saved_at: str
    action: Literal["saved", "removed"]
    num_findings: int | None
    etag: str


class PairedFindings(Record):
    """The same nodule in two readings."""

    uid_a: str
    uid_b: str
    number_a: int
    number_b: int
    dice: float = Field(ge=0, le=1)
    longest_difference_px: float = Field(description="of b minus that of a")
    longest_difference_mm: float | None
    level_a: str | None
    level_b: str | None


class ReaderAgreement(Record):
    """The agreement of two readers on a frame."""

    who_a: str
    who_b: str
    dice: float = Field(ge=0, le=1, description="of all outlined pixels; 1 where neither outlined anything")
    pairs: list[PairedFindings]
    only_a: list[str] = Field(description="UIDs of nodules that are not in b")
    only_b: list[str]


class Readings(Record):
    """The present reading of each reader, the newest first, and their agreement."""

    readings: list[Correction]
    agreement: list[ReaderAgreement]


class ClipFrame(Record):
    """Summary of one frame of a clip; its sizes are of the frame's largest nodule."""

    frame_index: int
    num_nodules: int
    area_px: int | None
    longest_mm: float | None
    risk: float | None


class ClipSummary(Record):
    """A clip as one examination; see thyrosight.measurement.cine for tracks and risk."""

    num_frames: int
    num_frames_with_nodule: int
    largest_frame: int | None = Field(description="the frame that shows the largest section; None without a nodule")
    risk: float | None = Field(ge=0, le=1, description="of the leading nodule over its frames")
    risk_spread: Spread | None
    risk_reason: str | None
    tracks: tuple[Track, ...]
    frames: list[ClipFrame]


class TiradsIn(Record):
    """A nodule's descriptors in the words of the lexicon; a descriptor that is left out is not known."""

    system: SystemName = "acr"
    longest_mm: Annotated[float, Field(strict=True, gt=0, le=1_000, allow_inf_nan=False)] | None = None
    composition: ShortText | None = None
    echogenicity: ShortText | None = None
    shape: ShortText | None = None
    margin: ShortText | None = None
    foci: Annotated[list[ShortText], Field(max_length=16)] | None = None
    signs: MeasuredSigns | None = Field(default=None, description="what was measured; proposes words that are left out")
