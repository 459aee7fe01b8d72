"""Data folder of a server -> a labelled set of the readings: images, masks, cases.csv, readings.jsonl.

`prepare`, `audit` and `learn` take the set as it is. Images are as the page shows them: blank outside the ultrasound
field, with text filled in, so that nothing about a patient leaves the server. The server may run at the same time.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from thyrosight.errors import InputError
from thyrosight.files import write_atomic
from thyrosight.measurement.outlines import bounding_box, fill_outlines
from thyrosight.prediction import ModelIdentity, Nodule, Prediction
from thyrosight.types import BoolArray, Box
from thyrosight.web.jobs.queue import ITEM_COLUMNS, ItemRow
from thyrosight.web.jobs.store import IMAGE_NAME, QUEUE_NAME, Store
from thyrosight.web.review.corrections import present_readings
from thyrosight.web.review.kept_reading import finding_assessment, has_words
from thyrosight.web.schemas import Correction

Scope = Literal["read", "all"]
COLUMNS = (
    *("case_id", "image", "mask", "malignancy", "group", "source", "split", "fold", "row_mm", "column_mm", "fov"),
    *("panels", "target", "composition", "echogenicity", "shape", "margin", "foci", "tirads", "boxes"),
    *("reader", "saved_at", "labels"),
)
"""The columns of a cases.csv (docs/architecture.md), and at the end the reader, the time, and whose outlines the mask
holds."""
SOURCE = "readings"
"""Groups of this source are a guess (datasets/sets/phantom.py), so `prepare` also joins groups by near-duplicates."""
MASK_FOLDER, IMAGE_FOLDER = "masks", "images"
READINGS_NAME = "readings.jsonl"


@dataclass(frozen=True)
class WrittenSet:
    """The set that was written. num_corrected: images on which the reader changed the network's outlines.

    num_unread: images whose labels are the network's. num_alone: files (stills, clips) that were in no folder below the
    uploaded one. Each of them is a group of its own, because its patient is not known. models: those whose outlines
    the readers saw.
    """

    folder: Path
    num_images: int
    num_corrected: int
    num_agreed: int
    num_unread: int
    num_alone: int
    readers: tuple[str, ...]
    models: tuple[ModelIdentity, ...]


@dataclass(frozen=True)
class _Example:
    """One frame and the outlines of its mask."""

    item: ItemRow
    frame_index: int
    prediction: Prediction
    correction: Correction | None
    readings: tuple[Correction, ...]
    is_agreed: bool


def write_training_set(data: Path, out: Path, scope: Scope = "read", who: str | None = None) -> WrittenSet:
    """Data folder of `serve`, a new folder -> the set in it.

    scope: `read` takes frames with a reading, and items that a reader agreed with. `all` also takes the other frames,
    with the network's outlines as labels; the column `labels` marks them. who: only readings of this reader are taken;
    None: the newest reading of each frame. InputError where there is no data folder, nothing was read, or the new
    folder exists already.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; nothing of it is replaced, so choose another folder")
    if not (data / QUEUE_NAME).is_file():
        raise InputError(f"{data}: no data folder of a server (there is no {QUEUE_NAME}); give the folder of --data")
    examples = list(_examples(data, scope, who))
    if not examples:
        raise InputError(f"{data}: nobody has read an image there; read some on the page first")
    for folder in (out, out / IMAGE_FOLDER, out / MASK_FOLDER):
        folder.mkdir(parents=True)
    store, text = Store(data), io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for example in examples:
        writer.writerow(_write_example(store, out, example))
    lines = [_line(reading, example) for example in examples for reading in example.readings]
    write_atomic(out / READINGS_NAME, "".join(f"{line}\n" for line in lines))
    write_atomic(out / "cases.csv", text.getvalue())
    return WrittenSet(
        folder=out,
        num_images=len(examples),
        num_corrected=sum(one.correction is not None and one.correction.changes_network for one in examples),
        num_agreed=sum(_labels(one) == "agreed" for one in examples),
        num_unread=sum(_labels(one) == "network" for one in examples),
        num_alone=len({one.item.id for one in examples if not _own_folder(one.item)}),
        readers=tuple(sorted({reading.who for one in examples for reading in one.readings} - {""})),
        models=tuple(dict.fromkeys(one.prediction.model for one in examples)),
    )


def _examples(data: Path, scope: Scope, who: str | None) -> Iterator[_Example]:
    store = Store(data)
    agreed = _agreed_items(data, who)
    for item in _done_items(data):
        for index in range(item.num_frames or 1):
            readings = tuple(present_readings(store, item, index))
            chosen = next((reading for reading in readings if who in (None, reading.who)), None)
            is_agreed = item.id in agreed and (item.num_frames or 1) == 1
            if chosen is None and not is_agreed and scope == "read":
                continue
            prediction = store.prediction(item, index)
            if prediction is not None and store.frame_file(item, index, IMAGE_NAME).is_file():
                yield _Example(item, index, prediction, chosen, readings, is_agreed)


