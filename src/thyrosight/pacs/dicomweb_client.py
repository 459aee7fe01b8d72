"""A DICOMweb server: list its ultrasound images (QIDO-RS), fetch one (WADO-RS), store results (STOW-RS).

The server must use https, or run on this machine. Redirects are not followed, requests are not repeated, and every
answer has a maximum size. Secrets come from the environment or a file, because every user of the machine can read a
command line.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread, dcmwrite

from thyrosight.daemon import is_loopback
from thyrosight.errors import ConfigError, InputError
from thyrosight.files import write_atomic
from thyrosight.frames.dicom import IMAGE_CLASSES
from thyrosight.frames.transfer_syntaxes import DEFLATED
from thyrosight.pacs.http_deadline import Deadline

MAX_SECRET_LENGTH = 8192
MAX_INSTANCES = 500
"""Most instances in the answer to one query. A study of ultrasound has some tens."""
JSON_BYTES = 64 << 20
CONNECT_SECONDS, READ_SECONDS = 15.0, 120.0
"""Seconds to wait for a connection; seconds to wait for the beginning of an answer."""
MIN_BYTES_PER_SECOND = 64 << 10
"""Slowest pace of an answer: it may take READ_SECONDS longer than its length needs at this pace."""
MODALITIES = frozenset({"US", "OT", "SC", ""})
"""Modalities of the series that are searched. An image in them that is not ultrasound is refused when it is read."""

_UID = re.compile(r"[0-9.]{1,64}")
_STUDY, _SERIES, _MODALITY = "0020000D", "0020000E", "00080060"
_CLASS, _INSTANCE, _FRAMES = "00080016", "00080018", "00280008"


@dataclass(frozen=True)
class ServerAccess:
    """How to reach a server. secret: a token, or the password of `user`. max_bytes: largest size of one image."""

    url: str
    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    is_http_allowed: bool = False
    max_bytes: int = 512 << 20


@dataclass(frozen=True)
class RemoteImage:
    """One image on the server, by its UIDs."""

    study: str
    series: str
    instance: str
    modality: str
    num_frames: int | None


class TooLargeError(Exception):
    """An answer is larger than its limit."""


class WebArchive:
    """A DICOMweb server. Every failure is an InputError that names the server, not the patient."""

    def __init__(self, access: ServerAccess) -> None:
        check_url(access.url, is_http_allowed=access.is_http_allowed)
        self._access, self._url = access, access.url.rstrip("/")
        session = create_session()
        session.max_redirects = 0
        session.auth = _authorization(access)
        if access.ca_file is not None:
            session.verify = str(access.ca_file)
        session.hooks["response"].append(self._bounded)
        self._deadline = Deadline(session)
        self._limit = JSON_BYTES
        self._has_more = False
        self._client = DICOMwebClient(self._url, session=session, timeout=(CONNECT_SECONDS, READ_SECONDS))
        self._client.set_http_retry_params(retry=False)

    def find(
        self, *, study: str | None, series: str | None = None, instance: str | None = None, patient: str | None = None
    ) -> list[RemoteImage]:
        """UIDs, or a patient's ID -> the images that may be ultrasound, in the server's order."""
        for uid, what in ((study, "study"), (series, "series"), (instance, "instance")):
            if uid is not None:
                check_uid(uid, f"--{what}")
        studies = [study] if study is not None else self._studies_of(patient or "")
        found: list[RemoteImage] = []
        for study_uid in studies:
            for series_uid, modality in self._series_of(study_uid, series):
                found += self._images_of(study_uid, series_uid, modality)
        return [image for image in found if instance in (None, image.instance)]

    def fetch(self, image: RemoteImage, path: Path) -> None:
        """An image that was found -> a DICOM file at `path`, its pixels encoded as on the server."""
        with self._asking("WADO-RS", self._access.max_bytes), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = self._client.retrieve_instance(image.study, image.series, image.instance)
            if str(dataset.get("SOPInstanceUID")) != image.instance:
                raise InputError(f"{self._url}: answered with another image than the requested one")
            stream = BytesIO()
            dcmwrite(stream, dataset, enforce_file_format=True)
        write_atomic(path, stream.getvalue())

    def store(self, study: str, files: Mapping[str, bytes]) -> None:
        """Stores DICOM files of one study. InputError unless the server confirms every file."""
        datasets = [dcmread(BytesIO(content)) for content in files.values()]
        with self._asking("STOW-RS", JSON_BYTES):
            answer = self._client.store_instances(datasets, study_instance_uid=study)
        refused = [item.get("FailureReason") for item in answer.get("FailedSOPSequence") or ()]
        if refused:
            raise InputError(f"{self._url}: refused {len(refused)} of {len(files)} results (reason {refused[0]})")
        stored = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or ()}
        missing = [str(dataset.SOPInstanceUID) for dataset in datasets if dataset.SOPInstanceUID not in stored]
        if missing:
            raise InputError(f"{self._url}: did not confirm {len(missing)} of {len(files)} results; store them again")

    def _studies_of(self, patient: str) -> list[str]:
        if not patient or any(mark in patient for mark in "*?\\"):
            raise ConfigError("--patient: give a patient's whole ID, without * or ?")
        rows = self._rows("studies", search_filters={"PatientID": patient})
        return [uid for row in rows if (uid := _text(row, _STUDY))]

    def _series_of(self, study: str, series: str | None) -> list[tuple[str, str]]:
        """Study, one of its series or None -> (series, modality) of the series that may hold ultrasound."""
        filters = {"SeriesInstanceUID": series} if series is not None else None
        rows = self._rows("series", study_instance_uid=study, search_filters=filters)
        found = [(_text(row, _SERIES), _text(row, _MODALITY)) for row in rows]
        return [(uid, modality) for uid, modality in found if uid and modality in MODALITIES and series in (None, uid)]

    def _images_of(self, study: str, series: str, modality: str) -> list[RemoteImage]:
        rows = self._rows("instances", study_instance_uid=study, series_instance_uid=series)
        found = []
        for row in rows:
            instance, frames = _text(row, _INSTANCE), _text(row, _FRAMES)
            if _text(row, _CLASS) in IMAGE_CLASSES and _UID.fullmatch(instance):
                num_frames = int(frames) if frames.isdecimal() else None
                found.append(RemoteImage(study, series, instance, modality, num_frames))
        return found

    def _rows(self, level: str, **query: Any) -> list[dict[str, Any]]:
        """One QIDO query -> its rows. A server that gives them in parts says so, and is asked for the next part."""
        search = getattr(self._client, f"search_for_{level}")
        rows: list[dict[str, Any]] = []
        self._has_more = True
        while self._has_more and len(rows) <= MAX_INSTANCES:
            self._has_more = False
            with self._asking("QIDO-RS", JSON_BYTES):
                part = search(limit=MAX_INSTANCES + 1, offset=len(rows) or None, **query)
            if not isinstance(part, list) or not all(isinstance(row, dict) for row in part):
                raise InputError(f"{self._url}: {_NO_JSON}")
            if self._has_more and (not part or part[0] in rows):
                given = f"gives {len(rows)} {level} and keeps others"
                raise InputError(f"{self._url}: {given}; name the series or the instance")
            rows += part
        if len(rows) > MAX_INSTANCES:
            raise InputError(f"{self._url}: more than {MAX_INSTANCES} {level} match; name the series or the instance")
        return rows

    @contextmanager
    def _asking(self, service: str, max_bytes: int) -> Iterator[None]:
        """Within the block, which makes one request, any error becomes an InputError."""
        self._limit = max_bytes
        self._deadline.set(READ_SECONDS)
        try:
            yield
        except (InputError, ConfigError):
            raise
        except TooLargeError:
            limit = f"{max_bytes / 2**20:,.0f} MB"
            raise InputError(
                f"{self._url}: answered {service} with more than {limit}; pass a larger --max-mb"
            ) from None
        except OSError as error:  # of requests; its message holds the whole URL with its UIDs
            reason = NO_ANSWER if self._deadline.is_over else _reason(error)
            raise InputError(f"{self._url}: {service}: {reason}") from error
        except Exception as error:  # a malformed answer can fail anywhere inside the client
            if self._deadline.is_over:
                raise InputError(f"{self._url}: {service}: {NO_ANSWER}") from error
            kind = type(error).__name__
            raise InputError(f"{self._url}: its answer to {service} can't be understood ({kind})") from error
        finally:
            self._deadline.clear()

    def _bounded(self, response: Any, **_: Any) -> None:
        """Makes a response count its bytes, decompressed, as they arrive; notes whether it is a part of the rows.

        Source: DICOM PS3.18 8.3.4.4, Warning 299: there are additional results that can be requested.
        """
        self._has_more = "299" in (response.headers.get("Warning") or "")
        length = int(response.headers.get("Content-Length") or self._limit)
        if length > self._limit:
            response.close()
            raise TooLargeError
        self._deadline.set(READ_SECONDS + max(0, length) / MIN_BYTES_PER_SECOND)
        response.raw = _BoundedStream(response.raw, self._limit)


class _BoundedStream:
    """A response's stream with a limit: TooLargeError beyond max_bytes, InputError for a deflated data set."""

    def __init__(self, raw: Any, max_bytes: int) -> None:
        self._raw, self._left, self._is_first = raw, max_bytes, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *arguments: Any, **options: Any) -> Iterator[bytes]:
        for chunk in self._raw.stream(*arguments, **options):
            if self._is_first and DEFLATED.encode() in chunk[:2048]:
                raise InputError("a DICOM file deflated as a whole, which may hide any size; store it uncompressed")
            self._is_first = False
            self._left -= len(chunk)
            if self._left < 0:
                raise TooLargeError
            yield chunk


