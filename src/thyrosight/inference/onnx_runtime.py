"""ONNX bytes -> an ONNX Runtime session on the CPU. No other file imports onnxruntime.

Its telemetry is off: `thyrosight/__init__.py` sets ORT_DISABLE_TELEMETRY before anything of ours can import it.
"""

from __future__ import annotations

from typing import Any

INPUT_NAME = "image"
OUTPUT_NAMES = ("mask_probability", "malignancy_logit", "malignancy_map")
"""What every exported network takes and gives, in this order."""


def open_session(onnx_bytes: bytes, threads: int | None = None) -> Any:
    """ONNX bytes, threads (None: as ONNX Runtime chooses) -> session. Raises what ONNX Runtime raises."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # the tracing events of Windows, which the variable leaves on
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
