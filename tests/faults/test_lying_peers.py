"""DICOM peers that lie to `listen`, with and without TLS: each is given up in time, and others are served meanwhile."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom")

from pynetdicom.dul import DULServiceProvider

from lying_peers import LIARS, context, data, request, until_it_ends
from pacs_peers import echo, send, us_dataset
from thyrosight.pacs import bounded_server
from thyrosight.pacs.bounded_server import client_context, server_context
from thyrosight.pacs.listener import Listener, ListenerSettings
from thyrosight.pacs.spool import Spool, SpoolLimits

SECONDS = 2.0
"""That a peer may be silent, in these tests; an honest one too."""
LONGEST = 240.0
"""Until a liar is given up or an honest peer is served: far more than a busy machine takes."""


def is_served(echoed: Callable[[], bool]) -> bool:
    """Whether an honest peer is heard. On a busy machine it may itself be silent for SECONDS; then it calls again."""
    end = time.monotonic() + LONGEST
    while not (heard := echoed()) and time.monotonic() < end:
        time.sleep(0.1)
    return heard


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    spool = Spool(tmp_path_factory.mktemp("spool") / "spool", SpoolLimits(spare_bytes=0, max_bytes=4 << 20))
    found = Listener(ListenerSettings(port=0, seconds=SECONDS), spool, lambda _: None, lambda _: None)
    found.start()
    yield found
    found.stop()
    assert sum(spool.counts().values()) <= 3, "sound, of another syntax, sent whole before the end"
    assert not list(spool.incoming.iterdir()), "what no C-STORE took is deleted"
    spool.close()


def test_there_are_enough_of_them() -> None:
    assert len(LIARS) >= 24


@pytest.mark.parametrize("name", LIARS)
def test_a_peer_that_lies_is_given_up(listener: Listener, name: str) -> None:
    with socket.create_connection(("127.0.0.1", listener.port), timeout=LONGEST) as peer:
        with suppress(OSError):
            LIARS[name](peer)
        assert peer.fileno() < 0 or until_it_ends(peer, LONGEST), "it is still held"
    assert is_served(lambda: echo(listener.port) == 0)


def test_a_request_that_is_read_for_longer_than_a_peer_may_be_silent_holds_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pynetdicom gave such a request up and waited, with its two threads, for the peer to close the connection."""
    decode = DULServiceProvider._decode_pdu

    def slow(provider: DULServiceProvider, data: bytearray) -> object:
        time.sleep(1.5)
        return decode(provider, data)

    monkeypatch.setattr(DULServiceProvider, "_decode_pdu", slow)
    spool = Spool(tmp_path / "spool", SpoolLimits(spare_bytes=0))
    found = Listener(ListenerSettings(port=0, seconds=30), spool, lambda _: None, lambda _: None)
    found._ae.acse_timeout = 0.4
    found.start()
    with socket.create_connection(("127.0.0.1", found.port), timeout=LONGEST) as peer:
        time.sleep(0.2)  # the listener has taken the connection, and waits for the request
        peer.sendall(request(context(1)))
        assert until_it_ends(peer, LONGEST), "it is still held"
    found.stop()
    spool.close()


def test_many_that_say_nothing_keep_nobody_out(listener: Listener) -> None:
    """Once eight silent connections took all places, for ten seconds each."""
    silent = [socket.create_connection(("127.0.0.1", listener.port), timeout=10) for _ in range(60)]
    assert is_served(lambda: echo(listener.port) == 0)
    for peer in silent:
        peer.close()
    assert is_served(lambda: send(listener.port, [us_dataset(0)]) == [0])


