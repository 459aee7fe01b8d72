"""Today's code against an earlier revision or wheel, in turn on the same files: seconds, processor seconds, ratios.

    python bench/against.py BASE [FOLDER] [--rounds 5] [--only TEXT] [--keep KEPT]

BASE is a git revision (checked out into a temporary folder) or a wheel; each side uses the model that it ships. FOLDER
holds images; phantoms are drawn where it is not given. Each command runs once to warm disk and bytecode, then in turn
for every round, so that a busy moment affects both. Processor seconds count the whole tree of processes; they are
reliable on a busy machine, where wall seconds are not. The last line names the tasks for which today's code takes more
than 10 % longer by the chosen clock. With --keep, the folder KEPT holds bytecode and all runs: the same command goes on
after the rounds that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOSS = 0.10


@dataclass
class Row:
    """One task: the command of each side, and the (wall, processor) seconds of its rounds; base None: today alone."""

    name: str
    today: list[str]
    base: list[str] | None
    runs: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"today": [], "base": []})

    def median(self, side: str, clock: int) -> float:
        return statistics.median(run[clock] for run in self.runs[side])

    def ratio(self, clock: int) -> float | None:
        """-> seconds of the base over seconds of today: above 1 is faster than before. None where today ran alone."""
        return self.median("base", clock) / self.median("today", clock) if self.runs["base"] else None


def unpacked(base: str, folder: Path) -> Path:
    """Git revision or wheel -> a folder to put on PYTHONPATH."""
    if base.endswith(".whl"):
        with zipfile.ZipFile(base) as wheel:
            wheel.extractall(folder)
        return folder
    packed = subprocess.run(["git", "archive", base], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        sys.exit(f"error: {base}: neither a wheel nor a revision ({packed.stderr.decode().strip()})")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


def run_once(command: Sequence[str], source: Path) -> tuple[float, float]:
    """Command, the thyrosight to import -> (wall, processor) seconds of it and of all processes it waited for."""
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(source)
    started = time.perf_counter()
    process = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"error: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}; run it by hand")
    return seconds, usage.ru_utime + usage.ru_stime


def tasks(folder: Path, scratch: Path) -> list[Row]:
    """Images -> the tasks to measure."""
    one = next(path for path in sorted(folder.iterdir()) if path.is_file())
    program = [sys.executable, "-m", "thyrosight"]

    def predict(images: Path, side: str, *more: str) -> list[str]:
        return [*program, "predict", str(images), "-o", str(scratch / f"{images.name}-{side}"), "--overwrite", *more]

    rows = [
        Row("--help", [*program, "--help"], [*program, "--help"]),
        Row("predict one image", predict(one, "today"), predict(one, "base")),
        Row("predict the folder", predict(folder, "today"), predict(folder, "base")),
    ]
    if find_spec("pyarrow") is not None:
        tables = [*predict(folder, "tables", "--output", "parquet")]
        rows.append(Row("the folder into tables / into folders before", tables, predict(folder, "base")))
    if find_spec("torch") is not None:
        rows.append(
            Row("predict one image / import torch", predict(one, "today"), [sys.executable, "-c", "import torch"])
        )
    return rows


def measure(rows: list[Row], rounds: int, base: Path, runs_json: Path) -> None:
    """Runs the rows in turn until each has this many rounds; the first time, once more before, unmeasured.

    A command that is in two rows runs once per round and counts in both.
    """
    kept = json.loads(runs_json.read_text()) if runs_json.exists() else {}
    for row in rows:
        row.runs |= {side: [(run[0], run[1]) for run in runs] for side, runs in kept.get(row.name, {}).items()}
    sources = {"base": base, "today": ROOT / "src"}
    is_warm = all(row.name in kept for row in rows)
    while not is_warm or min(len(row.runs["today"]) for row in rows) < rounds:
        found: dict[tuple[str, ...], tuple[float, float]] = {}
        for row in rows:
            for side, command in (("base", row.base), ("today", row.today)):
                if command is None:
                    continue
                key = (side, *command)
                if key not in found:
                    found[key] = run_once(command, sources[side])
                row.runs[side] += [found[key]] if is_warm else []
        is_warm = True
        kept |= {row.name: row.runs for row in rows}
        runs_json.write_text(json.dumps(kept, indent=2) + "\n")


def table_of(rows: list[Row]) -> str:
    lines = [
        "| task | wall s before | now | ratio | processor s before | now | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [f"{row.median(side, clock):.2f}" for clock in (0, 1) for side in ("base", "today")]
        wall, processor = (f"{row.ratio(clock):.2f}" for clock in (0, 1))
        lines.append(f"| {row.name} | {cells[0]} | {cells[1]} | {wall} | {cells[2]} | {cells[3]} | {processor} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("base", help="a git revision or a wheel")
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of images; 40 phantoms where not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "processor"), default="processor", help="of the last line")
    parser.add_argument("--only", default="", help="only the tasks with this text in their name")
    parser.add_argument("--keep", type=Path, metavar="KEPT", help="folder for runs and bytecode, to go on later")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = arguments.keep or Path(name)
        os.environ["PYTHONPYCACHEPREFIX"] = str((scratch / "bytecode").resolve())
        base = unpacked(arguments.base, scratch / "base")
        folder = arguments.folder
        if folder is None:
            run_once(
                [sys.executable, "-m", "thyrosight", "phantom", "-n", "40", "-o", f"{scratch}/drawn"], ROOT / "src"
            )
            folder = scratch / "drawn" / "image"
        rows = [row for row in tasks(folder, scratch) if arguments.only in row.name]
        measure(rows, arguments.rounds, base, scratch / "runs.json")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    num_rounds = min(len(row.runs["today"]) for row in rows)
    print(f"{arguments.base} against today, {num_rounds} rounds, medians, {os.cpu_count()} cores{load}")
    print(table_of(rows))
    clock = ("wall", "processor").index(arguments.clock)
    slower = [row.name for row in rows if "/" not in row.name and (row.ratio(clock) or 1.0) < 1 / (1 + LOSS)]
    if slower:
        print(f"slower by more than {LOSS:.0%}: {', '.join(slower)}")


if __name__ == "__main__":
    main()
