"""Every command in a fresh home folder: it writes nothing there, and it looks up and calls nobody.

An audit hook watches Python's own sockets; strace, where there is one, watches onnxruntime and other compiled code.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tiny_bundle import make_tiny_bundle
from web_server import frame_png

SOURCE = Path(__file__).resolve().parents[2] / "src"
PROGRAM = """
import runpy, sys

LOG = sys.argv.pop(1)
SPEAKING = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}

def note(event, arguments):
    if event in SPEAKING:
        with open(LOG, "a", encoding="utf-8") as log:
            print(event, arguments[1:], file=log)

sys.addaudithook(note)
runpy.run_module("thyrosight", run_name="__main__", alter_sys=True)
"""
TRAINING = """
about = "one epoch, to see what it writes"
network = {name = "unet", encoder = "lite0", pretrained = false}
data = {size_hw = [64, 64]}
optim = {epochs = 1, batch_size = 8}
run = {threads = 1, precision = "32", preview_every = 1}
"""
MM = ("--mm-per-pixel", "0.1")
COMMANDS = {
    "info": ["info", "bundle"],
    "phantom": ["phantom", "-n", "2", "-o", "drawn"],
    "prepare": ["prepare", "set", "-o", "prepared", "--folds", "2"],
    "audit": ["audit", "cases/cases.csv"],
    "predict": ["predict", "set/image/0000.png", "-o", "results", "--bundle", "bundle", *MM],
    "measure": ["measure", "set/mask/0000.png", *MM],
    "tirads": ["tirads", "--composition", "solid"],
    "demo": ["demo", "-o", "demo"],
    "evaluate": ["evaluate", "bundle", "--cases", "cases/cases.csv", "-o", "scores"],
}
"""Run in a folder that holds `bundle`, `set` (phantoms) and `cases`."""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands read."""
    from thyrosight.datasets.prepare import PrepareOptions, prepare
    from thyrosight.phantom.cohort import write_phantoms

    folder = tmp_path_factory.mktemp("material")
    make_tiny_bundle(folder / "bundle")
    write_phantoms(12, folder / "set", seed=3)
    prepare(folder / "set", folder / "cases", PrepareOptions(folds=3))
    (folder / "config.toml").write_text(TRAINING)
    return folder


class Watched:
    """A command that runs with a fresh home folder and is watched."""

    def __init__(self, folder: Path, arguments: list[str], cwd: Path) -> None:
        self.home, self.log, self.trace = folder / "home", folder / "sockets.txt", folder / "strace.txt"
        self.home.mkdir()
        places = {name for name in os.environ if name.startswith(("XDG_", "ORT_", "MPLCONFIGDIR", "THYROSIGHT_"))}
        environment = {name: value for name, value in os.environ.items() if name not in places}
        environment |= {"HOME": str(self.home), "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", PROGRAM, str(self.log), *arguments]
        if has_strace():
            command = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(self.trace), *command]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def check(self, *exit_codes: int) -> None:
        """Waits for the end. AssertionError where it failed, wrote below home, looked up a name or called anybody."""
        output, errors = self.process.communicate(timeout=900)
        assert self.process.returncode in (exit_codes or (0,)), f"{output}\n{errors}"
        assert [path for path in self.home.rglob("*") if not path.is_dir()] == []
        assert not self.log.exists(), self.log.read_text()
        if has_strace():
            assert calls_in(self.trace.read_text(errors="replace")) == []


def has_strace() -> bool:
    """Whether strace is installed and may trace here."""
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-qq", "-o", os.devnull, "true"], check=False).returncode == 0


def calls_in(trace: str) -> list[str]:
    """Output of strace -> its lines that speak to a name server or to another machine."""
    speaking = (line for line in trace.splitlines() if re.search(r"(connect|sendto|sendmsg|sendmmsg)\(.*AF_INET", line))
    own = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::1"')
    return [line for line in speaking if "htons(53)" in line or not own.search(line)]


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_written_at_home_and_nobody_is_called(name: str, material: Path, tmp_path: Path) -> None:
    cwd = tmp_path / "cwd"
    shutil.copytree(material, cwd)
    Watched(tmp_path, COMMANDS[name], cwd).check()


@pytest.mark.slow
def test_training_writes_its_run_alone(material: Path, tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="the training extra is not installed")
    shutil.copytree(material, cwd := tmp_path / "cwd")
    arguments = ["train", "config.toml", "--cases", "cases/cases.csv", "-o", "run", "--fold", "0"]
    Watched(tmp_path, arguments, cwd).check()
    assert (cwd / "run" / "curves.png").is_file()
    assert {path.name for path in cwd.iterdir()} == {path.name for path in material.iterdir()} | {"run"}


def test_the_server_calls_nobody(material: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="the server extra is not installed")
    arguments = ["serve", "--port", "0", "--data", str(tmp_path / "data"), "--bundle", str(material / "bundle")]
    watched = Watched(tmp_path, arguments, tmp_path)
    try:
        assert watched.process.stdout is not None
        address = watched.process.stdout.readline().strip()
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            job = client.post("/api/v1/jobs", files=[("files", ("a.png", frame_png()))]).json()
            while client.get(f"/api/v1/jobs/{job['id']}").json()["state"] not in ("done", "failed"):
                pass
            assert client.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "done"
        stop(watched.process.pid)
        watched.check(0, -signal.SIGTERM)
    finally:
        watched.process.kill()


def stop(pid: int) -> None:
    """SIGTERM to a process, or to the one below it where it is strace."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(word) for word in children.read_text().split()] if has_strace() else []
    os.kill(below[0] if below else pid, signal.SIGTERM)


def test_the_watch_sees_what_it_watches_for(tmp_path: Path) -> None:
    trace = (
        '12 connect(3, {sa_family=AF_INET, sin_port=htons(8042), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        '12 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0\n'
        '12 sendto(3, "x", 1, 0, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1")}) = 1\n'
        '12 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1\n'
    )
    assert [line.split("htons(")[1].split(")")[0] for line in calls_in(trace)] == ["53", "443"]
    code = PROGRAM.replace('runpy.run_module("thyrosight", run_name="__main__", alter_sys=True)', "import socket")
    code += "socket.getaddrinfo('127.0.0.1', 1)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "log")], check=True)
    assert "getaddrinfo" in (tmp_path / "log").read_text()


def test_one_file_imports_onnxruntime_and_the_package_silences_it_first() -> None:
    importing = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    files = [path for path in SOURCE.rglob("*.py") if importing.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(SOURCE).as_posix() for path in files] == ["thyrosight/inference/onnx_runtime.py"]
    code = "import thyrosight, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert done.stdout == "1\n", done.stderr
