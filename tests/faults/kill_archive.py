"""`predict --output parquet` with kills at random; at the end its files are those of a run that nobody disturbed.

    python tests/faults/kill_archive.py WORK --images 1500 --kills 15 --shard-rows 50      some minutes
    python tests/faults/kill_archive.py WORK --images 100000 --kills 20                    the large one
    python tests/faults/kill_archive.py WORK --engine ray --kills 4

WORK holds the frames (hard links to a few), both runs, and what was done so far: with --seconds the script stops then,
and the same command goes on. A kill is SIGKILL for a process drawn among the driver and all that it started. A driver
that was killed is started again. Prints one line of JSON; exit code 1 where a file differs, a row is lost, or a process
outlives its driver. Linux only: processes and their peak memory are read from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

import numpy as np

from kills import same_files
from scans import write_scans
from tiny_bundle import make_tiny_bundle

NUM_DRAWN = 200
"""Hard links are few per file on some systems, and a set of equal frames would hide rows that were swapped."""
MANIFEST = frozenset({"manifest.json"})
POLL_SECONDS = 0.1
ORPHAN_SECONDS = 60.0


@dataclass
class Course:
    """What happened so far; a file in WORK, so that the next call goes on."""

    num_kills: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    num_starts: int = 0
    num_left_over: int = 0
    """Processes that were alive a minute after their driver's death."""
    peak_mib: dict[str, float] = field(default_factory=dict)
    is_over: bool = False

    def saw(self, role: str, mib: float) -> None:
        self.peak_mib[role] = max(self.peak_mib.get(role, 0.0), round(mib, 1))


def below(pid: int) -> list[int]:
    """Process -> those that it started, and those that they started."""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        own = {int(text) for text in (*children, *(text for some in threads for text in some))}
        return [process for child in sorted(own) for process in (child, *below(child))]
    return []


def role_of(pid: int, driver: int) -> str:
    """-> driver, worker (predicts), or the name of another program, such as Ray's raylet."""
    if pid == driver:
        return "driver"
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        is_ours = any("predict_rows" in word or word.startswith("ray::") for word in words)
        return "worker" if is_ours else Path(words[0]).name or "gone"
    return "gone"


def peak_mib(pid: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return 0.0


def is_alive(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def watch(process: subprocess.Popen[bytes], until: float, course: Course) -> bool:
    """Waits till then, with an eye on the memory -> whether the driver has ended."""
    while time.monotonic() < until:
        for pid in (process.pid, *below(process.pid)):
            if (role := role_of(pid, process.pid)) not in ("gone", "python"):  # the latter: before its exec
                course.saw(role, peak_mib(pid))
        if process.poll() is not None:
            return True
        time.sleep(POLL_SECONDS)
    return process.poll() is not None


def end_with_its_children(process: subprocess.Popen[bytes], course: Course) -> None:
    """SIGKILL for a driver; what it started has to end by itself."""
    started = below(process.pid)
    process.kill()
    process.wait()
    end = time.monotonic() + ORPHAN_SECONDS
    while time.monotonic() < end and any(map(is_alive, started)):
        time.sleep(POLL_SECONDS)
    course.num_left_over += sum(map(is_alive, started))


def kill_one(process: subprocess.Popen[bytes], rng: np.random.Generator, course: Course) -> None:
    """SIGKILL for the driver (one time in three) or one of the others."""
    others = [pid for pid in below(process.pid) if role_of(pid, process.pid) in ("worker", "raylet")]
    victim = process.pid if not others or rng.random() < 1 / 3 else int(rng.choice(others))
    role = role_of(victim, process.pid)
    if victim == process.pid:
        end_with_its_children(process, course)
    else:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    course.num_kills += 1
    course.killed[role] = course.killed.get(role, 0) + 1


def disturbed(command: list[str], course: Course, given: argparse.Namespace, end: float) -> bool:
    """Runs the command until it is done, with kills -> whether it is done; False where the time is over."""
    rng = np.random.default_rng([given.seed, course.num_starts])
    while time.monotonic() < end:
        course.num_starts += 1
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while True:
                pause = rng.uniform(*given.pause) if course.num_kills < given.kills else end
                if watch(process, min(end, time.monotonic() + pause), course):
                    break
                if time.monotonic() >= end:
                    end_with_its_children(process, course)  # no kill of the count: our own time is over
                    return False
                kill_one(process, rng, course)
        if process.returncode == 0:
            return True
        if process.returncode != -signal.SIGKILL and given.engine == "local":
            sys.exit(f"error: the driver ended with {process.returncode}")
    return False


def undisturbed(command: list[str], end: float) -> bool:
    """Runs the command -> whether it is done; it goes on where it was stopped."""
    try:
        return (
            subprocess.run(command, stdout=subprocess.DEVNULL, timeout=max(1.0, end - time.monotonic())).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def frames(work: Path, number: int) -> Path:
    """-> a folder of so many small frames, hard links to NUM_DRAWN scans."""
    folder = work / "frames"
    if not folder.exists():
        write_scans(work / "drawn", *(f"{index:03d}.png" for index in range(NUM_DRAWN)))
        folder.mkdir()
        for index in range(number):
            os.link(work / "drawn" / f"{index % NUM_DRAWN:03d}.png", folder / f"{index:07d}.png")
    return folder


def num_rows(out: Path) -> tuple[int, int]:
    """-> (images in the tables, images without a result)."""
    import pyarrow.parquet as parquet

    status = [text for path in (out / "images").glob("part-*.parquet") for text in parquet.read_table(path)["status"]]
    return len(status), sum(str(text) != "done" for text in status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--shard-rows", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--bundle", type=Path, help="a bundle, or `shipped`; a tiny network where not given")
    parser.add_argument("--pause", type=float, nargs=2, default=(2.0, 8.0), help="seconds between two kills")
    parser.add_argument("--seconds", type=float, default=1e6, help="stop after these; the same command goes on")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    given.work.mkdir(parents=True, exist_ok=True)
    bundle = given.bundle or given.work / "bundle"
    if not given.bundle and not bundle.exists():
        make_tiny_bundle(bundle)
    state = given.work / "course.json"
    course = Course(**json.loads(state.read_text())) if state.exists() else Course()
    source = frames(given.work, given.images)

    def command(out: str, engine: str) -> list[str]:
        words = ["predict", str(source), "-o", str(given.work / out), "--output", "parquet", "--bundle", str(bundle)]
        words += ["--shard-rows", str(given.shard_rows), "--threads", str(given.threads), "--engine", engine]
        return [sys.executable, "-m", "thyrosight", *words]

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    if not course.is_over:
        course.is_over = disturbed(command("disturbed", given.engine), course, given, end)
        state.write_text(json.dumps(asdict(course)))
    if not course.is_over or not undisturbed(command("undisturbed", "local"), end):
        print(json.dumps(asdict(course) | {"status": "go on with the same command"}))
        return
    differ = same_files(given.work / "disturbed", given.work / "undisturbed", MANIFEST)
    rows, failed = num_rows(given.work / "disturbed")
    found = {"images": given.images, "rows": rows, "failed": failed, "files_that_differ": differ}
    print(json.dumps(asdict(course) | found))
    if differ or rows != given.images or failed or course.num_left_over:
        sys.exit(1)


if __name__ == "__main__":
    main()
