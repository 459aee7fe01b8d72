"""A folder that nothing recognises: one line with what was seen, the best guess and the command."""

from __future__ import annotations

from pathlib import Path

import pytest

import dicom_files
from drawn_images import picture, save
from thyrosight.datasets.prepare import prepare
from thyrosight.errors import InputError


def test_what_was_seen_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for number in range(12):
        save(folder / "a" / f"{number}.png", picture(number))
        (folder / "b").mkdir(exist_ok=True)
        (folder / "b" / f"{number}.json").write_text("{}")
    with pytest.raises(InputError) as raised:
        prepare(folder, tmp_path / "out")
    text = str(raised.value)
    assert "seen: 12 png in a/, 12 json in b/; best guess: " in text
    assert f"thyrosight predict {folder} -o OUT" in text
    assert "\n" not in text


def test_a_dicom_segmentation_is_named(tmp_path: Path) -> None:
    """Once the guess was that one folder of images holds the masks of the other."""
    for number in range(2):
        folder = tmp_path / f"patient{number}"
        folder.mkdir()
        (folder / "image.dcm").write_bytes(dicom_files.native(dicom_files.gray_picture()))
        segmentation = dicom_files.dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
        (folder / "outline.dcm").write_bytes(dicom_files.file_of(segmentation, b""))
    with pytest.raises(InputError, match=r"patient0/outline\.dcm holds outlines as a DICOM segmentation.*as PNG"):
        prepare(tmp_path, tmp_path.parent / "out")


def test_an_empty_folder_and_one_without_images(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="it is empty; point at the set's top folder"):
        prepare(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.docx").write_text("x")
    with pytest.raises(InputError, match=r"seen: 1 docx in the folder itself; best guess: the images are elsewhere"):
        prepare(tmp_path / "texts", tmp_path / "out")


@pytest.mark.parametrize("name", ["tn3k_128.npz", "data/train-00000-of-00001.parquet", "set.mat", "images.h5"])
def test_arrays_in_a_file_are_named(tmp_path: Path, name: str) -> None:
    """Once the guess was that the images are elsewhere."""
    path = tmp_path / "set" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    with pytest.raises(InputError, match=f"guess: {name} holds the images as arrays.*save each image and each mask"):
        prepare(tmp_path / "set", tmp_path / "out")


def test_packed_masks_next_to_images_are_named(tmp_path: Path) -> None:
    """Once the guess was that there are no masks."""
    save(tmp_path / "set" / "images" / "1.png", picture(1))
    (tmp_path / "set" / "masks.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"masks or labels are packed in masks\.zip: unpack it"):
        prepare(tmp_path / "set", tmp_path / "out")


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    save(tmp_path / "set" / "masks" / "1.png", picture(1))
    (tmp_path / "set" / "images").mkdir()
    (tmp_path / "set" / "images" / "1.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n")
    with pytest.raises(InputError, match=r"images/1\.png: a pointer of Git LFS, not the image.*git lfs pull"):
        prepare(tmp_path / "set", tmp_path / "out")
