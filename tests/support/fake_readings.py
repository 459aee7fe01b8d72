"""Readings of the tests' own server: one per reader and frame, with versions; verdicts; the rows of the work-list."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


class Conflict(Exception):
    """Another version was saved meanwhile. detail: both readings, as the API shows them."""

    def __init__(self, theirs: dict[str, Any] | None, yours: dict[str, Any]) -> None:
        super().__init__("another reading was saved meanwhile")
        self.detail = [
            {"where": "theirs", "fault": "saved meanwhile", "reading": theirs},
            {"where": "yours", "fault": "of an older version", "reading": yours},
        ]


@dataclass
class Readings:
    kept: dict[tuple[str, int, str], dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[tuple[str, str], str] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)

    def of(self, item_id: str, frame: int, who: str | None) -> dict[str, Any] | None:
        """-> the reader's reading; without a name the newest of anybody; None where there is none."""
        if who is not None:
            return self.kept.get((item_id, frame, who))
        own = [reading for key, reading in self.kept.items() if key[:2] == (item_id, frame)]
        return max(own, key=lambda reading: int(reading["version"]), default=None)

    def save(
        self, item_id: str, frame: int, body: dict[str, Any], etag: str | None, network: list[dict[str, Any]]
    ) -> dict[str, Any]:
        key = (item_id, frame, str(body.get("who") or ""))
        theirs = self.kept.get(key)
        if theirs is not None and theirs["etag"] != etag:
            raise Conflict(theirs, body)
        highest = self.highest.setdefault(item_id, max([0, *(int(one["number"]) for one in network)]))
        numbers = {one["uid"]: one["number"] for one in network}
        numbers |= {one["uid"]: one["number"] for one in (theirs or {"findings": []})["findings"]}
        findings = []
        for one in body.get("findings", []):
            number = numbers.get(one["uid"])
            if number is None:
                highest += 1
                number = highest
            uid = one["uid"] or f"2.25.{item_id.__hash__() % 10**6}.{number}"
            findings.append({**one, "uid": uid, "number": number})
        self.highest[item_id] = highest
        version = len(self.history) + 1
        reading = {
            **body,
            "findings": findings,
            "outlines_xy": [one["outline_xy"] for one in findings],
            "descriptors": [one["descriptors"] for one in findings],
            "measures": [],
            "version": version,
            "etag": f'"v{version}"',
            "saved_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "next_number": highest + 1,
        }
        self.kept[key] = reading
        self.history.append(reading)
        return reading

    def remove(self, item_id: str, frame: int, who: str) -> bool:
        return self.kept.pop((item_id, frame, who), None) is not None

    def state(self, item_id: str, who: str | None) -> str:
        """-> unread, read, agreed, corrected or skipped."""
        if any(key[0] == item_id and who in (None, key[2]) for key in self.kept):
            return "corrected"
        found = [verdict for (item, name), verdict in self.verdicts.items() if item == item_id and who in (None, name)]
        return found[-1] if found else "unread"
