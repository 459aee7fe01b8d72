"""What is there already stays, unless it is what the same command would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from thyrosight.errors import InputError
from thyrosight.files.earlier_files import json_table, refuse_strangers, write_new, write_new_folder


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
