"""Stops a command or service before each system call that changes its files, runs it again, and compares the results.

    python tests/faults/each_syscall.py predict                     killed before each call
    python tests/faults/each_syscall.py predict --error ENOSPC      refused from each call on, then mended
    python tests/faults/each_syscall.py predict --error EIO --once  this call alone is refused
    python tests/faults/each_syscall.py prepare --error EIO --inputs  the calls that open or read its inputs are refused
    python tests/faults/each_syscall.py serve --jump -86400         the clock is set back by a day at each call
    python tests/faults/each_syscall.py train --step 5 --start 2    calls 2, 7, 12, ...
    python tests/faults/each_syscall.py train --log calls.jsonl     a line per call, so that a long run can be followed

Prints one line of JSON per flow: how many states were tried, and which of them were lost or other than the undisturbed
run's. Exit code 1 where there is any. tests/faults/test_each_syscall.py runs it; needs Linux and a C compiler.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

from syscall_faults import (
    CHANGE,
    CHANGES,
    FOR_EVER,
    LOOK,
    MAKE,
    MODE,
    MOVE,
    READ,
    REMOVE,
    SYNC,
    Fault,
    Outcome,
    Syscalls,
    preloaded,
)
from syscall_flows import FLOWS as FIRST_FLOWS
from syscall_flows import Said
from syscall_more_flows import MORE_FLOWS

FLOWS = FIRST_FLOWS | MORE_FLOWS

KINDS = {
    "ENOSPC": CHANGE | MAKE | MOVE | SYNC,
    "EDQUOT": CHANGE | MAKE | MOVE | SYNC,
    "EIO": CHANGES,
    "EROFS": CHANGE | MAKE | MOVE | REMOVE | MODE,
    "EMFILE": MAKE | LOOK,
    "ENFILE": MAKE | LOOK,
}
"""errno -> the calls that may end with it."""
INPUT_KINDS = {"EIO": LOOK | READ, "EMFILE": LOOK, "ENFILE": LOOK}
"""The same of calls on what the flow works on."""
LARGE = {"thyrosight", "numpy", "cv2", "PIL", "onnxruntime", "torch", "lightning", "onnx", "safetensors", "pydantic"}
LARGE |= {"pydicom", "highdicom", "pynetdicom", "matplotlib", "fastapi", "starlette", "rich", "jinja2", "typer"}
"""Imported before the children are made, so that each starts at once."""
SERVICES = {"serve", "listen"}
MENDED_AFTER = 0.3
"""Seconds after the first refusal, where a service goes on by itself."""
MAX_LINES = 6
"""On stderr, of a run of few images: a bar, notes, a line per image that failed, an error."""


def differences(found: Any, wanted: Any, where: str = "") -> Iterator[str]:
    """Two values from JSON -> a line per place in which they differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            yield from differences(found.get(key), wanted.get(key), f"{where}.{key}")
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for at, pair in enumerate(zip(found, wanted, strict=True)):
            yield from differences(*pair, f"{where}[{at}]")
    elif found != wanted:
        yield f"{where}: {str(found)[:200]} instead of {str(wanted)[:200]}"


