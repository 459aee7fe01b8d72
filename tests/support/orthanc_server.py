"""A real Orthanc in another process, on free ports, in a folder of the test; skipped with a word where it is absent."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc/plugins", "/usr/local/share/orthanc/plugins")
USER, PASSWORD = "reader", "a-long-password"


@dataclass(frozen=True)
class Orthanc:
    """An Orthanc that runs: its ports, and a client of its REST interface."""

    dicom_port: int
    http_port: int
    rest: httpx.Client
    has_dicomweb: bool

    @property
    def dicomweb_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def upload(self, content: bytes) -> str:
        """A DICOM file -> Orthanc's ID of the instance."""
        return str(self.rest.post("/instances", content=content).raise_for_status().json()["ID"])

    def found(self, study: str, **query: str) -> list[dict[str, Any]]:
        """Study Instance UID -> the tags of its instances, by Orthanc's own query."""
        asked = {"Level": "Instance", "Expand": True, "Query": {"StudyInstanceUID": study, **query}}
        return list(self.rest.post("/tools/find", json=asked).raise_for_status().json())


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def orthanc(folder: Path, listener_port: int, lua: str = "") -> Iterator[Orthanc]:
    """A folder, the port of our listener, which it knows as the modality `thyrosight` -> an Orthanc that runs.

    lua: a script of its own, for instance one that sends on what comes in.
    """
    binary = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        pytest.skip("Orthanc not at hand: apt install orthanc orthanc-dicomweb")
    plugins = [str(path) for name in PLUGINS for path in sorted(Path(name).glob("*DicomWeb*"))][:1]
    dicom_port, http_port = free_port(), free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": plugins,
        "HttpServerEnabled": True,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom_port,
        "DicomAlwaysAllowStore": False,
        "DicomAlwaysAllowFind": False,
        "DicomModalities": {"thyrosight": ["THYROSIGHT", "127.0.0.1", listener_port]},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "OverwriteInstances": False,
        "LuaScripts": [str(folder / "script.lua")],
    }
    (folder / "script.lua").write_text(lua)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with open(folder / "orthanc.log", "wb") as log:
        process = subprocess.Popen([binary, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{http_port}"
    try:
        with httpx.Client(base_url=address, auth=(USER, PASSWORD), timeout=30, trust_env=False) as rest:
            _wait_until_up(rest, process, folder)
            yield Orthanc(dicom_port, http_port, rest, bool(plugins))
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_up(rest: httpx.Client, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            if rest.get("/system").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"Orthanc does not start: {(folder / 'orthanc.log').read_text()[-2000:]}")
