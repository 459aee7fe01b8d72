"""Results in the spool -> the destination, by C-STORE.

A result that failed is tried again, after longer and longer pauses.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, SegmentationStorage
from pynetdicom import AE

from thyrosight.daemon import BackgroundThread
from thyrosight.errors import InputError
from thyrosight.pacs.entities import VERIFICATION, Destination
from thyrosight.pacs.log import Log, error_line
from thyrosight.pacs.spool import Spool, SpoolItem

BATCH = 50
IDLE_SECONDS = 1.0
MAX_PUT_OFF_SECONDS = 60.0
WARNINGS = range(0xB000, 0xC000)
"""Statuses of an instance that is stored, with a warning (DICOM PS3.7 C.3)."""


@dataclass(frozen=True)
class SenderSettings:
    """Destination, own AE title, pause before a next try: it doubles from first_seconds up to longest_seconds."""

    destination: Destination
    ae_title: str = "THYROSIGHT"
    tls: ssl.SSLContext | None = None
    max_tries: int = 60
    first_seconds: float = 5.0
    longest_seconds: float = 1800.0
    network_seconds: float = 60.0

    def pause(self, num_tries: int) -> float:
        """Number of failed tries before this one -> seconds until the next try."""
        return float(min(self.first_seconds * 2.0 ** min(num_tries, 30), self.longest_seconds))


class Sender(BackgroundThread):
    """Sends results until `stop`. Where the destination does not answer, results wait and none is lost."""

    def __init__(self, settings: SenderSettings, spool: Spool, log: Log) -> None:
        super().__init__("sender", self.step)
        self.settings, self._spool, self._log = settings, spool, log

    def step(self) -> float:
        """Sends the items that are due -> seconds to wait before the next ones."""
        try:
            items = self._spool.due(time.monotonic(), BATCH)
            if not items:
                self._spool.delete_again()
                return IDLE_SECONDS
            self.send(items)
        except Exception as error:  # the disk refuses, or a bug of ours: every result stays on the disk
            self._log(error_line(error))
            return IDLE_SECONDS
        return 0

    def send(self, items: Sequence[SpoolItem]) -> None:
        """Items that are due -> sent in one association, delayed, or failed."""
        left = list(items)
        try:
            with Association(self.settings) as association:
                while left and not self.is_stopping:
                    try:
                        self._send_one(association, left[0])
                    except (OSError, InputError):
                        self._put_off(left[0])
                        raise
                    left.pop(0)
        except UnreachableError as error:
            pauses = [self._not_sent(item, str(error)) for item in left]
            kept = [pause for pause in pauses if pause is not None]
            if kept:
                self._log(f"{error}: {len(kept)} not sent; next try in {min(kept):.0f} s")

    def _send_one(self, association: Association, item: SpoolItem) -> None:
        """Sends the files of an item; each is deleted once the destination has confirmed it."""
        for path in item.results():
            reason = association.store(path)
            if reason is not None:
                pause = self._not_sent(item, f"{path.name}: {reason}")
                if pause is not None:
                    self._log(f"{item.label} not sent: {path.name}: {reason}; next try in {pause:.0f} s")
                return
            path.unlink()
        self._spool.finish(item)
        self._log(f"{item.label} results stored at {self.settings.destination}")

    def _put_off(self, item: SpoolItem) -> None:
        """Delays an item whose file has arrived but can't be deleted: it must not be sent again every second."""
        item.due = time.monotonic() + min(self.settings.pause(item.num_refusals), MAX_PUT_OFF_SECONDS)
        item.num_refusals += 1

    def _not_sent(self, item: SpoolItem, reason: str) -> float | None:
        """Counts a failed try -> seconds until the next try; None where this was the last one."""
        settings = self.settings
        if item.num_tries + 1 >= settings.max_tries:
            self._spool.fail(item, f"not sent to {settings.destination} in {settings.max_tries} tries: {reason}")
            self._log(f"{item.label} given up after {settings.max_tries} tries: {reason}")
            return None
        pause = settings.pause(item.num_tries)
        self._spool.delay(item, pause)
        return pause


class UnreachableError(Exception):
    """The destination can't be reached, or closed the connection."""


class Association:
    """An association with the destination, open within its block."""

    def __init__(self, settings: SenderSettings) -> None:
        self._settings = settings
        self._association: Any = None

    def __enter__(self) -> Association:
        settings, destination = self._settings, self._settings.destination
        ae = AE(ae_title=settings.ae_title)
        ae.connection_timeout = ae.acse_timeout = min(settings.network_seconds, 20.0)
        ae.dimse_timeout = ae.network_timeout = settings.network_seconds
        for sop_class in (SegmentationStorage, ComprehensiveSRStorage):
            ae.add_requested_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        ae.add_requested_context(VERIFICATION)
        tls = (settings.tls, destination.host) if settings.tls else None
        try:
            self._association = ae.associate(
                destination.host, destination.port, ae_title=destination.ae_title, tls_args=tls
            )
        except OSError as error:  # an unknown host name
            raise UnreachableError(f"{destination}: {error.strerror or 'unknown host'}") from error
        if not self._association.is_established:
            what = "refused us" if self._association.is_rejected else "can't be reached"
            raise UnreachableError(f"{destination} {what}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._association.is_established:
            self._association.release()

    def echo(self) -> bool:
        """-> whether the destination answers a C-ECHO."""
        return getattr(self._association.send_c_echo(), "Status", None) == 0

    def store(self, path: Path) -> str | None:
        """A DICOM file -> None where the destination has confirmed it, else the reason."""
        if not self._association.is_established:
            raise UnreachableError(f"{self._settings.destination} closed the connection")
        try:
            answer = self._association.send_c_store(path)
        except ValueError:
            return "the destination does not take objects of this class"
        except (OSError, RuntimeError, AttributeError) as error:
            return f"can't be sent ({type(error).__name__})"
        status = getattr(answer, "Status", None)
        if status is None:
            raise UnreachableError(f"{self._settings.destination} gave no answer")
        return None if status == 0 or status in WARNINGS else f"refused with status 0x{status:04X}"


def check_destination(settings: SenderSettings) -> str | None:
    """-> None where the destination answers a C-ECHO, else what is wrong with it."""
    try:
        with Association(settings) as association:
            return None if association.echo() else f"{settings.destination} does not answer a C-ECHO"
    except (UnreachableError, ValueError) as error:
        return str(error)
