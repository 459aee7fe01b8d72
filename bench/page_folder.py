"""Images sent to the page's server as one job until all are done, in turn with `predict` on the same images.

    PYTHONPATH=src:tests/support python bench/page_folder.py [FOLDER] [--rounds 5]

FOLDER holds images; 40 phantoms are drawn where it is not given. Both run on one core, each with the shipped model. The
server's time is from the first byte sent to the last image done; its processor time is that of its processes in between
(Linux). The server is started anew for each round with an empty data folder, and its start is not counted: it runs
before somebody drops images. The start of `predict` counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from against import ROOT, run_once

from checkout import SHIPPED_BUNDLE
from web_server import Server, frame_png, post, serving

POLL_SECONDS = 0.5


def processor_seconds(server: Server) -> float:
    """-> processor seconds of the server and of its children so far, also of those that have ended."""
    process = Path(f"/proc/{server.process.pid}")
    children = [child for task in process.glob("task/*/children") for child in task.read_text().split()]
    ticks = 0
    for state in (process / "stat", *(Path(f"/proc/{child}/stat") for child in children)):
        words = state.read_text().rpartition(")")[2].split()
        ticks += sum(int(word) for word in words[11:15])  # utime, stime, cutime, cstime
    return ticks / os.sysconf("SC_CLK_TCK")


def page_once(images: list[Path], scratch: Path) -> tuple[float, float]:
    """Images -> (wall, processor) seconds until all of them are done on a new server."""
    data = scratch / "data"
    shutil.rmtree(data, ignore_errors=True)
    with serving(data, SHIPPED_BUNDLE) as server, server.client() as client:
        first = post(client, ("first.png", frame_png())).json()
        until_done(client, first["id"])  # the network is loaded
        started, before = time.perf_counter(), processor_seconds(server)
        job = post(client, *((path.name, path.read_bytes()) for path in images)).json()
        until_done(client, job["id"])
        return time.perf_counter() - started, processor_seconds(server) - before


def until_done(client: Any, job_id: str) -> None:
    """Waits, and asks as often as the page does, because each answer costs the server time."""
    while (state := client.get(f"/api/v1/jobs/{job_id}").json()["state"]) != "done":
        if state == "failed":
            sys.exit("error: the server failed on an image")
        time.sleep(POLL_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{name}/bytecode"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        program = [sys.executable, "-m", "thyrosight"]
        folder = arguments.folder
        if folder is None:
            run_once([*program, "phantom", "-n", "40", "-o", f"{name}/drawn"], ROOT / "src")
            folder = scratch / "drawn" / "image"
        images = sorted(path for path in folder.iterdir() if path.is_file())
        predict = [*program, "predict", str(folder), "-o", f"{name}/out", "--overwrite", "--threads", "1"]
        pages, commands = [], []
        for number in range(arguments.rounds + 1):
            page, command = page_once(images, scratch), run_once(predict, ROOT / "src")
            if number:
                pages.append(page)
                commands.append(command)
    print(f"{len(images)} images, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f}; medians")
    for clock, what in enumerate(("wall", "processor")):
        page, command = (statistics.median(run[clock] for run in runs) for runs in (pages, commands))
        ratios = [one[clock] / other[clock] for one, other in zip(pages, commands, strict=True)]
        print(f"{what:9} page {page:6.2f} s, predict {command:6.2f} s, ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
