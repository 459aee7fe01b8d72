"""A port of loopback that nobody else gets: held by a bound socket, released just before its use."""

from __future__ import annotations

import socket
from types import TracebackType


class HeldPort:
    """While it is held nothing listens there: connections are refused, and the system gives the port to nobody."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])

    def release(self) -> int:
        """-> the port, for one who binds it now."""
        self._socket.close()
        return self.number

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()
