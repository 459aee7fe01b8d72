"""One image, a fresh process: seconds and peak memory of `thyrosight predict` next to `python -c "import torch"`.

All commands are measured in turn: best and median of several rounds, in wall seconds and processor seconds. On a busy
machine only the processor seconds are reliable, and on another machine only the ratios hold. Bytecode is first written
into a temporary folder, because an editable checkout may have none, where pip writes it for an installed package.
Where torch is not installed, its row is left out. Without --bundle the shipped model is used.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Wall and processor seconds of every run, and the largest resident memory of any, in MiB."""

    wall: tuple[float, ...]
    processor: tuple[float, ...]
    peak_mib: float


def run_once(command: list[str]) -> tuple[float, float, float]:
    """A command -> (wall seconds from before the fork to after the end, its processor seconds, its peak MiB)."""
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    started = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(
            f"error: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}; run it by hand to see why"
        )
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def measure_in_turn(commands: dict[str, list[str]], rounds: int) -> dict[str, Measured]:
    """Runs each command once for the disk's cache, then `rounds` times in turn, so that a busy moment slows them all.

    -> {name of the command: its times and memory}.
    """
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            run = run_once(command)
            if number:
                runs[name].append(run)
    columns = {name: tuple(zip(*many, strict=True)) for name, many in runs.items()}
    return {name: Measured(wall, processor, max(peaks)) for name, (wall, processor, peaks) in columns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("image", type=Path, nargs="?", help="an image; a phantom where not given")
    parser.add_argument("--bundle", type=Path, help="a model bundle; the shipped model where not given")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        image = arguments.image or phantom_image(Path(folder))
        bundle = ["--bundle", str(arguments.bundle)] if arguments.bundle else []
        program = [sys.executable, "-m", "thyrosight"]
        predict = [*program, "predict", str(image), "-o", f"{folder}/out", "--overwrite", *bundle]
        commands = {"python -c pass": [sys.executable, "-c", "pass"]}
        commands |= {"thyrosight --help": [*program, "--help"], "thyrosight predict": predict}
        if find_spec("torch") is not None:
            commands["import torch"] = [sys.executable, "-c", "import torch"]
        measured = measure_in_turn(commands, arguments.rounds)
    columns = ("wall best", "median", "processor best", "median", "peak MiB")
    print(f"{'':20} " + " ".join(f"{column:>14}" for column in columns) + f"   ({arguments.rounds} rounds)")
    for name, one in measured.items():
        seconds = [value for clock in (one.wall, one.processor) for value in (min(clock), statistics.median(clock))]
        print(f"{name:20} " + " ".join(f"{value:14.3f}" for value in seconds) + f" {one.peak_mib:14.0f}")
    if "import torch" in measured:
        ours, torch = measured["thyrosight predict"], measured["import torch"]
        wall, processor = (
            statistics.median(getattr(ours, clock)) / statistics.median(getattr(torch, clock))
            for clock in ("wall", "processor")
        )
        memory = ours.peak_mib / torch.peak_mib
        print(f"predict / import torch: wall {wall:.2f}, processor {processor:.2f}, memory {memory:.2f}")


def phantom_image(folder: Path) -> Path:
    """A folder -> one phantom frame in it.

    Another process draws it, because a child starts with its parent's peak memory.
    """
    run_once([sys.executable, "-m", "thyrosight", "phantom", "-n", "1", "-o", str(folder / "phantom"), "--seed", "1"])
    return folder / "phantom" / "image" / "0000.png"


if __name__ == "__main__":
    main()
