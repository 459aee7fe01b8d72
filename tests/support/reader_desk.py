"""A server in this process that can be restarted, and a reader's actions at it, for the tests of readings."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from fastapi.testclient import TestClient

from dicom_files import native
from thyrosight.inference.predictor import Predictor
from thyrosight.web.app import create_app
from thyrosight.web.jobs.models import ServedModels
from thyrosight.web.service import Service, ServiceLimits
from web_server import ADDRESS, DARK, GROUND, post, wait_for

SIZE_HW = (120, 160)
UIDS = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.1"}
NODULES = ((38, 45, 18, 15), (112, 70, 15, 20))
"""Centre x, y and half axes of the dark ellipses that the tiny network takes for nodules."""


def two_nodules(seed: int = 0) -> np.ndarray:
    """Seed -> uint8 `_HW` of bright noise with two dark ellipses."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    image = np.full(SIZE_HW, float(GROUND))
    for x, y, rx, ry in NODULES:
        image[((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 < 1] = DARK
    return np.clip(image + rng.normal(0, 6, SIZE_HW), 0, 255).astype(np.uint8)


class Desk:
    """A data folder and the server on it."""

    def __init__(self, bundle: Path, folder: Path, models: Sequence[Path] = ()) -> None:
        """models: bundles to choose from, next to the first."""
        self.predictor, self.folder, self.models = Predictor.load(bundle, threads=1), folder, models
        self._open()

    def _open(self) -> None:
        models = ServedModels(self.predictor, self.models, partial(Predictor.load, threads=1))
        models.choose_again(self.folder)
        self.service = Service(models, self.folder, ServiceLimits(max_queue=10_000))
        self._context = TestClient(create_app(self.service), base_url=ADDRESS)
        self.client = self._context.__enter__()

    def close(self) -> None:
        self._context.__exit__(None, None, None)

    def restart(self) -> None:
        """Stops the server, and starts another on the same folder."""
        self.close()
        self._open()

    def send(self, name: str = "a.dcm", content: bytes | None = None) -> str:
        """-> the id of an item that is done."""
        job = wait_for(self.client, post(self.client, (name, content or native(two_nodules(), **UIDS))).json()["id"])
        assert job["state"] == "done", job
        return str(job["items"][0]["id"])

    def path(self, item_id: str, name: str, frame: int = 0) -> str:
        return f"/api/v1/items/{item_id}/frames/{frame}/{name}"

    def nodules(self, item_id: str, frame: int = 0) -> list[dict[str, Any]]:
        return list(self.client.get(self.path(item_id, "result", frame)).json()["nodules"])

    def save(self, item_id: str, given: dict[str, Any], etag: str | None = None, frame: int = 0) -> Any:
        """A reading, the ETag that was seen -> the answer."""
        headers = {"If-Match": etag} if etag else {}
        return self.client.put(self.path(item_id, "correction", frame), json=given, headers=headers)

    def export(self, item_id: str, kind: str, **query: str) -> Any:
        response = self.client.get(f"/api/v1/items/{item_id}/export/{kind}", params=query)
        assert response.status_code == 200, response.text
        return response


def as_findings(nodules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nodules of a result -> findings of a reading that leaves them as they are."""
    return [{"uid": nodule["uid"], "outline_xy": nodule["outline_xy"]} for nodule in nodules]


@dataclass
class Said:
    """The nodules in one file: {UID: number}, {UID: level}, {UID: note}; None where the file can't hold it."""

    numbers: dict[str, int]
    levels: dict[str, str] | None = None
    notes: dict[str, str] | None = None
    others: dict[str, Any] = field(default_factory=dict)


def said_by_findings(findings: list[dict[str, Any]]) -> Said:
    """Findings of the API -> their Said."""
    return Said(
        {one["uid"]: one["number"] for one in findings},
        {one["uid"]: one["level"] for one in findings},
        {one["uid"]: one["note"] for one in findings},
    )


def said_by_csv(text: str) -> Said:
    """CSV of an item -> Said of the person's rows."""
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["made_by"] == "person" and row["nodule_uid"]]
    return Said(
        {row["nodule_uid"]: int(row["nodule_number"]) for row in rows},
        {row["nodule_uid"]: row["tirads_level"] for row in rows},
        {row["nodule_uid"]: row["note"] for row in rows},
    )


def said_by_seg(content: bytes) -> Said:
    """SEG -> Said of its segments."""
    segments = pydicom.dcmread(io.BytesIO(content)).SegmentSequence
    assert [segment.SegmentNumber for segment in segments] == list(range(1, len(segments) + 1))
    origins = {str(segment.TrackingUID): segment.SegmentAlgorithmType for segment in segments}
    numbers = {str(segment.TrackingUID): int(segment.TrackingID.removeprefix("Nodule ")) for segment in segments}
    return Said(numbers, others={"origins": origins})


def said_by_sr(content: bytes) -> Said:
    """SR -> Said of its measurement groups."""
    said = Said({}, {}, {})
    assert said.levels is not None
    assert said.notes is not None
    for group in _groups(pydicom.dcmread(io.BytesIO(content))):
        texts = {_name(item): item.get("TextValue") for item in group if item.ValueType == "TEXT"}
        uid = next(str(item.UID) for item in group if item.ValueType == "UIDREF")
        said.numbers[uid] = int(texts["Tracking Identifier"].removeprefix("Nodule "))
        for item in group:
            if _name(item) == "TI-RADS level":
                said.levels[uid] = item.ConceptCodeSequence[0].CodeMeaning.split(": ", 1)[1]
        comments = [item.TextValue for item in group if item.ValueType == "TEXT"]
        notes = [text.split(": ", 1)[1] for text in comments if text.startswith("Reader's note on this nodule: ")]
        said.notes[uid] = notes[0] if notes else ""
    return said


def said_by_report(text: str) -> Said:
    """Report of an item -> Said of the part about the person's outlines."""
    said = Said({}, {}, {})
    assert said.levels is not None
    assert said.notes is not None
    part = text[text.index("corrected by a person") :]
    rows = re.split(r'<tr data-uid="', part)[1:]
    for row in rows:
        uid, number = re.match(r'([\d.]+)"><td>(\d+)', row).groups()  # type: ignore[union-attr]
        words = html.unescape(re.sub(r"<[^>]+>", "", row))
        said.numbers[uid] = int(number)
        level = re.search(r"TI-RADS[^:]*: (TR\d(?: to TR\d)?)", words)
        said.levels[uid] = level[1] if level else ""
        note = re.search(r" Note: (note \d+)", words)
        said.notes[uid] = note[1] if note else ""
    return said


def _groups(dataset: Any) -> list[list[Any]]:
    """SR -> the content of its measurement groups."""
    found = []
    for container in dataset.ContentSequence:
        if _name(container) == "Imaging Measurements":
            found += [list(group.ContentSequence) for group in container.ContentSequence]
    return found


def _name(item: Any) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning) if "ConceptNameCodeSequence" in item else ""
