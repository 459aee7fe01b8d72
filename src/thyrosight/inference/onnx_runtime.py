"""Bundle, device -> an ONNX Runtime session. No other file imports onnxruntime.

Its telemetry is off: `thyrosight/__init__.py` sets ORT_DISABLE_TELEMETRY before anything of ours can import it.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from thyrosight.bundle.store import Bundle
from thyrosight.bundle.weight_checks import WeightsError
from thyrosight.errors import BundleError, ConfigError, MissingExtraError

INPUT_NAME = "image"
OUTPUT_NAMES = ("mask_probability", "malignancy_logit", "malignancy_map")
"""The outputs that every exported network must have, in this order."""
MAX_MEMORY_BYTES = 8 << 30
"""Limit of the memory of all sessions of this process together."""

MAX_THREADS = 1_024
"""More than any machine has; ONNX Runtime would take minutes to start a hundred thousand."""

CPU, AUTO = "cpu", "auto"
PROVIDERS = {
    CPU: "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Device -> the part of ONNX Runtime that computes there."""
DEVICES = (AUTO, *PROVIDERS)
AUTO_ORDER = ("cuda", "directml", "coreml", "openvino", CPU)
PACKAGES = {"cuda": "onnxruntime-gpu", "openvino": "onnxruntime-openvino", "directml": "onnxruntime-directml"}
LIBRARIES = {
    "cuda": "NVIDIA's driver, and CUDA and cuDNN in the versions that onnxruntime-gpu names",
    "openvino": "OpenVINO in the version that onnxruntime-openvino names",
    "coreml": "macOS 12 or later",
    "directml": "Windows 10 or later, and the driver of the graphics card",
}
MAX_DIFFERENCE = 1e-3
"""Largest difference of a device's mask probabilities and risk from those of the CPU, on a trial image."""


def load_network(bundle: Bundle, threads: int, device: str = CPU) -> tuple[Any, str]:
    """Bundle, device -> (session, the device that it is on).

    "auto" takes the first of AUTO_ORDER that works here. A named device is used, or there is an error:
    MissingExtraError where it is not installed or does not start, ConfigError where there is no such device or its
    results differ from the CPU's. BundleError where the network can't be loaded, or its inputs and outputs are not
    those that every bundle must have.
    """
    if device not in DEVICES:
        raise ConfigError(f"--device {device}: choose one of {', '.join(DEVICES)}")
    on_cpu = _network_on_cpu(bundle, threads)
    for name in AUTO_ORDER if device == AUTO else (device,):
        if name == CPU:
            break
        try:
            return _network_on(bundle, threads, name, on_cpu), name
        except (MissingExtraError, ConfigError):
            if device != AUTO:
                raise
    return on_cpu, CPU


def _network_on(bundle: Bundle, threads: int, device: str, on_cpu: Any) -> Any:
    """-> a session on this device, whose results were compared with those of the session on the CPU."""
    import onnxruntime

    provider = PROVIDERS[device]
    if provider not in (available := onnxruntime.get_available_providers()):
        install = f"pip uninstall onnxruntime; pip install {PACKAGES[device]}" if device in PACKAGES else ""
        raise MissingExtraError(
            f"--device {device}: the ONNX Runtime installed here has {', '.join(available)}, not {provider}; "
            + (f"run: {install}" if install else "it is in ONNX Runtime for macOS alone; choose another --device")
        )
    fix = f"it needs {LIBRARIES[device]}; or choose --device cpu"
    try:
        session = open_session(bundle.onnx_bytes, threads, provider)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise MissingExtraError(f"--device {device}: {provider} does not start ({reason}); {fix}") from error
    if provider not in session.get_providers():  # ONNX Runtime falls back without an error
        raise MissingExtraError(f"--device {device}: {provider} does not start; {fix}")
    if not (difference := _largest_difference(bundle, session, on_cpu)) <= MAX_DIFFERENCE:
        raise ConfigError(
            f"--device {device}: results of {bundle.info.name} differ by {difference:.2g} from the CPU's, more than "
            f"{MAX_DIFFERENCE}; choose --device cpu"
        )
    return session


def _largest_difference(bundle: Bundle, session: Any, other: Any) -> float:
    """-> the largest difference in mask probability and risk of two sessions, on one image of noise; it may be NaN."""
    height, width = bundle.info.preprocessing.size_hw
    image_11HW = np.random.default_rng(0).random((1, 1, height, width), np.float32)
    try:
        bundle.graph.check(1)
    except WeightsError as error:
        raise BundleError(f"model {bundle.info.name}: its network {error}; use another bundle") from None
    try:
        both = [one.run(list(OUTPUT_NAMES), {INPUT_NAME: image_11HW}) for one in (session, other)]
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"the network does not run on this device ({reason}); choose --device cpu") from error
    (mask, logit, _), (other_mask, other_logit, _) = both
    risk, other_risk = (1 / (1 + np.exp(-np.asarray(one, np.float64))) for one in (logit, other_logit))
    return float(np.max([np.abs(mask - other_mask).max(), np.abs(risk - other_risk).max()]))


def _network_on_cpu(bundle: Bundle, threads: int) -> Any:
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


def open_session(onnx_bytes: bytes, threads: int | None = None, provider: str = PROVIDERS[CPU]) -> Any:
    """ONNX bytes, threads (None: ONNX Runtime chooses), provider -> session. Raises what ONNX Runtime raises.

    Operations that this provider can't compute run on the CPU within the same session.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # Windows' trace events, which ORT_DISABLE_TELEMETRY leaves on
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else waiting threads use their cores
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    _register_shared_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    if provider == PROVIDERS["directml"]:
        options.enable_mem_pattern = False  # DirectML does not start with memory patterns
    providers = list(dict.fromkeys((provider, PROVIDERS[CPU])))
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=providers)
    session.disable_fallback()
    return session


@functools.cache
def _register_shared_arena() -> None:
    """Limits the memory of all sessions of this process together, once per process.

    The graph is checked before it runs, but ONNX Runtime chooses the order of the operations, and this order decides
    how many tensors exist at the same time. An allocation beyond the limit fails; the run then fails too.
    """
    import onnxruntime

    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(kind, onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES}))


def default_threads() -> int:
    """-> physical cores that this process may use, at least 1.

    Linux states which logical cores share a physical one. Windows and macOS do not; there, half of the logical cores
    are taken.
    """
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