class Tried:
    """One flow, its undisturbed run, and what was found."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.name, self.error, self.jump, self.is_once = options.flow, options.error, options.jump, options.once
        self.flow, self.folder, self.log = FLOWS[self.name], folder, options.log
        self.is_of_inputs = options.inputs
        self.num_met = 0
        self.calls = Syscalls()
        self.faults: list[dict[str, Any]] = []
        kinds = INPUT_KINDS if options.inputs else KINDS
        self.kinds = kinds[self.error] if self.error else CHANGES
        self.made = folder / "made"
        self.made.mkdir()
        self.flow.inputs(self.made)

    def fresh(self, name: str) -> tuple[Path, Path]:
        """-> (what the flow works on, an empty folder for its results)."""
        place = self.folder / name
        inputs, out = place / "inputs", place / "out"
        place.mkdir()
        out.mkdir()
        if self.name in SERVICES:
            inputs.mkdir()
            for path in self.made.iterdir():
                (inputs / path.name).symlink_to(path)
        else:
            inputs = self.made
        return inputs, out

    def undisturbed(self) -> tuple[Said, list[str], float]:
        """-> (what it says, its calls, seconds). The first run tells which modules are needed; then all are here."""
        modules = self.folder / "modules"
        inputs, out = self.fresh("first")

        def first() -> None:
            try:
                self.flow.work(inputs, out)
            finally:
                modules.write_text(
                    "\n".join(sorted(name for name in sys.modules if name.partition(".")[0] != "__main__"))
                )

        with self.around(inputs):
            ended = self.run(first, out, Fault())
        assert ended.status == 0, ended.stderr
        for name in modules.read_text().split():
            with suppress(Exception):  # some are made by others as they run
                if name.partition(".")[0] in LARGE:
                    importlib.import_module(name)
        inputs, out = self.fresh("whole")
        log = self.folder / "log"
        with self.around(inputs):
            place = inputs if self.is_of_inputs else out
            ended = self.run(lambda: self.flow.work(inputs, out), place, Fault(kinds=self.kinds), log)
        assert ended.status == 0, ended.stderr
        lines = [line.partition(" ")[2].replace(str(place), "") for line in log.read_text().splitlines()]
        return self.said(inputs, out), lines, ended.seconds

    def said(self, inputs: Path, out: Path) -> Said:
        """In a child: what it imports must not change this process."""
        told = self.folder / "said.json"
        ended = self.run(lambda: told.write_text(json.dumps(self.flow.said(inputs, out), sort_keys=True)), out, Fault())
        return json.loads(told.read_text()) if ended.status == 0 else {"can't be read": ended.stderr[-300:]}

    def run(self, work: Any, out: Path, fault: Fault, log: Path | None = None) -> Outcome:
        return self.calls.in_child(work, out, fault, self.folder / "notes", log)

    def around(self, inputs: Path) -> Any:
        return self.flow.around(inputs) if self.flow.around else nullcontext()

    def try_call(self, number: int, what: str, whole: Said) -> None:
        """One fault, the same command again, the comparison."""
        began = time.monotonic()
        inputs, out = self.fresh(f"try{number}")
        code = getattr(errno, self.error) if self.error else 0
        fault = Fault(number, FOR_EVER if self.error and not self.is_once else number, code, self.kinds, self.jump)
        with self.around(inputs):
            place = inputs if self.is_of_inputs else out
            ended = self.run(lambda: self.under_fault(inputs, out), place, fault)
            found = self.faults_of(ended)
            self.num_met += ended.hits > 0
            is_over = self.error and ended.status == 0  # the refusal of a folder's fsync, say, costs nothing
            if is_over and self.is_of_inputs:  # an input that can't be read may be left out, but not without a word
                is_over = self.said(inputs, out) == whole
                found += [] if is_over or "Input/output error" in ended.stderr else ["other results, exit 0, no word"]
            if not is_over:
                again = self.run(lambda: self.flow.work(inputs, out), out, Fault())
                if again.status != 0:
                    found.append(f"again: exit {again.status}: {again.stderr.strip()[-400:]}")
        said = self.said(inputs, out)
        other = list(differences(said, whole))
        found += [f"{len(other)} others: {'; '.join(other[:3])[:600]}"] if other else []
        if found:
            self.faults.append({"call": number, "what": what, "found": found})
        told = ended.stderr.replace(str(self.folder), "").strip()[-300:] if self.error and ended.status else ""
        seconds = round(time.monotonic() - began, 1)
        self.note(call=number, what=what, seconds=seconds, hits=ended.hits, found=found, status=ended.status, told=told)
        shutil.rmtree(self.folder / f"try{number}", ignore_errors=True)

    def note(self, **found: Any) -> None:
        if self.log:
            with self.log.open("a") as stream:
                stream.write(json.dumps({"flow": self.name, "fault": self.fault, **found}) + "\n")

    @property
    def fault(self) -> str:
        how = " once" * self.is_once + " of inputs" * self.is_of_inputs
        return f"clock {self.jump:+d} s" if self.jump else (self.error or "SIGKILL") + how

    def under_fault(self, inputs: Path, out: Path) -> None:
        """A service goes on by itself: its disk is mended while it runs."""
        if self.name in SERVICES and self.error:
            threading.Thread(target=self.calls.mend_after, args=(MENDED_AFTER,), daemon=True).start()
        self.flow.work(inputs, out)

    def faults_of(self, ended: Outcome) -> list[str]:
        """-> what is wrong with how the run under the fault ended."""
        if self.jump:
            return [] if ended.status == 0 else [f"exit {ended.status}: {ended.stderr.strip()[-300:]}"]
        if not ended.hits and ended.status == 0:  # threads: this run had fewer calls than the one that was counted
            return []
        if not self.error:
            return [] if ended.status == -9 else [f"not killed: {ended.status}: {ended.stderr.strip()[-300:]}"]
        if self.name in SERVICES:
            is_start = ended.status == 70 and "InputError" in ended.stderr  # refused at the start: one line by cli.py
            return [] if ended.status == 0 or is_start else [f"exit {ended.status}: {ended.stderr.strip()[-400:]}"]
        lines = ended.stderr.strip().splitlines()
        found = [] if ended.status in (0, 1, 2) else [f"exit {ended.status}"]
        if "Traceback" in ended.stderr or "internal error" in ended.stderr:
            found.append("a traceback or an internal error")
        if ended.status != 0 and sum(line.startswith("error: ") for line in lines) > 1:
            found.append("several errors")
        if ended.status != 0 and not any(self.says_what_to_do(line) for line in lines):
            found.append("no line that names the file, says why and what to do")
        return [f"{found}: {ended.stderr.strip()[-500:]}"] if found else []

    def says_what_to_do(self, line: str) -> bool:
        """Whether it names something that the flow reads or writes, and gives the mend after a semicolon."""
        what, _, mend = line.rpartition("; ")
        return bool(mend) and ": " in what and any(str(path) in what for path in (self.folder, *self.names))

    @property
    def names(self) -> list[str]:
        """-> names of the inputs' files: a line of `predict` names a file as it was found."""
        return [path.name for path in self.made.rglob("*") if path.is_file()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flow", choices=FLOWS)
    parser.add_argument("--error", choices=KINDS)
    parser.add_argument("--once", action="store_true", help="with --error: the calls after it are not refused")
    parser.add_argument("--inputs", action="store_true", help="with --error: calls that open or read its inputs")
    parser.add_argument("--jump", type=int, default=0, help="seconds by which the clock is set, instead of a fault")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="ends earlier, with what was tried so far")
    parser.add_argument("--log", type=Path, help="gets a line of JSON per call that was tried")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="thyrosight-calls-") as folder:
        if "THYROSIGHT_SYSCALL_STATE" not in os.environ:
            command = [sys.executable, __file__, *sys.argv[1:]]
            ended = preloaded(Path(folder), command)
            if ended is None:
                print("skipped: needs Linux and a C compiler (apt install gcc)")
                return 0
            return ended.returncode
        tried = Tried(options, Path(folder).resolve())
        whole, calls, _ = tried.undisturbed()
        numbers = []
        for number in range(options.start, len(calls) + 1, options.step):
            if time.monotonic() - began > options.seconds:
                break
            numbers.append(number)
            tried.try_call(number, calls[number - 1], whole)
        result = {
            "flow": options.flow, "fault": tried.fault, "calls": len(calls), "tried": len(numbers),
            "met": tried.num_met, "start": options.start, "step": options.step, "bad": len(tried.faults),
            "seconds": round(time.monotonic() - began), "faults": tried.faults[:20],
        }  # fmt: skip
        print(json.dumps(result))
    return 1 if tried.faults else 0


if __name__ == "__main__":
    sys.exit(main())
