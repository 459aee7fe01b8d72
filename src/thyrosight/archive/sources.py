"""Files, folders, zip, tar, lists (CSV, DICOMDIR), addresses -> the images in them; an image -> its bytes.

A place states where an image is, as JSON, so that it can be sent to another process: {"path"} on this machine,
{"path", "member"} in an archive, {"address"} in a store. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import csv
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from thyrosight.archive.store import filesystem_of, is_address, store_refusal
from thyrosight.errors import InputError
from thyrosight.files import natural_key, raise_disk_fault, raise_shortage, readable
from thyrosight.folders.masks_of_images import masks_of_images
from thyrosight.frames.dicom import HEAD_BYTES, files_of_dicomdir, is_dicomdir, kind_of
from thyrosight.frames.find_images import find_images
from thyrosight.frames.load import MAX_FILE_BYTES, SUFFIXES, read_bounded
from thyrosight.results.case_ids import ids_of_names, name_within
from thyrosight.results.run_file import RUN_FILES

Place = dict[str, str]
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LIST_COLUMNS = ("image", "file", "path", "filename")
MAX_LIST_BYTES = 1 << 30
MAX_PADDING_BYTES = 64 << 10


class ListedImage(NamedTuple):
    """One image of a run: its name within the sources, its case id, and where it is."""

    name: str
    case_id: str
    place: Place


@dataclass
class Listing:
    """The images of all sources, in order.

    passed_over: {kind: number of files that are no images}. masks: names of masks of the images, which are left out.
    """

    items: list[ListedImage] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    masks: list[str] = field(default_factory=list)


def find_items(sources: list[str], *, suffix: str = "", masks_too: bool = False) -> Listing:
    """Sources as given -> Listing, each image once. InputError where a source is damaged, or where no image is found.

    Names and case ids are those of a run into a results folder; suffix: the end of each id. A source that is missing or
    empty is an item that can't be read, if there are others. masks_too: masks of images in folders are images too.
    """
    found = Listing()
    on_disk = {source: path for source in sources if (path := _on_disk(source)) is not None}
    if all(source in on_disk and not on_disk[source].exists() for source in sources):
        raise InputError(f"{', '.join(sources)}: no such file or folder; check the path")
    folders = [path for path in on_disk.values() if path.is_dir()]
    has_several = len(folders) + sum(source not in on_disk for source in sources) > 1
    named: dict[str, tuple[str, Place]] = {}
    bare, in_folders = list[str](), list[Path]()
    for source in sources:
        if source in on_disk:
            images = find_images([on_disk[source]])
            found.passed_over.update(images.passed_over)
            names = (name_within(folders, path, with_folder=has_several) for path in images.images)
            pairs = list(zip(names, ({"path": str(path)} for path in images.images), strict=True))
            in_folders += images.images
        else:
            before = f"{_own_name(source)}/" if has_several else ""
            pairs = [(before + name, place) for name, place in _images_of(source, found.passed_over)]
        bare += [] if pairs else [source]
        for name, place in pairs:
            named.setdefault(_in_words(place), (name, place))
    if not named:
        words = ", ".join(f"{number} {kind}" for kind, number in found.passed_over.most_common())
        raise InputError(f"{', '.join(sources)}: no image found{f' (passed over: {words})' if words else ''}")
    if not masks_too:
        masks = masks_of_images(list(on_disk.values()), in_folders)
        found.masks = [named.pop(os.path.abspath(path))[0] for path in masks]
    for source in bare:
        named[_in_words({"path": source})] = (name_within([], Path(source), with_folder=False), {"path": source})
    places = list(named)
    ids = ids_of_names([name for name, _ in named.values()], places, suffix=suffix, reserved=RUN_FILES)
    found.items = [
        ListedImage(name, case_id, place) for (name, place), case_id in zip(named.values(), ids, strict=True)
    ]
    return found


def _on_disk(source: str) -> Path | None:
    """A source -> its folder, or that of a DICOMDIR, or its image file; None for what lists or packs images."""
    path = Path(source)
    lower = path.name.lower()
    if is_address(source) or (not path.is_dir() and lower.endswith((".zip", ".csv", *TAR_SUFFIXES))):
        return None
    return path.parent if is_dicomdir(lower) and path.is_file() else path


def _in_words(place: Place) -> str:
    """Place -> a text that no other image has."""
    path = os.path.abspath(place["path"]) if "path" in place else ""
    return place.get("address") or (f"{path}::{place['member']}" if "member" in place else path)


def read_place(place: Place) -> bytes:
    """Place -> the bytes of its file, at most MAX_FILE_BYTES. InputError where it can't be read."""
    if "address" in place:
        return _of_address(place["address"])
    if "member" in place:
        return _of_member(Path(place["path"]), place["member"])
    return read_bounded(Path(place["path"]))


