"""Folder -> the JSON and XML files of annotation tools in it, their kind, and their content up to a largest size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.folders.folder_files import files_below
from thyrosight.types import Json

MAX_JSON_BYTES = 512 << 20
MAX_XML_BYTES = 256 << 20


def json_below(folder: Path) -> list[Path]:
    """Folder or file -> its JSON files."""
    if folder.is_file():
        return [folder] if folder.suffix.casefold() == ".json" else []
    return [path for path in files_below(folder) if path.suffix.casefold() == ".json"]


def starts_as_json(path: Path, keys: Sequence[str]) -> bool:
    """Whether the file's text names all of these keys. The file is not parsed, because it may be large."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            return False
        text = path.read_bytes()
    except OSError as error:
        raise_disk_fault(error, path)
        return False
    return text.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{" and all(b'"' + key.encode() + b'"' in text for key in keys)


def json_of(path: Path) -> Json:
    """JSON file -> its object; InputError where it holds no object, is cut off or too large."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InputError(f"{path}: over {MAX_JSON_BYTES >> 20} MB of JSON; split it")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not readable as JSON ({error}); export it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object; export it again")
    return content


def xml_below(folder: Path, root: bytes) -> list[Path]:
    """Folder or file -> its XML files with the opening tag of this element in the first kilobyte."""
    files = [folder] if folder.is_file() else files_below(folder)
    return [path for path in files if path.suffix.casefold() == ".xml" and b"<" + root + b">" in _head(path)]


def xml_root(path: Path) -> Any:
    """XML file -> its root element; InputError where it can't be read."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise InputError(f"{path}: over {MAX_XML_BYTES >> 20} MB of XML; split it")
        return ElementTree.parse(path).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: not readable as XML ({error}); export it again") from None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise_disk_fault(error, path)
        return b""
