"""Every bad input through the API of a real server: one clear line each, the service lives, memory stays bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("pydicom")

from bad_inputs import bad_pictures
from dicom_files import bad_dicoms, gray_picture, native
from thyrosight.web.jobs.store import new_id
from tiny_bundle import make_tiny_bundle
from web_server import Server, frame_png, post, serving, wait_for

pytestmark = pytest.mark.slow

MAX_MB = 1024
ODD_NAMES = {
    "../../../../etc/passwd": "passwd",
    "..\\..\\windows\\system.ini": "system.ini",
    "..": "image",
    "a\u202egnp.exe": "agnp.exe",
    "line\nbreak\x00.png": "line%0Abreak%00.png",  # as the client sends it
    '"><script>alert(1)</script>.png': "script>.png",
    "{{7*7}}${7*7}.png": "{{7*7}}${7*7}.png",
    "n" * 2_000 + ".png": "n" * 155 + "….png",
    "Schilddrüse 甲状腺 🦋.png": "Schilddrüse 甲状腺 🦋.png",
    "CON": "CON",
}
"""What a sender calls a file -> what it is called in answers."""


class PeakMemory(threading.Thread):
    """Looks every 10 ms at what the server and its children hold; `mb` is the most that any of them did."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.one_mb = self.all_mb = 0.0
        self._server, self._ended = server, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.01):
            found = self._server.family_mb()
            self.one_mb, self.all_mb = max([self.one_mb, *found]), max(self.all_mb, sum(found))

    def __enter__(self) -> PeakMemory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    bundle = make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")
    with serving(tmp_path_factory.mktemp("data"), bundle) as server:
        yield server


def everything_bad() -> dict[str, bytes]:
    """-> {name: bytes}: pictures, videos, strangers, and the DICOM files."""
    dicoms = {f"{name.replace(' ', '_').replace(',', '')}.dcm": data for name, (data, _) in bad_dicoms().items()}
    return bad_pictures() | dicoms


def said_of(client: httpx.Client, name: str, content: bytes) -> tuple[str, str]:
    """One file -> (code, line) of its refusal, at once or as a failed item."""
    answer = post(client, (name, content))
    if answer.status_code == 415:
        error = answer.json()["error"]
    else:
        assert answer.status_code == 202, f"{name}: {answer.status_code} {answer.text}"
        job = wait_for(client, answer.json()["id"])
        (item,) = job["items"]
        assert (job["state"], item["state"]) == ("failed", "failed"), f"{name} was taken for an image"
        for path in ("result", "image.png"):
            later = client.get(f"/api/v1/items/{item['id']}/frames/0/{path}")
            assert (later.status_code, later.json()["error"]["code"]) == (409, "unusable")
        assert client.get(f"/api/v1/items/{item['id']}/export/json").status_code == 409
        error = item["error"]
    return str(error["code"]), str(error["message"])


def faults_of(line: str, name: str, data_folder: str) -> list[str]:
    """A refusal's line -> what is wrong with it."""
    wrong = {
        "does not name the file": not line.startswith(f"{name}: "),
        "is not one line": not line.isprintable(),
        "is long": len(line) > 300,
        "says no mend": ";" not in line,
        "shows a path of the server": data_folder in line or "/source" in line or "site-packages" in line,
        "shows a traceback": "Traceback" in line or "Error(" in line or "internal" in line,
        "shows who it is": "SECRET" in line.upper(),
    }
    return [f"{name} {what}: {line}" for what, is_so in wrong.items() if is_so]


def test_each_bad_input_is_one_clear_line_and_the_service_lives(server: Server, tmp_path: Path) -> None:
    bad = everything_bad()
    assert len(bad) >= 75
    wrong: list[str] = []
    with server.client() as client, PeakMemory(server) as peak:
        for name, content in bad.items():
            code, line = said_of(client, name, content)
            wrong += faults_of(line, name, "/jobs/")
            if code not in ("unusable", "no_image"):
                wrong.append(f"{name} has the code {code}: {line}")
        good = wait_for(
            client, post(client, ("good.dcm", native(gray_picture())), ("good.png", frame_png(1))).json()["id"]
        )
        assert [item["state"] for item in good["items"]] == ["done", "done"]
        assert client.get("/api/v1/health").json()["status"] == "ok"
    print(f"{len(bad)} bad inputs; at most {peak.one_mb:.0f} MB in one process, {peak.all_mb:.0f} MB in all together")
    assert not wrong
    assert 0 < peak.all_mb < MAX_MB


