"""The records of the work-list that go in and out of the API. Their descriptions are the text of openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from thyrosight.prediction import Record, SpacingMm
from thyrosight.web.schemas import MAX_OUTLINES, ErrorDetail, OutlineXY, ReaderName, State

ReadingState = Literal["unread", "read", "agreed", "corrected", "skipped"]
Verdict = Literal["unread", "read", "agreed", "skipped"]
Order = Literal["order", "newest", "name", "risk", "teaches"]
MAX_LISTED = 500


class WorkListQuery(Record):
    """Which items of the work-list are listed, in which order, and after which cursor."""

    who: ReaderName | None = Field(None, description="whose reading counts; anybody's without it")
    reading: ReadingState | None = Field(None, description="of finished items")
    state: State | None = None
    flag: str | None = Field(None, max_length=100)
    min_risk: float | None = Field(None, ge=0, le=1)
    max_risk: float | None = Field(None, ge=0, le=1)
    level: str | None = Field(None, max_length=20, description="`TR5`; a range counts by its upper end")
    job: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="one study or folder")
    item: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="one item")
    search: str = Field("", max_length=200, description="in names, paths and names of folders")
    sort: Order = Field("order", description="order: folders newest first, each in the order of its paths")
    limit: int = Field(200, ge=1, le=MAX_LISTED)
    cursor: str | None = Field(None, max_length=2_000)


class ListedItem(Record):
    """One item of the work-list."""

    id: str
    job_id: str
    job_name: str | None = Field(description="of the study or folder")
    created: str = Field(description="when its job was sent: ISO 8601, UTC")
    name: str
    path: str
    state: State
    error: ErrorDetail | None
    num_frames: int | None
    frames_done: int
    seconds: float | None
    reading: ReadingState = Field(description="by the reader who asks; without a name by anybody")
    readers: list[str] = Field(description="who has a reading or a verdict")
    risk: float | None = Field(
        description="the highest of its nodules, as `said_by` says; of a clip, that of its leading nodule; None "
        "without a nodule that has a risk"
    )
    level: str | None = Field(description="the strictest TI-RADS level of its nodules, or a range of levels")
    is_level_proposed: bool = Field(description="the reader's words alone would not give this level")
    num_nodules: int | None
    said_by: str | None = Field(
        description="the reader whose risk, level and nodules these are: the one who asks, if they have a reading, "
        "else whoever read last; None: the network; of a clip always the network"
    )
    flags: list[str]
    model_id: str | None = Field(description="of the network whose result it is")
    teaches: float | None = Field(description="how much a reading would teach the network, 0 to 2: for sort=teaches")


class WorkListPage(Record):
    """A part of the work-list."""

    items: list[ListedItem]
    total: int = Field(description="items that fit the filter")
    next_cursor: str | None = Field(description="of the next page; None on the last one")


class VerdictIn(Record):
    """A reader's verdict on a whole item."""

    who: ReaderName = ""
    verdict: Verdict


class KeptVerdict(VerdictIn):
    """A verdict as it is stored."""

    saved_at: str


class SpacingIn(SpacingMm):
    """Millimetres per pixel of an image whose file states none."""

    row_mm: float = Field(strict=True, ge=0.001, le=10)
    column_mm: float = Field(strict=True, ge=0.001, le=10)
    who: ReaderName = ""


class StudyReadingIn(Record):
    """A reading for a study of readers, before or after the network was shown. A value that was not given is null."""

    reader: Annotated[ReaderName, Field(min_length=1)]
    network_shown: bool = Field(strict=True)
    outlines_xy: list[OutlineXY] | None = Field(default=None, max_length=MAX_OUTLINES, description="[]: no nodule")
    suspicion: float | None = Field(
        default=None, strict=True, ge=0, le=1, description="the reader's own, that it is malignant"
    )
    tirads_points: int | None = Field(default=None, strict=True, ge=0, le=20)
    seconds: float | None = Field(
        default=None, strict=True, ge=0, le=1_000_000, description="from the first sight of the image"
    )
