"""Images that hold their mask in their own alpha channel -> `prepare` reads both; other commands say what to do."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from drawn_images import NUM_PX, SHAPE, picture, rectangle, save
from thyrosight.cli import app
from thyrosight.datasets.masks import load_mask
from thyrosight.datasets.prepare import PrepareOptions, PrepareSummary, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.frames.load import load_frame
from thyrosight.types import Case


def prepared(folder: Path, **options: object) -> tuple[list[Case], PrepareSummary]:
    summary = prepare(folder, folder.parent / "out", PrepareOptions(folds=0, **options), workers=1)  # type: ignore[arg-type]
    return read_cases(summary.cases_csv), summary


def rgba(seed: int, alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([picture(seed)] * 3 + [alpha]))


def deep(path: Path, seed: int, alpha: np.ndarray) -> None:
    channels = np.dstack([picture(seed).astype(np.uint16) * 16] * 3 + [alpha.astype(np.uint16) * 257])
    path.write_bytes(cv2.imencode(path.suffix, channels)[1].tobytes())


def unnamed_sample(path: Path, seed: int, alpha: np.ndarray) -> None:
    """A TIFF that does not say what its fourth sample is."""
    file = io.BytesIO()
    rgba(seed, alpha).save(file, "TIFF")
    data = bytearray(file.getvalue())
    struct.pack_into("<H", data, data.find(struct.pack("<HHI", 338, 3, 1)) + 8, 0)
    path.write_bytes(data)


WRITE: dict[str, tuple[str, Callable[[Path, int, np.ndarray], None]]] = {
    "RGBA": (".png", lambda path, seed, alpha: rgba(seed, alpha).save(path)),
    "gray and alpha": (".png", lambda path, seed, alpha: rgba(seed, alpha).convert("LA").save(path)),
    "TIFF": (".tif", lambda path, seed, alpha: rgba(seed, alpha).save(path)),
    "TIFF, sample without a name": (".tif", unnamed_sample),
    "16 bits": (".png", deep),
    "16 bits, TIFF": (".tif", deep),
    "WebP": (".webp", lambda path, seed, alpha: rgba(seed, alpha).save(path, lossless=True, exact=True)),
}


@pytest.mark.parametrize("is_inverted", [False, True])
@pytest.mark.parametrize("kind", WRITE)
def test_a_folder_of_such_images(tmp_path: Path, kind: str, is_inverted: bool) -> None:
    ending, write = WRITE[kind]
    (tmp_path / "set").mkdir()
    for seed in range(3):
        write(tmp_path / "set" / f"{seed}{ending}", seed, 255 - rectangle() if is_inverted else rectangle())
    cases, summary = prepared(tmp_path / "set")
    assert summary.num_outlined == 3
    assert any("3 images hold their mask in their own alpha channel" in note for note in summary.notes)
    for seed, case in enumerate(cases):
        assert load_mask(case, SHAPE).sum() == NUM_PX
        assert np.abs(load_frame(case.image).image_HW.astype(int) - picture(seed)).max() <= 1


def test_in_class_folders(tmp_path: Path) -> None:
    for seed, name in enumerate(("benign", "malignant")):
        (tmp_path / "set" / name).mkdir(parents=True)
        rgba(seed, rectangle()).save(tmp_path / "set" / name / "a.png")
    cases, _ = prepared(tmp_path / "set")
    assert [(case.malignancy, load_mask(case, SHAPE).sum()) for case in cases] == [(0, NUM_PX), (1, NUM_PX)]


def test_in_a_table_that_names_the_image_as_its_mask(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rgba(1, rectangle()).save(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "t.csv").write_text("image,mask,label\na.png,a.png,benign\n")
    (case,), _ = prepared(tmp_path / "set")
    assert load_mask(case, SHAPE).sum() == NUM_PX
    assert np.array_equal(load_frame(case.image).image_HW, picture(1))


def test_a_mask_file_counts_more(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    rgba(1, rectangle()).save(tmp_path / "set" / "images" / "a.png")
    save(tmp_path / "set" / "masks" / "a.png", np.roll(rectangle(), 5, 1))
    (case,), summary = prepared(tmp_path / "set")
    assert np.array_equal(load_mask(case, SHAPE), np.roll(rectangle(), 5, 1) > 0)
    assert np.array_equal(load_frame(case.image).image_HW, picture(1))
    assert any("the mask file counts" in note for note in summary.notes)


@pytest.mark.parametrize("kind", ["RGBA", "GIF", "palette"])
def test_a_cut_out_is_left_out(tmp_path: Path, kind: str) -> None:
    """A colour of a palette that is transparent has no picture below it."""
    for seed, name in enumerate(("benign", "malignant")):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        round_HW = cv2.ellipse(np.zeros(SHAPE, np.uint8), (60, 45), (20, 14), 0, 0, 360, 255, cv2.FILLED)
        cut = np.where(round_HW > 0, picture(seed), 0).astype(np.uint8)
        if kind == "RGBA":
            Image.fromarray(np.dstack([cut, cut, cut, round_HW])).save(folder / f"{name}.png")
        else:
            Image.fromarray(cut).convert("P").save(
                folder / f"{name}.{'gif' if kind == 'GIF' else 'png'}", transparency=0
            )
    with pytest.raises(InputError, match="cut out by its transparency, with no picture around the cut"):
        prepared(tmp_path / "set")
    save(tmp_path / "set" / "benign" / "b.png", picture(9))
    cases, summary = prepared(tmp_path / "set")
    assert len(cases) == 1
    assert sum(summary.left_out.values()) == 2


def test_predict_says_what_to_do(tmp_path: Path) -> None:
    rgba(1, rectangle()).save(tmp_path / "a.png")
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "a.png"), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "a.png: its transparency outlines an area, as a mask does" in " ".join(result.output.split())
