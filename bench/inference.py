"""Milliseconds per image of the whole path (decoded frame -> Prediction) and of the network, by threads and batch.

One line per setting, median of several rounds. The figures hold for this machine. Without --bundle: the shipped model.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median wall time of a call after one warm-up."""
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def session_of(onnx_bytes: bytes, threads: int) -> Callable[[np.ndarray], object]:
    """ONNX bytes, threads -> a call that runs the network on a batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    return lambda image_B1HW: session.run(None, {"image": image_B1HW})


def main() -> None:
    from thyrosight.bundle.store import load_bundle
    from thyrosight.frames.load import load_frame
    from thyrosight.inference.predictor import Predictor
    from thyrosight.phantom.cohort import phantom_case
    from thyrosight.phantom.records import PhantomSettings
    from thyrosight.types import Frame

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("image", type=Path, nargs="?", help="an image; a phantom of 360 x 560 where not given")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    cores = os.cpu_count() or 1
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, min(2, cores), min(4, cores)}))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    arguments = parser.parse_args()
    if arguments.image is None:
        phantom = phantom_case(0, 1, PhantomSettings(split_screen=0.0))
        frame = Frame(None, phantom.image_HW, None, phantom.spacing, None, "0" * 64)
    else:
        frame = load_frame(arguments.image)
    bundle = load_bundle(arguments.bundle)
    size_hw = bundle.info.preprocessing.size_hw
    print(
        f"{bundle.info.name}, {size_hw[0]} x {size_hw[1]}, image {frame.size_hw[0]} x {frame.size_hw[1]}, {cores} cores"
    )
    rng = np.random.default_rng(0)
    for threads in arguments.threads:
        predictor = Predictor.load(arguments.bundle, threads=threads)
        took = milliseconds(lambda predictor=predictor: predictor.predict(frame), arguments.rounds)
        print(f"{threads} threads  whole path       {took:8.1f} ms per image")
        run = session_of(bundle.onnx_bytes, threads)
        for batch in arguments.batches:
            image_B1HW = rng.random((batch, 1, *size_hw), dtype=np.float32)
            took = milliseconds(lambda run=run, image_B1HW=image_B1HW: run(image_B1HW), arguments.rounds)
            print(f"{threads} threads  network, batch {batch:2d} {took / batch:8.1f} ms per image")


if __name__ == "__main__":
    main()
