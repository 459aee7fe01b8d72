"""`serve` under mixed load, with something bad in each period; at the end all that was measured is flat.

    python tests/faults/soak.py --seconds 21600              six hours, something bad each minute
    python tests/faults/soak.py --seconds 120 --period 10    a short one

The bad things take turns: damaged and hostile files, half requests, uploads that end in the middle, a full disk (where
this system lets us mount one), SIGKILL and a new start. Prints one line of JSON; exit code 1 where an accepted job was
lost, a sound file failed, or a measure grew.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

import httpx
import numpy as np

from small_disk import fill, small_disk
from tiny_bundle import make_tiny_bundle
from web_server import Server, clip_tiff, frame_png, post, serving

MAX_GROWTH_MB, MAX_MORE_FILES, MAX_MORE_THREADS = 64.0, 12, 8
MAX_JOBS = 200
"""Older jobs are deleted, as a person would."""
DISK_MB = 1_024


@dataclass
class Soak:
    """What was accepted, and what was measured of the process that runs now."""

    seed: int
    jobs: dict[str, bool] = field(default_factory=dict)
    """Job id -> whether all of its files are sound."""
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    num_accepted: int = 0
    num_refused: int = 0
    num_kills: int = 0
    samples: list[dict[str, float]] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)

    def send(
        self, client: httpx.Client, rng: np.random.Generator, files: list[tuple[str, bytes]], is_sound: bool
    ) -> None:
        """Sends files -> remembered where they are accepted."""
        with suppress(httpx.HTTPError):
            answer = post(client, *files)
            if answer.status_code == 202:
                self.jobs[answer.json()["id"]] = is_sound
                self.num_accepted += 1
            else:
                self.num_refused += 1

    def tidy(self, client: httpx.Client) -> None:
        """Looks at finished jobs, and deletes them beyond MAX_JOBS."""
        for job_id in list(self.jobs)[: max(0, len(self.jobs) - MAX_JOBS)]:
            self.look(client, job_id)
            with suppress(httpx.HTTPError):
                client.delete(f"/api/v1/jobs/{job_id}")
                self.jobs.pop(job_id)

    def look(self, client: httpx.Client, job_id: str) -> bool:
        """-> whether the job is finished; notes where it is lost, or a sound file has failed."""
        answer = client.get(f"/api/v1/jobs/{job_id}")
        if answer.status_code == 404:
            self.lost.append(job_id)
            return True
        job = answer.json()
        if self.jobs[job_id] and job["state"] == "failed":
            self.failed.append(f"{job_id}: {job['items'][0]['error']}")
        return job["state"] in ("done", "failed")

    def measure(self, server: Server) -> None:
        place = Path(f"/proc/{server.process.pid}")
        self.samples.append(
            {
                "megabytes": server.resident_mb(),
                "files": float(len(list((place / "fd").iterdir()))),
                "threads": float(len(list((place / "task").iterdir()))),
            }
        )

    def judge(self) -> None:
        """The last quarter of a process's samples against its second quarter: by then it is warm."""
        quarter = len(self.samples) // 4
        if quarter >= 2:
            for name, most in (("megabytes", MAX_GROWTH_MB), ("files", MAX_MORE_FILES), ("threads", MAX_MORE_THREADS)):
                early = np.median([one[name] for one in self.samples[quarter : 2 * quarter]])
                late = np.median([one[name] for one in self.samples[-quarter:]])
                if late > early + most:
                    self.grown.append(f"{name}: {early:.0f} -> {late:.0f}")
        self.samples = []


def bad_files(soak: Soak, client: httpx.Client, rng: np.random.Generator) -> None:
    for data in (frame_png(1)[:300], bytes(rng.integers(0, 256, 5_000, np.uint8)), b"\x89PNG\r\n\x1a\n" + bytes(100)):
        soak.send(client, rng, [("bad.png", data), ("good.png", frame_png(2))], False)


def half_requests(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    halves = []
    for _ in range(40):
        with suppress(OSError):
            half = socket.create_connection((host, int(port)), timeout=5)
            half.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
            halves.append(half)
    for half in halves:
        half.close()


def drain(server: Server) -> None:
    """Reads the server's log, whose pipe would fill."""
    with suppress(ValueError, OSError):
        while server.process.stderr is not None and server.process.stderr.read(4_096):
            pass


@contextmanager
def a_disk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """-> (a folder for the data, whether it is a disk of its own)."""
    try:
        stack = ExitStack()
        place = stack.enter_context(small_disk(folder / "disk", DISK_MB))
    except BaseException:  # pytest's skip, where nothing can be mounted
        yield folder, False
        return
    with stack:
        yield place, True


def run(soak: Soak, place: Path, has_disk: bool, bundle: Path, seconds: float, period: float) -> None:
    rng, end, number = np.random.default_rng(soak.seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        with serving(place / "data", bundle, "--max-upload-mb", "16") as server, server.client() as client:
            threading.Thread(target=drain, args=(server,), daemon=True).start()
            while time.monotonic() < end:
                turn = ("bad", "half", "full", "bad", "half", "kill")[number % 6]
                number += 1
                until = min(end, time.monotonic() + period)
                filler = fill(place, 1 << 20) if turn == "full" and has_disk else None
                if turn == "bad":
                    bad_files(soak, client, rng)
                elif turn == "half":
                    half_requests(server.address)
                while time.monotonic() < until:
                    seed = int(rng.integers(0, 1_000))
                    files = [("a.png", frame_png(seed))] if rng.random() < 0.8 else [("c.tif", clip_tiff(3))]
                    soak.send(client, rng, files, True)
                    with suppress(httpx.HTTPError):
                        client.get("/api/v1/jobs", params={"limit": 20})
                        client.get("/metrics")
                    soak.measure(server)
                    time.sleep(0.3)
                    if filler is not None and time.monotonic() > until - period / 2:
                        filler.unlink()
                        filler = None
                if filler is not None:
                    filler.unlink()
                with suppress(httpx.HTTPError):
                    soak.tidy(client)
                if turn == "kill":
                    server.kill()
                    soak.num_kills += 1
                    break
        soak.judge()


def end_of(soak: Soak, place: Path, bundle: Path) -> dict[str, Any]:
    """-> the counts of the queue once all that was accepted is finished."""
    with serving(place / "data", bundle) as server, server.client() as client:
        end = time.monotonic() + 600
        while time.monotonic() < end:
            counts: dict[str, Any] = client.get("/api/v1/health").json()["queue"]
            if not counts["queued"] + counts["running"]:
                break
            time.sleep(0.2)
        for job_id in list(soak.jobs):
            soak.look(client, job_id)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=21_600.0)
    parser.add_argument("--period", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    soak = Soak(options.seed)
    with tempfile.TemporaryDirectory(prefix="thyrosight-soak-") as folder, a_disk(Path(folder)) as (place, has_disk):
        bundle = make_tiny_bundle(Path(folder) / "bundle")
        run(soak, place, has_disk, bundle, options.seconds, options.period)
        queue = end_of(soak, place, bundle)
    result = {
        "seconds": options.seconds, "seed": options.seed, "accepted": soak.num_accepted, "refused": soak.num_refused,
        "kills": soak.num_kills, "full disk": has_disk, "lost": soak.lost, "sound files failed": soak.failed[:10],
        "grown": soak.grown, "queue": queue,
    }  # fmt: skip
    print(json.dumps(result))
    return 1 if soak.lost or soak.failed or soak.grown or queue["queued"] or queue["running"] else 0


if __name__ == "__main__":
    sys.exit(main())
