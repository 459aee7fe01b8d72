"""Mask files in every coding -> one boolean mask, or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from set_folders import (
    SHAPE,
    blob,
    case_of,
    make_ddti,
    save,
)
from thyrosight.datasets.masks import load_mask, read_mask
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError

# masks in every coding ----------------------------------------------------------------------------------------------


def codings() -> dict[str, Image.Image]:
    """The same mask as people store it."""
    truth = blob() > 0
    zero = np.zeros(SHAPE, np.uint8)
    palette = Image.fromarray(truth.astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    blank_palette = Image.fromarray(truth.astype(np.uint8), mode="P")
    blank_palette.putpalette([0, 0, 0] * 2)
    alpha = np.stack([zero + 255, zero + 255, zero + 255, blob()], axis=2)
    opaque = np.stack([blob(), blob(), blob(), zero + 255], axis=2)
    return {
        "0-255": Image.fromarray(blob()),
        "0-1": Image.fromarray(truth.astype(np.uint8)),
        "labels 0-2": Image.fromarray(np.where(np.arange(SHAPE[1])[None] > 60, 2, 1).astype(np.uint8) * truth),
        "one bit": Image.fromarray(truth),
        "rgb red": Image.fromarray(np.stack([blob(), zero, zero], axis=2)),
        "rgba opaque": Image.fromarray(opaque),
        "rgba alpha": Image.fromarray(alpha),
        "gray alpha": Image.fromarray(np.stack([blob(), zero + 255], axis=2)),
        "palette": palette,
        "palette without colours": blank_palette,
        "16 bit": Image.fromarray(truth.astype(np.uint16) * 65535),
        "soft edge": Image.fromarray(np.where(truth, 255, 40).astype(np.uint8)),
    }


@pytest.mark.parametrize("name", codings())
def test_every_coding_of_a_mask_is_the_same_mask(tmp_path: Path, name: str) -> None:
    codings()[name].save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", SHAPE), blob() > 0)


def test_jpeg_masks_lose_their_fringe_and_an_empty_one_stays_empty(tmp_path: Path) -> None:
    Image.fromarray(blob()).save(tmp_path / "m.jpg", quality=60)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "m.jpg")))) > 2, "the file does hold a fringe"
    assert np.array_equal(read_mask(tmp_path / "m.jpg", SHAPE), blob() > 0)
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "e.jpg")
    assert not read_mask(tmp_path / "e.jpg", SHAPE).any()


def test_a_mask_of_another_size_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", blob((50, 60)))
    with pytest.raises(InputError, match="mask is 60 x 50 pixels, its image 128 x 96"):
        read_mask(path, SHAPE)
    whole = save(tmp_path / "w.png", np.random.default_rng(0).integers(0, 2, SHAPE, dtype=np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    for name in ("cut.png", "text.png"):
        with pytest.raises(InputError, match=f"{name}: not a readable mask"):
            read_mask(tmp_path / name, SHAPE)
    with pytest.raises(InputError, match="no such mask file"):
        read_mask(tmp_path / "none.png", SHAPE)


def test_no_mask_is_all_background(tmp_path: Path) -> None:
    loaded = load_mask(case_of(tmp_path, mask=None), (4, 5))
    assert loaded.shape == (4, 5)
    assert loaded.dtype == np.bool_
    assert not loaded.any()


def test_ddti_outlines_before_a_cut_are_drawn_but_make_no_mask_unless_asked(tmp_path: Path) -> None:
    make_ddti(tmp_path / "set")
    prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(folds=2))
    assert read_mask(tmp_path / "out" / "masks" / "partial" / "3_1.png", SHAPE).sum() == 41 * 31
    summary = prepare(tmp_path / "set", tmp_path / "kept", PrepareOptions(folds=2, keep_partial=True))
    assert summary.num_outlined == 4
    (cut,) = (case for case in read_cases(tmp_path / "kept") if case.case_id == "3_1")
    assert load_mask(cut, SHAPE).sum() == 41 * 31
