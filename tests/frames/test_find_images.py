"""Files and folders -> images: what is taken, what is skipped, what is counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicom_files import dicomdir, gray_picture, native
from thyrosight.errors import InputError
from thyrosight.frames.find_images import RUN_KIND, find_images
from thyrosight.frames.load import load_frame

OURS = {
    "run.json": json.dumps({"kind": RUN_KIND}),
    "result.json": json.dumps({"image": {}, "model": {}, "nodules": [], "software_version": "0"}),
}


def test_find_images(tmp_path: Path) -> None:
    for name in (
        "10.png", "2.PNG", "1.jpg", "notes.txt", ".hidden.png", "b/x10.tif", "b/x9.tif", "a/3.bmp", ".git/4.png",
        "__MACOSX/5.png", "out/run.json", "out/1/result.json", "out/1/overlay.png", "case/result.json", "case/mask.png",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(OURS.get(Path(name).name, ""))
    result = find_images([tmp_path])
    assert result.passed_over == {".txt": 1}
    found = [path.relative_to(tmp_path).as_posix() for path in result.images]
    assert found == ["1.jpg", "2.PNG", "10.png", "a/3.bmp", "b/x9.tif", "b/x10.tif"]
    explicit = [tmp_path / "notes.txt", tmp_path / "gone.png", tmp_path / "out" / "1" / "overlay.png"]
    assert find_images([*explicit, explicit[0], str(tmp_path / "b"), tmp_path / "b" / "x9.tif"]).images == [
        *explicit,
        tmp_path / "b" / "x9.tif",
        tmp_path / "b" / "x10.tif",
    ]
    assert find_images([]).images == []


def test_a_dicomdir_that_names_what_is_not_there_tells_the_loss(tmp_path: Path) -> None:
    """A disc that was copied in part: the images that had come were predicted, the others never spoken of."""
    (tmp_path / "cd" / "dicom").mkdir(parents=True)
    for name in ("im0", "im1"):
        (tmp_path / "cd" / "dicom" / name).write_bytes(native(gray_picture()))
    index = tmp_path / "cd" / "DICOMDIR"
    index.write_bytes(dicomdir(["DICOM", "IM0"], ["DICOM", "IM1"], ["DICOM", "IM2"], "IM3"))
    expected = ["DICOM/IM2", "IM3", "dicom/im0", "dicom/im1"]
    for source in (tmp_path / "cd", index):
        found = [path.relative_to(tmp_path / "cd").as_posix() for path in find_images([source]).images]
        assert sorted(found) == expected
    with pytest.raises(InputError, match=r"IM3: no such file"):
        load_frame(tmp_path / "cd" / "IM3")
    index.write_bytes(dicomdir(["DICOM", "SR1"], kind="SR DOCUMENT"))
    assert len(find_images([tmp_path / "cd"]).images) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a note",
        dicomdir("A", "B")[:-60],
        dicomdir("A", "B")[:200],
        dicomdir(["..", "..", "etc", "passwd"]),
        dicomdir("/etc/passwd"),
    ],
    ids=["empty", "text", "cut", "cut early", "up", "from the root"],
)
def test_a_dicomdir_that_can_not_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "im0").write_bytes(native(gray_picture()))
    (tmp_path / "DICOMDIR").write_bytes(content)
    assert [path.name for path in find_images([tmp_path]).images] == ["DICOMDIR", "im0"]


def test_find_images_ends_where_links_go_round(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert find_images([tmp_path]).images == [tmp_path / "a" / "1.png"]


def test_the_results_of_other_programs_hide_no_image(tmp_path: Path) -> None:
    for folder in ("export", "run"):
        (tmp_path / folder / "images").mkdir(parents=True)
        (tmp_path / folder / "images" / "1.png").write_bytes(b"")
        (tmp_path / folder / "2.png").write_bytes(b"")
    (tmp_path / "export" / "result.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "run" / "run.json").write_text("[1, 2")
    found = find_images([tmp_path])
    assert len(found.images) == 4
    assert found.passed_over == {".json": 2}


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    store = tmp_path / "store" / "patient1"
    store.mkdir(parents=True)
    (store / "1.png").write_bytes(b"")
    (tmp_path / "set").mkdir()
    for name in ("patient1", "again"):
        (tmp_path / "set" / name).symlink_to(store)
    assert [path.name for path in find_images([tmp_path / "set"]).images] == ["1.png"]


def test_what_is_passed_over_is_counted_by_kind(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii", "c.npy", "IM0001", "d.MKV"):
        (tmp_path / name).write_bytes(b"xxxx")
    found = find_images([tmp_path])
    assert found.passed_over == {".nii": 2, ".npy": 1, ".mkv": 1, "no suffix": 1}
    assert found.passed_over_in_words.startswith("2 .nii, ")


def test_dicom_without_preamble_and_suffix_is_an_image(tmp_path: Path) -> None:
    element = b"\x08\x00\x05\x00" + b"CS" + (10).to_bytes(2, "little") + b"ISO_IR 100"
    (tmp_path / "IM0001").write_bytes(element + bytes(200))
    assert [path.name for path in find_images([tmp_path]).images] == ["IM0001"]