def _images_of(source: str, passed_over: Counter[str]) -> Iterator[tuple[str, Place]]:
    """An archive, a list or an address -> (name within it, its Place) per image.

    `passed_over` counts the files that are not images. InputError where the source is damaged.
    """
    path = Path(source)
    if is_address(source):
        yield from _in_store(source, passed_over)
    elif not path.exists():
        yield from ()
    elif not path.name.lower().endswith(".csv"):
        archive = _Archive.of(path)
        members = sorted(archive.members, key=natural_key)
        listed, lost = _named_by_dicomdirs(members, partial(_of_member, path))
        for member in (*members, *lost):
            if member in listed or _is_image(member, passed_over, partial(archive.head, member)):
                yield readable(member), {"path": str(path), "member": member}
    else:
        yield from _listed(path, passed_over)


def _is_image(name: str, passed_over: Counter[str], head: Callable[[], bytes] | None = None) -> bool:
    """Name in an archive or a store -> whether it is an image; counts the files that are not images.

    head gives the file's first bytes, by which DICOM of any name is recognised, as in a folder.
    """
    parts = PurePosixPath(name).parts
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return False
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in SUFFIXES:
        return True
    if head is not None and not is_dicomdir(parts[-1]) and kind_of(head()) == "dicom":
        return True
    passed_over[suffix or "no suffix"] += 1
    return False


def _named_by_dicomdirs(names: list[str], read: Callable[[str], bytes]) -> tuple[set[str], list[str]]:
    """Names in an archive or a store -> (images that a DICOMDIR among them names, those of them that are not there).

    Both hold a DICOMDIR itself where it can't be read, so that its fault is told as that of an image.
    """
    there = {str(PurePosixPath(name)).casefold(): name for name in names}
    listed: set[str] = set()
    lost: list[str] = []
    for index in (PurePosixPath(name) for name in names if is_dicomdir(PurePosixPath(name).name)):
        own_name = there[str(index).casefold()]
        try:
            files = files_of_dicomdir(Path(index), read(own_name))
        except InputError:
            listed.add(own_name)
            continue
        for parts in files:
            path = str(index.parent.joinpath(*parts))
            if path.casefold() not in there:
                lost.append(path)
            listed.add(there.get(path.casefold(), path))
    return listed, lost


def _in_store(address: str, passed_over: Counter[str]) -> Iterator[tuple[str, Place]]:
    system, root = filesystem_of(address)
    scheme = address.partition("://")[0]
    try:
        paths = sorted(map(str, system.find(root)), key=natural_key)
    except Exception as error:
        raise store_refusal(address, error) from error
    listed, lost = _named_by_dicomdirs(paths, lambda path: _of_address(f"{scheme}://{path.lstrip('/')}"))
    for path in (*paths, *lost):
        name = path.removeprefix(root).lstrip("/") or PurePosixPath(path).name
        if path in listed or _is_image(name, passed_over):
            yield readable(name), {"address": f"{scheme}://{path.lstrip('/')}"}


