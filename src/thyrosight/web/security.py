"""Request -> passed on or refused: loopback or token, known hosts, no page of another site, limited bodies.

A page of another site, open in the same browser, can send requests to this server. Three things keep it out: the Host
header is checked (DNS rebinding), Origin and Sec-Fetch-Site are checked (forged requests), and no answer has a CORS
header (reading).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from thyrosight.daemon import is_loopback
from thyrosight.errors import ConfigError, InputError
from thyrosight.web.errors import ApiError, unexpected
from thyrosight.web.schemas import clean_name

MIN_TOKEN_LENGTH, MAX_TOKEN_LENGTH = 16, 512
MAX_JSON_BYTES = 2 << 20
BODY_SECONDS = 60.0
"""A sender that is silent for more seconds is cut off."""
MIN_BYTES_PER_SECOND = 16 << 10
"""After BODY_SECONDS, a body that arrives more slowly than this is cut off, because it would keep its connection for
ever."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Rules:
    """What a request needs to be passed on.

    hosts: names that the Host header may have. any_address: any IP address is allowed too, because nobody can rebind an
    address. token_digest: SHA-256 of the token, None where no token is needed. second_readers: (SHA-256 of a token,
    name) of readers who must read before they see the network's result. upload_path: the one path whose body has a
    limit of its own; every other body has at most MAX_JSON_BYTES. open_paths: need no token (the page, which holds no
    data).
    """

    hosts: frozenset[str] = _LOOPBACK_NAMES
    any_address: bool = False
    token_digest: bytes | None = None
    second_readers: tuple[tuple[bytes, str], ...] = ()
    upload_path: str = "/api/v1/jobs"
    open_paths: frozenset[str] = frozenset()


def rules_for(host: str, token: str | None, allowed_hosts: Iterable[str] = ()) -> Rules:
    """Address to listen on, token -> rules. ConfigError where other machines could use the server without a token."""
    names = _LOOPBACK_NAMES | {name.lower() for name in allowed_hosts}
    if is_loopback(host):
        return Rules(hosts=names | {host.lower()}, token_digest=_digest(token))
    if token is None:
        raise ConfigError(
            f"--host {host}: other machines could use it without a secret; give --token-file FILE with a "
            "secret in it, or leave out --host"
        )
    own = {host.lower(), platform.node().lower()}
    return Rules(hosts=frozenset(names | own - {""}), any_address=True, token_digest=_digest(token))


def read_token(path: Path) -> str:
    """File -> the token in it: one line of 16 to 512 printable ASCII characters.

    InputError where it holds anything else.
    """
    try:
        with open(path, encoding="ascii") as stream:
            token = stream.read(MAX_TOKEN_LENGTH + 2).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not plain ASCII text"
        raise InputError(f"{path}: no token can be read from it ({reason})") from None
    if not MIN_TOKEN_LENGTH <= len(token) <= MAX_TOKEN_LENGTH or not all(33 <= ord(mark) < 127 for mark in token):
        raise InputError(
            f"{path}: a token is one line of {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} characters without spaces; "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one"
        )
    return token


def read_second_readers(path: Path) -> tuple[tuple[bytes, str], ...]:
    """File with a line `TOKEN NAME` per second reader -> (SHA-256 of its token, name). InputError as read_token."""
    try:
        lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: no tokens can be read from it ({reason})") from None
    for number, words in enumerate(lines, 1):
        if len(words) != 2 or not MIN_TOKEN_LENGTH <= len(words[0]) <= MAX_TOKEN_LENGTH or not words[0].isascii():
            raise InputError(
                f"{path}, line {number}: a line is a token of {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} characters, a "
                "space, and the reader's name"
            )
    if not lines:
        raise InputError(f"{path}: is empty; write a line `TOKEN NAME` per second reader")
    return tuple((hashlib.sha256(token.encode()).digest(), clean_name(name)) for token, name in lines)


def second_reader_in(headers: Headers, rules: Rules) -> str | None:
    """-> the name of the second reader whose token the request carries; None for any other token."""
    _, _, given = headers.get("authorization", "").partition(" ")
    digest = _digest(given.strip()) or b""
    return next((name for known, name in rules.second_readers if hmac.compare_digest(digest, known)), None)


