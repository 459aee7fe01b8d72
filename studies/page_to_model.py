"""Images with masks -> what a network gains from 40 readings on the page: read, export, learn, switch, compare.

    python studies/page_to_model.py cases/ddti/cases.csv -o out [--bundle BUNDLE] [--num 40] [--fold 4] [--hours 0.25]

Everything goes through the commands and the real server's HTTP, as a reader and their program would do it. The network
that is served has not seen the set: without --bundle it is one of the recipe `phantoms`, trained here. The masks of
`--num` images outside `--fold` are the reader's corrections. `learn` takes the exported set and begins from the network
that was served; the server switches to the new one, and predicts a corrected image again by it. Both are scored on the
images of `--fold`, of which nobody has read one; `compare` pairs the scores. After a stop the same command goes on.
Without a table 24 phantoms are read, and all is tiny: it shows that the way is open, and no gain.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.table import group_key, read_cases, write_cases
from thyrosight.evaluation.metrics.overlap import dice
from thyrosight.measurement.outlines import components, fill_outlines, outlines
from thyrosight.types import Case

READER = "Reader"
API = "/api/v1"
TINY = ("data.size_hw=[64,64]", "optim.epochs=1", "run.threads=1", "run.preview_every=0")


def command(*words: object) -> str:
    """Words after `thyrosight` -> what it printed. The study ends where the command fails."""
    print("$ thyrosight", *words, flush=True)
    done = subprocess.run([sys.executable, "-m", "thyrosight", *map(str, words)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def phantom_network(out: Path, settings: Sequence[str]) -> Path:
    """-> the bundle of a network that has learned from phantoms alone."""
    if not (out / "phantom_run" / "bundle").is_dir():
        if not (out / "phantoms" / "cases.csv").exists():
            command("phantom", "-n", 24 if settings else 160, "-o", out / "phantoms")
        given = [word for setting in settings for word in ("--set", setting)]
        table = out / "phantoms" / "cases.csv"
        begun = ["--resume"] * (out / "phantom_run").exists()
        command("train", "--recipe", "phantoms", "--cases", table, "-o", out / "phantom_run", *given, *begun)
    return out / "phantom_run" / "bundle"


@contextmanager
def server(bundle: Path, out: Path) -> Iterator[httpx.Client]:
    """`thyrosight serve` on OUT/data, with the models in OUT/models to choose from."""
    (out / "models").mkdir(exist_ok=True)
    words = ["serve", "--port", "0", "--bundle", bundle, "--models", out / "models", "--data", out / "data"]
    call = [sys.executable, "-m", "thyrosight", *map(str, words), "--threads", "1"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with httpx.Client(base_url=address + API, timeout=600, trust_env=False) as client:
                yield client
        finally:
            process.terminate()


def asked(client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
    """-> the server's answer. The study ends where it refuses."""
    answer = client.request(method, path, **options)
    if answer.is_error:
        raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer


def sent(client: httpx.Client, cases: Sequence[Case]) -> dict[str, str]:
    """Uploads images, a folder per patient -> {case: item}, once all are predicted."""
    item_of: dict[str, str] = {}
    job = ""
    for start in range(0, len(cases), 10):
        part = cases[start : start + 10]
        files = [("files", (f"set/{group_key(case)}/{case.image.name}", case.image.read_bytes())) for case in part]
        answer = asked(client, "POST", f"/jobs/{job}/files" if job else "/jobs?name=set", files=files).json()
        job = job or answer["id"]
        item_of |= {case.case_id: item["id"] for case, item in zip(part, answer["items"], strict=True)}
    while (found := asked(client, "GET", f"/jobs/{job}").json())["state"] not in ("done", "failed"):
        time.sleep(0.5)
    faults = [item["error"] for item in found["items"] if item["state"] != "done"]
    if faults:
        raise SystemExit(f"not predicted: {faults}")
    return item_of


def read_by_reader(client: httpx.Client, case: Case, item: str) -> float:
    """Saves the case's own outlines as the reader's -> Dice of the network's outlines with them.

    A nodule of the network that the reader's outline covers most keeps its UID: it was corrected, not added.
    """
    result = asked(client, "GET", f"/items/{item}/frames/0/result").json()
    size_hw = result["image"]["height_px"], result["image"]["width_px"]
    reference_HW = load_mask(case, size_hw)
    masks = {one["uid"]: fill_outlines([np.asarray(one["outline_xy"])], size_hw) for one in result["nodules"]}
    findings: list[dict[str, Any]] = []
    for part_HW in components(reference_HW):
        shared = {uid: np.count_nonzero(part_HW & mask_HW) for uid, mask_HW in masks.items()}
        uid = max(shared, key=lambda one: shared[one], default=None)
        corrects = uid is not None and shared[uid] > 0
        if corrects:
            del masks[uid]
        ring = outlines(part_HW)[0]
        findings.append({"uid": uid if corrects else None, "outline_xy": ring.tolist()})
    said = {"who": READER, "findings": findings}
    asked(client, "PUT", f"/items/{item}/frames/0/correction", json=said)
    asked(client, "PUT", f"/items/{item}/verdict", json={"who": READER, "verdict": "read"})
    network_HW = np.zeros(size_hw, np.bool_)
    for one in result["nodules"]:
        network_HW |= fill_outlines([np.asarray(one["outline_xy"])], size_hw)
    return float(dice(reference_HW, network_HW) or 0.0)


