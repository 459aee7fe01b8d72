"""A thread of the service that waits for something to do: woken, or stopped after what it has in work."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Hand(threading.Thread):
    """What worker and sender share; `run` goes on until `_stopping` is set, and waits on `_wanted` in between."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        super().__init__(name=f"thyrosight-{name}", daemon=True)
        self._say = say
        self._wanted, self._stopping = threading.Event(), threading.Event()

    def wake(self) -> None:
        """There is something new to do."""
        self._wanted.set()

    def stop(self) -> None:
        """Ends after what is in work."""
        self._stopping.set()
        self._wanted.set()
