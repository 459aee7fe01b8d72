"""What is there already stays, unless it is what the same command would write."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from thyrosight.errors import InputError
from thyrosight.files import earlier_files
from thyrosight.files.earlier_files import (
    UNFINISHED,
    json_table,
    refuse_strangers,
    write_new,
    write_new_folder,
    write_set,
)


def test_a_new_file_is_replaced_by_the_same_bytes_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_new(path, b"one")
    write_new(path, b"one")
    with pytest.raises(InputError, match=r"a\.png: is there already and is not what this command would write"):
        write_new(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_new_folder_is_replaced_by_the_same_files_alone(tmp_path: Path) -> None:
    path = tmp_path / "case"
    for _ in range(2):
        write_new_folder(path, {"a": b"1", "b": b"2"})
    for other in ({"a": b"1"}, {"a": b"1", "b": b"3"}, {"a": b"1", "b": b"2", "c": b""}):
        with pytest.raises(InputError, match="case: is there already"):
            write_new_folder(path, other)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == {"a": b"1", "b": b"2"}
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(InputError, match="link: is there already"):
        write_new_folder(tmp_path / "link", {"a": b"1", "b": b"2"})


def test_a_set_that_was_stopped_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once `dicom`, killed after its first file, refused that file for ever."""

    def stopped(folder: Path, contents: dict[str, bytes]) -> None:
        (folder / "a").write_bytes(contents["a"])
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(earlier_files, "write_files_atomic", stopped)
            write_set(tmp_path, {"a": b"1", "b": b"2"})
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"a", UNFINISHED}
    write_set(tmp_path, {"a": b"3", "b": b"4"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"3", "b": b"4"}
    with pytest.raises(InputError, match="a: is there already and is not replaced without --overwrite"):
        write_set(tmp_path, {"a": b"3", "c": b"4"})
    write_set(tmp_path, {"a": b"5", "c": b"6"}, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"5", "b": b"4", "c": b"6"}


def test_of_a_set_that_the_disk_refuses_the_old_files_stay_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "c").mkdir()
    with pytest.raises(InputError, match="c: "):
        write_set(tmp_path, {"a": b"1", "b": b"2", "c": b"3"}, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c"}


def test_a_folder_or_a_link_of_that_name_is_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "link", "dangling"):
        with pytest.raises(InputError, match=f"{name}: is there already and is not a result, so it stays"):
            refuse_strangers([tmp_path / name], lambda path: True, "a result")
    refuse_strangers([tmp_path / "absent"], lambda path: False, "a result")


@pytest.mark.parametrize("text", ["", "[1]", "no json", '"a"', "[" * 100_000])
def test_what_holds_no_table_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert json_table(tmp_path / "a.json") == {}