def read_on_the_page(client: httpx.Client, cases: Sequence[Case], out: Path) -> dict[str, str]:
    """Cases -> {case: item}, all read by the reader, and their training set in OUT/readings."""
    kept = out / "items.json"
    if not kept.exists():
        started = time.monotonic()
        item_of = sent(client, cases)
        scores = [read_by_reader(client, case, item_of[case.case_id]) for case in cases]
        seconds = time.monotonic() - started
        print(f"read {len(cases)} images in {seconds:.0f} s; Dice of the network with the reader {np.mean(scores):.3f}")
        archive = asked(client, "GET", "/training-set", params={"who": READER}).content
        zipfile.ZipFile(io.BytesIO(archive)).extractall(out)
        kept.write_text(json.dumps(item_of))
    return dict(json.loads(kept.read_text()))


def switched(client: httpx.Client, item: str) -> None:
    """Lets the server predict by the learned network, and one read item again by it."""
    models = asked(client, "GET", "/models").json()["models"]
    new = [model for model in models if model["is_available"] and not model["is_chosen"]]
    if new:  # else an earlier call of the study has switched
        asked(client, "PUT", "/model", json={"id": new[0]["id"]})
    chosen = asked(client, "GET", "/health").json()["model"]
    asked(client, "POST", "/predict-again", json={"items": [item]})
    path = f"/items/{item}/frames/0"
    while (found := client.get(f"{path}/result")).is_error or found.json()["model"]["id"] != chosen["id"]:
        time.sleep(0.5)
    reading = asked(client, "GET", f"{path}/correction", params={"who": READER}).json()
    earlier = asked(client, "GET", f"{path}/earlier").json()
    print(f"switched to {chosen['name']} ({chosen['id']}); its risk: {chosen['risk_meaning']}")
    print(f"one item predicted again: {len(reading['findings'])} findings of the reader, {len(earlier)} earlier result")


def own_set(given: argparse.Namespace) -> tuple[list[Case], list[Case], Path]:
    """-> (cases to read, cases to score, their table)."""
    table = given.cases
    if table is None:
        table = given.out / "set" / "cases.csv"
        if not table.exists():
            command("phantom", "-n", 24, "--seed", 7, "-o", given.out / "set")
        cases = [replace(case, fold=at % 3) for at, case in enumerate(read_cases(table))]
    else:
        cases = read_cases(table)
    outlined = [case for case in cases if case.mask is not None and case.split != "test"]
    pool = [case for case in outlined if case.fold not in (given.fold, None)]
    order = np.random.default_rng(given.seed).permutation(len(pool))
    held_out = [case for case in outlined if case.fold == given.fold]
    table = given.out / "held_out" / "cases.csv"
    if not table.exists():
        table.parent.mkdir(parents=True, exist_ok=True)
        write_cases(held_out, table)
    return [pool[at] for at in sorted(order[: given.num])], held_out, table


def main() -> None:
    """Prints each command, what it prints, and the comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", type=Path, nargs="?")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--hours", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learn", nargs=argparse.REMAINDER, default=[], help="all that follows goes to `learn`")
    given = parser.parse_args()
    is_tiny = given.cases is None
    given.fold = (2 if is_tiny else 4) if given.fold is None else given.fold
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    bundle = given.bundle or phantom_network(given.out, TINY if is_tiny else ())
    to_read, held_out, table = own_set(given)
    learned = given.out / "models" / "learned"
    settings = [word for setting in TINY if is_tiny for word in ("--set", setting)]
    with server(bundle, given.out) as client:
        item_of = read_on_the_page(client, to_read, given.out)
        words = ["learn", given.out / "readings" / "cases.csv", "-o", learned, "--bundle", bundle]
        print(command(*words, "--hours", given.hours, *settings, *given.learn))
        switched(client, item_of[to_read[0].case_id])
    for name, one in (("before", bundle), ("after", learned / "bundle")):
        if not (given.out / name / "report.html").exists():
            command("evaluate", one, "--cases", table, "-o", given.out / name)
    print(f"{len(to_read)} read, {len(held_out)} of fold {given.fold} scored; learned minus served:")
    print(command("compare", given.out / "after", given.out / "before", "-o", given.out / "comparison.json"))


if __name__ == "__main__":
    main()
