"""C-STORE and C-ECHO from the PACS -> items in the spool.

The answer to an instance is 0x0000 only when the instance is on the disk under its final name. Classes other than
images are not negotiated, so our own SEG and SR can't come back.
"""

from __future__ import annotations

import logging
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid

from thyrosight.errors import InputError
from thyrosight.frames.dicom import IMAGE_CLASSES
from thyrosight.frames.transfer_syntaxes import RECEIVED
from thyrosight.pacs.bounded_server import MAX_PDU_BYTES, BoundedServer, Meter, Waiting, hang_up
from thyrosight.pacs.entities import VERIFICATION, AllowedCallers
from thyrosight.pacs.log import Log, internal_error_line
from thyrosight.pacs.received_file import ReceivedFiles, received_files_in
from thyrosight.pacs.spool import OUT_OF_RESOURCES, RefusedError, Spool, SpoolItem

SUCCESS, CANNOT_UNDERSTAND = 0x0000, 0xC000
RETIRED_CLASSES = {"1.2.840.10008.5.1.4.1.1.3": "RetiredMultiFrame", "1.2.840.10008.5.1.4.1.1.6": "RetiredImage"}
ANNOUNCED_PDU_BYTES = 64 << 10
SILENT_SECONDS = 10.0
"""A connection takes a place, so it has this many seconds to request an association, or to end after a refusal."""
MAX_SILENT = 64
"""Most connections at the same time that have not requested an association."""
SLACK = 2
"""An instance of up to this many times its limit is received, and answered with a status. Where it is larger, the
connection is cut."""


@dataclass(frozen=True)
class ListenerSettings:
    """Address, own AE title, and who may call. max_associations: most associations at the same time.

    seconds: how long a peer may be silent.
    """

    host: str = "127.0.0.1"
    port: int = 11112
    ae_title: str = "THYROSIGHT"
    callers: AllowedCallers = field(default_factory=AllowedCallers)
    max_associations: int = 8
    seconds: float = 60.0
    tls: ssl.SSLContext | None = None


class Listener:
    """The storage and verification SCP. on_new is called with every new item."""

    def __init__(self, settings: ListenerSettings, spool: Spool, on_new: Callable[[SpoolItem], None], log: Log) -> None:
        self._settings, self._spool, self._on_new, self._log = settings, spool, on_new, log
        self._meters: dict[Any, Meter] = {}
        self._waiting = Waiting(MAX_SILENT)
        self._lock = threading.Lock()
        self._ae = _application_entity(settings)
        self._server: Any = None
        self._received_into: Any = None
        self._files: ReceivedFiles

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Starts to listen. InputError where the address is not available."""
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_CONN_CLOSE, self._closed),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_C_STORE, self._store),
        ]
        settings = self._settings
        try:
            self._server = self._ae.make_server(
                (settings.host, settings.port),
                ssl_context=settings.tls,
                evt_handlers=handlers,
                server_class=BoundedServer,
            )
        except OSError as error:
            reason = error.strerror or "not an address of this machine"
            raise InputError(
                f"{settings.host}:{settings.port}: can't listen there ({reason}); choose another --port"
            ) from error
        self._server.callers = settings.callers
        self._ae._servers.append(self._server)
        self._received_into = received_into(self._spool.incoming)
        self._files = self._received_into.__enter__()
        serve = partial(self._server.serve_forever, poll_interval=0.1)
        threading.Thread(target=serve, name="thyrosight-listener", daemon=True).start()

    def stop(self, seconds: float = 5.0) -> None:
        """Accepts no new association. Open ones are aborted unless they end within `seconds`."""
        if self._server is None:
            return
        self._server.shutdown()
        self._waiting.hang_up_all()
        self._ae.asked = None
        for association in self._ae.active_associations:
            association.join(seconds)
        self._ae.shutdown()
        self._delete_left()
        self._received_into.__exit__(None, None, None)
        self._server = None

    def _opened(self, event: Any) -> None:
        """Limits how much the peer sends and how long it is silent, from the first byte on."""
        socket = event.assoc.dul.socket
        limit = SLACK * self._spool.limits.max_bytes + MAX_PDU_BYTES
        connection = socket.socket
        meter = Meter(connection.recv, lambda: hang_up(connection), limit, self._settings.seconds)
        self._waiting.add(event.assoc, lambda: hang_up(connection))
        event.assoc.kill = partial(self._end, event.assoc, event.assoc.kill)
        socket.recv = meter
        machine = event.assoc.dul.state_machine
        machine.do_action = partial(self._act, machine.do_action, connection, _peer(event))
        socket.socket.settimeout(self._settings.seconds)  # without it pynetdicom waits for the rest of a PDU for ever
        event.assoc.dul.artim_timer.timeout = min(self._settings.seconds, SILENT_SECONDS)
        with self._lock:
            self._meters[event.assoc] = meter

    def _end(self, association: Any, kill: Callable[[], None]) -> None:
        """Ends the threads of an association.

        pynetdicom gives up a request that it reads for too long, and then waits for the peer to hang up. So this hangs
        up, or the peer would hold a place for as long as it likes.
        """
        self._waiting.hang_up(association)
        kill()

    def _act(self, act: Callable[[str], None], connection: Any, peer: str, event_name: str) -> None:
        """One step of pynetdicom's protocol; where a message makes it fail, the connection ends."""
        try:
            act(event_name)
        except Exception as error:
            self._log(f"{peer}: connection closed, because the peer broke the protocol ({type(error).__name__})")
            hang_up(connection)

    def _requested(self, event: Any) -> None:
        self._waiting.remove(event.assoc)
        with self._lock:
            meter = self._meters.get(event.assoc)
        if meter is not None:
            meter.reset()
        if self._ae.asked is not None:
            self._ae.asked.add(event.assoc)

    def _closed(self, event: Any) -> None:
        """Deletes an instance that was not complete when the connection ended."""
        self._waiting.remove(event.assoc)
        if self._ae.asked is not None:
            self._ae.asked.discard(event.assoc)
        with self._lock:
            self._meters.pop(event.assoc, None)
        if self._delete_left(event.assoc.dul):
            self._log(f"{_peer(event)}: the connection ended within an instance; nothing of it was kept")

    def _delete_left(self, reader: threading.Thread | None = None) -> bool:
        """Deletes the files that no C-STORE has taken, of one connection or of all -> whether there were such files."""
        left = self._files.take_left(reader)
        for path in left:
            self._spool.discard(path)
        return bool(left)

    def _rejected(self, event: Any) -> None:
        self._log(f"{_peer(event)}: refused, as an AE title that is not allowed or one association too many")

    def _store(self, event: Any) -> int:
        """One C-STORE -> its status.

        The received file is deleted here, by the spool, which tries again later where the disk refuses. pynetdicom
        would try only once.
        """
        received = event.request._dataset_file
        if received is not None:
            self._files.take(received)
        try:
            return self._status_of(event)
        finally:
            if received is not None:
                self._spool.discard(Path(received.name))

    def _status_of(self, event: Any) -> int:
        peer = _peer(event)
        try:
            meter = self._meters.get(event.assoc)
            if meter is not None:
                meter.reset()
            refusal = getattr(event.request._dataset_file, "refusal", None)
            if refusal is not None:
                raise RefusedError(OUT_OF_RESOURCES, f"it can't be stored ({refusal})")
            if str(event.request.AffectedSOPClassUID) != str(event.context.abstract_syntax):
                raise RefusedError(CANNOT_UNDERSTAND, "its class is not the one that was negotiated")
            item, is_new = self._spool.accept(Path(event.dataset_path), str(event.request.AffectedSOPInstanceUID))
        except RefusedError as error:
            self._log(f"{peer}: refused 0x{error.status:04X}: {error}")
            return error.status
        except OSError as error:
            self._log(f"{peer}: refused 0x{OUT_OF_RESOURCES:04X}: it can't be stored ({error.strerror})")
            return OUT_OF_RESOURCES
        except Exception as error:  # a bug of ours: the sender keeps its instance
            self._log(f"{peer}: refused 0x{CANNOT_UNDERSTAND:04X}: {internal_error_line(error)}")
            return CANNOT_UNDERSTAND
        if is_new:
            self._log(f"{item.label} received from {peer}")
            self._on_new(item)
        else:
            self._log(f"{item.label} received from {peer} again: it is in work or done, nothing to do")
        return SUCCESS


