"""Files -> jobs, results, readings and pictures in the shapes of the API: predictions are real, all else is simple.

Files whose names begin with `broken` fail.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fake_readings import Readings
from thyrosight.frames.load import decode_frame
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.inference.risk import calibrated_risk, risk_interval
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.measurement.size import measure
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import mask_png, picture_png
from thyrosight.types import Spacing


class Refused(Exception):
    """Status, code, message and headers of an answer that is an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None, detail: Any = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers, self.detail = status, code, headers or {}, detail


@dataclass
class FakeService:
    """Its fields control its behaviour; tests change them while a page uses it."""

    predictor: Predictor
    token: str | None = None
    num_busy: int = 0
    is_refusing_seg: bool = True
    refused_reading: str = ""
    """Why it refuses every reading; empty: it takes them."""
    num_frames: int = 1
    seconds_per_item: float = 0.0
    mm_per_pixel: float | None = None
    has_signs: bool = False
    is_away: bool = False
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    examined: dict[str, Examination] = field(default_factory=dict)
    is_without_nodules: bool = False
    readings: Readings = field(default_factory=Readings)
    study: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def corrections(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The newest reading of each frame."""
        newest = sorted(self.readings.kept.items(), key=lambda entry: int(entry[1]["version"]))
        return {key[:2]: reading for key, reading in newest}

    def accept(self, files: list[tuple[str, bytes]], name: str = "", job_id: str | None = None) -> dict[str, Any]:
        """Files -> their new job; with job_id the job that they are added to."""
        if job_id is None:
            job_id = f"job{len(self.jobs)}"
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.jobs[job_id] = {"id": job_id, "name": name, "created": created, "state": "queued", "items": []}
        start = len(self.jobs[job_id]["items"])
        items = [
            {
                "id": f"{job_id}-{start + n}",
                "name": path.rpartition("/")[2],
                "path": path,
                "state": "queued",
                "error": None,
                "num_frames": None,
                "seconds": None,
            }
            for n, (path, _) in enumerate(files)
        ]
        self.jobs[job_id]["items"].extend(items)
        threading.Thread(target=self._work, args=(items, [data for _, data in files]), daemon=True).start()
        return self.jobs[job_id]

    def _work(self, items: list[dict[str, Any]], contents: list[bytes]) -> None:
        for item, data in zip(items, contents, strict=True):
            item["state"] = "running"
            time.sleep(self.seconds_per_item)
            if item["name"].startswith("broken"):
                message = f"{item['name']}: the file ends in the middle of its pixels; send it again"
                item.update(state="failed", error={"code": "unusable", "message": message})
                continue
            frame = decode_frame(data, Path(item["name"]))
            if self.mm_per_pixel:
                frame = replace(frame, spacing=Spacing(self.mm_per_pixel, self.mm_per_pixel), spacing_reason=None)
            self.examined[item["id"]] = self.predictor.examine(frame)
            item.update(state="done", num_frames=self.num_frames, frames_done=self.num_frames, seconds=0.2)

    def health(self) -> dict[str, Any]:
        model = {"name": self.predictor.model.name, "id": self.predictor.model.id, "operating_points": []}
        model |= {
            "risk_meaning": self.predictor.info.risk_meaning,
            "mask_threshold": self.predictor.info.mask_threshold,
        }
        queue = {"queued": 0, "running": 0, "capacity": 64}
        return {"status": "ok", "version": "0.1.0", "model": model, "queue": queue}

    def result(self, item_id: str, frame: int) -> dict[str, Any]:
        prediction = self._examination(item_id).prediction.model_dump(mode="json")
        prediction["image"].update(frame_index=frame, num_frames=self.num_frames)
        for nodule in prediction["nodules"]:
            nodule["signs"] = self.signs()
            nodule["uid"] = f"2.25.{item_id.__hash__() % 10**6}.{nodule['number']}"
        if self.is_without_nodules:
            flag = {"code": "no_nodule", "message": "no nodule was found; that does not exclude one"}
            prediction.update(nodules=[], risk=0.92, flags=[flag])
        return prediction

    def worklist(self, query: dict[str, str]) -> dict[str, Any]:
        """The rows that a query wants, in the jobs' order, newest job first."""
        rows = [self.row(job, item, query.get("who")) for job in [*self.jobs.values()][::-1] for item in job["items"]]
        if "job" in query:
            rows = [row for row in rows if row["job_id"] == query["job"]]
        if "item" in query:
            rows = [row for row in rows if row["id"] == query["item"]]
        rows = [row for row in rows if query.get("search", "") in row["name"]]
        start, limit = int(query.get("cursor", "0")), int(query.get("limit", "100"))
        end = start + limit
        return {
            "items": rows[start:end],
            "next_cursor": str(end) if end < len(rows) else None,
            "total": len(rows),
        }

    def row(self, job: dict[str, Any], item: dict[str, Any], who: str | None) -> dict[str, Any]:
        found = self.result(item["id"], 0) if item["id"] in self.examined else {"nodules": [], "flags": []}
        risks = [nodule["risk"] for nodule in found["nodules"] if nodule["risk"] is not None]
        said = self.readings.of(item["id"], 0, who) or self.readings.of(item["id"], 0, None)
        return {
            **item,
            "job_id": job["id"],
            "job_name": job["name"],
            "created": job["created"],
            "reading": self.readings.state(item["id"], who),
            "readers": [],
            "flags": [flag["code"] for flag in found["flags"]],
            "risk": max(risks, default=None),
            "level": None,
            "is_level_proposed": True,
            "said_by": None if said is None else said["who"],
            "teaches": None,
            "num_nodules": len(found["nodules"]),
        }

    def outline(self, item_id: str, question: dict[str, Any]) -> dict[str, Any]:
        """An ellipse about the point, smaller with a higher threshold; or an ellipse in the box."""
        threshold = question.get("threshold", 0.5)
        if "box" in question:
            box = question["box"]
            x, y = (box["x0"] + box["x1"] - 1) / 2, (box["y0"] + box["y1"] - 1) / 2
            half_width, half_height = (box["x1"] - box["x0"]) / 2.2, (box["y1"] - box["y0"]) / 2.2
        else:
            (x, y), half_width, half_height = question["point_xy"], 60 * (1.2 - threshold), 40 * (1.2 - threshold)
        angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        ring = [[x + half_width * float(np.cos(a)), y + half_height * float(np.sin(a))] for a in angles]
        return {"outline_xy": ring, "threshold": threshold, "measure": self.measure(item_id, [ring])[0]}

    def measure(self, item_id: str, outlines_xy: list[list[list[float]]]) -> list[dict[str, Any]]:
        examination = self._examination(item_id)
        frame, raw, info = examination.frame, examination.raw, self.predictor.info
        answers = []
        for outline_xy in outlines_xy:
            mask_HW = fill_outlines([np.array(outline_xy)], frame.size_hw)
            logit = float(raw.malignancy_map_HW[mask_HW].mean())
            size = measure(mask_HW, frame.spacing, frame.spacing_reason).rounded().model_dump(mode="json")
            mean = float(raw.probability_HW[mask_HW].mean())
            risk, interval = calibrated_risk(info, logit), risk_interval(info, logit)
            answers.append({"size": size, "mean_probability": mean, "risk": risk, "risk_interval": interval})
            answers[-1]["signs"] = self.signs()
        return answers

    def signs(self) -> dict[str, Any] | None:
        signs = {"echogenicity_ratio": 0.62, "cystic_share": 0.02, "irregularity": 0.04, "num_foci": 1, "foci": []}
        return signs if self.has_signs else None

    def picture(self, item_id: str, name: str) -> bytes:
        examination = self._examination(item_id)
        if name == "image.png":
            field = examination.prediction.field_of_view.box
            gray_HW = np.full_like(examination.frame.image_HW, 16)
            gray_HW[field.slices] = examination.frame.image_HW[field.slices]
            return picture_png(np.repeat(gray_HW[..., None], 3, axis=2))
        if name == "mask.png":
            return mask_png(examination.mask_HW)
        if name == "overlay.png":
            return picture_png(draw_overlay(examination.frame, examination.prediction))
        scale, offset = self.predictor.info.calibration.scale, self.predictor.info.calibration.offset
        risk_HW = 255 / (1 + np.exp(-scale * examination.raw.malignancy_map_HW - offset))
        return bytes(cv2.imencode(".png", risk_HW.astype(np.uint8))[1].tobytes())

    def clip(self, item_id: str) -> dict[str, Any]:
        if self.num_frames < 2:
            raise Refused(404, "not_found", "a still has no clip")
        nodules = self._examination(item_id).prediction.nodules
        frames = [
            {
                "frame_index": n,
                "num_nodules": len(nodules) if 2 <= n < self.num_frames - 2 else 0,
                "area_px": int(nodules[0].size.area_px * (1 - abs(n - 5) / 30)) if nodules else None,
                "longest_mm": None,
                "risk": nodules[0].risk if nodules else None,
            }
            for n in range(self.num_frames)
        ]
        spread = {"minimum": 0.32, "median": 0.4, "maximum": 0.55, "sd": 0.06, "num_frames": 8}
        some = sum(one["num_nodules"] > 0 for one in frames)
        return {
            "num_frames": self.num_frames,
            "num_frames_with_nodule": some,
            "largest_frame": 5,
            "risk": 0.41,
            "risk_spread": spread,
            "risk_reason": None,
            "tracks": [],
            "frames": frames,
        }

    def remove_item(self, item_id: str) -> Any:
        job_id = item_id.partition("-")[0]
        job = self.jobs[job_id]
        job["items"] = [item for item in job["items"] if item["id"] != item_id]
        if not job["items"]:
            del self.jobs[job_id]
        return {}

    def set_spacing(self, item_id: str, given: dict[str, Any]) -> Any:
        examination = self.examined[item_id]
        spacing = Spacing(given["row_mm"], given["column_mm"])
        frame = replace(examination.frame, spacing=spacing, spacing_reason=None)
        self.examined[item_id] = self.predictor.examine(frame)
        return next(item for job in self.jobs.values() for item in job["items"] if item["id"] == item_id)

    def _examination(self, item_id: str) -> Examination:
        if item_id not in self.examined:
            raise Refused(404, "not_found", "there is no such item; it may have been deleted")
        return self.examined[item_id]
