"""The largest resident memory of this process since it began as a program."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_megabytes() -> float:
    """MiB. On Linux by VmHWM: getrusage would also count the memory of the process that started this one."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
