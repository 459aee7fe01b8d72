"""A session of requests -> the same with a deadline: a connection is cut when its answer takes too long.

The library requests limits the time of each read, not that of a whole answer. Without a deadline, a server that sends
one byte per minute would hold the program for ever.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

BOTH_WAYS = 2
"""socket.SHUT_RDWR."""


class Deadline:
    """The time limit of the present request; a session has one request at a time."""

    def __init__(self, session: Any) -> None:
        self.is_over = False
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._timer: threading.Timer | None = None
        for adapter in session.adapters.values():
            pools = adapter.poolmanager
            pools.pool_classes_by_scheme = {
                scheme: _told_pool(pool, self._connections.add) for scheme, pool in pools.pool_classes_by_scheme.items()
            }

    def set(self, seconds: float) -> None:
        """Sets the time limit anew: after this many seconds from now, the connections are cut."""
        self.clear()
        self.is_over = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def clear(self) -> None:
        """Ends the time limit, because the request has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self) -> None:
        self.is_over = True
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(BOTH_WAYS)


def _told_pool(pool: Any, on_connect: Callable[[Any], None]) -> Any:
    """Pool class of urllib3 -> the same class, which also calls on_connect for every connection that it opens."""

    def connect(self: Any) -> None:
        pool.ConnectionCls.connect(self)
        on_connect(self.sock)

    connection = type("Connection", (pool.ConnectionCls,), {"connect": connect})
    return type("Pool", (pool,), {"ConnectionCls": connection})
