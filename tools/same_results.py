"""A checkout -> the results that a change of structure must not change; two such folders -> the differences.

    python tools/same_results.py make OUT            # with the thyrosight that this Python imports
    python tools/same_results.py compare OUT OTHER   # exits 1 where anything differs

The six proofs that a change of structure changes no result: predictions of 40 phantoms, the cases made of them, a short
training, pooled scores, the shipped bundle's facts, the API's document.
Seconds, versions, dates, hardware and paths are left out of the comparison: they differ between two equal runs.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2

ROOT = Path(__file__).resolve().parents[1]
DIFFERS_ANYWAY = {
    "created", "git_revision", "hardware", "path", "revision", "seconds", "software", "software_version", "versions",
}  # fmt: skip
OPENAPI = "import json; from thyrosight.web.app import create_api; print(json.dumps(create_api(None).openapi()))"


def run(*arguments: str, cwd: Path) -> str:
    """Arguments of this Python -> stdout of the process; an error where the process fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def make(out: Path) -> None:
    """Writes all six results into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    thyrosight = ("-m", "thyrosight")
    places = ("src/thyrosight/recipes/phantoms.toml", "configs/demo/phantoms.toml", "configs/phantom_demo.toml")
    config = next(path for name in places if (path := ROOT / name).exists())
    run(*thyrosight, "phantom", "-n", "40", "--seed", "3", "-o", "phantoms", cwd=out)
    run(*thyrosight, "predict", "phantoms/image", "-o", "predicted", cwd=out)
    run(*thyrosight, "prepare", "phantoms", "-o", "cases", cwd=out)
    settings = ("--set", "optim.epochs=2", "--set", "run.threads=1")
    run(*thyrosight, "train", str(config), "--cases", "cases/cases.csv", "-o", "run", "--fold", "0", *settings, cwd=out)
    rows = str(ROOT / "results" / "ddti_lite2_5fold.csv")
    run(*thyrosight, "pool", rows, "--across-folds", "-o", "pooled", cwd=out)
    (out / "info.json").write_text(run(*thyrosight, "info", "--json", cwd=out))
    (out / "openapi.json").write_text(run("-c", OPENAPI, cwd=out))


def compared_files(out: Path) -> dict[str, Any]:
    """A folder that `make` wrote -> {file: content that must stay the same}, bytes as their hash."""
    kept = [*out.glob("predicted/*/*"), out / "predicted/results.csv", *out.glob("cases/*"), out / "run/metrics.csv"]
    kept += [
        out / "run/bundle/weights.safetensors",
        out / "pooled/evaluation.json",
        out / "info.json",
        out / "openapi.json",
    ]
    return {str(path.relative_to(out)): content_of(path) for path in sorted(kept)}


def content_of(path: Path) -> Any:
    """A file -> its JSON or rows without values that always differ; else the SHA-256 of pixels, or of bytes."""
    if path.suffix == ".json":
        return without(json.loads(path.read_text()))
    if path.suffix == ".csv":
        return [without(row) for row in csv.DictReader(path.read_text().splitlines())]
    if path.suffix == ".png":  # its pixels: how they are packed may change
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        return [*pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest()]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def without(value: Any) -> Any:
    """A tree of JSON -> the same without the keys that differ between equal runs."""
    if isinstance(value, dict):
        return {key: without(item) for key, item in value.items() if key not in DIFFERS_ANYWAY}
    return [without(item) for item in value] if isinstance(value, list) else value


def compare(one: Path, other: Path) -> int:
    """Prints each file that differs -> 1 where any does, else 0."""
    before, after = compared_files(one), compared_files(other)
    differing = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    for name in differing:
        print(f"differs: {name}")
    print(f"{len(before)} files compared, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", out]:
            make(Path(out).resolve())
        case ["compare", one, other]:
            sys.exit(compare(Path(one), Path(other)))
        case _:
            sys.exit(__doc__)
