"""The page's files and the API's contract, served by the standard library from a FakeService.

`FakeServer(predictor).start()` -> its address. `token`, `num_busy` and `is_refusing_seg` make it ask for a token,
answer 503 this many times to uploads, and refuse a SEG; `refused_reading` makes it refuse readings, with this reason;
`is_away` makes it close every connection.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from checkout import PACKAGE
from fake_readings import Conflict
from fake_service import FakeService, Refused
from fake_tirads import tirads

STATIC = PACKAGE / "web" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass
class FakeServer(FakeService):
    """A FakeService that listens on a free port of this machine."""

    def start(self) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._server = server
        return f"http://127.0.0.1:{server.server_port}/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


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
            return fake.health()
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
            return fake.remove_item(found[1])
        if found := re.fullmatch(r"items/([\w-]+)/verdict", path):
            given = json.loads(body)
            fake.readings.verdicts[found[1], given["who"]] = given["verdict"]
            return given
        if found := re.fullmatch(r"items/([\w-]+)/spacing", path):
            return fake.set_spacing(found[1], json.loads(body))
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
        if method == "PUT" and self.fake.refused_reading:
            raise Refused(422, "same_outline", self.fake.refused_reading)
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


def _files(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    return [(part.get_filename() or "", part.get_payload(decode=True)) for part in message.iter_parts()]  # type: ignore[attr-defined]