def refusal(scope: Scope, rules: Rules) -> JSONResponse | None:
    """Request -> the answer that refuses it before anything else is done; None where it may pass."""
    headers = Headers(scope=scope)
    error = (
        _host_fault(headers, rules)
        or _origin_fault(headers, scope["method"])
        or _token_fault(headers, scope["path"], rules)
        or _length_fault(headers, scope["path"], rules)
    )
    return error.response if error else None


def _host_fault(headers: Headers, rules: Rules) -> ApiError | None:
    host = _host_name(headers.get("host", ""))
    if host in rules.hosts or (rules.any_address and _is_address(host)):
        return None
    return ApiError(403, "unknown_host", "this server is not known under that host name; use the address it printed")


def _origin_fault(headers: Headers, method: str) -> ApiError | None:
    """-> the refusal where a page of another site made the request, else None.

    A request that changes something and has an Origin needs ours.
    """
    is_foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is not None and method not in SAFE_METHODS:
        is_foreign |= _authority(origin) != _without_default_port(headers.get("host", "").lower())
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and method in SAFE_METHODS
    if not is_foreign or is_navigation:
        return None
    return ApiError(403, "foreign_origin", "a page of another site may not use this server")


def _token_fault(headers: Headers, path: str, rules: Rules) -> ApiError | None:
    if rules.token_digest is None or path in rules.open_paths:
        return None
    kind, _, given = headers.get("authorization", "").partition(" ")
    is_right = hmac.compare_digest(_digest(given.strip()) or b"", rules.token_digest)
    if kind.lower() == "bearer" and (is_right or second_reader_in(headers, rules) is not None):
        return None
    message = "a token is needed: send `Authorization: Bearer TOKEN`"
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def _length_fault(headers: Headers, path: str, rules: Rules) -> ApiError | None:
    """Refuses a body whose claimed length is too large; `_bounded` counts the bytes where no length is claimed."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        return ApiError(400, "bad_request", "Content-Length is no length")
    return _too_large() if path != rules.upload_path and int(length) > MAX_JSON_BYTES else None


def _bounded(scope: Scope, receive: Receive, rules: Rules) -> Receive:
    """receive -> a receive that raises ApiError once the body is too large or its sender has been silent too long."""
    num_bytes, has_more, began = 0, True, time.monotonic()

    async def bounded() -> Message:
        nonlocal num_bytes, has_more
        if not has_more:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_SECONDS)
        except TimeoutError:
            has_more = False
            raise ApiError(408, "too_slow", f"nothing came for {BODY_SECONDS:.0f} s; send it again") from None
        has_more = message.get("more_body", False)
        num_bytes += len(message.get("body", b""))
        if has_more and time.monotonic() - began > BODY_SECONDS + num_bytes / MIN_BYTES_PER_SECOND:
            has_more = False
            raise ApiError(408, "too_slow", f"less than {MIN_BYTES_PER_SECOND >> 10} KB per second came; send it again")
        if num_bytes > MAX_JSON_BYTES and scope["path"] != rules.upload_path:
            raise _too_large()
        return message

    return bounded


class Guard:
    """Wraps the whole app: refuses requests, limits bodies, adds headers, turns a bug of ours into a plain 500."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        has_begun = False

        async def send_closed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        second = second_reader_in(Headers(scope=scope), self.rules)
        scope["state"] = {**scope.get("state", {}), "second_reader": second}
        response = refusal(scope, self.rules)
        if response is None:
            try:
                await self.app(scope, _bounded(scope, receive, self.rules), send_closed)
                return
            except Exception as error:
                response = unexpected(error)
        if not has_begun:
            await response(scope, receive, send_closed)


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"the request is larger than {MAX_JSON_BYTES // 1024**2} MB")


def _digest(token: str | None) -> bytes | None:
    return None if token is None else hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _host_name(host: str) -> str:
    """`Name:8000`, `[::1]:8000` -> `name`, `::1`."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _authority(origin: str) -> str:
    """`https://name:8000` -> `name:8000`; empty where the text is no http(s) origin, for example `null`."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return _without_default_port(parts.netloc.lower()) if parts.scheme in ("http", "https") else ""


def _without_default_port(authority: str) -> str:
    return authority.removesuffix(":80").removesuffix(":443")
