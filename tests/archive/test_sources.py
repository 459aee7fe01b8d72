"""What can be a source: folders, zip, tar, CSV, DICOMDIR, addresses; and what is said of what can't be read."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicom_files import dicomdir, gray_picture, native
from scans import write_scans
from tables import rows_in
from thyrosight.archive.sources import find_items, read_place
from thyrosight.errors import InputError


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    write_scans(tmp_path / "in", "b/2.png", "a/1.png", "a/10.png")
    (tmp_path / "in" / "notes.txt").write_text("none")
    return tmp_path / "in"


def names_and_bytes(source: Path | str) -> dict[str, bytes]:
    return {item.name: read_place(item.place) for item in find_items([str(source)]).items}


def expected(scans: Path) -> dict[str, bytes]:
    return {name: (scans / name).read_bytes() for name in ("a/1.png", "a/10.png", "b/2.png")}


def test_a_folder_zip_and_tars_hold_the_same(scans: Path, tmp_path: Path) -> None:
    assert names_and_bytes(scans) == expected(scans)
    assert find_items([str(scans)]).passed_over == {".txt": 1}
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as packed:
        for path in sorted(scans.rglob("*.*")):
            packed.write(path, path.relative_to(scans))
    assert names_and_bytes(tmp_path / "scans.zip") == expected(scans)
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")):
        with tarfile.open(tmp_path / f"scans{suffix}", mode) as tar:
            tar.add(scans, arcname=".")
        found = {name.removeprefix("./"): data for name, data in names_and_bytes(tmp_path / f"scans{suffix}").items()}
        assert found == expected(scans)


def test_dicom_of_any_name_in_an_archive_is_found_as_in_a_folder(tmp_path: Path) -> None:
    """An export of a PACS names its files IM0001 or by UIDs; in a zip they were passed over."""
    data = native(gray_picture())
    files = {"IM0001": data, "st/1.2.840.5": data, "DICOMDIR": dicomdir("IM0001"), "notes": b"none", "a.dcm": data}
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as packed, tarfile.open(tmp_path / "scans.tar", "w") as tar:
        for name, content in files.items():
            packed.writestr(name, content)
            (tmp_path / "one").write_bytes(content)
            tar.add(tmp_path / "one", name)
    for archive in ("scans.zip", "scans.tar"):
        assert names_and_bytes(tmp_path / archive) == {"IM0001": data, "a.dcm": data, "st/1.2.840.5": data}
        assert find_items([str(tmp_path / archive)]).passed_over == {"no suffix": 2}


def test_a_csv_lists_images_and_addresses(scans: Path) -> None:
    (scans / "list.csv").write_text("patient,Image\nx,a/10.png\ny,b/2.png\n")
    assert list(names_and_bytes(scans / "list.csv")) == ["a/10.png", "b/2.png"]
    (scans / "bad.csv").write_text("patient\nx\n")
    with pytest.raises(InputError, match="no column of images"):
        find_items([str(scans / "bad.csv")])


def test_a_dicomdir_stands_for_its_folder(scans: Path) -> None:
    (scans / "DICOMDIR").write_bytes(dicomdir())
    assert list(names_and_bytes(scans / "DICOMDIR")) == ["a/1.png", "a/10.png", "b/2.png"]


@pytest.mark.parametrize("archive", ["scans.zip", "scans.tar"])
def test_what_a_dicomdir_in_an_archive_names_and_is_not_there_is_told(tmp_path: Path, archive: str) -> None:
    files = {"cd/DICOMDIR": dicomdir("IM0", "IM1"), "cd/im0": native(gray_picture()), "other/DICOMDIR": b"none"}
    pack(tmp_path / archive, files)
    items = {item.name: item.place for item in find_items([str(tmp_path / archive)]).items}
    assert sorted(items) == ["cd/IM1", "cd/im0", "other/DICOMDIR"]
    with pytest.raises(InputError, match=r"cd/IM1: not in the archive"):
        read_place(items["cd/IM1"])


def pack(archive: Path, files: dict[str, bytes]) -> None:
    """{name: content} -> a zip or tar of these files."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return
    with tarfile.open(archive, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_a_tar_that_is_cut_or_joined_is_refused(tmp_path: Path) -> None:
    """Cut between two files it looks whole: the later images were lost without a word."""
    pack(tmp_path / "a.tar", {f"{number}.png": b"x" * 600 for number in range(3)})
    whole = (tmp_path / "a.tar").read_bytes()
    assert len(find_items([str(tmp_path / "a.tar")]).items) == 3
    for name, content, words in (("cut", whole[: 2 * 1536], "it is cut off"), ("joined", whole + whole, "joined")):
        (tmp_path / f"{name}.tar").write_bytes(content)
        with pytest.raises(InputError, match=words):
            find_items([str(tmp_path / f"{name}.tar")])


def test_the_second_of_two_equal_files_in_a_tar_is_read(tmp_path: Path) -> None:
    """tar stores it as a link, which was dropped."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"picture")
    (tmp_path / "in" / "b.png").hardlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "c.png").symlink_to("a.png")
    (tmp_path / "in" / "d.png").symlink_to("gone.png")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "in", "in")
    items = find_items([str(tmp_path / "a.tar")]).items
    assert [read_place(item.place) for item in items[:3]] == [b"picture"] * 3
    with pytest.raises(InputError, match=r"in/d\.png: not in the archive"):
        read_place(items[3].place)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_two_files_of_one_name_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("a.png", b"1")
        packed.writestr("a.png", b"2")
    with pytest.raises(InputError, match="two files of one name"):
        find_items([str(tmp_path / "a.zip")])


def test_a_row_without_an_image_is_counted(scans: Path) -> None:
    (scans / "list.csv").write_text("patient,Image\nx,a/10.png\ny,\nz,gone.png\n")
    found = find_items([str(scans / "list.csv")])
    assert [item.name for item in found.items] == ["a/10.png", "gone.png"]
    assert found.passed_over == {"row without an image": 1}


def test_equal_names_of_several_sources_get_ids_of_their_own(scans: Path, tmp_path: Path) -> None:
    shutil.copytree(scans, tmp_path / "copy" / "in")
    items = find_items([str(scans), str(tmp_path / "copy" / "in")]).items
    assert len(items) == len({item.case_id for item in items}) == 6


def test_a_store_is_read_and_written_by_address(predict: Callable[..., Any], scans: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for name, data in expected(scans).items():
        store.pipe(f"/scans/{name}", data)
    assert names_and_bytes("memory://scans") == expected(scans)
    summary = predict(["memory://scans"], "memory://tables", shard_rows=2)
    assert (summary.num_done, summary.num_shards) == (3, 2)
    assert predict(["memory://scans"], "memory://tables", shard_rows=2).num_there == 3
    predict([scans], tmp_path / "out", shard_rows=2)
    for part in ("images/part-00000.parquet", "images/part-00001.parquet", "nodules/part-00000.parquet"):
        assert store.cat(f"/tables/{part}") == (tmp_path / "out" / part).read_bytes()


def test_what_is_missing_or_damaged_is_one_line(tmp_path: Path, predict: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        find_items([str(tmp_path / "nowhere")])
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 no zip")
    with pytest.raises(InputError, match=r"bad.zip: no archive that can be read"):
        find_items([str(tmp_path / "bad.zip")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image found"):
        find_items([str(tmp_path / "empty")])
    write_scans(tmp_path, "a.png")
    (tmp_path / "list.csv").write_text("image\na.png\ngone.png\n")
    predict([tmp_path / "list.csv"], tmp_path / "out")
    assert [(row["file"], row["status"]) for row in rows_in(tmp_path / "out")] == [
        ("a.png", "done"),
        ("gone.png", "failed"),
    ]


def test_a_link_in_a_tar_leads_nowhere(tmp_path: Path) -> None:
    write_scans(tmp_path, "a.png")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(tmp_path / "a.png", arcname="a.png")
        link = tarfile.TarInfo("passwd.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    items = find_items([str(tmp_path / "evil.tar")]).items
    assert [item.name for item in items] == ["a.png", "passwd.png"]
    with pytest.raises(InputError, match=r"passwd\.png: not in the archive"):
        read_place(items[1].place)
