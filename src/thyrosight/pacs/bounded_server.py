"""Connections of DICOM peers -> associations with limits: who may connect, how much and how long a peer may send.

pynetdicom has no such limits. Here the TLS handshake runs in the connection's own thread with a time limit, because in
the accepting thread one silent peer would block all others. A PDU has a maximum length. A peer that is silent within a
PDU, or sends too slowly, is cut off. The bytes of one instance are counted as they arrive. Connections without a
request can't fill all places: the one that has waited longest is closed.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

from thyrosight.errors import ConfigError
from thyrosight.pacs.entities import AllowedCallers

HANDSHAKE_SECONDS = 10.0
BOTH_WAYS = 2
"""socket.SHUT_RDWR; this package imports no socket."""
MAX_PDU_BYTES = 1 << 20
"""The listener announces 64 KB, so a peer that claims megabytes for one PDU is hostile or broken."""
MAX_REQUEST_BYTES = 256 << 10
"""Of the request for an association. 128 contexts, as many as the standard allows, of 30 syntaxes each have 120 KB."""
MAX_HANDSHAKES = 64
"""Handshakes at the same time; each has a thread."""
MIN_BYTES_PER_SECOND = 4 << 10
"""A peer that sends one instance for longer than it may be silent must keep at least this pace."""
BLOCK_BYTES = 64 << 10


class BoundedServer(ThreadedAssociationServer):
    """pynetdicom's server with limits. Set `callers` before it serves."""

    callers = AllowedCallers()
    request_queue_size = 128

    def __init__(self, *given: Any, **options: Any) -> None:
        self._handshakes = Waiting(MAX_HANDSHAKES)
        super().__init__(*given, **options)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the peer's address may connect."""
        return self.callers.may_connect(str(client_address[0]))

    def get_request(self) -> tuple[Any, Any]:
        """-> (connection before its TLS handshake, address)."""
        assert self.socket is not None
        connection, address = self.socket.accept()
        if self.ssl_context:
            connection.settimeout(HANDSHAKE_SECONDS)
            try:
                connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except OSError:
                connection.close()
                raise
        return connection, address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Runs in the connection's own thread: the handshake, then the association."""
        if self.ssl_context:
            self._handshakes.add(request, lambda: hang_up(request))
            try:
                request.do_handshake()
                request.settimeout(self.ae.network_timeout)
            except (OSError, ValueError):  # a peer without TLS, without a certificate that we accept, or silent
                self.shutdown_request(request)
                return
            finally:
                self._handshakes.remove(request)
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A failure in the connection's thread ends the connection, and nothing is printed.

        socketserver would print the failure.
        """


class Waiting:
    """Connections that have not asked for anything yet, at most `limit`; for a new one, the oldest is closed."""

    def __init__(self, limit: int) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._hang_ups: dict[Any, Callable[[], Any]] = {}

    def add(self, key: Any, hang_up: Callable[[], Any]) -> None:
        with self._lock:
            self._hang_ups[key] = hang_up
            is_full = len(self._hang_ups) > self._limit
            oldest = self._hang_ups.pop(next(iter(self._hang_ups))) if is_full else None
        if oldest is not None:
            oldest()

    def remove(self, key: Any) -> None:
        with self._lock:
            self._hang_ups.pop(key, None)

    def hang_up(self, key: Any) -> None:
        """Closes this connection, if it still waits."""
        with self._lock:
            hang_up = self._hang_ups.pop(key, None)
        if hang_up is not None:
            hang_up()

    def hang_up_all(self) -> None:
        with self._lock:
            left = list(self._hang_ups.values())
            self._hang_ups.clear()
        for hang_up in left:
            hang_up()


class Meter:
    """Counts the bytes of one association since its last complete instance; their number and their pace have limits.

    receive: a function like socket.recv. seconds: a peer that sends for longer than this must keep to
    MIN_BYTES_PER_SECOND. max_pdu_bytes: MAX_REQUEST_BYTES until `reset`, which is also called for the request.
    """

    def __init__(
        self, receive: Callable[[int], Any], hang_up: Callable[[], Any], max_bytes: int, seconds: float = 60.0
    ) -> None:
        self._receive, self._hang_up, self._max_bytes, self._seconds = receive, hang_up, max_bytes, seconds
        self._max_pdu_bytes = MAX_REQUEST_BYTES
        self._num_bytes = self._num_arrived = 0
        self._began: float | None = None

    def __call__(self, num_bytes: int) -> bytearray:
        """Replaces recv of pynetdicom's socket -> num_bytes bytes, or fewer where the connection ends.

        Where the peer sends too much, too slowly or nothing, this closes the connection. It also raises OSError, which
        ends the association.
        """
        self._num_bytes += num_bytes
        try:
            if num_bytes > self._max_pdu_bytes or self._num_bytes > self._max_bytes:
                raise OSError("more bytes than the limit")
            return self._received(num_bytes)
        except OSError:  # also where the peer is silent for too long within a PDU
            self._hang_up()
            raise

    def _received(self, num_bytes: int) -> bytearray:
        found = bytearray()
        while len(found) < num_bytes:
            self._check_pace()
            block = self._receive(min(BLOCK_BYTES, num_bytes - len(found)))
            if not block:
                break
            found += block
            self._num_arrived += len(block)
        return found

    def _check_pace(self) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = now
        seconds = now - self._began
        if seconds > self._seconds and self._num_arrived < MIN_BYTES_PER_SECOND * seconds:
            raise OSError("too slow")

    def reset(self) -> None:
        """Begins to count anew, because the request or an instance is complete."""
        self._max_pdu_bytes = MAX_PDU_BYTES
        self._num_bytes = self._num_arrived = 0
        self._began = None


def hang_up(connection: Any) -> None:
    """Shuts a connection down in both directions, so that a thread that waits for its data continues."""
    with suppress(OSError):
        connection.shutdown(BOTH_WAYS)


def server_context(cert: Path, key: Path, ca: Path | None) -> ssl.SSLContext:
    """Certificate, key, authority -> TLS of the listener.

    With an authority, callers need a certificate that it issued.
    """
    return _loaded(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), cert, key, ca)


def client_context(cert: Path | None, key: Path | None, ca: Path | None) -> ssl.SSLContext:
    """Certificate, key, authority -> TLS of the sender. Without an authority, the system's authorities are trusted."""
    return _loaded(ssl.create_default_context(ssl.Purpose.SERVER_AUTH), cert, key, ca)


def _loaded(context: ssl.SSLContext, cert: Path | None, key: Path | None, ca: Path | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path, option in ((cert, "--tls-cert"), (key, "--tls-key"), (ca, "--tls-ca")):
        try:
            if path is not None:
                path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{option} {path}: can't be read ({error.strerror})") from error
    try:
        if cert is not None:
            context.load_cert_chain(cert, key)
        if ca is not None:
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        files = ", ".join(str(path) for path in (cert, key, ca) if path is not None)
        raise ConfigError(f"{files}: not a certificate, key and authority in PEM that belong together") from error
    return context
