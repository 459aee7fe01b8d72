"""Network, weights and their claims <-> model bundle: a folder or a zip of it, which is verified or refused.

    bundle.json           BundleInfo: what it is, how to feed it, what its risk means, its scores, hashes of the rest
    model.onnx            the network for prediction
    weights.safetensors   the same weights for further training
    MODEL_CARD.md         the same claims for people
    seen_images.bin       hashes and sketches of the images that it learned from (seen_images.py); older ones have none

The hashes find damage and careless edits; they are no signature, so a bundle is only as honest as its maker. Nothing in
it can run code: no pickle, no ONNX that opens other files, and a zip is read in place, never unpacked. The network's
memory and time are bounded before it runs (graph/).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from pydantic import ValidationError

from thyrosight.bundle.bundle_files import (
    CARD_NAME,
    GET_IT_AGAIN,
    IGNORED,
    INFO_NAME,
    MAX_BYTES,
    ONNX_NAME,
    SEEN_NAME,
    WEIGHTS_NAME,
    BundleReader,
    as_bundle_error,
)
from thyrosight.bundle.graph.graph_checks import GraphChecker
from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.value_checks import check_values, printable_values
from thyrosight.bundle.weight_checks import WeightsError, check_onnx, check_safetensors, refuse_duplicates
from thyrosight.errors import BundleError
from thyrosight.files import write_atomic, write_folder_atomic
from thyrosight.files.plain_text import printable

FORMAT_VERSION = 1
_NO_HASH = "0" * 64
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


SHIPPED = "shipped"
"""The text that means the bundle inside the package, wherever a bundle is given as text."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. The weights stay on the disk until they are needed."""

    info: BundleInfo
    onnx_bytes: bytes
    card: str
    path: Path
    graph: GraphChecker = field(compare=False, repr=False)
    """Checks how many views may be predicted at once."""
    seen: SeenImages = field(default=SeenImages.from_bytes(b""), compare=False, repr=False)
    """The images that it learned from; empty where they were not recorded."""

    @property
    def weights_bytes(self) -> bytes:
        """weights.safetensors, read and verified again at each call."""
        data = _reader(self.path).read(WEIGHTS_NAME)
        _check_hash(self.path, WEIGHTS_NAME, data, self.info.files)
        return data


def default_bundle_path() -> Path:
    """-> the folder of the shipped model inside the package."""
    return Path(__file__).parents[1] / "models" / "default"


def bundle_path(bundle: Path | str | None) -> Path:
    """A path, the text "shipped" or None -> path of the bundle; None and "shipped" mean the shipped model.

    Path("shipped") and "./shipped" mean a folder of that name.
    """
    return default_bundle_path() if bundle in (None, SHIPPED) else Path(bundle or "")


def bundle_id(info: BundleInfo) -> str:
    """Info of a written bundle -> 16 hexadecimal digits of its hash, which covers the hashes of its files."""
    if not info.sha256:
        raise ValueError("only a written bundle has an id")
    return info.sha256[:16]


# Writing


