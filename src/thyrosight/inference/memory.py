"""Sessions of ONNX Runtime -> at most so much memory for all of them in this process.

A graph is checked before it runs, but ONNX Runtime chooses the order of its operations, and with it how many tensors
live at a time. The limit of its arena holds whatever the order is: an allocation beyond it fails, and with it that run.
"""

from __future__ import annotations

import functools
from typing import Any

MAX_MEMORY_BYTES = 8 << 30


def bound_memory(options: Any) -> None:
    """Session options -> the same, with the arena that all sessions of this process share."""
    _register_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")


@functools.cache
def _register_arena() -> None:
    """Once per process: the arena belongs to ONNX Runtime's environment, which a process has one of."""
    import onnxruntime as ort

    kind = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(kind, ort.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES}))
