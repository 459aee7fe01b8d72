"""Peers of the DICOM listener that break the protocol: functions that get a connection and send false messages.

Messages are made by hand here, because a correct library would refuse to make them. Source: DICOM PS3.8, section 9.3.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

US, ECHO_CLASS = b"1.2.840.10008.5.1.4.1.1.6.1", b"1.2.840.10008.1.1"
IMPLICIT, EXPLICIT = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"
LIARS: dict[str, Callable[[socket.socket], None]] = {}


def liar(say: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    LIARS[say.__name__] = say
    return say


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBL", kind, 0, len(body) if length is None else length) + body


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body) if length is None else length) + body


def context(number: int, sop_class: bytes = US, syntaxes: tuple[bytes, ...] = (EXPLICIT,)) -> bytes:
    parts = item(0x30, sop_class) + b"".join(item(0x40, syntax) for syntax in syntaxes)
    return item(0x20, bytes([number, 0, 0, 0]) + parts)


def request(
    contexts: bytes, max_pdu: int = 16_384, application: bytes = b"1.2.840.10008.3.1.1.1", more: bytes = b""
) -> bytes:
    """-> an A-ASSOCIATE-RQ."""
    user = item(0x51, struct.pack(">L", max_pdu)) + item(0x52, b"1.2.3.4") + more
    head = struct.pack(">HH", 1, 0) + b"THYROSIGHT".ljust(16) + b"LIAR".ljust(16) + bytes(32)
    return pdu(1, head + item(0x10, application) + contexts + item(0x50, user))


def data(body: bytes, flags: int, number: int = 1, length: int | None = None) -> bytes:
    """-> a P-DATA-TF of one value. flags: 1 command, 2 last."""
    size = len(body) + 2 if length is None else length
    return pdu(4, struct.pack(">LBB", size, number, flags) + body)


def element(number: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0, number, len(value) if length is None else length) + value


def command(field: int, sop_class: bytes, has_data: bool, lie: int | None = None) -> bytes:
    body = element(2, sop_class + b"\0" * (len(sop_class) % 2), lie) + element(0x100, struct.pack("<H", field))
    body += element(0x110, struct.pack("<H", 7)) + element(0x700, struct.pack("<H", 0))
    body += element(0x800, struct.pack("<H", 1 if has_data else 0x101)) + element(0x1000, b"1.2.826.0.1.9.3\0")
    return element(0, struct.pack("<L", len(body))) + body


def associated(peer: socket.socket, contexts: bytes | None = None) -> None:
    peer.sendall(request(context(1) + context(3, ECHO_CLASS) if contexts is None else contexts))
    peer.settimeout(30)
    assert peer.recv(4096)[:1] == b"\x02"


def until_it_ends(peer: socket.socket, seconds: float = 30.0) -> bool:
    """-> whether the listener ended the connection."""
    end = time.monotonic() + seconds
    peer.settimeout(1.0)
    while time.monotonic() < end:
        try:
            if not peer.recv(65_536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def trickle(peer: socket.socket, message: bytes, pause: float = 0.2, seconds: float = 30.0) -> None:
    """Sends byte by byte until the other side closes the connection."""
    end = time.monotonic() + seconds
    with suppress(OSError):
        for at in range(len(message)):
            peer.sendall(message[at : at + 1])
            time.sleep(pause)
            if time.monotonic() > end:
                return


@liar
def says_nothing(peer: socket.socket) -> None: ...


@liar
def says_one_byte(peer: socket.socket) -> None:
    peer.sendall(b"\x01")


@liar
def says_half_a_head(peer: socket.socket) -> None:
    peer.sendall(b"\x01\x00\x00")


@liar
def claims_four_gigabytes(peer: socket.socket) -> None:
    peer.sendall(pdu(1, bytes(1000), 0xFFFFFFFF))


@liar
def claims_nothing(peer: socket.socket) -> None:
    peer.sendall(pdu(1, b"", 0))


@liar
def is_of_no_known_kind(peer: socket.socket) -> None:
    peer.sendall(pdu(0x42, bytes(100)))


@liar
def speaks_http(peer: socket.socket) -> None:
    peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


@liar
def sends_data_before_it_asks(peer: socket.socket) -> None:
    peer.sendall(data(command(1, US, True), 3))


@liar
def releases_before_it_asks(peer: socket.socket) -> None:
    peer.sendall(pdu(5, bytes(4)))


@liar
def accepts_what_nobody_asked(peer: socket.socket) -> None:
    peer.sendall(pdu(2, request(context(1))[6:]))


@liar
def asks_for_thousands_of_contexts(peer: socket.socket) -> None:
    peer.sendall(request(b"".join(context(1 + 2 * (at % 127)) for at in range(10_000))))


@liar
def asks_for_a_context_of_a_thousand_syntaxes(peer: socket.socket) -> None:
    peer.sendall(request(context(1, US, tuple(b"1.2.%d" % at for at in range(3_000)))))


@liar
def asks_for_nothing(peer: socket.socket) -> None:
    peer.sendall(request(b""))


@liar
def lies_of_the_length_of_an_item(peer: socket.socket) -> None:
    peer.sendall(request(item(0x20, bytes([1, 0, 0, 0]) + item(0x30, US, 0xFFFF), 0xFFFF)))


@liar
def has_another_application(peer: socket.socket) -> None:
    peer.sendall(request(context(1), application=b"9" * 200))


@liar
def takes_pdus_of_one_byte(peer: socket.socket) -> None:
    peer.sendall(request(context(1) + context(3, ECHO_CLASS), max_pdu=1))
    peer.recv(4096)
    peer.sendall(data(command(0x30, ECHO_CLASS, False), 3, 3))


@liar
def claims_pdus_of_four_gigabytes(peer: socket.socket) -> None:
    peer.sendall(request(context(1) + context(3, ECHO_CLASS), max_pdu=0xFFFFFFFF))
    peer.recv(4096)
    peer.sendall(data(command(0x30, ECHO_CLASS, False), 3, 3))


@liar
def negotiates_a_user_of_sixty_kilobytes(peer: socket.socket) -> None:
    peer.sendall(request(context(1), more=item(0x58, struct.pack(">BBH", 2, 1, 60_000) + bytes(60_000))))


@liar
def asks_and_says_no_more(peer: socket.socket) -> None:
    associated(peer)


@liar
def asks_twice(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(request(context(1)))


@liar
def stops_within_a_value(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3)[:-20])


@liar
def stops_within_a_data_set(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3) + data(bytes(5000), 0))


@liar
def lies_of_the_length_of_a_value(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3, length=0x7FFFFFFF))


@liar
def lies_of_the_length_of_an_element(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True, lie=0xFFFFFFF0), 3))


@liar
def sends_a_data_set_without_a_command(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(bytes(5000), 2))


@liar
def sends_for_a_context_that_nobody_accepted(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3, 99) + data(bytes(100), 2, 99))


@liar
def sends_a_command_without_an_end(peer: socket.socket) -> None:
    associated(peer)
    with suppress(OSError):
        for _ in range(20_000):
            peer.sendall(data(bytes(60_000), 1))


@liar
def sends_a_data_set_without_an_end(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3))
    with suppress(OSError):
        for _ in range(20_000):
            peer.sendall(data(bytes(60_000), 0))


@liar
def sends_values_without_bytes(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3) + data(b"", 0) * 2_000)


@liar
def sends_another_syntax_than_agreed(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3) + data(b"\xff\xd8\xff\xe0" * 500, 2))


@liar
def trickles_its_request(peer: socket.socket) -> None:
    trickle(peer, request(context(1)))


@liar
def trickles_a_data_set(peer: socket.socket) -> None:
    associated(peer)
    trickle(peer, data(command(1, US, True), 3) + data(bytes(5000), 0))


@liar
def trickles_small_pdus(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3))
    with suppress(OSError):
        for _ in range(150):
            peer.sendall(data(b"x", 0))
            time.sleep(0.2)


@liar
def never_reads_an_answer(peer: socket.socket) -> None:
    associated(peer)
    peer.settimeout(5)
    with suppress(OSError):
        for _ in range(2_000):
            peer.sendall(data(command(0x30, ECHO_CLASS, False), 3, 3))


@liar
def goes_on_after_its_release(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(pdu(5, bytes(4)) + data(command(1, US, True), 3))


@liar
def hangs_up_by_a_reset(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3) + data(bytes(5000), 0))
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@liar
def sends_an_instance_and_aborts(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(1, US, True), 3) + data(bytes(5000), 2) + pdu(7, bytes(4)))


@liar
def sends_ten_instances_and_hangs_up(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall((data(command(1, US, True), 3) + data(bytes(5000), 2)) * 10)
    peer.shutdown(socket.SHUT_RDWR)


@liar
def sends_an_instance_without_its_uid(peer: socket.socket) -> None:
    associated(peer)
    body = element(2, US + b"\0" * (len(US) % 2)) + element(0x100, struct.pack("<H", 1))
    body += element(0x110, struct.pack("<H", 7)) + element(0x800, struct.pack("<H", 1))
    peer.sendall(data(element(0, struct.pack("<L", len(body))) + body, 3) + data(bytes(5000), 2))


@liar
def sends_an_instance_as_an_echo(peer: socket.socket) -> None:
    associated(peer)
    peer.sendall(data(command(0x30, US, True), 3) + data(bytes(5000), 2))
