"""One process, one network thread: processor milliseconds of a table's row, a DICOM still and a clip's frame, over the
network's own.

    python bench/over_network.py [FOLDER] [--images 8] [--frames 30] [--rounds 5]

FOLDER holds images; phantoms are drawn where it is not given. All tasks take turns on each image, so that a busy moment
slows them all; medians over rounds. Processor time is that of this process and of the child process that decodes DICOM
files (Linux). A DICOM still is a PNG's gray picture, not compressed. The clip is the first image, moved by a pixel per
frame, as one DICOM file; its time is divided by its number of frames and compared with the network's for a still.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from thyrosight.archive.predict_rows import predict_rows
from thyrosight.archive.sources import find_items
from thyrosight.bundle.store import load_bundle
from thyrosight.frames.load import load_frame
from thyrosight.inference.onnx_runtime import OUTPUT_NAMES, open_session
from thyrosight.inference.predict_file import ReadOptions, examine_bytes
from thyrosight.inference.predictor import Predictor

READING = ReadOptions()


def processor_seconds() -> float:
    """-> processor seconds of this process and of its living children so far."""
    total = time.process_time()
    for task in Path("/proc/self/task").glob("*/children"):
        for child in task.read_text().split():
            states = Path(f"/proc/{child}/task").glob("*/schedstat")
            total += sum(int(state.read_text().split()[0]) for state in states) / 1e9
    return total


def dicom(frames: np.ndarray) -> bytes:
    """uint8 `_NHW` -> a DICOM file of N frames, not compressed."""
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID = UltrasoundMultiFrameImageStorage
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID = generate_uid(entropy_srcs=["bench"])
    found.Modality, found.PhotometricInterpretation, found.SamplesPerPixel = "US", "MONOCHROME2", 1
    found.NumberOfFrames, found.Rows, found.Columns = frames.shape
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit, found.PixelRepresentation = 7, 0
    found.PixelData = frames.tobytes() + b"\0" * (frames.size % 2)
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def png(image_HW: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image_HW).save(stream, "PNG")
    return stream.getvalue()


def tasks_of(predictor: Predictor, session: Any, item: Any, path: Path) -> dict[str, Callable[[], object]]:
    """One image -> the tasks that are compared on it."""
    size_hw = predictor.info.preprocessing.size_hw
    image_HW = load_frame(path).image_HW
    num_views = len(predictor.examine(path).raw.panels)
    views_V1HW = np.random.default_rng(0).random((num_views, 1, *size_hw), np.float32)
    still_png, still_dicom = png(image_HW), dicom(image_HW[None])
    return {
        "network": lambda: session.run(list(OUTPUT_NAMES), {"image": views_V1HW}),
        "row of a table": lambda: predict_rows(predictor, item, READING),
        "PNG still": lambda: examine_bytes(predictor, still_png, Path("still.png"), READING),
        "DICOM still": lambda: examine_bytes(predictor, still_dicom, Path("still.dcm"), READING),
    }


def measured(work: Callable[[], object]) -> float:
    started = processor_seconds()
    work()
    return 1000 * (processor_seconds() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description="a row, a DICOM still and a frame of a clip over the network's time")
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of images; phantoms where not given")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--frames", type=int, default=30, help="of the clip; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bundle", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder
        if folder is None:
            draw = [sys.executable, "-m", "thyrosight", "phantom", "-n", str(arguments.images), "-o", f"{name}/drawn"]
            subprocess.run(draw, check=True, stdout=subprocess.DEVNULL)
            folder = Path(name) / "drawn" / "image"
        predictor = Predictor.load(arguments.bundle, threads=1)
        session = open_session(load_bundle(arguments.bundle).onnx_bytes, 1)
        items = list(find_items([str(folder)]).items)[: arguments.images]
        tasks = [tasks_of(predictor, session, item, Path(item.place["path"])) for item in items]
        first = load_frame(Path(items[0].place["path"])).image_HW
        clip = (
            dicom(np.stack([np.roll(first, step, 1) for step in range(arguments.frames)])) if arguments.frames else b""
        )
        one_view = np.zeros((1, 1, *predictor.info.preprocessing.size_hw), np.float32)
        sums: dict[str, list[float]] = {}
        for number in range(arguments.rounds + 1):
            found = dict.fromkeys(tasks[0], 0.0)
            for of_image in tasks:
                for task, work in of_image.items():
                    found[task] += measured(work) / len(tasks)
            if clip:
                found["network, one view"] = measured(lambda: session.run(list(OUTPUT_NAMES), {"image": one_view}))
                work = lambda: examine_bytes(predictor, clip, Path("clip.dcm"), READING)  # noqa: E731
                found["frame of a clip"] = measured(work) / arguments.frames
            for task, taken in found.items() if number else ():
                sums.setdefault(task, []).append(taken)
    report(sums, len(tasks), arguments.rounds)


def report(sums: dict[str, list[float]], num_images: int, rounds: int) -> None:
    """Prints each task's median and the ratios, each of them the median of the rounds' own."""
    print(f"{num_images} images, {rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians")
    for task, taken in sums.items():
        print(f"{task:18} {statistics.median(taken):8.1f} ms   ({min(taken):.1f} to {max(taken):.1f})")
    pairs = [("row of a table", "network"), ("DICOM still", "PNG still"), ("frame of a clip", "network, one view")]
    for above, below in pairs:
        if above in sums:
            ratios = [one / other for one, other in zip(sums[above], sums[below], strict=True)]
            print(f"{above} / {below}: {statistics.median(ratios):.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
