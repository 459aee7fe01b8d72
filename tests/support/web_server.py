"""Small frames for the tiny network, an API in this process, and a real server in another, for the tests of the web."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from checkout import SOURCE

ADDRESS = "http://127.0.0.1:8000"
GROUND, DARK = 150, 28


def frame_png(seed: int = 0, size_hw: tuple[int, int] = (96, 128)) -> bytes:
    """Seed -> PNG of bright noise with one dark ellipse, whose place depends on the seed."""
    return encoded([noisy_frame(seed, size_hw)], "PNG")


def noisy_frame(seed: int = 0, size_hw: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Seed -> uint8 `_HW` of bright noise with one dark ellipse."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    middle_y, middle_x = size_hw[0] * rng.uniform(0.4, 0.6), size_hw[1] * rng.uniform(0.35, 0.65)
    inside = ((rows - middle_y) / (size_hw[0] * 0.2)) ** 2 + ((columns - middle_x) / (size_hw[1] * 0.2)) ** 2 < 1
    frame = np.where(inside, DARK, GROUND) + rng.normal(0, 6, size_hw)
    return np.clip(frame, 0, 255).astype(np.uint8)


def encoded(frames: list[np.ndarray], image_format: str) -> bytes:
    """Frames -> bytes of one file; several of them make a clip (TIFF)."""
    stream = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in frames]
    options: dict[str, Any] = {"save_all": True, "append_images": others} if others else {}
    first.save(stream, image_format, **options)
    return stream.getvalue()


def clip_tiff(num_frames: int = 4) -> bytes:
    """-> a TIFF of this many frames."""
    return encoded([noisy_frame(seed) for seed in range(num_frames)], "TIFF")


def post(client: Any, *files: tuple[str, bytes], **options: Any) -> httpx.Response:
    """(name, bytes) of files -> the answer to a job of them."""
    return client.post("/api/v1/jobs", files=[("files", file) for file in files], **options)


def wait_for(client: Any, job_id: str, seconds: float = 240.0) -> dict[str, Any]:
    """Job id -> the job once it is finished."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = client.get(f"/api/v1/jobs/{job_id}").json()
        if job["state"] in ("done", "failed"):
            return dict(job)
        time.sleep(0.02)
    raise AssertionError(f"not finished after {seconds} s: {job}")


def _read(path: Path) -> str:
    """-> a file of /proc; empty where its process is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


class Server:
    """`thyrosight serve` in a process of its own, on a free port of loopback."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=120, trust_env=False, verify=False)

    def resident_mb(self) -> float:
        """-> memory in use now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def family_mb(self) -> list[float]:
        """-> memory in use now by the server and by each of its children."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [int(word) for path in tasks for word in _read(path).split()]
        statuses = [_read(Path(f"/proc/{pid}/status")) for pid in (self.process.pid, *children)]
        return [int(text.split("VmRSS:")[1].split()[0]) / 1024 for text in statuses if "VmRSS:" in text]

    def kill(self) -> None:
        """Kills the server by SIGKILL."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def serving(data: Path, bundle: Path, *options: str) -> Iterator[Server]:
    """Data folder, bundle, options of the command -> the running server."""
    command = [sys.executable, "-m", "thyrosight", "serve", "--port", "0", "--threads", "1"]
    command += ["--data", str(data), "--bundle", str(bundle), *options]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address.startswith("http://127.0.0.1:"):
            process.kill()
            raise AssertionError(f"the server did not start: {address} {process.communicate()[1]}")
        yield Server(process, address)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
