"""The page's files and the API's contract, served by the standard library: predictions are real, all else is simple.

`FakeServer(predictor).start()` -> its address. Files whose names begin with `broken` fail; `token`, `num_busy` and
`is_refusing_seg` make it ask for a token, answer 503 so many times to uploads, and refuse a SEG.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import cv2
import numpy as np

from checkout import PACKAGE
from fake_readings import Conflict, Readings
from thyrosight.frames.load import decode_frame
from thyrosight.inference.predictor import Predictor
from thyrosight.inference.records import Examination
from thyrosight.inference.risk import calibrated_risk, risk_interval
from thyrosight.measurement.outlines import fill_outlines
from thyrosight.measurement.size import measure
from thyrosight.results.overlay import draw_overlay
from thyrosight.results.png import mask_png, picture_png
from thyrosight.types import Spacing

STATIC = PACKAGE / "web" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POINTS = {
    "cystic or almost completely cystic": 0,
    "spongiform": 0,
    "mixed cystic and solid": 1,
    "solid or almost completely solid": 2,
    "hyperechoic or isoechoic": 1,
    "hypoechoic": 2,
    "very hypoechoic": 3,
    "taller-than-wide": 3,
    "lobulated or irregular": 2,
    "extra-thyroidal extension": 3,
    "macrocalcifications": 1,
    "peripheral (rim) calcifications": 2,
    "punctate echogenic foci": 3,
}
LEVELS = ((0, "TR1", "benign"), (2, "TR2", "not suspicious"), (3, "TR3", "mildly suspicious"))
LEVELS += ((6, "TR4", "moderately suspicious"), (99, "TR5", "highly suspicious"))


class Refused(Exception):
    """Status, code, message and headers of an answer that is an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None, detail: Any = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers, self.detail = status, code, headers or {}, detail


@dataclass
class FakeServer:
    predictor: Predictor
    token: str | None = None
    num_busy: int = 0
    is_refusing_seg: bool = True
    num_frames: int = 1
    seconds_an_item: float = 0.0
    mm_a_pixel: float | None = None
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

    def start(self) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._server = server
        return f"http://127.0.0.1:{server.server_port}/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def accept(self, files: list[tuple[str, bytes]], name: str = "", job_id: str | None = None) -> dict[str, Any]:
        """Files -> their job; of files that are added to a job, that job."""
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
            time.sleep(self.seconds_an_item)
            if item["name"].startswith("broken"):
                message = f"{item['name']}: the file ends in the middle of its pixels; send it again"
                item.update(state="failed", error={"code": "unusable", "message": message})
                continue
            frame = decode_frame(data, Path(item["name"]))
            if self.mm_a_pixel:
                frame = replace(frame, spacing=Spacing(self.mm_a_pixel, self.mm_a_pixel), spacing_reason=None)
            self.examined[item["id"]] = self.predictor.examine(frame)
            item.update(state="done", num_frames=self.num_frames, frames_done=self.num_frames, seconds=0.2)

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
            "teaches": None,
            "num_nodules": len(found["nodules"]),
        }

    def outline(self, item_id: str, question: dict[str, Any]) -> dict[str, Any]:
        """An ellipse about the point, or in the box: smaller with a higher threshold."""
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

    def _examination(self, item_id: str) -> Examination:
        if item_id not in self.examined:
            raise Refused(404, "not_found", "there is no such item; it may have been deleted")
        return self.examined[item_id]


