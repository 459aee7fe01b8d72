"""The commands and services that write, each as a flow: its inputs, its work, the files that it must leave.

`work` is the same command each time: the first time, and again after a fault. `said` is the content that must equal
that of a run without a fault. Dates, seconds and random names are left out.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny_bundle import make_tiny_bundle

Said = dict[str, Any]
CONFIG = """[network]
pretrained = false
[data]
size_hw = [32, 32]
[optim]
batch_size = 8
epochs = 2
lr = 2e-3
[run]
threads = 1
precision = "32"
validation_share = 0.3
preview_every = 2
accelerator = "cpu"
keep = "best"
"""
VOLATILE = {
    "seconds",
    "seconds_per_image",
    "started",
    "created",
    "git_revision",
    "versions",
    "started_with",
    "sha256",
    "files",
    "model_id",
}
COUNTS = {"num_done", "num_skipped"}
"""Counts in a run of `predict` that may differ: the second run counts the images of the first as skipped."""
NUM_IMAGES = 3


@dataclass(frozen=True)
class Flow:
    """inputs: makes what the flow works on. work, said: see above; both get the inputs and the folder of results."""

    inputs: Callable[[Path], Path]
    work: Callable[[Path, Path], None]
    said: Callable[[Path, Path], Said]
    around: Callable[[Path], Any] | None = None
    """A block within which the flow runs: a peer in another process."""


def command(*arguments: str | Path) -> None:
    """The program's own command line, in this process."""
    from thyrosight.cli import main

    sys.argv = ["thyrosight", *map(str, arguments)]
    main()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_volatile(inner) for key, inner in value.items() if key not in VOLATILE | COUNTS}
    return [without_volatile(inner) for inner in value] if isinstance(value, list) else value


def files_of(folder: Path) -> Said:
    """Folder -> {name: content of the file}, with temporary files and other names, so that leftovers are seen."""
    found: Said = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, data = str(path.relative_to(folder)), path.read_bytes()
        if path.suffix == ".json":
            found[name] = without_volatile(json.loads(data))
        elif path.suffix in (".html", ".md", ".onnx"):
            found[name] = len(data) > 0
        elif path.name in ("metrics.csv", "results.csv", "per_case.csv"):
            rows = csv.DictReader(data.decode("utf-8-sig").splitlines())
            found[name] = [without_volatile(row) for row in rows]
        elif path.suffix == ".ckpt":
            found[name] = _weights(path)
        elif path.suffix == ".dcm":
            found[name] = _dicom(path)
        elif "tensorboard" not in path.parts and path.name not in ("curves.png",):
            found[name] = digest(data)
    return found


def _weights(path: Path) -> str:
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return digest(b"".join(value.numpy().tobytes() for value in state.values()))


def _dicom(path: Path) -> tuple[str, str]:
    from pydicom import dcmread

    found = dcmread(path)
    return str(found.SOPClassUID), digest(found.get("PixelData", b""))


def in_another_process(work: Callable[[], None]) -> None:
    """Runs `work` in a forked child, without its output. AssertionError where it fails."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            work()
            status = 0
        except SystemExit as ended:
            status = int(bool(ended.code))
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


# Commands


def phantoms(folder: Path, number: int = NUM_IMAGES) -> Path:
    """-> a folder with drawn cases and a tiny bundle."""
    from thyrosight.phantom.cohort import write_phantoms
    from thyrosight.phantom.records import PhantomSettings

    write_phantoms(number, folder / "cases", 1, settings=PhantomSettings(size_hw=(160, 200)))
    make_tiny_bundle(folder / "bundle")
    return folder


def folds(folder: Path) -> Path:
    """-> drawn cases with two folds, a configuration, a tiny bundle."""
    from dataclasses import replace

    from thyrosight.datasets.table import read_cases, write_cases

    phantoms(folder, 24)
    table = folder / "cases" / "cases.csv"
    write_cases([replace(case, fold=at % 2) for at, case in enumerate(read_cases(table))], table)
    (folder / "config.toml").write_text(CONFIG)
    return folder


def a_run(folder: Path) -> Path:
    """-> as `folds`, and a finished run that kept fold 0 out."""
    folds(folder)
    in_another_process(lambda: train(folder, folder / "run"))
    return folder


def images(folder: Path) -> Path:
    """-> as `phantoms`, and among the images a DICOM image and a DICOM clip."""
    from pacs_peers import us_dataset

    phantoms(folder)
    us_dataset(0).save_as(folder / "cases" / "image" / "d.dcm", enforce_file_format=True)
    us_dataset(1, num_frames=2).save_as(folder / "cases" / "image" / "z.dcm", enforce_file_format=True)
    return folder


def a_prediction(folder: Path) -> Path:
    """-> as `images`, and the images' results, made in another process."""
    images(folder)
    in_another_process(lambda: predict(folder, folder / "results"))
    return folder


