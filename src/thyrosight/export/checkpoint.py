"""Checkpoint of a run <-> its contents. The file is written whole or not at all; a damaged one gives one error line."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from thyrosight.errors import InputError

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}
"""System errors that refuse to write a file. The user can remove their cause; any other error is a bug."""
LAST_NAME, BEST_NAME = "last.ckpt", "best.ckpt"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Checkpoint file -> its contents, on the CPU. InputError where it can't be read whole."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); check its permissions and the disk") from error
    except Exception as error:  # a damaged archive fails in half a dozen ways
        raise InputError(
            f"{path}: damaged checkpoint ({type(error).__name__}); put a copy back, or train again elsewhere"
        ) from error
    if not isinstance(found, dict) or "state_dict" not in found:
        raise InputError(f"{path}: no checkpoint of a training run")
    return found


def kept_checkpoint(run: Path, keep: str) -> dict[str, Any]:
    """Run folder, "best" or "last" -> the checkpoint whose weights go into the bundle.

    A run without validation has no best checkpoint, so the last one is taken. InputError where last.ckpt names a best
    checkpoint that is missing, because the bundle must not silently get other weights.
    """
    last, best = run / LAST_NAME, run / BEST_NAME
    if keep == "best" and best.exists():
        return read_checkpoint(best)
    if not last.exists():
        raise InputError(f"{run}: no checkpoint yet; train until the first epoch has ended")
    found = read_checkpoint(last)
    if keep == "best" and best_score_in(found) > -math.inf:
        raise InputError(f"{run}: {BEST_NAME} is missing, and {LAST_NAME} is not the best; train again in a new folder")
    return found


def best_score_in(checkpoint: dict[str, Any]) -> float:
    """-> the highest validation score that the run had seen; -inf where there was none."""
    states = checkpoint.get("callbacks", {}).values()
    return max((float(state["best_score"]) for state in states if "best_score" in state), default=-math.inf)


def replace_whole(path: Path, write: Callable[[Path], None], *, is_mine: bool) -> None:
    """Calls `write` with the path of a temporary file next to `path`; this file then replaces `path`.

    is_mine: whether this process is the one of the run's processes that replaces `path`.

    InputError where the system refuses to write. The older file is then still there, and the run can continue from it.
    """
    temporary = path.parent / f".{path.name}.tmp"  # the same for all processes of a run: they save it together
    with full_disk_in_one_line(path):
        try:
            write(temporary)
            if is_mine:
                with open(temporary, "rb") as stream:
                    os.fsync(stream.fileno())
                os.replace(temporary, path)
        finally:
            if is_mine:
                temporary.unlink(missing_ok=True)


@contextmanager
def full_disk_in_one_line(path: Path) -> Iterator[None]:
    """Block that writes a file of a run: an error of REFUSALS in it -> InputError that says how to continue."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise InputError(
            f"{path}: can't be written ({error.strerror or error}); free space, then continue with --resume"
        ) from error
