"""DICOMweb as a client: what is refused beforehand, and what a server may answer. With Orthanc: test_orthanc.py."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner

from pacs_peers import file_bytes, us_dataset
from thyrosight.cli import app
from thyrosight.errors import ConfigError, InputError
from thyrosight.pacs.dicomweb_client import (
    MAX_INSTANCES,
    RemoteImage,
    ServerAccess,
    WebArchive,
    check_uid,
    check_url,
    read_secret,
)

IMAGE = RemoteImage("1.2.826.0.1.1.1", "1.2.826.0.1.1.2", "1.2.826.0.1.1.3", "US", None)
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def server(answer: Callable[[Any], Answer]) -> Iterator[tuple[str, list[Any]]]:
    """A function of the request -> (a server's root, the requests that it got)."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(self)
            status, headers, content = answer(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/dicom-web", asked
    finally:
        running.shutdown()
        running.server_close()


def multipart(content: bytes) -> Answer:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--"
    return 200, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}, body


def json_answer(value: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/dicom+json"}, json.dumps(value).encode()


def tag(*values: Any) -> dict[str, Any]:
    return {"vr": "UI", "Value": list(values)}


# Before a word is said.


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("pacs.example/dicom-web", "root of a DICOMweb service"),
        ("ftp://pacs.example", "root of a DICOMweb service"),
        ("https://", "root of a DICOMweb service"),
        ("https://pacs.example:port/", "root of a DICOMweb service"),
        ("https://pacs.example/dicom-web?token=1", "root of a DICOMweb service"),
        ("https://me:secret@pacs.example/dicom-web", "password in a file or the environment"),
        ("http://pacs.example/dicom-web", "everybody on the network"),
    ],
)
def test_url_that_is_not_safe_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        check_url(url)
    assert "secret@" not in str(refused.value)


def test_url_that_is_safe_passes() -> None:
    for url in (
        "https://pacs.example/dicom-web",
        "http://127.0.0.1:8042/dicom-web",
        "http://localhost/",
        "http://[::1]:1/",
    ):
        check_url(url)
    check_url("http://pacs.example/dicom-web", is_http_allowed=True)


@pytest.mark.parametrize("uid", ["", "../1", "1.2/3", "1.2?x", "1" * 65, "1.2\n"])
def test_only_a_uid_gets_into_a_url_or_a_name(uid: str) -> None:
    with pytest.raises(ConfigError, match="not a UID"):
        check_uid(uid, "--study")


def test_secret_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a.b-c\n")
    assert read_secret(tmp_path / "one") == "a.b-c"
    for content in ("", "two\nlines", "x" * 9000):
        (tmp_path / "bad").write_text(content)
        with pytest.raises(InputError, match="one line"):
            read_secret(tmp_path / "bad")
    with pytest.raises(InputError, match="No such file"):
        read_secret(tmp_path / "none")
    assert "hush" not in repr(ServerAccess("https://pacs.example", secret="hush"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name a study"),
        (["--study", "1.2", "--patient", "P"], "name a study"),
        (["--patient", "P", "--series", "1.2"], "are of a study"),
        (["--study", "1.2", "--store"], "give --out too"),
        (["--study", "../2"], "not a UID"),
        (["--patient", "P*"], "without [*] or"),
    ],
)
def test_options_that_do_not_fit_are_told(options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["dicomweb", "https://pacs.invalid/dicom-web", *options])
    assert done.exit_code == 2
    assert re.search(message, done.output)


def test_no_option_takes_a_secret() -> None:
    shown = CliRunner().invoke(app, ["dicomweb", "--help"]).output
    assert "--password" not in shown
    assert "--token" not in shown


# What is said.


def test_token_and_password_are_sent_whatever_netrc_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with server(lambda _: json_answer([])) as (url, asked):
        WebArchive(ServerAccess(url, secret="hush")).find(study="1.2")
        WebArchive(ServerAccess(url, user="me", secret="hush")).find(study="1.2")
    assert asked[0].headers["Authorization"] == "Bearer hush"
    assert asked[1].headers["Authorization"] == "Basic " + base64.b64encode(b"me:hush").decode()


# What is answered.


def test_images_are_found_among_all_that_a_study_holds() -> None:
    def answer(request: Any) -> Answer:
        if request.path.partition("?")[0].endswith("/series"):
            kinds = {"1.2.1": "US", "1.2.2": "CT", "1.2.3": "SR"}
            return json_answer([{"0020000E": tag(uid), "00080060": tag(kind)} for uid, kind in kinds.items()])
        rows = [
            {"00080018": tag("1.2.1.1"), "00080016": tag("1.2.840.10008.5.1.4.1.1.6.1")},
            {"00080018": tag("1.2.1.2"), "00080016": tag("1.2.840.10008.5.1.4.1.1.3.1"), "00280008": tag("30")},
            {"00080018": tag("1.2.1.3"), "00080016": tag("1.2.840.10008.5.1.4.1.1.6.2")},
            {"00080018": tag("../../x"), "00080016": tag("1.2.840.10008.5.1.4.1.1.6.1")},
            {"00080018": {"vr": "UI"}},
        ]
        return json_answer(rows)

    with server(answer) as (url, asked):
        found = WebArchive(ServerAccess(url)).find(study="1.2")
    assert found == [
        RemoteImage("1.2", "1.2.1", "1.2.1.1", "US", None),
        RemoteImage("1.2", "1.2.1", "1.2.1.2", "US", 30),
    ]
    assert not any("1.2.2" in request.path for request in asked), "no other modality is looked into"


