"""Bundle -> an ONNX Runtime session on the CPU. No other file imports onnxruntime.

Its telemetry is off: `thyrosight/__init__.py` sets ORT_DISABLE_TELEMETRY before anything of ours can import it.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from thyrosight.bundle.store import Bundle
from thyrosight.errors import BundleError

INPUT_NAME = "image"
OUTPUT_NAMES = ("mask_probability", "malignancy_logit", "malignancy_map")
"""The contract of every exported network, in this order."""
MAX_MEMORY_BYTES = 8 << 30
"""Of all sessions of this process together."""


def load_network(bundle: Bundle, threads: int) -> Any:
    """Bundle -> its session. BundleError where the network can't be loaded, or its inputs and outputs are others."""
    try:
        session = open_session(bundle.onnx_bytes, threads)
    except Exception as error:
        raise BundleError(
            f"model {bundle.info.name}: its network can't be loaded ({error}); get the bundle again"
        ) from error
    inputs = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    if inputs != [INPUT_NAME] or not set(OUTPUT_NAMES) <= set(outputs):
        raise BundleError(
            f"model {bundle.info.name}: its network takes {inputs} and gives {outputs}, not {INPUT_NAME} and "
            f"{list(OUTPUT_NAMES)}; export it again"
        )
    return session


def open_session(onnx_bytes: bytes, threads: int | None = None) -> Any:
    """ONNX bytes, threads (None: ONNX Runtime chooses) -> session. Raises what ONNX Runtime raises."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # the tracing events of Windows, which the variable leaves on
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    _register_shared_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])


@functools.cache
def _register_shared_arena() -> None:
    """Limits the memory of all sessions of this process together, once per process.

    The graph is checked before it runs, but ONNX Runtime chooses the order of the operations, and so the number of
    tensors that exist at the same time. An allocation beyond the limit fails, and so does the run.
    """
    import onnxruntime

    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(kind, onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES}))


def default_threads() -> int:
    """-> physical cores that this process may use, at least 1; hyper-threads count once where the system lists them."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))
