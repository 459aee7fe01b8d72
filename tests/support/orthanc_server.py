"""A real Orthanc in another process, on free ports, in a folder of the test."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from parts import PARTS, part_path
from ports import HeldPort

USER, PASSWORD = "reader", "a-long-password"


@dataclass(frozen=True)
class Orthanc:
    """An Orthanc that runs: its ports, and a client of its REST interface."""

    dicom_port: int
    http_port: int
    rest: httpx.Client

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


@contextmanager
def orthanc(folder: Path, listener_port: int, lua: str = "") -> Iterator[Orthanc]:
    """A folder, the port of our listener, which it knows as the modality `thyrosight` -> an Orthanc that runs.

    lua: a script of its own, for instance one that sends on what comes in.
    """
    (folder / "script.lua").write_text(lua)
    process, dicom_port, http_port = _started(folder, listener_port)
    address = f"http://127.0.0.1:{http_port}"
    try:
        with httpx.Client(base_url=address, auth=(USER, PASSWORD), timeout=120, trust_env=False) as rest:
            yield Orthanc(dicom_port, http_port, rest)
    finally:
        _stop(process)


def _started(folder: Path, listener_port: int, num_tries: int = 3) -> tuple[subprocess.Popen[bytes], int, int]:
    """-> process, DICOM port, HTTP port. Other ports are tried where somebody took one before Orthanc bound it."""
    for _ in range(num_tries):
        with HeldPort() as dicom, HeldPort() as http:
            settings = _settings(folder, listener_port, dicom.number, http.number)
            (folder / "orthanc.json").write_text(json.dumps(settings))
        with open(folder / "orthanc.log", "wb") as log:
            command = [part_path("orthanc"), folder / "orthanc.json"]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        if _is_up(process, http.number):
            return process, dicom.number, http.number
        _stop(process)
    pytest.fail(f"Orthanc does not start: {(folder / 'orthanc.log').read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _settings(folder: Path, listener_port: int, dicom_port: int, http_port: int) -> dict[str, Any]:
    plugin = PARTS["orthanc-dicomweb"].find()
    return {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(plugin)] if plugin else [],
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


def _is_up(process: subprocess.Popen[bytes], http_port: int, seconds: float = 180.0) -> bool:
    """Waits -> whether it answers; False once its process has ended."""
    end = time.monotonic() + seconds
    with httpx.Client(auth=(USER, PASSWORD), timeout=30, trust_env=False) as rest:
        while time.monotonic() < end and process.poll() is None:
            try:
                if rest.get(f"http://127.0.0.1:{http_port}/system").status_code == 200:
                    return process.poll() is None
            except httpx.TransportError:
                time.sleep(0.1)
    return False
