"""HTTP connections: their number has a limit, and the head of each request has a time limit.

A request that never ends holds a connection. So a head must arrive within HEAD_SECONDS, and connections have a limit,
in all and per address. Where all are in use, the connection that has waited longest for its head is closed. All errors
of peers together give a few log lines per minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
MAX_CONNECTIONS = 512
MAX_PER_PEER = 256
SPARE_FILES = 256
"""Number of open files that is kept free for uploads, results and the queue."""
LINES_PER_MINUTE = 20


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with a time limit for each head, and a limit on the number of connections."""

    max_connections = MAX_CONNECTIONS
    _peers: ClassVar[Counter[str]] = Counter()
    _without_head: ClassVar[dict[BoundedProtocol, None]] = {}
    """Connections of the process that wait for a head; the longest wait comes first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        self._peer = self.client[0] if self.client else ""
        self._peers[self._peer] += 1
        self._await_head()
        if len(self.connections) > self.max_connections or self._peers[self._peer] > MAX_PER_PEER:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._peers[self._peer] -= 1
        if not self._peers[self._peer]:
            del self._peers[self._peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        else:
            self._head_came()

    def _await_head(self) -> None:
        """Starts the time limit of a head, unless it runs already: a head that arrives in parts gets no more time."""
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)
            self._without_head[self] = None

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._without_head.pop(self, None)

    def _make_room(self) -> None:
        """Closes the connection that waits longest for its head; where this peer has too many, one of this peer's."""
        is_greedy = self._peers[self._peer] > MAX_PER_PEER
        waiting = (one for one in self._without_head if one is not self and (one._peer == self._peer or not is_greedy))
        (next(waiting, self)).transport.abort()


class FewLines(logging.Filter):
    """Lets LINES_PER_MINUTE log lines per minute pass. The next line after that states how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._minute, self._num_passed, self._num_dropped = 0.0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._minute >= 60:
            self._minute, self._num_passed = now, 0
        self._num_passed += 1
        if self._num_passed > LINES_PER_MINUTE:
            self._num_dropped += 1
            return False
        if self._num_dropped:
            record.msg = f"{record.msg} ({self._num_dropped:,} lines like this left out)"
            self._num_dropped = 0
        return True


def bound_connections() -> type[H11Protocol]:
    """-> the protocol for uvicorn. Raises the process's limit of open files, and limits the lines in its log."""
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(FewLines())
    BoundedProtocol.max_connections = max(16, min(MAX_CONNECTIONS, _raised_limit() - SPARE_FILES))
    return BoundedProtocol


def _raised_limit() -> int:
    """Raises the limit of open files as far as needed and allowed -> the new limit."""
    try:
        import resource
    except ImportError:
        return MAX_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
