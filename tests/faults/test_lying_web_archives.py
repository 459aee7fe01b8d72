"""DICOMweb servers that lie to `dicomweb`: each is an error of one line in time, and leaves no file."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("dicomweb_client")

from pacs_peers import file_bytes, us_dataset
from peak_memory import peak_megabytes
from thyrosight.errors import InputError, ThyrosightError
from thyrosight.frames.load import frames_of
from thyrosight.pacs import dicomweb_client
from thyrosight.pacs.dicomweb_client import RemoteImage, ServerAccess, WebArchive

IMAGE = RemoteImage("1.2.826.0.1.1.1", "1.2.826.0.1.1.2", "1.2.826.0.1.1.3", "US", None)
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"
MULTIPART = b'HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type="application/dicom"; boundary=B\r\n'
MAX_SECONDS, MAX_MEGABYTES = 20.0, 400
SOUND = file_bytes(us_dataset(0))


def part(content: bytes) -> bytes:
    return b"--B\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"


def whole(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


Say = Callable[[socket.socket], None]


def said(*parts: bytes) -> Say:
    return lambda peer: peer.sendall(b"".join(parts))


def trickled(message: bytes) -> Say:
    def say(peer: socket.socket) -> None:
        for at in range(len(message)):
            peer.sendall(message[at : at + 1])
            time.sleep(0.2)

    return say


def endless(head: bytes, block: bytes, pause: float = 0.0) -> Say:
    def say(peer: socket.socket) -> None:
        peer.sendall(head)
        while True:
            peer.sendall(block)
            time.sleep(pause)

    return say


def chunk(block: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(block), block)


BOMB = gzip.compress(b"[" + b" " * (200 << 20) + b"]", 9)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LISTS: dict[str, Say] = {
    "says nothing": lambda peer: time.sleep(60),
    "hangs up": lambda peer: None,
    "trickles its head": trickled(JSON + b"X-More: " + b"x" * 1000),
    "trickles its body": trickled(whole(JSON, b"[" + b" " * 500 + b"]")[-520:]),
    "never ends its head": endless(JSON, b"X-More: 1\r\n", 0.001),
    "a line without an end": endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 60_000),
    "promises to go on, for ever": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
    "never ends its body": endless(JSON + CHUNKED, chunk(b" " * 60_000)),
    "trickles its chunks": endless(JSON + CHUNKED, chunk(b" "), 0.2),
    "a chunk of any length": said(JSON, CHUNKED, b"f" * 5_000, b"\r\n"),
    "a length that is negative": said(JSON, b"Content-Length: -5\r\n\r\n[]"),
    "a length that is no number": said(JSON, b"Content-Length: many\r\n\r\n[]"),
    "more than its length": said(JSON, b"Content-Length: 400\r\n\r\n", b"["),
    "a bomb": said(JSON, b"Content-Encoding: gzip\r\n", b"Content-Length: %d\r\n\r\n" % len(BOMB), BOMB),
    "a bomb in a bomb": said(
        JSON, b"Content-Encoding: gzip, gzip\r\n", b"Content-Length: %d\r\n\r\n" % len(gzip.compress(BOMB)),
        gzip.compress(BOMB),
    ),
    "broken compression": said(JSON, b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
    "sends elsewhere, in a circle": said(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
    "sends to a file": said(b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
    "another kind of content": said(whole(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", b"<html>")),
    "nested for ever": said(whole(JSON, b"[" * 5_000_000)),
    "a number of a million digits": said(whole(JSON, b"[" + b"9" * 1_000_000 + b"]")),
    "no table": said(whole(JSON, b'"text"')),
    "elements that are none": said(whole(JSON, json.dumps([{"0020000E": {"Value": {"a": 1}}}]).encode())),
    "no HTTP at all": said(b"\x16\x03\x01\xff\xff" + bytes(1000)),
    "an error as long as memory": endless(b"HTTP/1.1 500 No\r\n" + CHUNKED, chunk(b"x" * 60_000)),
    "cookies without end": said(JSON, b"Set-Cookie: a=b\r\n" * 5_000, b"Content-Length: 2\r\n\r\n[]"),
}  # fmt: skip
NESTED = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
IMAGES: dict[str, Say] = {
    "another image": said(whole(MULTIPART, part(file_bytes(us_dataset(1))) + b"--B--")),
    "no boundary": said(whole(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/related\r\n", part(SOUND))),
    "no part": said(whole(MULTIPART, b"")),
    "parts without end": endless(MULTIPART + CHUNKED, chunk(part(SOUND))),
    "millions of empty parts": said(whole(MULTIPART, b"--B\r\n\r\n\r\n" * 700_000 + b"--B--")),
    "half an image": said(whole(MULTIPART, part(SOUND[: len(SOUND) // 2]) + b"--B--")),
    "an image that trickles": endless(MULTIPART + CHUNKED + chunk(part(SOUND[:500])), chunk(b"x"), 0.2),
    "an element of four gigabytes": said(
        whole(MULTIPART, part(SOUND + b"\xe0\x7f\x10\x00OB\0\0\xf0\xff\xff\xff") + b"--B--")
    ),
    "sequences nested for ever": said(whole(MULTIPART, part(SOUND[:400] + NESTED * 20_000) + b"--B--")),
    "as one part of another kind": said(whole(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\n", SOUND)),
}  # fmt: skip


DAMAGED = {"half an image", "an element of four gigabytes", "sequences nested for ever"}
FETCHED = DAMAGED | {"as one part of another kind"}


@contextmanager
def lying(say: Say) -> Iterator[str]:
    """-> the root of a server that answers every request by what it says."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.settimeout(30)
            peer.recv(65_536)
            say(peer)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65_536):
                pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/dicom-web"
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb_client, "READ_SECONDS", 2.0)
    monkeypatch.setattr(dicomweb_client, "JSON_BYTES", 8 << 20)
    monkeypatch.setattr(dicomweb_client, "MIN_BYTES_PER_SECOND", 4 << 20)


def test_there_are_enough_of_them() -> None:
    assert len(LISTS) + len(IMAGES) >= 24


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_lies_is_one_line(name: str) -> None:
    before, began = peak_megabytes(), time.monotonic()
    with lying(LISTS[name]) as url, suppress(InputError):
        found = WebArchive(ServerAccess(url)).find(study="1.2.826.0.1.1.1")
        assert found == [], "an empty list is an answer"
        assert name in ("cookies without end", "elements that are none", "a length that is negative")
    assert time.monotonic() - began < MAX_SECONDS
    assert peak_megabytes() - before < MAX_MEGABYTES


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_lies_is_one_line(name: str, tmp_path: Path) -> None:
    """A damaged image may be fetched as it is: the child that decodes it says so. Any other leaves no file."""
    before, began = peak_megabytes(), time.monotonic()
    said = ""
    with lying(IMAGES[name]) as url:
        try:
            WebArchive(ServerAccess(url, max_bytes=8 << 20)).fetch(IMAGE, tmp_path / "a.dcm")
            assert name in FETCHED
            with frames_of((tmp_path / "a.dcm").read_bytes()) as file:
                file.frame(0)
            assert name == "as one part of another kind" or name in DAMAGED
        except ThyrosightError as error:
            said = str(error)
            assert name in DAMAGED or list(tmp_path.iterdir()) == []
    assert "\n" not in said
    assert IMAGE.instance not in said
    assert time.monotonic() - began < MAX_SECONDS
    assert peak_megabytes() - before < MAX_MEGABYTES
