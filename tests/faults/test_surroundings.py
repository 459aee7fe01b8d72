"""Locale, home folder, umask, user, time zone: the program gives the same results in any of them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkout import SOURCE
from pacs_peers import us_dataset
from tiny_bundle import make_tiny_bundle
from web_server import frame_png, post, serving, wait_for

NAMES = ("Knoten-ä.png", "结节.png")
NO_UTF8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SURROUNDINGS: dict[str, dict[str, str | None]] = {
    "as here": {},
    "locale C": {"LC_ALL": "C", "LANG": None, **NO_UTF8},
    "locale POSIX, mode UTF-8": {"LC_ALL": "POSIX", "PYTHONUTF8": "1"},
    "a terminal of GBK": {"PYTHONIOENCODING": "gbk", **NO_UTF8},
    "a locale of GBK": {"LC_ALL": "zh_CN.GBK", "LOCPATH": "LOCALES", **NO_UTF8},
    "a locale that is not there": {"LC_ALL": "xx_YY.nothing", **NO_UTF8},
    "no home": {"HOME": None},
    "a home that is not there": {"HOME": "/nowhere/at/all"},
    "a home that can only be read": {"HOME": "/proc/self"},
    "no variable at all": {},
    "summer time ends": {"TZ": "Europe/Berlin"},
    "a zone that is not there": {"TZ": "Mars/Olympus"},
}
STARTS_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import pydicom'], check=True)"
PREFIX = {
    "umask 000": ["sh", "-c", 'umask 000; exec "$@"', "-"],
    "umask 077": ["sh", "-c", 'umask 077; exec "$@"', "-"],
    "nobody": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    make_tiny_bundle(folder / "bundle")
    (folder / "in").mkdir()
    for seed, name in enumerate(NAMES):
        (folder / "in" / name).write_bytes(frame_png(seed))
    us_dataset(0).save_as(folder / "in" / "d.dcm", enforce_file_format=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in list(folder.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    return folder


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """-> a folder with the locale zh_CN.GBK; None where this system can't make it."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None:
        return None
    made = ["localedef", "-i", "zh_CN", "-f", "GBK", str(folder / "zh_CN.GBK")]
    subprocess.run(made, capture_output=True, check=False)
    return folder if (folder / "zh_CN.GBK").exists() else None


def run(material: Path, out: Path, changes: dict[str, str | None], prefix: list[str], *, is_bare: bool = False) -> Any:
    environment = {"PATH": os.environ["PATH"]} if is_bare else dict(os.environ)
    environment |= {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    for name, value in changes.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    command = [*prefix, sys.executable, "-m", "thyrosight", "predict", str(material / "in"), "-o", str(out)]
    command += ["--bundle", str(material / "bundle"), "--threads", "1"]
    return subprocess.run(command, env=environment, capture_output=True, cwd=out.parent)


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        if path.name == "result.json":
            found[path.parent.name] = json.loads(path.read_text(encoding="utf-8")) | {"seconds": 0}
        elif path.suffix == ".png":
            found[str(path.relative_to(out))] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def expected(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("expected") / "out"
    ended = run(material, out, {}, [])
    assert ended.returncode == 0, ended.stderr
    found = results(out)
    assert len([name for name in found if "/" not in name]) == 3
    return found


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_same_results(
    name: str, material: Path, expected: dict[str, Any], tmp_path: Path, locales: Path | None
) -> None:
    changes = dict(SURROUNDINGS[name])
    if changes.get("LOCPATH"):
        if locales is None:
            pytest.skip("no locale of GBK here, and localedef makes none")
        changes["LOCPATH"] = str(locales)
    ended = run(material, tmp_path / "out", changes, [], is_bare=name == "no variable at all")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert b"Traceback" not in ended.stderr
    assert results(tmp_path / "out") == expected


@pytest.mark.parametrize("name", PREFIX)
def test_the_same_results_as_another_user_or_umask(
    name: str, material: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    if name == "nobody":
        if os.geteuid() or shutil.which("setpriv") is None:
            pytest.skip("needs root and setpriv")
        os.chown(place, 65534, 65534)
        for parent in list(place.parents)[:4]:
            parent.chmod(parent.stat().st_mode | 0o011)
        if subprocess.run([*PREFIX[name], sys.executable, "-c", STARTS_A_CHILD], capture_output=True).returncode:
            pytest.skip("this Python can't be run by another user")
    ended = run(material, place / "out", {"HOME": None} if name == "nobody" else {}, PREFIX[name])
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert results(place / "out") == expected
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o111 for path in (place / "out").rglob("*") if path.is_file()}
    assert modes == {0}
    if name == "umask 077":
        assert not any(path.stat().st_mode & 0o077 for path in (place / "out").rglob("*"))


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_data_folder_is_its_owner_s_whatever_the_umask(umask: int, material: Path, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with serving(tmp_path / "data", material / "bundle") as server, server.client() as client:
            job = post(client, ("结节.png", frame_png(0))).json()["id"]
            assert wait_for(client, job)["state"] == "done"
            open_to_others = [path.name for path in (tmp_path / "data").iterdir() if path.stat().st_mode & 0o077]
            assert open_to_others == []
    finally:
        os.umask(before)
