"""A child of children.py: answers {"say": x} with {"said": x}, prints each time, and dies where it is asked to."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thyrosight.children import serve
from thyrosight.errors import BundleError


def load(settings: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    if settings.get("is_broken"):
        raise MemoryError
    if (mark := settings.get("die_at_start_once")) and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if settings.get("is_refused"):
        raise BundleError("the model is another one")

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if marks := request.get("die_once"):
            try:
                Path(marks).touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        if request.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if names := request.get("environment"):
            return {"environment": {name: os.environ.get(name) for name in names}}
        print("a library that talks")
        return {"said": request["say"]}

    return answer


if __name__ == "__main__":
    serve(load)
