"""Requests that never end, and uploads that trickle: others are answered meanwhile, and little is logged."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from thyrosight.web import security
from thyrosight.web.connections import LINES_PER_MINUTE, FewLines
from thyrosight.web.errors import ApiError
from thyrosight.web.security import rules_for
from tiny_bundle import make_tiny_bundle
from web_server import serving

NUM_HALVES = 1_100


def test_half_requests_keep_nobody_from_an_answer(tmp_path: Path) -> None:
    """Once 1,100 of them: no answer, and 194 MB of log."""
    with serving(tmp_path / "data", make_tiny_bundle(tmp_path / "tiny")) as server:
        host, port = server.address.removeprefix("http://").split(":")
        halves = []
        for _ in range(NUM_HALVES):
            half = socket.socket()
            half.settimeout(5)
            try:
                half.connect((host, int(port)))
                half.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            except OSError:
                continue
            halves.append(half)
        started = time.monotonic()
        with server.client() as client:
            assert client.get("/api/v1/health").status_code == 200
        assert time.monotonic() - started < 30
        for half in halves:
            half.close()
        server.process.terminate()
        assert server.process.stderr is not None
        assert len(server.process.stderr.read()) < 100_000


def test_a_head_has_its_time(tmp_path: Path) -> None:
    with serving(tmp_path / "data", make_tiny_bundle(tmp_path / "tiny")) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as half:
            started = time.monotonic()
            half.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            ended = b"x"
            while ended and time.monotonic() - started < 50:
                half.settimeout(1.0)
                try:
                    half.sendall(b"X-More: 1\r\n")
                    ended = half.recv(1)
                except TimeoutError:
                    continue
                except OSError:
                    break
            assert 8 < time.monotonic() - started < 40


def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once 32 uploads that trickled: 503 for all others."""
    monkeypatch.setattr(security, "BODY_SECONDS", 0.2)

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def read() -> None:
        bounded = security._bounded({"path": "/api/v1/jobs"}, receive, rules_for("127.0.0.1", None, ()))  # type: ignore[arg-type]
        for _ in range(100):
            await bounded()

    started = time.monotonic()
    with pytest.raises(ApiError) as caught:
        asyncio.run(read())
    assert caught.value.status_code == 408
    assert time.monotonic() - started < 3


def test_few_lines_are_logged() -> None:
    found = FewLines()
    records = [logging.LogRecord("x", logging.WARNING, "", 0, "Invalid HTTP request received.", (), None)] * 1_000
    assert sum(found.filter(record) for record in records) == LINES_PER_MINUTE
    found._minute -= 61
    last = logging.LogRecord("x", logging.WARNING, "", 0, "again", (), None)
    assert found.filter(last)
    assert "980 lines like this left out" in last.getMessage()
