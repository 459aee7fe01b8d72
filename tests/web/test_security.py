"""Who may ask: hosts, origins, tokens, sizes, paths; the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from thyrosight.errors import ConfigError, InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.web import security
from thyrosight.web.app import create_app, page_files
from thyrosight.web.security import HEADERS, read_token, rules_for
from thyrosight.web.service import Service, ServiceLimits
from tiny_bundle import make_tiny_bundle
from web_server import ADDRESS, frame_png, post

TOKEN = "correct-horse-battery-staple"
SMALL = ServiceLimits(max_upload_bytes=200_000, max_queue=8)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"), threads=1)


@pytest.fixture(scope="module")
def client(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    service = Service(predictor, tmp_path_factory.mktemp("data"), SMALL)
    with TestClient(create_app(service), base_url=ADDRESS) as client:
        yield client


@pytest.fixture(scope="module")
def with_token(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    service = Service(predictor, tmp_path_factory.mktemp("data"), SMALL)
    rules = rules_for("0.0.0.0", TOKEN, ["scans.example"])
    with TestClient(create_app(service, rules), base_url=ADDRESS) as client:
        yield client


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "scans.example"])
def test_no_listening_beyond_loopback_without_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="--token-file"):
        rules_for(host, None)
    assert rules_for(host, TOKEN).token_digest is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.9"])
def test_loopback_needs_no_token(host: str) -> None:
    assert rules_for(host, None).token_digest is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "192.168.0.7:8000", "localhost.evil.example", ""]
)
def test_another_host_name_is_refused_as_a_rebound_one_would_be(client: TestClient, host: str) -> None:
    assert code_of(client.get("/api/v1/health", headers={"host": host})) == (403, "unknown_host")
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "[::1]:8000", "127.0.0.1"])
def test_names_of_loopback_pass(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["192.168.0.7:8000", "scans.example", "[2001:db8::1]:80"])
def test_with_a_token_addresses_and_named_hosts_pass_and_other_names_do_not(with_token: TestClient, host: str) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert with_token.get("/api/v1/health", headers={"host": host} | bearer).status_code == 200
    refused = with_token.get("/api/v1/health", headers={"host": "evil.example"} | bearer)
    assert code_of(refused) == (403, "unknown_host")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "file://", "http://[", "http://127.0.0.1.evil"]
)
def test_a_page_of_another_site_can_not_change_anything(client: TestClient, origin: str) -> None:
    headers = {"origin": origin}
    assert code_of(post(client, ("a.png", frame_png()), headers=headers)) == (403, "foreign_origin")
    assert code_of(client.delete(f"/api/v1/jobs/{'0' * 32}", headers=headers)) == (403, "foreign_origin")
    assert code_of(client.post("/api/v1/tirads", headers=headers, json={})) == (403, "foreign_origin")


def test_our_own_page_and_programs_may(client: TestClient) -> None:
    for headers in ({"origin": ADDRESS, "sec-fetch-site": "same-origin"}, {}):
        assert client.delete(f"/api/v1/jobs/{'0' * 32}", headers=headers).status_code == 404


def test_pictures_can_not_be_embedded_by_another_site(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert code_of(client.get("/api/v1/health", headers=headers)) == (403, "foreign_origin")
    navigation = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=navigation).status_code == 200


def test_no_cors_header_is_ever_sent(client: TestClient) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    for response in (client.options("/api/v1/jobs", headers=headers), client.get("/api/v1/health", headers=headers)):
        assert not [name for name in response.headers if name.startswith("access-control")]
    response = client.options("/api/v1/jobs")
    assert code_of(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", "Bearer \xff"],
)
@pytest.mark.parametrize("path", ["/api/v1/health", "/metrics", "/api/v1/openapi.json", "/api/v1/jobs", "/nothing"])
def test_everything_but_the_page_needs_the_token(with_token: TestClient, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization.encode("latin-1")}
    response = with_token.get(path, headers=headers)
    assert code_of(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_right_token_opens_and_the_page_is_open(with_token: TestClient) -> None:
    bearer = {"authorization": f"bearer {TOKEN}"}
    assert with_token.get("/api/v1/health", headers=bearer).status_code == 200
    assert with_token.get("/").status_code == 200
    assert code_of(with_token.post("/", headers={})) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/", "/api/v1/health", "/metrics", "/nothing", "/api/v1/jobs/x"])
def test_every_answer_carries_the_headers(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert "server" not in response.headers


def test_a_fault_of_ours_is_a_plain_500_with_the_headers(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thyrosight.web.jobs.queue.JobQueue.jobs", lambda *a: 1 / 0)
    response = client.get("/api/v1/jobs")
    assert code_of(response) == (500, "internal_error")
    assert "ZeroDivisionError" in response.text
    assert "Traceback" not in response.text
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../pyproject.toml",
        "/static/%2e%2e/%2e%2e/app.py",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/api/v1/items/..%2f..%2f/frames/0/result",
        "/api/v1/jobs/../../../etc/passwd",
        "/static/index.html%00.png",
        "/static/",
    ],
)
def test_no_path_leads_out(client: TestClient, path: str) -> None:
    request = client.build_request("GET", ADDRESS)
    request.url = request.url.copy_with(raw_path=path.encode())
    response = client.send(request)
    assert response.status_code in (404, 422), response.text
    assert set(response.json()) == {"error"}


def test_only_files_of_the_page_are_served(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.js").write_text("1")
    (tmp_path / "secret.py").write_text("1")
    found = page_files(tmp_path)
    assert set(found) == {"/", "/index.html", "/static/index.html", "/parts/a.js", "/static/parts/a.js"}


def test_an_upload_that_is_too_large_is_refused_while_it_comes(client: TestClient, tmp_path: Path) -> None:
    response = post(client, ("a.png", b"\x89PNG" + bytes(SMALL.max_upload_bytes + 1)))
    assert code_of(response) == (413, "too_large")

    def endless() -> Iterator[bytes]:  # no length is claimed
        yield b'--b\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(40):
            yield bytes(10_000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert code_of(client.post("/api/v1/jobs", content=endless(), headers=headers)) == (413, "too_large")
    folder = client.app.app.state.service.store.folder / "incoming"  # type: ignore[attr-defined]
    assert not list(folder.iterdir())


def test_a_single_file_is_bounded_as_every_image_is(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thyrosight.web.jobs.uploads.MAX_FILE_BYTES", 1000)
    response = post(client, ("small.png", frame_png()[:900]), ("large.png", b"\x89PNG" + bytes(1000)))
    assert code_of(response) == (413, "too_large")
    assert "large.png" in response.json()["error"]["message"]


@pytest.mark.parametrize("length", ["x", "-1", "1" * 30, "٣"])
def test_a_length_that_is_none_is_refused(client: TestClient, length: str) -> None:
    headers = {"content-length": length.encode(), "content-type": "application/json"}
    assert code_of(client.post("/api/v1/tirads", content=b"{}", headers=headers)) == (400, "bad_request")


def test_json_is_bounded_whether_its_length_is_claimed_or_not(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    large = b"[" + b" " * security.MAX_JSON_BYTES + b"]"
    assert code_of(client.post("/api/v1/tirads", content=large, headers=headers)) == (413, "too_large")
    pieces = iter([b"[", *[b" " * 100_000] * 30, b"]"])
    assert code_of(client.post("/api/v1/tirads", content=pieces, headers=headers)) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"--b--\r\n", 422),
        (b"nonsense", 400),
        (b'--b\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n\x89PNG', 400),
        (b'--b\r\ncontent-disposition: form-data; name="files"\r\n\r\nx\r\n--b--\r\n', 422),
        (b'--b\r\ncontent-disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--b--\r\n', 422),
        (b"--b\r\nx: y\r\n\r\nx\r\n--b--\r\n", 422),
        (b"--b\r\n" + b"x" * 10_000 + b": y\r\n\r\nx\r\n--b--\r\n", 400),
        (b'--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\n\r\n--b--\r\n', 415),
    ],
)
def test_bad_multipart_is_one_clear_refusal(client: TestClient, body: bytes, status: int) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/api/v1/jobs", content=body, headers=headers).status_code == status


@pytest.mark.parametrize("kind", ["application/json", "", "multipart/form-data", "multipart/form-data; boundary="])
def test_another_kind_of_body_is_refused(client: TestClient, kind: str) -> None:
    assert client.post("/api/v1/jobs", content=b"{}", headers={"content-type": kind}).status_code in (400, 415)


def test_a_silent_sender_is_given_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(security, "BODY_SECONDS", 0.05)
    app, sent = client.app, []

    async def receive() -> Any:
        await asyncio.Event().wait()  # for ever

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"2")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/tirads",
        "raw_path": b"/api/v1/tirads",
        "headers": headers,
    }
    scope |= {
        "query_string": b"",
        "scheme": "http",
        "server": ("localhost", 80),
        "http_version": "1.1",
        "root_path": "",
    }
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 300))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("content", ["short", "", "two words are not one token", "ümlaut-ümlaut-ümlaut", "x" * 600])
def test_a_weak_or_odd_token_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="token"):
        read_token(path)
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN
