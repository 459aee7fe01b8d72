"""The network as shipped, in 8-bit integers, and by OpenVINO where it is installed: processor milliseconds, agreement.

    python bench/runtimes.py FOLDER [--images 60] [--rounds 30]

FOLDER holds images. Every second view calibrates the ranges of the 8-bit network; all other views are compared. A row
has the least processor milliseconds of a view with one thread, the mean Dice of its masks with those of float32, and
the mean difference of its risk logits. Needs onnx (in thyrosight[train]); `pip install openvino` adds its rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from thyrosight.bundle.store import load_bundle
from thyrosight.frames.find_images import find_images
from thyrosight.frames.load import load_frame
from thyrosight.inference.onnx_runtime import OUTPUT_NAMES, open_session
from thyrosight.inference.predictor import Predictor
from thyrosight.views.letterbox import letterbox

Run = Callable[[np.ndarray], tuple[np.ndarray, float]]
"""View _11HW -> (mask probability _HW, risk logit)."""


class Views(CalibrationDataReader):  # type: ignore[misc]  # without types
    """Views _11HW, one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, views: Sequence[np.ndarray]) -> None:
        self.left = iter(views)

    def get_next(self) -> dict[str, np.ndarray] | None:
        view = next(self.left, None)
        return None if view is None else {"image": view}


def views_in(folder: Path, num_images: int) -> Iterator[np.ndarray]:
    """Folder of images -> the network's inputs, _11HW each."""
    predictor = Predictor.load("shipped", threads=1)
    for path in find_images([folder]).images[:num_images]:
        frame = load_frame(path)
        for panel in predictor.run(frame).panels:
            yield letterbox(panel, predictor.info.preprocessing.size_hw).image(frame.image_HW)[None, None]


def in_8_bits(onnx: bytes, views: Sequence[np.ndarray], folder: Path) -> bytes:
    """ONNX bytes, views for the ranges -> the same graph with 8-bit weights per channel and 8-bit activations."""
    (folder / "float.onnx").write_bytes(onnx)
    quant_pre_process(folder / "float.onnx", folder / "shaped.onnx", skip_symbolic_shape=True)
    quantize_static(
        folder / "shaped.onnx",
        folder / "int8.onnx",
        Views(views),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return (folder / "int8.onnx").read_bytes()


def by_onnx_runtime(onnx: bytes) -> Run:
    session = open_session(onnx, threads=1)

    def run(view_11HW: np.ndarray) -> tuple[np.ndarray, float]:
        mask, logit, *_ = session.run(list(OUTPUT_NAMES), {"image": view_11HW})
        return mask[0, 0], float(logit[0])

    return run


def by_openvino(onnx: bytes, precision: str) -> Run:
    import openvino

    core: Any = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    request = core.compile_model(core.read_model(onnx), "CPU", settings).create_infer_request()

    def run(view_11HW: np.ndarray) -> tuple[np.ndarray, float]:
        found = request.infer({0: view_11HW})
        mask, logit = (found[name] for name in OUTPUT_NAMES[:2])
        return mask[0, 0].copy(), float(logit[0])

    return run


def least_milliseconds(run: Run, view_11HW: np.ndarray, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.process_time()
        run(view_11HW)
        times.append(time.process_time() - started)
    return 1000 * min(times)


def dice(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    both, total = np.sum(one_HW & other_HW), np.sum(one_HW) + np.sum(other_HW)
    return float(2 * both / total) if total else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    views = list(views_in(arguments.folder, arguments.images))
    onnx = load_bundle("shipped").onnx_bytes
    with tempfile.TemporaryDirectory() as folder:
        onnx_8 = in_8_bits(onnx, views[::2], Path(folder))
    runs = {"ONNX Runtime, float32": by_onnx_runtime(onnx), "ONNX Runtime, int8": by_onnx_runtime(onnx_8)}
    if find_spec("openvino"):
        runs["OpenVINO, float32"] = by_openvino(onnx, "f32")
        runs["OpenVINO, bfloat16"] = by_openvino(onnx, "bf16")
        runs["OpenVINO, int8"] = by_openvino(onnx_8, "f32")
    expected = [runs["ONNX Runtime, float32"](view) for view in views[1::2]]
    print(f"{len(expected)} views compared; milliseconds, Dice with float32, difference of the risk's logit")
    for name, run in runs.items():
        found = [run(view) for view in views[1::2]]
        pairs = list(zip(found, expected, strict=True))
        same = np.mean([dice(one[0] > 0.5, other[0] > 0.5) for one, other in pairs])
        apart = np.mean([abs(one[1] - other[1]) for one, other in pairs])
        print(
            f"{name:22s} {least_milliseconds(run, views[0], arguments.rounds):6.1f}  {same:.3f}  {apart:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
