"""Whole or absent: what stays behind when a write is interrupted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from thyrosight.errors import InputError
from thyrosight.files import sha256_of, write_atomic, write_files_atomic, write_folder_atomic
from thyrosight.files import whole_files as files


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_writes_bytes_and_text_as_given(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.bin", b"\x00\r\n\xff")
    write_atomic(tmp_path / "a.txt", "µm\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\r\n\xff"
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5m\n"
    assert names(tmp_path) == {"a.bin", "a.txt"}


def test_replaces_and_has_the_users_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    before = os.umask(0o027)
    try:
        write_atomic(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["_write_new", "sync_folder"])
def test_a_failed_write_leaves_a_whole_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, step, fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_atomic(path, b"new")
    assert path.read_bytes() == (b"old" if step == "_write_new" else b"new")
    assert names(tmp_path) == {"a"}


def test_a_partly_written_temporary_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a", b"new")
    assert names(tmp_path) == set()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.*its folder does not exist; create it"):
        write_atomic(tmp_path / "nowhere" / "a", b"")


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="can't be written"):
        write_atomic(tmp_path / "a", b"")
    assert names(tmp_path) == {"a"}


def test_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_folder_atomic(path, {"one": b"1", "two": b"2"})
    write_folder_atomic(path, {"two": b"22"})
    assert names(path) == {"two"}
    assert (path / "two").read_bytes() == b"22"
    assert names(tmp_path) == {"b"}


def test_folder_comes_back_when_the_swap_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b"
    write_folder_atomic(path, {"one": b"1"})
    rename = os.rename

    def fail_second(source: Path, target: Path) -> None:
        if Path(target) == path and not (Path(source) / "one").exists():
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_second)
    with pytest.raises(InputError, match="Input/output error"):
        write_folder_atomic(path, {"two": b"2"})
    assert names(path) == {"one"}
    assert names(tmp_path) == {"b"}


def test_a_replaced_link_keeps_what_it_pointed_at(tmp_path: Path) -> None:
    target = tmp_path / "target"
    write_folder_atomic(target, {"one": b"1"})
    (tmp_path / "link").symlink_to(target)
    write_folder_atomic(tmp_path / "link", {"two": b"2"})
    assert names(target) == {"one"}
    assert names(tmp_path / "link") == {"two"}
    assert not (tmp_path / "link").is_symlink()


def test_sha256_of_known_contents(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"a" * 1_000_000)  # the same, appendix B.3; smaller than a block
    assert sha256_of(path) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    path.write_bytes(b"a" * (files._BLOCK_BYTES + 1))
    import hashlib

    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_stream_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with files.open_atomic(tmp_path / "a.csv") as stream:
        stream.write("one\r\n")
        assert not (tmp_path / "a.csv").exists()
    assert (tmp_path / "a.csv").read_bytes() == b"one\r\n"
    with suppress(KeyError), files.open_atomic(tmp_path / "b.csv") as stream:
        stream.write("half")
        raise KeyError
    with pytest.raises(InputError, match="create it first"), files.open_atomic(tmp_path / "none" / "c.csv"):
        pass
    assert set(os.listdir(tmp_path)) == {"a.csv"}


def test_files_of_a_folder_appear_in_order_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").write_bytes(b"old")
    names: list[str] = []
    replace = os.replace

    def noted(source: Path, target: Path) -> None:
        names.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", noted)
    write_files_atomic(tmp_path, {"b": b"new", "a": b"1"})
    assert names == ["b", "a"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b"new"}
    with pytest.raises(InputError, match="a: can't be written, its folder does not exist"):
        write_files_atomic(tmp_path / "nowhere", {"a": b"1"})


@pytest.mark.parametrize(
    "write", [write_atomic, lambda path, content: write_files_atomic(path.parent, {path.name: content})]
)
def test_a_temporary_file_that_can_not_be_deleted_goes_with_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        patch.setattr(os, "replace", refuse)
        with pytest.raises(InputError, match="Input/output error"):
            write(tmp_path / "a", b"first")
    assert names(tmp_path) - {"a"}, "the disk kept it"
    write(tmp_path / "b", b"second")
    assert names(tmp_path) == {"b"}


def test_files_that_are_there_but_can_not_be_synced_are_an_error_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(files, "sync_folder", refuse)
    with pytest.raises(InputError, match="Too many open files"):
        write_files_atomic(tmp_path, {"a": b"a"})
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize(("code", "is_raised"), [(24, True), (5, True), (2, False), (13, False)])
def test_what_the_system_refuses_for_now_is_not_what_is_not_there(code: int, is_raised: bool) -> None:
    """EMFILE and EIO may pass; ENOENT and EACCES say that there is no such file for us."""
    error = InputError("outer")
    error.__cause__ = OSError(code, "why")
    if is_raised:
        with pytest.raises(OSError, match="why"):
            files.raise_disk_fault(error)
    else:
        files.raise_disk_fault(error)
