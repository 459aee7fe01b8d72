"""ONNX bytes -> the same network with its kernels stored as float16, where that loses nothing.

A bundle's kernels are rounded to float16 before they are exported (safetensors holds them so). Here the ONNX file
stores them in that size too, each behind a Cast to float32 that ONNX Runtime works out once, when it loads the network:
it computes with the same numbers as before.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MIN_VALUES = 256
"""Smaller tensors are not worth a node."""


def with_half_kernels(onnx_bytes: bytes) -> bytes:
    """Every float32 tensor of more than one axis whose values are all float16's is stored as float16."""
    model = onnx.load_from_string(onnx_bytes)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < MIN_VALUES:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *others])
    return bytes(model.SerializeToString())