def tirads(body: dict[str, Any]) -> dict[str, Any]:
    """ACR points of what is given; a range of levels where something is missing, told coarsely."""
    names = ("composition", "echogenicity", "shape", "margin", "foci")
    sources = {name: "reader" for name in names if body[name]}
    for name, value in proposed_of(body.get("signs")).items():
        if not body[name]:
            body[name], sources[name] = value, "measured"
    evidence = {
        name: {"measure": "cystic_share", "value": 0.02, "rule": "below 0.1"}
        for name in sources
        if sources[name] == "measured"
    }
    by = {n: None if not body[n] else sum(POINTS.get(w, 0) for w in ([body[n]], body[n])[n == "foci"]) for n in names}
    missing = [name for name in names if by[name] is None]
    points = sum(value or 0 for value in by.values())
    name, words = next((name, words) for most, name, words in LEVELS if points <= most)
    size = body["longest_mm"]
    advice = {"words": "size unknown" if size is None else f"follow-up (longest diameter {size:g} mm)", "action": None}
    advice["thresholds"] = f"{name}: FNA at 1.5 cm or more, follow-up at 1.0 cm or more"
    return {
        "system": body["system"],
        "level": None if missing and name != "TR5" else name,
        "level_words": None if missing and name != "TR5" else words,
        "lowest_level": name,
        "highest_level": "TR5" if missing else name,
        "points": None if missing else points,
        "lowest_points": points,
        "highest_points": 14 if missing else points,
        "points_by": by,
        "missing": missing,
        "descriptors": {**{name: body[name] or None for name in names}, "sources": sources, "evidence": evidence},
        "warnings": [],
        "advice": advice,
    }