def predict(inputs: Path, out: Path) -> None:
    command("predict", inputs / "cases" / "image", "-o", out, "--bundle", inputs / "bundle", "--threads", "1")


def prepare(inputs: Path, out: Path) -> None:
    command("prepare", inputs / "cases", "-o", out, "--workers", "1", "--folds", "2")


def phantom(inputs: Path, out: Path) -> None:
    command("phantom", "-n", "2", "-o", out)


def dicom(inputs: Path, out: Path) -> None:
    source = inputs / "cases" / "image" / "d.dcm"
    command("dicom", inputs / "results", "--source", source, "-o", out, "--identity", "none", "--uid-key", "k")


def train(inputs: Path, out: Path) -> None:
    cases = inputs / "cases" / "cases.csv"
    command("train", inputs / "config.toml", "--cases", cases, "-o", out, "--fold", "0", "--resume")


def cross_validate(inputs: Path, out: Path) -> None:
    command("cross-validate", inputs / "config.toml", "--cases", inputs / "cases" / "cases.csv", "-o", out)


def evaluate(inputs: Path, out: Path) -> None:
    command("evaluate", inputs / "bundle", "--cases", inputs / "cases" / "cases.csv", "-o", out, "--threads", "1")


def export(inputs: Path, out: Path) -> None:
    command("export", inputs / "run", "-o", out / "bundle")


def of_files(inputs: Path, out: Path) -> Said:
    return files_of(out)


# Services


NAMES = ("a.png", "b.png", "c.tif")


def sources() -> dict[str, bytes]:
    from web_server import clip_tiff, frame_png

    return {"a.png": frame_png(0), "b.png": frame_png(1), "c.tif": clip_tiff(2)}


