"""2-D NIfTI and NRRD -> PNG of the same pixels; volumes of several slices are refused; a missing part is named."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_images import picture, save
from thyrosight.datasets.formats.volumes import as_png
from thyrosight.errors import InputError, MissingExtraError


@pytest.mark.parametrize("shape", ["(W, H)", "(W, H, 1)", "(W, H, 1, 1)"])
def test_nifti_keeps_its_pixels(tmp_path: Path, shape: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    pixels_HW = picture(3)
    array = pixels_HW.T.reshape(*pixels_HW.T.shape, *[1] * shape.count("1"))
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii")
    out = as_png(tmp_path / "a.nii", tmp_path / "a.png", is_mask=False)
    assert np.array_equal(cv2.imread(str(out), cv2.IMREAD_UNCHANGED), pixels_HW)


def test_several_slices_and_damaged_files_are_refused(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros((20, 30, 5), np.uint8), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="20 x 30 x 5 values, not one 2-D image; export each slice"):
        as_png(tmp_path / "a.nii", tmp_path / "a.png", is_mask=False)
    (tmp_path / "b.nii.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="not a readable NIfTI file"):
        as_png(tmp_path / "b.nii.gz", tmp_path / "b.png", is_mask=False)


@pytest.mark.parametrize(("name", "package"), [("a.nii.gz", "nibabel"), ("a.nrrd", "nrrd")])
def test_a_missing_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r'pip install "thyrosight\[formats\]"'):
        as_png(tmp_path / name, tmp_path / "a.png", is_mask=False)


def test_other_images_are_left_as_they_are(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", picture(1))
    assert as_png(path, tmp_path / "b.png", is_mask=True) == path
