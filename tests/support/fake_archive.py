"""One DICOM file -> a DICOMweb server that has it: it lists, sends, and confirms what is stored."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydicom import dcmread


def _value(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


@contextmanager
def archive_of(content: bytes) -> Iterator[str]:
    """Bytes of a DICOM file -> the root of a server on this machine, for as long as the block lasts."""
    image = dcmread(io.BytesIO(content))
    series = [{"0020000E": _value("UI", image.SeriesInstanceUID), "00080060": _value("CS", "US")}]
    instances = [{"00080018": _value("UI", image.SOPInstanceUID), "00080016": _value("UI", image.SOPClassUID)}]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.endswith("/series"):
                self._send("application/dicom+json", json.dumps(series).encode())
            elif path.endswith("/instances"):
                self._send("application/dicom+json", json.dumps(instances).encode())
            else:
                body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--"
                self._send('multipart/related; type="application/dicom"; boundary=b', body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            starts = [found.start() - 128 for found in re.finditer(b"DICM\\x02\\x00\\x00\\x00", body)]
            ends = [*(start for start in starts[1:]), len(body)]
            parts = [dcmread(io.BytesIO(body[start:end])) for start, end in zip(starts, ends, strict=True)]
            stored = [{"00081155": _value("UI", part.SOPInstanceUID)} for part in parts]
            answer = {"00081199": _value("SQ", *stored)}
            self._send("application/dicom+json", json.dumps(answer).encode())

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/dicom-web"
    finally:
        running.shutdown()
        running.server_close()
