"""A real server in a process of its own: many clients, a full queue, SIGKILL and restart. Loopback alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

import httpx

from tiny_bundle import make_tiny_bundle
from web_server import SOURCE, Server, clip_tiff, frame_png, post, serving, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def all_jobs(client: httpx.Client) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = client.get("/api/v1/jobs", params={"limit": 100, "offset": offset}).json()
        jobs += page["jobs"]
        offset = page["next_offset"]
    return jobs


def test_twenty_clients_of_five_images_are_accounted_for_exactly(bundle: Path, tmp_path: Path) -> None:
    def one_client(number: int) -> dict[str, str]:
        """-> {item id: name} of what this client sent and got back as done."""
        with server.client() as client:
            names = [f"client{number}-{k}.png" for k in range(5)]
            answer = post(client, *[(name, frame_png(5 * number + k)) for k, name in enumerate(names)])
            assert answer.status_code == 202, answer.text
            job = wait_for(client, answer.json()["id"])
            assert [item["name"] for item in job["items"]] == names
            for item in job["items"]:
                result = client.get(f"/api/v1/items/{item['id']}/frames/0/result").json()
                assert result["image"]["name"] == item["name"]
            return {item["id"]: item["name"] for item in job["items"] if item["state"] == "done"}

    with serving(tmp_path / "data", bundle) as server:
        with ThreadPoolExecutor(20) as pool:
            done = [found for part in pool.map(one_client, range(20)) for found in part.items()]
        assert len(dict(done)) == 100
        assert Counter(name for _, name in done) == Counter(f"client{c}-{k}.png" for c in range(20) for k in range(5))
        with server.client() as client:
            jobs = all_jobs(client)
            assert len(jobs) == 20
            assert {item["id"] for job in jobs for item in job["items"]} == set(dict(done))
            assert 'thyrosight_items{state="done"} 100' in client.get("/metrics").text


def test_what_was_accepted_survives_sigkill(bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    accepted: list[dict[str, Any]] = []
    clip = ("clip.tif", clip_tiff(12))
    uploads = [[(f"{k}.png", frame_png(k, (600, 800))) for k in range(start, start + 10)] for start in range(0, 40, 10)]
    with serving(data, bundle) as server, server.client() as client:
        for files in uploads:  # made before: the server must not get ahead of us
            accepted.append(post(client, *files, clip, ("bad.png", b"\x89PNG\r\n\x1a\n\0")).json())
        server.kill()
    (data / "incoming" / ("0" * 32)).mkdir()
    with serving(data, bundle) as server, server.client() as client:
        assert client.get("/api/v1/health").json()["queue"]["queued"] > 0, "nothing was left to do: a test of nothing"
        jobs = [wait_for(client, job["id"]) for job in accepted]
        assert not list((data / "incoming").iterdir())
        for job, was in zip(jobs, accepted, strict=True):
            ids = [sorted(item["id"] for item in one["items"]) for one in (job, was)]  # listed by name and as sent
            assert ids[0] == ids[1]
            states = {item["name"]: item["state"] for item in job["items"]}
            assert states.pop("bad.png") == "failed"
            assert set(states.values()) == {"done"}
            clip = next(item for item in job["items"] if item["name"] == "clip.tif")
            for frame in range(12):
                assert client.get(f"/api/v1/items/{clip['id']}/frames/{frame}/result").status_code == 200
        assert len(all_jobs(client)) == len(accepted)


def test_sigkill_at_any_moment_of_uploading_loses_nothing_that_was_accepted(bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    accepted: list[str] = []

    def send(server: Server) -> None:
        try:
            with server.client() as client:
                while True:
                    answer = post(client, ("a.png", frame_png(1)), ("b.png", frame_png(2)))
                    if answer.status_code == 202:
                        accepted.append(answer.json()["id"])
        except httpx.HTTPError:
            return

    for _ in range(2):
        with serving(data, bundle, "--max-queue", "40") as server:
            threads = [threading.Thread(target=send, args=(server,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            before, end = len(accepted), time.monotonic() + 120
            while len(accepted) < before + 3 and time.monotonic() < end:
                time.sleep(0.01)
            server.kill()  # in the midst of the next uploads
            for thread in threads:
                thread.join(300)
    assert len(accepted) > 4
    with serving(data, bundle) as server, server.client() as client:
        for job_id in accepted:
            assert [item["state"] for item in wait_for(client, job_id)["items"]] == ["done", "done"]


def test_sixty_four_clients_meet_a_full_queue_and_bounded_memory(bundle: Path, tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    accepted: list[str] = []
    lock = threading.Lock()
    large = frame_png(3, (600, 800))

    def one_client(number: int) -> None:
        with server.client() as client:
            for turn in range(20):  # two each, and more where the queue was never full: it depends on the machine
                if turn > 1 and statuses[503]:
                    return
                answer = post(client, (f"{number}-{turn}.png", large))
                listed = client.get("/api/v1/jobs")
                with lock:
                    statuses.update([answer.status_code, listed.status_code])
                    if answer.status_code == 202:
                        accepted.append(answer.json()["id"])
                    else:
                        assert answer.status_code == 503, answer.text
                        assert int(answer.headers["retry-after"]) > 0

    with serving(tmp_path / "data", bundle, "--max-queue", "20") as server:
        with server.client() as client:
            wait_for(client, post(client, ("warm.png", large)).json()["id"])
        before_mb = peak_mb = server.resident_mb()
        with ThreadPoolExecutor(64) as pool:
            running = [pool.submit(one_client, number) for number in range(64)]
            while not all(one.done() for one in running):
                peak_mb = max(peak_mb, server.resident_mb())
                time.sleep(0.05)
            for one in running:
                one.result()
        print(f"{before_mb:.0f} MB before, {peak_mb:.0f} MB at most; answers {dict(statuses)}")
        assert set(statuses) == {200, 202, 503}
        assert statuses[200] == statuses[202] + statuses[503] >= 128
        assert peak_mb < before_mb + 200, f"{before_mb:.0f} MB before, {peak_mb:.0f} MB at most"
        with server.client() as client:
            assert all(wait_for(client, job_id)["state"] == "done" for job_id in accepted)
            assert len(all_jobs(client)) == len(accepted) + 1 == statuses[202] + 1


def test_stopping_hands_back_what_is_in_work_and_ends_soon(bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, bundle) as server, server.client() as client:
        job = post(client, *[(f"{k}.png", frame_png(k)) for k in range(60)]).json()
        client.close()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(300) == 0
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()
    with serving(data, bundle) as server, server.client() as client:
        assert {item["state"] for item in wait_for(client, job["id"])["items"]} == {"done"}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "--token-file"),
        (["--host", "0.0.0.0", "--token-file", "short"], 1, "a token is one line"),
        (["--host", "203.0.113.1", "--token-file", "good"], 1, "can't listen there"),
        (["--data", "file"], 1, "can't hold the data"),
    ],
)
def test_a_start_that_can_not_be_is_one_clear_line(
    bundle: Path, tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    (tmp_path / "short").write_text("abc")
    (tmp_path / "good").write_text("x" * 40)
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "thyrosight", "serve", "--bundle", str(bundle), "--port", "0", "--data", "data"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert words in last
    assert "Traceback" not in done.stderr


def test_without_the_extra_the_command_says_what_to_install(bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['thyrosight', 'serve']\n"
        "from thyrosight.cli import main\nmain()"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2
    assert 'pip install "thyrosight[serve]"' in done.stderr