def write_bundle(
    folder_or_zip: Path,
    info: BundleInfo,
    onnx_bytes: bytes,
    weights_bytes: bytes,
    card: str,
    seen: SeenImages | None = None,
) -> Path:
    """Path (ending in .zip: one file, else a folder), info and contents -> the path, written whole or not at all.

    An older bundle at that path is replaced. BundleError where anything else is there, which stays as it is, or where
    the contents would not load.
    """
    path = Path(folder_or_zip)
    _check_contents(path, info, onnx_bytes, weights_bytes)
    contents = {ONNX_NAME: onnx_bytes, WEIGHTS_NAME: weights_bytes, CARD_NAME: card.encode()}
    if seen is not None and len(seen):
        contents[SEEN_NAME] = seen.to_bytes()
    contents[INFO_NAME] = _render_info(
        info, {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    )
    for name, data in contents.items():
        if len(data) > MAX_BYTES[name]:
            raise BundleError(f"{path}: {name} would have {len(data):,} bytes, the limit is {MAX_BYTES[name]:,}")
    _refuse_stranger(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".zip":
        write_atomic(path, _zip(contents))
    else:
        write_folder_atomic(path, contents)
    return path


def refuse_other_network(path: Path, weights_bytes: bytes) -> None:
    """BundleError where the path holds a bundle with other weights, because a trained network would be lost."""
    if not os.path.lexists(path):
        return
    _refuse_stranger(path)
    if path.is_dir() and not set(os.listdir(path)) - IGNORED:
        return
    there = _parse_info(path, _reader(path).read(INFO_NAME))
    if there.files.get(WEIGHTS_NAME) != hashlib.sha256(weights_bytes).hexdigest():
        raise BundleError(f"{path}: holds another network ({there.name}), so it is not replaced; choose another path")


def _check_contents(path: Path, info: BundleInfo, onnx_bytes: bytes, weights_bytes: bytes) -> GraphChecker:
    """Contents of a bundle -> the checker of its network, which has already passed for one view.

    BundleError where anything is wrong.
    """
    name = ONNX_NAME
    try:
        graph = GraphChecker(onnx_bytes, info.preprocessing.size_hw)
        graph.check(1)
        check_onnx(onnx_bytes)
        name = WEIGHTS_NAME
        check_safetensors(weights_bytes)
    except WeightsError as error:
        raise BundleError(f"{path}: {name}: {error}; {GET_IT_AGAIN}, or train and export it anew") from None
    return graph


def _render_info(info: BundleInfo, files: Mapping[str, str]) -> bytes:
    """Info, hashes -> bytes of bundle.json with its own hash in it."""
    try:
        table = printable_values(info.model_dump(mode="json"))
        table |= {"files": dict(sorted(files.items())), "sha256": _NO_HASH}
        BundleInfo.model_validate(table)  # model_copy and model_construct do not validate
        text = json.dumps(table, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        text = re.sub(r"\[\n([-+\d.e,\s]+)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)  # one line
    except ValueError as error:
        raise BundleError(f"bundle.json can't be written: {_first_fault(error)}") from None
    own_hash = hashlib.sha256(text.encode()).hexdigest()
    head, _, tail = text.rpartition(f'"sha256": "{_NO_HASH}"')
    return f'{head}"sha256": "{own_hash}"{tail}'.encode()


def _refuse_stranger(path: Path) -> None:
    """BundleError where the path holds something that is not a bundle, because it would be replaced."""
    if not os.path.lexists(path):
        return
    fault = BundleError(f"{path}: exists and is not a bundle, so it is not replaced; choose another path")
    if path.suffix.lower() == ".zip":
        if not path.is_file() or not zipfile.is_zipfile(path):
            raise fault
        with as_bundle_error(path):
            names = {name.rpartition("/")[2] for name in zipfile.ZipFile(path).namelist()}
    else:
        if path.is_symlink() or not path.is_dir():
            raise fault
        names = set(os.listdir(path)) - IGNORED
    if names - {""} - MAX_BYTES.keys() or (names and INFO_NAME not in names):
        raise fault


def _zip(contents: Mapping[str, bytes]) -> bytes:
    """{name: bytes} -> a zip; the same contents give the same bytes.

    Nothing is compressed, because weights hardly shrink.
    """
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data)
    return stream.getvalue()


# Loading


def _reader(path: Path) -> BundleReader:
    return BundleReader(path, may_link=path == default_bundle_path())


def fold_bundles(folder: Path) -> dict[int, Path]:
    """Folder of a cross-validation -> {fold: bundle} of the finished folds; empty for any other folder."""
    found = {}
    for path in folder.glob(f"fold*/bundle/{INFO_NAME}"):
        number = path.parent.parent.name.removeprefix("fold")
        if number.isdecimal():
            found[int(number)] = path.parent
    return dict(sorted(found.items()))


def load_bundle(path: Path | str | None = None) -> Bundle:
    """Folder or zip ("shipped" or None: the shipped model) -> verified Bundle.

    BundleError states what is wrong and the fix.
    """
    try:
        return _loaded(bundle_path(path))
    except BundleError as error:  # a name inside the bundle may steer a terminal
        raise BundleError(printable(str(error))) from error.__cause__


def _loaded(path: Path) -> Bundle:
    if not path.exists():
        if path == default_bundle_path():
            raise BundleError("this installation ships no model; pass --bundle PATH, or train one: thyrosight train")
        raise BundleError(f"{path}: no such bundle; check the path, or leave --bundle out for the shipped model")
    reader = _reader(path)
    info = _parse_info(path, reader.read(INFO_NAME))
    contents: dict[str, bytes] = {}
    if info.files.keys() != reader.names - {INFO_NAME}:
        raise BundleError(f"{path}: {INFO_NAME} does not list the bundle's files; {GET_IT_AGAIN}")
    for name in sorted(info.files):
        contents[name] = reader.read(name)
        _check_hash(path, name, contents[name], info.files)
    graph = _check_contents(path, info, contents[ONNX_NAME], contents[WEIGHTS_NAME])
    try:
        seen = SeenImages.from_bytes(contents.get(SEEN_NAME, b""))
    except ValueError as error:
        raise BundleError(f"{path}: {SEEN_NAME}: {error}; {GET_IT_AGAIN}") from None
    return Bundle(info, contents[ONNX_NAME], contents[CARD_NAME].decode(errors="replace"), path, graph, seen)


def _parse_info(path: Path, data: bytes) -> BundleInfo:
    """bundle.json -> info. The version is checked first, so that a bundle of a newer version is not called damaged."""
    try:
        table = json.loads(data.decode(), object_pairs_hook=refuse_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {INFO_NAME} is damaged ({str(error)[:100]}); {GET_IT_AGAIN}") from None
    check_values(path, table)
    version = table.get("format_version") if isinstance(table, dict) else None
    if type(version) is int and version != FORMAT_VERSION:
        correction = "update thyrosight" if version > FORMAT_VERSION else GET_IT_AGAIN
        raise BundleError(f"{path}: bundle format {version}, this version reads {FORMAT_VERSION}; {correction}")
    try:
        info = BundleInfo.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise BundleError(f"{path}: {INFO_NAME}: {_first_fault(error)}; {GET_IT_AGAIN} or update thyrosight") from None
    text_without_hash = data.replace(info.sha256.encode(), _NO_HASH.encode()) if info.sha256 else data
    if hashlib.sha256(text_without_hash).hexdigest() != info.sha256:
        raise BundleError(f"{path}: {INFO_NAME} was changed after it was written (SHA-256 differs); {GET_IT_AGAIN}")
    return info


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _first_fault(error: ValueError) -> str:
    """Pydantic's report -> its first fault in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])[:100]
    if fault["type"] == "extra_forbidden":
        return f"unknown key {where!r}"
    return f"{where!r}: {fault['msg'][:200]}"


def _check_hash(path: Path, name: str, data: bytes, files: Mapping[str, str]) -> None:
    if hashlib.sha256(data).hexdigest() != files[name]:
        raise BundleError(f"{path}: {name} is damaged or was changed (SHA-256 differs); {GET_IT_AGAIN}")
