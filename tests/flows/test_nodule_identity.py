"""Random sessions of readers through the API: a nodule has one number and one UID in every place, whatever is done.

THYROSIGHT_IDENTITY_SESSIONS=500 runs so many; THYROSIGHT_IDENTITY_START=100 begins at that seed.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("highdicom")

from reader_desk import (
    SIZE_HW,
    Desk,
    as_findings,
    said_by_csv,
    said_by_findings,
    said_by_report,
    said_by_seg,
    said_by_sr,
)

NUM_SESSIONS = int(os.environ.get("THYROSIGHT_IDENTITY_SESSIONS", "20"))
START = int(os.environ.get("THYROSIGHT_IDENTITY_START", "0"))
WORDS = [
    {"composition": "solid or almost completely solid"},
    {"composition": "mixed cystic and solid", "echogenicity": "hypoechoic"},
    {"echogenicity": "very hypoechoic", "margin": "lobulated or irregular", "shape": "taller-than-wide"},
    {"foci": ["punctate echogenic foci"]},
    {},
]


class Session:
    """One reader at one image: what is on the page, and what was ever seen of numbers."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.rng = desk, np.random.default_rng(seed)
        self.item_id = desk.send()
        nodules = desk.nodules(self.item_id)
        self.findings: list[dict[str, Any]] = as_findings(nodules)
        self.number_of: dict[str, int] = {nodule["uid"]: nodule["number"] for nodule in nodules}
        self.etag: str | None = None
        self.num_notes = 0

    def act(self) -> None:
        names = ["add", "delete", "split", "merge", "reorder", "edit", "word", "note", "save", "save", "restart"]
        name = str(self.rng.choice(names))
        if name in ("delete", "split", "edit", "word", "note") and not self.findings:
            name = "add"
        if name == "merge" and len(self.findings) < 2:
            name = "add"
        if name == "add" and len(self.findings) >= 6:
            name = "delete"
        getattr(self, name)()

    def one(self) -> dict[str, Any]:
        return self.findings[int(self.rng.integers(len(self.findings)))]

    def ring(self) -> list[list[float]]:
        radius = float(self.rng.uniform(5, 14))
        x, y = (float(self.rng.uniform(radius + 1, size - radius - 2)) for size in SIZE_HW[::-1])
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        return [[round(x + radius * np.cos(a), 2), round(y + radius * np.sin(a), 2)] for a in angles]

    def add(self) -> None:
        self.findings.append({"uid": None, "outline_xy": self.ring()})

    def delete(self) -> None:
        self.findings.remove(self.one())

    def split(self) -> None:
        one = self.one()
        points = np.asarray(one["outline_xy"], float)
        low, high, middle = points.min(axis=0), points.max(axis=0), points.mean(axis=0)
        left = [low, [middle[0], low[1]], [middle[0], high[1]], [low[0], high[1]]]
        right = [[middle[0] + 2, low[1]], [high[0] + 3, low[1]], [high[0] + 3, high[1]], [middle[0] + 2, high[1]]]
        one["outline_xy"] = self.inside(left)
        self.findings.append({"uid": None, "outline_xy": self.inside(right)})

    def merge(self) -> None:
        first, second = (self.findings[i] for i in self.rng.choice(len(self.findings), 2, replace=False))
        points = np.concatenate([np.asarray(one["outline_xy"], float) for one in (first, second)])
        low, high = points.min(axis=0), points.max(axis=0)
        first["outline_xy"] = self.inside([low, [high[0], low[1]], high, [low[0], high[1]]])
        self.findings.remove(second)

    def inside(self, points: Any) -> list[list[float]]:
        limits = np.array(SIZE_HW[::-1]) - 1.0
        return [[float(v) for v in np.clip(np.asarray(point, float), 0, limits)] for point in points]

    def reorder(self) -> None:
        self.rng.shuffle(self.findings)

    def edit(self) -> None:
        one = self.one()
        moved = np.asarray(one["outline_xy"], float) + self.rng.uniform(-4, 4, 2)
        one["outline_xy"] = self.inside(moved)

    def word(self) -> None:
        self.one()["descriptors"] = WORDS[int(self.rng.integers(len(WORDS)))]

    def note(self) -> None:
        self.num_notes += 1
        self.one()["note"] = f"note {self.num_notes}"

    def restart(self) -> None:
        self.desk.restart()

    def save(self) -> None:
        answer = self.desk.save(self.item_id, {"findings": self.findings, "who": "Dr. Ä"}, self.etag)
        assert answer.status_code == 200, answer.text
        kept = answer.json()
        self.etag = kept["etag"]
        left = list(kept["findings"])
        for one in self.findings:  # the page learns the UIDs of what it added
            match = next(other for other in left if other["outline_xy"] == one["outline_xy"])
            left.remove(match)
            assert one["uid"] in (None, match["uid"])
            one["uid"] = match["uid"]
            known = self.number_of.setdefault(match["uid"], match["number"])
            assert known == match["number"], "a nodule has changed its number"
        assert len(set(self.number_of.values())) == len(self.number_of), "one number names two nodules"

    def check(self) -> None:
        """Every place says the same of every nodule."""
        desk, item_id = self.desk, self.item_id
        state = said_by_findings(desk.client.get(desk.path(item_id, "correction")).json()["findings"])
        wanted = {one["uid"]: self.number_of[one["uid"]] for one in self.findings}
        assert state.numbers == wanted
        assert state.notes == {one["uid"]: one.get("note", "") for one in self.findings}
        as_json = said_by_findings(desk.export(item_id, "json").json()["person"][0]["findings"])
        others = {
            "json": as_json,
            "csv": said_by_csv(desk.export(item_id, "csv").text),
            "seg": said_by_seg(desk.export(item_id, "seg").content),
            "sr": said_by_sr(desk.export(item_id, "sr").content),
            "report": said_by_report(desk.export(item_id, "report").text),
        }
        for name, said in others.items():
            assert said.numbers == state.numbers, name
            assert said.levels in (None, state.levels), name
            assert said.notes in (None, state.notes), name


@pytest.mark.parametrize("seed", range(START, START + NUM_SESSIONS))
def test_a_nodule_has_one_name_everywhere(desk: Desk, seed: int) -> None:
    session = Session(desk, seed)
    for _ in range(int(session.rng.integers(5, 16))):
        session.act()
    if not session.findings:
        session.add()
    session.save()
    if seed % 2:
        session.restart()
    session.check()