def note(inputs: Path, text: str) -> None:
    """Records a message that a peer got; from now on the program must keep to it."""
    descriptor = os.open(inputs / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def told(inputs: Path) -> list[list[str]]:
    path = inputs / "told"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def serve(inputs: Path, out: Path) -> None:
    """A server that is sent each file until it has accepted it, and that ends when all accepted is done."""
    from fastapi.testclient import TestClient

    from thyrosight.inference.predictor import Predictor
    from thyrosight.web import service as service_module
    from thyrosight.web.app import create_app
    from thyrosight.web.jobs import worker
    from thyrosight.web.security import rules_for
    from web_server import ADDRESS, post

    worker.PAUSE_SECONDS = 0.05
    service_module.SPARE_BYTES = 0
    limits = service_module.ServiceLimits(max_upload_bytes=8 << 20)
    service = service_module.Service(Predictor.load(inputs / "bundle", threads=1), out / "data", limits)
    with TestClient(create_app(service, rules_for("127.0.0.1", None, ())), base_url=ADDRESS) as client:
        for name, data in sources().items():
            if not any(words[0] == name for words in told(inputs)):
                while (answer := post(client, (name, data))).status_code != 202:
                    assert answer.status_code in (500, 503, 507), answer.text
                    note(inputs, f"- {answer.status_code}")
                    time.sleep(0.05)
                note(inputs, f"{name} {answer.json()['id']}")
        while any(
            client.get(f"/api/v1/jobs/{words[1]}").json().get("state") in ("queued", "running")
            for words in told(inputs)
        ):
            time.sleep(0.02)


def of_serve(inputs: Path, out: Path) -> Said:
    """-> the result of each accepted file, and the files in the data folder that belong to none."""
    import sqlite3

    found: Said = {}
    with sqlite3.connect(out / "data" / "queue.sqlite") as db:
        rows = db.execute("SELECT job_id, id, name, state, error_code FROM items").fetchall()
        found["quick_check"] = db.execute("PRAGMA quick_check").fetchone()
    for name, job_id in (words for words in told(inputs) if words[0] != "-"):
        mine = [row for row in rows if row[0] == job_id]
        found[name] = [row[2:] for row in mine]
        for _, item_id, *_ in mine:
            folder = out / "data" / "jobs" / job_id / item_id
            found |= {f"{name}/{key}": value for key, value in files_of(folder).items()}
    known = {row[0] for row in rows}
    folders = [path for part in ("jobs", "incoming", "trash") for path in (out / "data" / part).iterdir()]
    found["strangers"] = [path.name for path in folders if path.name not in known]
    return found


@contextmanager
def an_archive(inputs: Path) -> Iterator[None]:
    """An archive in another process, that writes what has arrived to inputs/arrived."""
    pid = os.fork()
    if pid == 0:
        from pacs_peers import Archive, archive

        class Kept(Archive):
            def store(self, event: Any) -> int:
                dataset = event.dataset
                parts = dataset.get("ReferencedSeriesSequence") or dataset.get(
                    "CurrentRequestedProcedureEvidenceSequence"
                )
                line = f"{dataset.Modality} {'.'.join(str(dataset.StudyInstanceUID).split('.')[:5])}"
                with open(inputs / "arrived", "a") as stream:
                    stream.write(f"{line} {digest(dataset.get('PixelData', b''))[:16]} {bool(parts)}\n")
                return 0

        with archive(found=Kept()) as (_, port):
            (inputs / "port.new").write_text(str(port))
            os.replace(inputs / "port.new", inputs / "port")
            time.sleep(36_000)
    while not (inputs / "port").exists():
        time.sleep(0.01)
    try:
        yield
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def answered(question: Callable[[], bool]) -> bool:
    """-> the answer; False where the fault hits the question of the harness and not the program."""
    try:
        return question()
    except OSError:
        return False


def listen(inputs: Path, out: Path) -> None:
    """A listener that is sent each image until it has answered 0x0000, and that ends when the spool is empty."""
    from pacs_peers import send, us_dataset, wait_until
    from thyrosight.inference.predictor import Predictor
    from thyrosight.pacs import worker
    from thyrosight.pacs.entities import Destination
    from thyrosight.pacs.listener import ListenerSettings
    from thyrosight.pacs.sender import SenderSettings
    from thyrosight.pacs.service import PacsService
    from thyrosight.pacs.spool import Spool, SpoolLimits

    worker.PAUSE_SECONDS = 0.05
    port = int((inputs / "port").read_text())
    sending = SenderSettings(
        Destination("ARCHIVE", "127.0.0.1", port), first_seconds=0.1, longest_seconds=0.1, max_tries=999
    )
    spool = Spool(out / "spool", SpoolLimits(spare_bytes=0))
    predictor = Predictor.load(inputs / "bundle", threads=1)
    service = PacsService(
        predictor, spool, ListenerSettings(port=0), sending, lambda line: print(line, file=sys.stderr)
    )
    service.start()
    for seed in range(2):
        if not any(words[0] == str(seed) for words in told(inputs)):
            while (statuses := send(service.listener.port, [us_dataset(seed)])) != [0]:
                note(inputs, f"- {statuses}")
                time.sleep(0.05)
            note(inputs, f"{seed} accepted")
    assert wait_until(lambda: answered(lambda: not sum(spool.counts().values())), 240)
    folders = [out / "spool" / name for name in ("items", "incoming")]
    wait_until(lambda: answered(lambda: not any(any(folder.iterdir()) for folder in folders)), 30)
    service.stop()


def of_listen(inputs: Path, out: Path) -> Said:
    spool = out / "spool"
    lying = sorted(str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file())
    kept = [name for name in lying if not name.startswith(("done/", "spool.lock"))]
    return {"arrived": sorted(set((inputs / "arrived").read_text().splitlines())), "left": kept}


FLOWS: dict[str, Flow] = {
    "predict": Flow(images, predict, of_files),
    "prepare": Flow(phantoms, prepare, of_files),
    "phantom": Flow(phantoms, phantom, of_files),
    "dicom": Flow(a_prediction, dicom, of_files),
    "evaluate": Flow(phantoms, evaluate, of_files),
    "train": Flow(folds, train, of_files),
    "export": Flow(a_run, export, of_files),
    "cross-validate": Flow(folds, cross_validate, of_files),
    "serve": Flow(phantoms, serve, of_serve),
    "listen": Flow(phantoms, listen, of_listen, an_archive),
}