def test_all_of_them_at_once_cost_no_good_file_its_result(server: Server) -> None:
    with server.client() as client, PeakMemory(server) as peak:
        names = list(everything_bad().items())
        jobs = []
        for start in range(0, len(names), 15):
            answer = post(client, *names[start : start + 15], (f"good{start}.png", frame_png(start)))
            assert answer.status_code == 202, answer.text
            jobs.append(answer.json()["id"])
        for job_id in jobs:
            job = wait_for(client, job_id)
            states = {item["name"]: item["state"] for item in job["items"]}
            assert job["state"] == "done"
            assert [name for name, state in states.items() if state == "done"] == [f"good{15 * jobs.index(job_id)}.png"]
    assert peak.all_mb < MAX_MB


def test_odd_names_are_labels_and_no_paths(server: Server, tmp_path: Path) -> None:
    before = set(tmp_path.parent.rglob("*passwd*"))
    with server.client() as client:
        for given, shown in ODD_NAMES.items():
            bad, good = post(client, (given, b"\x89PNG\r\n\x1a\n\0")), post(client, (given, frame_png(2)))
            (failed,), (done,) = (wait_for(client, answer.json()["id"])["items"] for answer in (bad, good))
            assert (failed["name"], failed["state"], done["state"]) == (shown, "failed", "done")
            assert failed["error"]["message"].startswith(f"{shown}: ")
            for kind in ("json", "csv", "png", "report", "zip"):
                answer = client.get(f"/api/v1/items/{done['id']}/export/{kind}")
                assert answer.status_code == 200, f"{given!r} {kind} {answer.text}"
                disposition = answer.headers["content-disposition"]
                assert ".." not in disposition.split("filename")[-1].strip('="'), disposition
                assert disposition.isprintable()
        endless = post(client, ("n" * 100_000 + ".png", frame_png(2)))
        assert endless.status_code in (202, 400), endless.text
        if endless.status_code == 202:
            wait_for(client, endless.json()["id"])
        else:
            assert endless.json()["error"]["code"] == "bad_multipart"
    assert set(tmp_path.parent.rglob("*passwd*")) == before


def test_a_uid_with_a_path_names_no_file(server: Server, tmp_path: Path) -> None:
    import pydicom.config

    word = f"evil{new_id()}"  # of this run alone: /tmp belongs to others too
    uids: dict[str, Any] = dict.fromkeys(
        ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), f"../../../tmp/{word}"
    )
    with pydicom.config.disable_value_validation():
        content = native(gray_picture(), **uids)
    with server.client() as client:
        (item,) = wait_for(client, post(client, ("uid.dcm", content)).json()["id"])["items"]
        assert item["state"] == "done"
        for kind in ("seg", "sr", "zip"):
            answer = client.get(f"/api/v1/items/{item['id']}/export/{kind}")
            assert answer.status_code in (200, 409), answer.text
            assert word.encode() not in answer.content or kind == "zip"
            if answer.status_code == 409:
                assert not faults_of(answer.json()["error"]["message"], "uid.dcm", "/jobs/")
    assert not [path for folder in ("/tmp", str(tmp_path.parent)) for path in Path(folder).glob(f"*{word}*")]


def test_a_sender_that_goes_away_half_way_leaves_nothing(server: Server) -> None:
    import socket

    host, port = server.address.removeprefix("http://").split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), timeout=120) as wire:
            head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n"
            wire.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
    with server.client() as client:
        assert client.get("/api/v1/health").json()["queue"]["running"] == 0
        (item,) = wait_for(client, post(client, ("after.png", frame_png(3))).json()["id"])["items"]
        assert item["state"] == "done"