def _listed(path: Path, passed_over: Counter[str]) -> Iterator[tuple[str, Place]]:
    """A CSV with a column of images -> these images; a path is relative to the CSV, an address stays as it is."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
            column = next((columns[name] for name in LIST_COLUMNS if name in columns), None)
            if column is None:
                raise InputError(f"{path}: no column of images; name one of its columns {', '.join(LIST_COLUMNS)}")
            for row in rows:
                if (text := (row[column] or "").strip()) and is_address(text):
                    yield readable(text.partition("://")[2]), {"address": text}
                elif text:
                    yield readable(PurePosixPath(text).as_posix().lstrip("/")), {"path": str(path.parent / text)}
                else:
                    passed_over["row without an image"] += 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise_disk_fault(error, path)
        raise InputError(f"{path}: can't be read as a CSV ({error}); save it as UTF-8 with commas") from error


def _of_member(path: Path, member: str) -> bytes:
    try:
        return _checked(_Archive.of(path).read(member), f"{path}::{member}")
    except KeyError:
        raise InputError(f"{path}::{member}: not in the archive; make the archive again") from None
    except (OSError, EOFError, ValueError, RuntimeError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}::{member}: can't be read ({error}); make the archive again") from error


def _of_address(address: str) -> bytes:
    system, path = filesystem_of(address)
    try:
        with system.open(path, "rb") as stream:
            return _checked(bytes(stream.read(MAX_FILE_BYTES + 1)), address)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{address}: no such file; check the address") from None
    except Exception as error:
        raise store_refusal(address, error) from error


def _checked(data: bytes, name: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{name}: more than {MAX_FILE_BYTES >> 20} MB; export the frames that you need")
    return data


class _Archive:
    """An open zip or tar; its list of members is read once per process."""

    def __init__(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._tar: tarfile.TarFile | None = None
        self.members: dict[str, Any] = {}
        try:
            if path.name.lower().endswith(".zip"):
                self._zip = zipfile.ZipFile(path)
                entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
                self.members = {entry.filename: entry for entry in entries}
                if len(self.members) < len(entries):
                    raise ValueError("it holds two files of one name")
            else:
                self._tar = tarfile.open(path)  # noqa: SIM115 - stays open for its members
                self.members = {entry.name: entry for entry in self._tar if entry.isreg() or _is_link(entry)}
                _check_end(self._tar, path)
        except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise_shortage(error)
            raise InputError(f"{path}: no archive that can be read ({error}); make it again") from error

    @staticmethod
    @lru_cache(maxsize=8)
    def of(path: Path) -> _Archive:
        return _Archive(path)

    def head(self, member: str) -> bytes:
        """Member -> its first bytes; none where it can't be read."""
        try:
            return self.read(member, HEAD_BYTES)
        except (KeyError, OSError, EOFError, ValueError, RuntimeError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise_shortage(error)
            return b""

    def read(self, member: str, num_bytes: int = MAX_FILE_BYTES + 1) -> bytes:
        """Member -> its first bytes; by default one more than MAX_FILE_BYTES, because a header may claim too few."""
        entry = self.members[member]
        if self._zip is not None:
            with self._zip.open(entry) as packed:
                return packed.read(num_bytes)
        assert self._tar is not None
        plain = self._tar.extractfile(entry)
        if plain is None:
            raise KeyError(member)  # a link to a folder
        with plain:
            return plain.read(num_bytes)


def _is_link(entry: tarfile.TarInfo) -> bool:
    """Whether a member is another name of a file in the same tar, as tar stores the second of two equal files."""
    return entry.islnk() or entry.issym()


def _check_end(tar: tarfile.TarFile, path: Path) -> None:
    """Tar whose members are read -> ValueError where the mark of its end is missing, or files follow behind it.

    Of compressed tars the checksum shows whether they are whole.
    """
    if not path.name.lower().endswith(".tar"):
        return
    with path.open("rb") as stream:
        stream.seek(tar.offset)
        rest = stream.read(MAX_PADDING_BYTES)
    if not rest:
        raise ValueError("it is cut off")
    if any(rest):
        raise ValueError("it is damaged, or two archives were joined")


def _own_name(source: str) -> str:
    """Source -> the last part of its path or address; a run of several sources names them by it."""
    if is_address(source):
        return readable(PurePosixPath(source.rstrip("/")).name)
    return readable(Path(source).resolve().name)
