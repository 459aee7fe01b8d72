"""Request of a second reader -> its answer, without the network's result and others' readings before they read.

A second reader sends the header `Second-Reader` with their name, percent-encoded, as the page does. Or their token is
one of `serve --second-readers`; then every request with it is theirs. They see everything of a frame after they have
saved a reading of it, or rated it in the log of readings.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends
from starlette.requests import Request

from thyrosight.prediction import Prediction
from thyrosight.web.errors import ApiError
from thyrosight.web.jobs.queue import ItemRow
from thyrosight.web.jobs.work_list import ListedRow, note_seen, seen_frames
from thyrosight.web.review.corrections import frame_versions
from thyrosight.web.review.reading_files import reader_hash
from thyrosight.web.review.readings import NODULE_FLAGS
from thyrosight.web.schemas import clean_name
from thyrosight.web.service import Service
from thyrosight.web.work_list_schemas import WorkListQuery

HEADER = "second-reader"
HIDDEN = "hidden until you have outlined or rated"
"""The page recognises a hidden result by this text in `risk_reason`."""
HIDDEN_MEASURES = {
    "mean_probability": None,
    "risk": None,
    "risk_interval": None,
    "risk_interval_reason": None,
    "risk_reason": HIDDEN,
}
"""Fields of an outline's measures that come from the network."""
_NETWORK_FLAGS = NODULE_FLAGS | {"no_outline", "no_risk", "unlike_training"}
_TELLING_ORDERS = frozenset({"risk", "teaches"})


def second_reader_of(request: Request) -> str | None:
    """-> the name of the second reader who asks; None for everybody else. ApiError 422 where it is too long."""
    bound: str | None = request.scope.get("state", {}).get("second_reader")
    if bound is not None:
        return bound
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if len(given) > 2_000:
        raise ApiError(422, "invalid_request", "Second-Reader: too long for a name")
    return clean_name(unquote(given))


SecondReader = Annotated[str | None, Depends(second_reader_of)]


def is_hidden(service: Service, item: ItemRow, frame_index: int, reader: str | None) -> bool:
    """-> whether this second reader must read the frame first."""
    if reader is None or frame_index in seen_frames(service.queue, item.id, reader):
        return False
    files = frame_versions(service.store, item, frame_index)
    return all(file.reader != reader_hash(reader) for file in files)


def is_any_hidden(service: Service, item: ItemRow, reader: str | None) -> bool:
    """-> whether any frame of the item is hidden from this reader."""
    return reader is not None and any(is_hidden(service, item, index, reader) for index in range(item.num_frames or 1))


def check_shown(service: Service, item: ItemRow, frame_index: int | None, reader: str | None) -> None:
    """ApiError 409 where the frame (None: any frame of the item) is hidden from this reader."""
    if frame_index is None:
        is_it = is_any_hidden(service, item, reader)
    else:
        is_it = is_hidden(service, item, frame_index, reader)
    if is_it:
        raise hidden(item.name)


def check_who(reader: str | None, who: str) -> None:
    """ApiError 409 where a second reader reads under another name: the frame would then stay hidden from them."""
    if reader is not None and reader != who:
        raise ApiError(409, "other_reader", f"you are the second reader {reader!r}; read under that name")


def note_reading_of(service: Service, item: ItemRow, frame_index: int, reader: str | None) -> None:
    """Records that the second reader has outlined or rated the frame; from now on they may see the network's result."""
    if reader is not None:
        note_seen(service.queue, item.id, frame_index, reader)


def hidden(name: str) -> ApiError:
    """-> ApiError 409: `name` can be seen only after the reader's own reading."""
    return ApiError(409, "hidden", f"{name}: {HIDDEN}")


def without_network(prediction: Prediction) -> Prediction:
    """The network's result -> the same without nodules and risk; the facts on image, field and views are kept."""
    changes = {
        "nodules": (),
        "risk": None,
        "risk_reason": HIDDEN,
        "risk_share": None,
        "operating_points": (),
        "flags": tuple(flag for flag in prediction.flags if flag.code not in _NETWORK_FLAGS),
    }
    return prediction.model_copy(update=changes)


def row_without_network(service: Service, row: ListedRow, reader: str | None) -> dict[str, object]:
    """Row of the list -> {field: value} to replace what the reader must not see yet; empty where they may see all."""
    item = service.queue.item(row.id) if reader is not None else None
    if item is None or row.state != "done" or not is_any_hidden(service, item, reader):
        return {}
    flags = [flag for flag in row.flags.split(";") if flag and flag not in _NETWORK_FLAGS]
    nothing = {"risk": None, "level": None, "num_nodules": None, "teaches": None, "is_level_proposed": False}
    return nothing | {"flags": flags, "readers": [], "said_by": None}


def check_question(reader: str | None, wanted: WorkListQuery) -> None:
    """ApiError 409 where the order or the filter of the list would reveal the network's result to a second reader."""
    asked = (wanted.flag, wanted.min_risk, wanted.max_risk, wanted.level)
    if reader is not None and (wanted.sort in _TELLING_ORDERS or any(value is not None for value in asked)):
        raise ApiError(409, "hidden", "a second reader can't order or filter the list by what the network says")