@pytest.mark.parametrize("knows_offset", [True, False])
def test_rows_that_a_server_gives_in_parts_are_all_asked_for(knows_offset: bool) -> None:
    """It gave 2 of 5 images and said so in a header that nobody read."""
    rows = [{"00080018": tag(f"1.2.1.{n}"), "00080016": tag("1.2.840.10008.5.1.4.1.1.6.1")} for n in range(5)]

    def answer(request: Any) -> Answer:
        path, _, query = request.path.partition("?")
        if path.endswith("/series"):
            return json_answer([{"0020000E": tag("1.2.1"), "00080060": tag("US")}])
        first = int(parse_qs(query).get("offset", ["0"])[0]) if knows_offset else 0
        status, headers, content = json_answer(rows[first : first + 2])
        if first + 2 < len(rows):
            headers |= {"Warning": f"299 pacs: There are {len(rows) - first - 2} additional results"}
        return status, headers, content

    with server(answer) as (url, _):
        archive = WebArchive(ServerAccess(url))
        if knows_offset:
            assert [image.instance for image in archive.find(study="1.2")] == [f"1.2.1.{n}" for n in range(5)]
        else:
            with pytest.raises(InputError, match="gives 2 instances and keeps others; name the series"):
                archive.find(study="1.2")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {}, b""), r"refused \(401\); check the token"),
        ((500, {}, b"Roentgen^Wilhelm"), "QIDO-RS: answered 500"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), "no DICOM JSON"),
        (json_answer(["text"]), "no DICOM JSON"),
        (json_answer([{}] * (MAX_INSTANCES + 1)), f"more than {MAX_INSTANCES} series"),
        ((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), "sends elsewhere"),
    ],
)
def test_answer_that_is_none_is_one_line_without_the_patient(answer: Answer, message: str) -> None:
    with server(lambda _: answer) as (url, asked), pytest.raises(InputError, match=message) as caught:
        WebArchive(ServerAccess(url)).find(study="1.2.826.0.1.1.1")
    assert len(asked) == 1, "nothing is asked twice, and no redirect followed"
    assert "1.2.826.0.1.1.1" not in str(caught.value)
    assert "Roentgen" not in str(caught.value)


def test_server_that_is_away_is_said_at_once() -> None:
    with pytest.raises(InputError, match="can't be reached"):
        WebArchive(ServerAccess("http://127.0.0.1:9/dicom-web")).find(study="1.2")


def test_image_is_fetched_with_its_pixels(tmp_path: Path) -> None:
    source = us_dataset(0)
    with server(lambda _: multipart(file_bytes(source))) as (url, asked):
        WebArchive(ServerAccess(url)).fetch(IMAGE, tmp_path / "a.dcm")
    assert asked[0].path.endswith(f"/studies/{IMAGE.study}/series/{IMAGE.series}/instances/{IMAGE.instance}")
    import pydicom

    assert pydicom.dcmread(tmp_path / "a.dcm").PixelData == source.PixelData


def deflated() -> bytes:
    import pydicom

    dataset = us_dataset(0)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    return file_bytes(dataset)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: file_bytes(us_dataset(1)), "another image than the requested one"),
        (lambda: file_bytes(us_dataset(0, size_hw=(400, 400))), "more than 0 MB; pass a larger --max-mb"),
        (lambda: b"nonsense", "can't be understood"),
        (deflated, "deflated as a whole"),
    ],
)
def test_image_that_is_none_leaves_no_file(content: Callable[[], bytes], message: str, tmp_path: Path) -> None:
    with server(lambda _: multipart(content())) as (url, _), pytest.raises(InputError, match=message):
        WebArchive(ServerAccess(url, max_bytes=100_000)).fetch(IMAGE, tmp_path / "a.dcm")
    assert list(tmp_path.iterdir()) == []


def test_length_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    status, headers, _ = multipart(b"")
    answer = (status, headers | {"Content-Length": str(1 << 40)}, b"")
    with server(lambda _: answer) as (url, _), pytest.raises(InputError, match="--max-mb"):
        WebArchive(ServerAccess(url)).fetch(IMAGE, tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            json_answer({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}]}}),
            "refused 1 of 1",
        ),
        (json_answer({}), "did not confirm 1 of 1"),
        ((409, {}, b""), "STOW-RS: answered 409"),
    ],
)
def test_nothing_is_stored_that_was_not_confirmed(answer: Answer, message: str) -> None:
    with server(lambda _: answer) as (url, _), pytest.raises(InputError, match=message):
        WebArchive(ServerAccess(url)).store("1.2", {"seg.dcm": file_bytes(us_dataset(0))})


def test_what_was_confirmed_is_stored() -> None:
    stored = {"00081199": {"vr": "SQ", "Value": [{"00081155": tag("1.2.826.0.1.1.3")}]}}
    with server(lambda _: json_answer(stored)) as (url, asked):
        WebArchive(ServerAccess(url)).store("1.2", {"seg.dcm": file_bytes(us_dataset(0))})
    assert us_dataset(0).PixelData in asked[0].body
    assert asked[0].path.endswith("/studies/1.2")