@contextmanager
def received_into(folder: Path) -> Iterator[ReceivedFiles]:
    """-> the received files.

    Within the block pynetdicom writes them into this folder, chunk by chunk, and writes no log. Both are settings of
    the whole process, so a process has one listener.
    """
    logger = logging.getLogger("pynetdicom")
    before = tempfile.tempdir, _config.STORE_RECV_CHUNKED_DATASET, _config.LOG_HANDLER_LEVEL, logger.level
    tempfile.tempdir, _config.STORE_RECV_CHUNKED_DATASET = str(folder), True
    _config.LOG_HANDLER_LEVEL = "none"
    logger.setLevel(logging.CRITICAL + 1)  # its lines may hold words of a peer
    try:
        with received_files_in(folder) as files:
            yield files
    finally:
        tempfile.tempdir, _config.STORE_RECV_CHUNKED_DATASET, _config.LOG_HANDLER_LEVEL = before[:3]
        logger.setLevel(before[3])


class _Entity(AE):
    """An application entity that counts a connection only after it has requested an association.

    asked: the associations that were requested. It is None while the listener stops: then all connections count, so
    that pynetdicom ends all of them.
    """

    def __init__(self, ae_title: str) -> None:
        super().__init__(ae_title=ae_title)
        self.asked: set[Any] | None = set()

    @property
    def active_associations(self) -> list[Any]:
        found: list[Any] = super().active_associations
        return found if self.asked is None else [one for one in found if one in self.asked]


def _application_entity(settings: ListenerSettings) -> _Entity:
    """Settings -> the application entity, with the classes that it accepts, its callers and its time limits."""
    for uid, keyword in RETIRED_CLASSES.items():
        register_uid(uid, keyword, StorageServiceClass)
    ae = _Entity(ae_title=settings.ae_title)
    ae.maximum_associations = settings.max_associations
    ae.maximum_pdu_size = ANNOUNCED_PDU_BYTES
    ae.require_calling_aet = list(settings.callers.ae_titles)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = settings.seconds
    ae.add_supported_context(VERIFICATION)
    for sop_class in IMAGE_CLASSES:
        ae.add_supported_context(sop_class, list(RECEIVED))
    return ae


def _peer(event: Any) -> str:
    """-> AE title and address of the peer, in printable ASCII."""
    requestor = event.assoc.requestor
    title = "".join(mark for mark in str(requestor.ae_title or "") if mark.isascii() and mark.isprintable()).strip()
    return f"{title[:16] or 'a peer'}@{requestor.address}"
