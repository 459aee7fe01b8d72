"""Connections of DICOM peers -> associations, bounded: who may connect, how much one may send, how long one may take.

What pynetdicom leaves open is closed here: a TLS handshake is made in the connection's own thread with a time limit
(in the accepting thread one silent peer would hold up all others), a PDU may not claim any length, a peer that falls
silent within one is given up, and what one association sends for one instance is counted as it comes.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

from thyrosight.errors import ConfigError
from thyrosight.pacs.entities import AllowedCallers

HANDSHAKE_SECONDS = 10.0
BOTH_WAYS = 2
"""SHUT_RDWR."""
MAX_PDU_BYTES = 1 << 20
"""We announce 64 KB; a peer that claims megabytes for one PDU means no good."""


class BoundedServer(ThreadedAssociationServer):
    """pynetdicom's server with the doors closed; `callers` is set before it serves."""

    callers = AllowedCallers()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """-> whether the peer's address may connect."""
        return self.callers.may_connect(str(client_address[0]))

    def get_request(self) -> tuple[Any, Any]:
        """-> a connection, not yet shaken hands with."""
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
        """The connection's own thread: the handshake, then the association."""
        if self.ssl_context:
            try:
                request.do_handshake()
                request.settimeout(self.ae.network_timeout)
            except (OSError, ValueError):  # a peer without TLS, without our certificate, or silent
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that fails in any other way ends, and says nothing."""


class Meter:
    """What one association has sent since its last whole instance, held against a limit."""

    def __init__(self, receive: Callable[[int], Any], hang_up: Callable[[], Any], max_bytes: int) -> None:
        self._receive, self._hang_up, self._max_bytes = receive, hang_up, max_bytes
        self._num_bytes = 0

    def __call__(self, num_bytes: int) -> Any:
        """In the place of the socket's recv. Hangs up and raises OSError, which ends the association, at the limit."""
        self._num_bytes += num_bytes
        if num_bytes > MAX_PDU_BYTES or self._num_bytes > self._max_bytes:
            self._hang_up()
            raise OSError("more than may be sent")
        try:
            return self._receive(num_bytes)
        except OSError:  # silent for too long, in the midst of a PDU
            self._hang_up()
            raise

    def reset(self) -> None:
        """An instance was received whole."""
        self._num_bytes = 0


def hang_up(connection: Any) -> None:
    """A connection -> shut down both ways; whoever reads from it finds its end."""
    with suppress(OSError):
        connection.shutdown(BOTH_WAYS)


def server_context(cert: Path, key: Path, ca: Path | None) -> ssl.SSLContext:
    """Certificate, key, authority -> TLS for those who call us; with an authority they need its certificate."""
    return _loaded(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), cert, key, ca)


def client_context(cert: Path | None, key: Path | None, ca: Path | None) -> ssl.SSLContext:
    """Certificate, key, authority -> TLS for those whom we call; without an authority the system's are asked."""
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
        raise ConfigError(f"{files}: no certificate, key and authority in PEM that belong together") from error
    return context