def proposed_of(signs: dict[str, Any] | None) -> dict[str, str]:
    """Measured signs -> words, by rules of the fake's own."""
    if signs is None:
        return {}
    shape = "taller-than-wide" if signs["taller_than_wide"] else "wider-than-tall"
    return {"composition": "solid or almost completely solid", "echogenicity": "hypoechoic", "shape": shape}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.fake.asked.append(f"{method} {path}")
        if self.fake.is_away and path.startswith("/api"):
            self.close_connection = True
            return
        try:
            if not path.startswith("/api/v1/"):
                self._file(path)
                return
            if self.fake.token and self.headers.get("authorization") != f"Bearer {self.fake.token}":
                raise Refused(401, "unauthorized", "a token is needed")
            answer = self._api(method, path.removeprefix("/api/v1/"), body)
            if isinstance(answer, tuple):
                self._send(200, *answer)
            else:
                self._json(202 if (method, path) == ("POST", "/api/v1/jobs") else 200, answer)
        except Refused as refused:
            error = {"error": {"code": refused.code, "message": str(refused), "detail": refused.detail}}
            self._json(refused.status, error, refused.headers)

    def _api(self, method: str, path: str, body: bytes) -> Any:
        fake = self.fake
        if path == "health":
            return _health(fake)
        if path == "tirads":
            return tirads(json.loads(body))
        if path == "jobs" and method == "POST":
            if fake.num_busy > 0:
                fake.num_busy -= 1
                raise Refused(503, "queue_full", "the queue is full", {"Retry-After": "1"})
            return fake.accept(_files(self.headers["content-type"], body), self.query.get("name", ""))
        if path == "jobs":
            return {"jobs": list(fake.jobs.values())[::-1], "total": len(fake.jobs), "next_offset": None}
        if path == "worklist":
            return fake.worklist(self.query)
        if path.startswith("jobs/"):
            job_id, _, files = path.removeprefix("jobs/").partition("/")
            if job_id not in fake.jobs:
                raise Refused(404, "not_found", "there is no such job")
            if files:
                return fake.accept(_files(self.headers["content-type"], body), job_id=job_id)
            return fake.jobs.pop(job_id) if method == "DELETE" else fake.jobs[job_id]
        return self._item(method, path, body)

    def _item(self, method: str, path: str, body: bytes) -> Any:
        fake = self.fake
        if found := re.fullmatch(r"items/([\w-]+)", path):
            return self._remove_item(found[1])
        if found := re.fullmatch(r"items/([\w-]+)/verdict", path):
            given = json.loads(body)
            fake.readings.verdicts[found[1], given["who"]] = given["verdict"]
            return given
        if found := re.fullmatch(r"items/([\w-]+)/spacing", path):
            return self._set_spacing(found[1], json.loads(body))
        if found := re.fullmatch(r"items/([\w-]+)/export/(\w+)", path):
            if found[2] == "seg" and fake.is_refusing_seg:
                raise Refused(409, "not_possible", "the source is no DICOM file: a SEG has nothing to refer to")
            return (json.dumps(fake.result(found[1], 0)).encode(), "application/octet-stream")
        if found := re.fullmatch(r"items/([\w-]+)/clip", path):
            return fake.clip(found[1])
        found = re.fullmatch(r"items/([\w-]+)/frames/(\d+)/([\w.]+)", path)
        if not found:
            raise Refused(404, "not_found", f"there is nothing at {path}")
        item_id, frame, name = found[1], int(found[2]), found[3]
        if name == "result":
            return fake.result(item_id, frame)
        if name == "measure":
            return fake.measure(item_id, json.loads(body)["outlines_xy"])
        if name == "readings":
            found = [reading for key, reading in fake.readings.kept.items() if key[:2] == (item_id, frame)]
            return {"readings": found, "agreement": []}
        if name == "study":
            fake.study.append(json.loads(body))
            return {}
        if name == "outline":
            return fake.outline(item_id, json.loads(body))
        if name == "correction":
            return self._correction(method, item_id, frame, body)
        return (fake.picture(item_id, name), "image/png")

    def _correction(self, method: str, item_id: str, frame: int, body: bytes) -> Any:
        readings, who = self.fake.readings, self.query.get("who")
        if method == "PUT":
            network = self.fake.result(item_id, frame)["nodules"]
            try:
                return readings.save(item_id, frame, json.loads(body), self.headers.get("if-match"), network)
            except Conflict as conflict:
                raise Refused(409, "conflict", str(conflict), detail=conflict.detail) from None
        found = readings.of(item_id, frame, who)
        if found is None:
            raise Refused(404, "no_correction", "nobody has corrected this frame")
        if method == "DELETE":
            readings.remove(item_id, frame, who or "")
        return found

    def _remove_item(self, item_id: str) -> Any:
        job_id = item_id.partition("-")[0]
        job = self.fake.jobs[job_id]
        job["items"] = [item for item in job["items"] if item["id"] != item_id]
        if not job["items"]:
            del self.fake.jobs[job_id]
        return {}

    def _set_spacing(self, item_id: str, given: dict[str, Any]) -> Any:
        fake = self.fake
        examination = fake.examined[item_id]
        spacing = Spacing(given["row_mm"], given["column_mm"])
        frame = replace(examination.frame, spacing=spacing, spacing_reason=None)
        fake.examined[item_id] = fake.predictor.examine(frame)
        return next(item for job in fake.jobs.values() for item in job["items"] if item["id"] == item_id)

    def _file(self, path: str) -> None:
        name = "index.html" if path == "/" else path.removeprefix("/static/")
        file = STATIC / name
        if ".." in name or not file.is_file():
            self._json(404, {"error": {"code": "not_found", "message": "no such file"}})
            return
        self._send(200, file.read_bytes(), f"{TYPES[file.suffix]}; charset=utf-8")

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), "application/json", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        every = {"Content-Type": kind, "Content-Length": str(len(data)), "Content-Security-Policy": POLICY}
        for name, value in (every | {"Cache-Control": "no-store"} | (headers or {})).items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # the page asks no more: it has a newer question
            self.end_headers()
            self.wfile.write(data)


def _health(fake: FakeServer) -> dict[str, Any]:
    model = {"name": fake.predictor.model.name, "id": fake.predictor.model.id, "operating_points": []}
    model |= {"risk_meaning": fake.predictor.info.risk_meaning, "mask_threshold": fake.predictor.info.mask_threshold}
    queue = {"queued": 0, "running": 0, "capacity": 64}
    return {"status": "ok", "version": "0.1.0", "model": model, "queue": queue}


def _files(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    return [(part.get_filename() or "", part.get_payload(decode=True)) for part in message.iter_parts()]  # type: ignore[attr-defined]
