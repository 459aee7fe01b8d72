"""A folder -> a real bundle with a tiny ONNX network in it, so that tests need no trained one.

The network (any batch, any size) sees gray g in [0, 1], averages it over 5 x 5 without counting black border, and gives
    mask_probability = sigmoid(40 * (0.35 - average)), so that dark blobs on bright ground are nodules;
    malignancy_map = 20 * (0.20 - average), so that darker means more malignant;
    malignancy_logit = 10 * (0.50 - mean of g over the input).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

MASK_EDGE = 0.35
MAP_EDGE = 0.20
MEAN_EDGE = 0.50


def tiny_onnx() -> bytes:
    """-> the network as ONNX bytes, meeting the bundle's contract."""
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper

    pool = {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2], "count_include_pad": 0}
    node = helper.make_node
    nodes = [
        node("Sign", ["image"], ["is_seen"]),
        node("AveragePool", ["image"], ["sum"], **pool),
        node("AveragePool", ["is_seen"], ["seen"], **pool),
        node("Add", ["sum", "tiny"], ["sum_safe"]),
        node("Add", ["seen", "tiny"], ["seen_safe"]),
        node("Div", ["sum_safe", "seen_safe"], ["average"]),
        node("Sub", ["mask_edge", "average"], ["darker"]),
        node("Mul", ["darker", "mask_gain"], ["mask_logit"]),
        node("Sigmoid", ["mask_logit"], ["mask_probability"]),
        node("Sub", ["map_edge", "average"], ["map_darker"]),
        node("Mul", ["map_darker", "map_gain"], ["malignancy_map"]),
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        node("Sub", ["mean_edge", "mean"], ["mean_darker"]),
        node("Mul", ["mean_darker", "mean_gain"], ["malignancy_logit"]),
    ]
    values = {"tiny": 1e-6, "mask_edge": MASK_EDGE, "mask_gain": 40, "map_edge": MAP_EDGE, "map_gain": 20}
    values |= {"mean_edge": MEAN_EDGE, "mean_gain": 10}
    maps = ["B", 1, "H", "W"]
    shapes = {"mask_probability": maps, "malignancy_logit": ["B"], "malignancy_map": maps}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, maps)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        initializer=[numpy_helper.from_array(np.array(value, np.float32), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def tiny_weights() -> bytes:
    """-> one finite number in the safetensors format (8 bytes of header length, JSON header, data)."""
    header = json.dumps({"mask_edge": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + struct.pack("<f", MASK_EDGE)


def make_tiny_bundle(folder: Path, *, preprocessing: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Folder to write -> the bundle's path; `preprocessing` and `changes` override the declared BundleInfo fields."""
    from thyrosight.bundle.records import BundleInfo
    from thyrosight.bundle.store import write_bundle

    info = BundleInfo.model_validate(
        {
            "name": "tiny",
            "network": "unet",
            "network_settings": {},
            "parameters": 1,
            "preprocessing": {"size_hw": (128, 128), "crop": "field", "views": "panels"} | (preprocessing or {}),
            "has_mask": True,
            "has_malignancy": True,
            "has_malignancy_map": True,
            "mask_threshold": 0.5,
            "min_area_fraction": 0.002,
            "calibration": {"scale": 1.0, "offset": 0.0, "n": 0, "fitted_on": ""},
            "risk_meaning": "how dark the image is; a stand-in for tests",
            "operating_points": ({"name": "balanced", "threshold": 0.5, "meaning": "half way"},),
            "training_sets": (),
            "scores": (),
            "versions": {},
            "git_revision": "",
            "created": "2020-01-01T00:00:00+00:00",
            "seed": None,
            "notes": "",
        }
        | changes
    )
    return write_bundle(folder, info, tiny_onnx(), tiny_weights(), "# tiny\n\nA stand-in for tests.\n")