def test_as_many_senders_as_there_are_places_are_served_beside_the_silent(listener: Listener) -> None:
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(is_served(lambda: echo(listener.port) == 0))) for _ in range(4)
    ]
    silent = [socket.create_connection(("127.0.0.1", listener.port), timeout=10) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for peer in silent:
        peer.close()
    assert answers == [True] * 4


# TLS


def certificate(folder: Path, *days: str) -> tuple[Path, Path]:
    """-> a certificate of localhost that is its own authority, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl not at hand")
    cert, key = folder / "cert.pem", folder / "key.pem"
    folder.mkdir(exist_ok=True)
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *(days or ("-days", "2")), *names]
    subprocess.run([*made, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listener, tuple[Path, Path]]]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = certificate(folder / "own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_server, "HANDSHAKE_SECONDS", SECONDS)
        spool = Spool(folder / "spool", SpoolLimits(spare_bytes=0))
        settings = ListenerSettings(port=0, seconds=SECONDS, tls=server_context(cert, key, cert))
        found = Listener(settings, spool, lambda _: None, lambda _: None)
        found.start()
        yield found, (cert, key)
        found.stop()
        spool.close()


def hello(port: int) -> bytes:
    """-> the first message of a handshake."""
    sent = ssl.MemoryBIO()
    outside = ssl.create_default_context()
    half = outside.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        half.do_handshake()
    return sent.read()


def trickled_hello(peer: socket.socket) -> None:
    for byte in hello(0):
        peer.sendall(bytes([byte]))
        time.sleep(0.1)


TLS_LIARS: dict[str, Callable[[socket.socket], None]] = {
    "says nothing": lambda peer: None,
    "plain text": lambda peer: peer.sendall(request(context(1))),
    "half a handshake": lambda peer: peer.sendall(hello(0)[:40]),
    "a handshake that stops": lambda peer: peer.sendall(hello(0)),
    "a handshake that trickles": trickled_hello,
    "garbage": lambda peer: peer.sendall(bytes(range(256)) * 200),
    "garbage within a handshake": lambda peer: peer.sendall(hello(0) + b"\x17\x03\x03\xff\xff" + bytes(70_000)),
    "a record beyond its length": lambda peer: peer.sendall(b"\x16\x03\x01\xff\xff" + bytes(100)),
    "an old version": lambda peer: peer.sendall(b"\x80\x2e\x01\x00\x02" + bytes(44)),
    "plain text within": lambda peer: peer.sendall(hello(0) + data(b"", 3)),
}


@pytest.mark.parametrize("name", TLS_LIARS)
def test_a_peer_that_lies_of_tls_is_given_up(tls: tuple[Listener, tuple[Path, Path]], name: str) -> None:
    listener, own = tls
    with socket.create_connection(("127.0.0.1", listener.port), timeout=LONGEST) as peer:
        with suppress(OSError):
            TLS_LIARS[name](peer)
        assert until_it_ends(peer, LONGEST)
    assert is_served(lambda: echo_by(listener.port, *own))


def echo_by(port: int, cert: Path, key: Path, authority: Path | None = None) -> bool:
    from pynetdicom import AE

    ae = AE()
    ae.add_requested_context("1.2.840.10008.1.1")
    context = client_context(cert, key, authority or cert)
    association = ae.associate("127.0.0.1", port, tls_args=(context, "localhost"))
    is_heard = association.is_established and association.send_c_echo().get("Status") == 0
    if association.is_established:
        association.release()
    return bool(is_heard)


def test_a_caller_whose_certificate_is_over_or_of_another_is_refused(
    tls: tuple[Listener, tuple[Path, Path]], tmp_path: Path
) -> None:
    listener, own = tls
    over = certificate(tmp_path / "over", "-days", "-1") if accepts_past_days() else None
    other = certificate(tmp_path / "other")
    assert not echo_by(listener.port, *other, own[0])
    if over is not None:
        assert not echo_by(listener.port, *over, own[0])
    assert is_served(lambda: echo_by(listener.port, *own))


def accepts_past_days() -> bool:
    told = subprocess.run(["openssl", "req", "-help"], capture_output=True, text=True)
    return "-not_after" in told.stderr + told.stdout


def test_many_half_handshakes_keep_nobody_out(tls: tuple[Listener, tuple[Path, Path]]) -> None:
    listener, own = tls
    halves = [socket.create_connection(("127.0.0.1", listener.port), timeout=10) for _ in range(150)]
    num_before = threading.active_count()
    assert is_served(lambda: echo_by(listener.port, *own))
    assert num_before < 150
    for half in halves:
        half.close()