def _write_example(store: Store, out: Path, example: _Example) -> list[Any]:
    """Writes image and mask -> the row of cases.csv."""
    item, index, prediction = example.item, example.frame_index, example.prediction
    case_id = item.id[:16] + (f"-{index:04d}" if (item.num_frames or 1) > 1 else "")
    shutil.copyfile(store.frame_file(item, index, IMAGE_NAME), out / IMAGE_FOLDER / f"{case_id}.png")
    nodules = _nodules(example)
    shape = (prediction.image.height_px, prediction.image.width_px)
    masks = [fill_outlines([np.asarray(nodule.outline_xy)], shape) for nodule in nodules]
    _write_mask(out / MASK_FOLDER / f"{case_id}.png", masks, shape)
    spacing, correction = prediction.image.spacing, example.correction
    return [
        *(case_id, f"{IMAGE_FOLDER}/{case_id}.png", f"{MASK_FOLDER}/{case_id}.png", "", _group(item), SOURCE, "", ""),
        *((spacing.row_mm, spacing.column_mm) if spacing else ("", "")),
        _box_text(prediction.field_of_view.box),
        ";".join(_box_text(panel.box) for panel in prediction.panels),
        "nodule",
        *_descriptors(correction),
        ";".join(_box_text(bounding_box(mask_HW)) for mask_HW in masks),
        *((correction.who, correction.saved_at) if correction else ("", "")),
        _labels(example),
    ]


def _nodules(example: _Example) -> list[Nodule]:
    if example.correction is None:
        return list(example.prediction.nodules)
    return [finding.nodule for finding in example.correction.findings]


def _labels(example: _Example) -> Literal["corrected", "agreed", "network"]:
    """-> whose outlines the mask holds: changed by a reader, accepted by a reader, or only the network's."""
    if example.correction is not None:
        return "corrected" if example.correction.changes_network else "agreed"
    return "agreed" if example.is_agreed else "network"


def _descriptors(correction: Correction | None) -> list[str]:
    """-> the descriptors of the largest nodule that has some, and its level; empty where the reader chose none.

    A level that measures helped to find is no label of a reader, so it is left empty.
    """
    described = [finding for finding in correction.findings if has_words(finding)] if correction else []
    if correction is None or not described:
        return [""] * 6
    finding = max(described, key=lambda one: one.nodule.size.area_px)
    words = finding.descriptors or {}
    names = ("composition", "echogenicity", "shape", "margin", "foci")
    values = [words.get(name) for name in names]
    texts = ["; ".join(map(str, value)) if isinstance(value, list) else str(value or "") for value in values]
    assessment = finding_assessment(finding, correction.system)
    level = "" if assessment.is_level_proposed else assessment.level or ""
    return [*texts, level.removeprefix("TR") if len(level) == len("TR5") else ""]


def _group(item: ItemRow) -> str:
    """-> the split key: the folder below the uploaded one, where files had one; else the item itself."""
    folder = _own_folder(item)
    return f"{item.job_id[:16]}-{'-'.join(folder)}" if folder else item.id[:16]


def _own_folder(item: ItemRow) -> list[str]:
    """-> names of the folders between the uploaded folder and the file, often one per patient; empty where none."""
    return item.path.split("/")[1:-1]


def _line(reading: Correction, example: _Example) -> str:
    """-> a reading as one line of JSON, with its case."""
    case_id = example.item.id[:16] + (f"-{example.frame_index:04d}" if (example.item.num_frames or 1) > 1 else "")
    return json.dumps({"case_id": case_id} | reading.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)


def _write_mask(path: Path, masks: list[BoolArray], shape: tuple[int, int]) -> None:
    union_HW = np.zeros(shape, np.uint8)
    for mask_HW in masks:
        union_HW[mask_HW] = 255
    is_encoded, data = cv2.imencode(".png", union_HW)
    assert is_encoded
    write_atomic(path, data.tobytes())


def _box_text(box: Box) -> str:
    return " ".join(str(int(value)) for value in box)


def _done_items(data: Path) -> list[ItemRow]:
    """-> the finished items of a data folder. It is only read, because a server may be using it."""
    rows = _asked(data, f"SELECT {ITEM_COLUMNS} FROM items WHERE state = 'done' ORDER BY job_id, sort_key, number", ())
    return [ItemRow(*row) for row in rows]


def _agreed_items(data: Path, who: str | None) -> set[str]:
    rows = _asked(
        data, "SELECT item_id FROM reader_states WHERE verdict = 'agreed' AND (? IS NULL OR who = ?)", (who, who)
    )
    return {row[0] for row in rows}


def _asked(data: Path, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    path = data / QUEUE_NAME
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=20)) as db:
            return list(db.execute(statement, values).fetchall())
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: can't be read ({error}); start `thyrosight serve` on it once, then try again"
        ) from error