def check_url(url: str, *, is_http_allowed: bool = False) -> None:
    """ConfigError where a URL is not the root of a DICOMweb service, holds a secret, or is http to another machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment:
        raise ConfigError("URL: give the root of a DICOMweb service, for instance https://pacs.example/dicom-web")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("URL: holds a user or a password; give --user, and the password in a file or the environment")
    if parts.scheme == "http" and not is_loopback(host) and not is_http_allowed:
        raise ConfigError(f"http://{host}: everybody on the network could read it; use https, or pass --allow-http")


def check_uid(uid: str, option: str) -> None:
    """ConfigError where the text is not a UID, because it becomes part of a URL and of a file name."""
    if not _UID.fullmatch(uid):
        raise ConfigError(f"{option} {uid[:70]!r}: not a UID; that has digits and points, at most 64 characters")


def read_secret(path: Path) -> str:
    """File -> the secret in it: one line, a token or a password."""
    try:
        text = path.read_text(encoding="utf-8")[: MAX_SECRET_LENGTH + 2].strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InputError(f"{path}: no secret can be read from it ({reason})") from None
    if not 0 < len(text) <= MAX_SECRET_LENGTH or not text.isprintable():
        raise InputError(f"{path}: a secret is one line of at most {MAX_SECRET_LENGTH} printable characters")
    return text


def _authorization(access: ServerAccess) -> Any:
    """-> the argument `auth` of each request.

    A token is passed as a function, because .netrc would replace a plain header.
    """
    if access.user is not None:
        return access.user, access.secret or ""
    if access.secret is None:
        return None

    def with_token(request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {access.secret}"
        return request

    return with_token


def _reason(error: OSError) -> str:
    """An error of requests -> the reason, without the URL."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"refused ({status}); check the token, or user and password"
    if status is not None and 300 <= status < 400:
        return f"sends elsewhere ({status}), which is not followed; give the address that it names"
    if status is not None:
        return f"answered {status}"
    kinds = [kind.__name__ for kind in type(error).__mro__]
    for kind, words in _KINDS.items():
        if kind in kinds:
            return words
    return type(error).__name__


NO_ANSWER = "gave no answer in time"
_NO_JSON = "its answer is no DICOM JSON; is this the root of a DICOMweb service?"
_KINDS = {
    "JSONDecodeError": _NO_JSON,
    "SSLError": "its certificate is not one that is trusted here; name its authority by --ca-file",
    "Timeout": NO_ANSWER,
    "TooManyRedirects": "sends elsewhere, which is not followed; give the address that it names",
    "ConnectionError": "can't be reached",
}


def _text(row: Mapping[str, Any], tag: str) -> str:
    """A row of DICOM JSON, tag -> the element's first value as text; empty where there is none."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else ""
    return str(first) if isinstance(first, str | int) else ""
