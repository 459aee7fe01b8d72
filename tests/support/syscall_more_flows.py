"""More commands that write, as flows (see syscall_flows.py): of tables, scores, bundles, examinations; and `learn`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from syscall_flows import Flow, Said, command, files_of, in_another_process, of_files, phantoms, predict
from tiny_bundle import make_tiny_bundle

LEARN_SETTINGS = (
    "network.encoder=lite0",
    "data.size_hw=[32, 32]",
    "optim.epochs=1",
    "run.threads=1",
    "run.precision=32",
    "run.preview_every=0",
)
NUM_FOLDS = 2


# What they work on


def scores(folder: Path) -> Path:
    """-> per_case.csv of two folds, the same pooled, and a tiny bundle that states that it learned from all rows."""
    from score_rows import rows_of
    from thyrosight.evaluation.case_scores import write_case_scores

    rows = [replace(row, fold=int(row.group[1:]) % NUM_FOLDS, source="phantom") for row in rows_of()]
    for fold in range(NUM_FOLDS):
        (folder / f"fold{fold}").mkdir()
        write_case_scores([row for row in rows if row.fold == fold], folder / f"fold{fold}" / "per_case.csv")
    in_another_process(lambda: pool(folder, folder / "pooled"))
    trained = {"source": "phantom", "num_images": 40, "sha256": "", "split": "all rows but test and validation"}
    make_tiny_bundle(folder / "all", training_sets=(trained,), operating_points=())
    return folder


def a_results_folder(folder: Path) -> Path:
    """-> drawn images and their results, made in another process."""
    phantoms(folder)
    in_another_process(lambda: predict(folder, folder / "results"))
    return folder


def tables(folder: Path) -> Path:
    """-> drawn images and their tables, made in another process."""
    phantoms(folder)
    in_another_process(lambda: archive(folder, folder / "shards"))
    return folder


def a_set(folder: Path) -> Path:
    return phantoms(folder, 12)


# What they do


def archive(inputs: Path, out: Path) -> None:
    images = inputs / "cases" / "image"
    options = ("--output", "parquet", "--shard-rows", "2", "--threads", "1")
    command("predict", images, "-o", out, "--bundle", inputs / "bundle", *options)


def select(inputs: Path, out: Path) -> None:
    command("select", inputs / "shards", "-o", out, "--images", inputs / "cases" / "image")


def audit(inputs: Path, out: Path) -> None:
    command("audit", inputs / "cases" / "cases.csv", "-o", out, "--workers", "1")


def pool(inputs: Path, out: Path) -> None:
    command("pool", *(inputs / f"fold{fold}" for fold in range(NUM_FOLDS)), "-o", out, "--export", out / "rows.csv")


def calibrate(inputs: Path, out: Path) -> None:
    command("calibrate", inputs / "all", "--from", inputs / "pooled" / "per_case.csv", "-o", out / "bundle")


def compare(inputs: Path, out: Path) -> None:
    first = inputs / "fold0" / "per_case.csv"
    command("compare", first, first, "-o", out / "comparison.json")


def score(inputs: Path, out: Path) -> None:
    command("score", inputs / "cases" / "mask", "--cases", inputs / "cases" / "cases.csv", "-o", out)


def stress(inputs: Path, out: Path) -> None:
    options = ("--perturbation", "gain", "--strengths", "1", "--threads", "1")
    command("stress", inputs / "bundle", "--cases", inputs / "cases" / "cases.csv", "-o", out, *options)


def report(inputs: Path, out: Path) -> None:
    command("report", inputs / "results", "-o", out, "--overwrite")


def annotations(inputs: Path, out: Path) -> None:
    command("annotations", inputs / "results", "-o", out / "coco.json")


def import_masks(inputs: Path, out: Path) -> None:
    case = min(path.parent for path in (inputs / "results").glob("*/result.json"))
    image = inputs / "cases" / "image" / f"{case.name}.png"
    command("import-masks", case / "mask.png", "--case", case, "--image", image, "-o", out)


def learn(inputs: Path, out: Path) -> None:
    settings = [word for setting in LEARN_SETTINGS for word in ("--set", setting)]
    options = ("--hours", "1", "--start", "random", "--folds", "2", "--workers", "1")
    command("learn", inputs / "cases", "-o", out, *options, *settings)


# What they leave


def of_learn(inputs: Path, out: Path) -> Said:
    """As `files_of`, without times, a step's seconds, the folder's own path and locks; of learn.json its keys."""
    found = files_of(out)
    found["learn.json"] = sorted(json.loads((out / "learn.json").read_bytes()))
    text = json.dumps(found).replace(str(out), "OUT")
    found = json.loads(re.sub(r"a step takes [0-9.]+ s", "a step takes SECONDS", text))
    return {name: said for name, said in found.items() if not name.endswith((".lock", ".lock-journal"))}


MORE_FLOWS: dict[str, Flow] = {
    "archive": Flow(phantoms, archive, of_files),
    "select": Flow(tables, select, of_files),
    "audit": Flow(phantoms, audit, of_files),
    "pool": Flow(scores, pool, of_files),
    "calibrate": Flow(scores, calibrate, of_files),
    "compare": Flow(scores, compare, of_files),
    "score": Flow(phantoms, score, of_files),
    "stress": Flow(phantoms, stress, of_files),
    "report": Flow(a_results_folder, report, of_files),
    "annotations": Flow(a_results_folder, annotations, of_files),
    "import-masks": Flow(a_results_folder, import_masks, of_files),
    "learn": Flow(a_set, learn, of_learn),
}
