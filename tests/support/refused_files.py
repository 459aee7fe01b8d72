"""Name, errno -> a block in which the system refuses to open the files and folders of that name."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def refused(name: str, code: int) -> Iterator[None]:
    """Within the block, to open or list a path that ends in `name` fails with this errno."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *given: Any, **named: Any) -> Any:
            if not isinstance(path, int) and os.fsdecode(path).endswith(name):
                raise OSError(code, os.strerror(code), os.fsdecode(path))
            return real(path, *given, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", refusing(builtins.open))
        patch.setattr(io, "open", builtins.open)
        patch.setattr(os, "open", refusing(os.open))
        patch.setattr(os, "scandir", refusing(os.scandir))
        yield
