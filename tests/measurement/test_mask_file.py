"""mask_file, measure_file and `thyrosight measure`: which masks are taken, which refused, and what is printed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from thyrosight.cli import app
from thyrosight.errors import ConfigError, InputError
from thyrosight.measurement.mask_file import GIVE_MM, measure_file, read_nodules
from thyrosight.measurement.size import NO_SPACING
from thyrosight.types import Spacing

ROWS, COLUMNS = np.mgrid[:100, :140]
LARGE_HW = (ROWS - 50) ** 2 + (COLUMNS - 45) ** 2 <= 30**2
SMALL_HW = (ROWS - 50) ** 2 + (COLUMNS - 105) ** 2 <= 15**2


def saved(path: Path, values_HW: np.ndarray, **options: object) -> Path:
    Image.fromarray(values_HW).save(path, **options)
    return path


def as_labels() -> np.ndarray:
    return (SMALL_HW * 1 + LARGE_HW * 2).astype(np.uint8)


@pytest.fixture
def mask_path(tmp_path: Path) -> Path:
    return saved(tmp_path / "mask.png", LARGE_HW.astype(np.uint8) * 255)


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    gray_HW = np.where(LARGE_HW, 60, 110) + rng.normal(0, 8, LARGE_HW.shape)
    return saved(tmp_path / "image.png", gray_HW.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("high", [1, 7, 200, 255])
def test_a_mask_of_one_value(tmp_path, high):
    path = saved(tmp_path / "m.png", LARGE_HW.astype(np.uint8) * high)
    (mask_HW,) = read_nodules(path)
    assert np.array_equal(mask_HW, LARGE_HW)


def test_its_parts_are_nodules_and_specks_are_not(tmp_path):
    values_HW = (LARGE_HW | SMALL_HW).astype(np.uint8) * 255
    values_HW[2, 2:6] = 255
    found = read_nodules(saved(tmp_path / "m.png", values_HW))
    assert [int(mask_HW.sum()) for mask_HW in found] == [LARGE_HW.sum(), SMALL_HW.sum()]


def test_labels_palettes_colour_and_depth(tmp_path):
    labels = saved(tmp_path / "labels.png", as_labels())
    assert all(map(np.array_equal, read_nodules(labels), (SMALL_HW, LARGE_HW)))
    palette = Image.fromarray(as_labels(), mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [0] * 759)
    palette.save(tmp_path / "palette.png")
    assert all(map(np.array_equal, read_nodules(tmp_path / "palette.png"), (SMALL_HW, LARGE_HW)))
    rgb = saved(tmp_path / "rgb.png", np.repeat(LARGE_HW[..., None].astype(np.uint8) * 255, 3, axis=2))
    assert np.array_equal(read_nodules(rgb)[0], LARGE_HW)
    deep = saved(tmp_path / "deep.png", as_labels().astype(np.uint16))
    assert all(map(np.array_equal, read_nodules(deep), (SMALL_HW, LARGE_HW)))
    one_bit = saved(tmp_path / "bit.png", LARGE_HW)
    assert np.array_equal(read_nodules(one_bit)[0], LARGE_HW)


def test_what_is_no_mask_is_refused_in_one_line(tmp_path):
    rng = np.random.default_rng(0)
    photo = saved(tmp_path / "photo.png", rng.integers(0, 256, LARGE_HW.shape).astype(np.uint8))
    lossy = saved(tmp_path / "lossy.jpg", LARGE_HW.astype(np.uint8), quality=60)
    empty = saved(tmp_path / "empty.png", np.zeros((50, 50), np.uint8))
    text = tmp_path / "text.png"
    text.write_text("no image")
    for path, words in (
        (photo, "not a mask but a picture"),
        (lossy, "lossy file.*save it again as PNG"),
        (empty, "empty"),
        (text, "text.png"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            read_nodules(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
    with pytest.raises(InputError, match="140 x 100 pixels, its image 141 x 100"):
        read_nodules(saved(tmp_path / "m.png", as_labels()), (100, 141))


def test_measured_with_image_spacing_and_second_view(mask_path, image_path):
    (nodule,) = measure_file(mask_path, image_path, Spacing(0.2, 0.2), 9.0)
    assert nodule.size.longest_mm == pytest.approx(12, rel=0.004)
    assert nodule.volume_ml == pytest.approx(math.pi / 6 * 12 * 12 * 9 / 1000, rel=0.01)
    assert nodule.signs.echogenicity_ratio == pytest.approx(60 / 110, abs=0.02)
    assert nodule.reasons == ()


def test_without_image_or_spacing_it_says_what_is_missing(mask_path, image_path):
    (alone,) = measure_file(mask_path, None, None)
    assert alone.size.mm_reason == GIVE_MM
    assert alone.signs.inside_reason == "no image was given"
    (without_mm,) = measure_file(mask_path, image_path, None, 9.0)
    assert without_mm.volume_ml is None
    assert without_mm.volume_reason.startswith("no volume: ")
    assert without_mm.size.mm_reason not in (None, NO_SPACING)  # the image's own words


def test_a_second_view_speaks_of_one_nodule(tmp_path):
    labels = saved(tmp_path / "labels.png", as_labels())
    with pytest.raises(InputError, match="2 nodules"):
        measure_file(labels, None, Spacing(0.2, 0.2), 9.0)
    with pytest.raises(ConfigError, match="2 to 150 mm"):
        measure_file(labels, None, Spacing(0.2, 0.2), 0.0)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["measure", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_a_table(mask_path, image_path):
    code, out, err = run(mask_path, "--image", image_path, "--mm-per-pixel", "0.1,0.2", "--second-view-mm", 8)
    assert code == 0, err
    lines = {line.split("  ")[0]: line.split()[-2:] for line in out.splitlines()}
    assert float(lines["transverse"][0]) == pytest.approx(12, rel=0.01)
    assert float(lines["anteroposterior"][0]) == pytest.approx(6, rel=0.01)
    assert float(lines["volume"][0]) == pytest.approx(math.pi / 6 * 12 * 6 * 8 / 1000, rel=0.01)
    assert lines["taller than wide"][-1] == "no"
    assert run(mask_path)[2].startswith("-  no millimetres")


def test_the_command_prints_json(tmp_path):
    labels = saved(tmp_path / "labels.png", as_labels())
    code, out, _ = run(labels, "--json")
    found = json.loads(out)
    assert code == 0
    assert [nodule["size"]["area_px"] for nodule in found["nodules"]] == [int(SMALL_HW.sum()), int(LARGE_HW.sum())]
    assert found["nodules"][0]["size"]["longest_mm"] is None


@pytest.mark.parametrize("text", ["x", "0", "-1", "0.1,", "0.1,0.2,0.3", "nan", "inf", "50"])
def test_millimetres_that_cannot_be_are_refused(mask_path, text):
    code, out, err = run(mask_path, f"--mm-per-pixel={text}")
    assert (code, out) == (2, "")
    assert err.startswith("error: --mm-per-pixel")
    assert err.count("\n") == 1


def test_one_frame_of_several_is_measured(mask_path: Path, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((100, 140), level, np.uint8)) for level in (40, 90)]
    frames[0].save(tmp_path / "frames.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="2 frames; pass --frame"):
        measure_file(mask_path, tmp_path / "frames.tif", None)
    command = ["measure", str(mask_path), "--image", str(tmp_path / "frames.tif"), "--frame"]
    assert CliRunner().invoke(app, [*command, "1"]).exit_code == 0
    assert CliRunner().invoke(app, [*command, "2"]).exit_code == 1
    assert CliRunner().invoke(app, ["measure", str(mask_path), "--frame", "1"]).exit_code == 2


@pytest.mark.parametrize(("size", "words"), [(0.9, "write 9 if you mean 0.9 cm"), (-3, "150 mm"), (400, "150 mm")])
def test_a_second_view_that_no_nodule_has_is_asked_about(tmp_path, size, words):
    labels = saved(tmp_path / "labels.png", LARGE_HW.astype(np.uint8))
    with pytest.raises(ConfigError, match=words):
        measure_file(labels, None, Spacing(0.2, 0.2), size)


def test_millimetres_that_no_view_has_are_asked_about(tmp_path):
    wide = saved(tmp_path / "wide.png", np.tile(LARGE_HW, (1, 12)).astype(np.uint8))
    with pytest.raises(InputError, match=r"makes the view .* mm wide.*; give the millimetres of one pixel"):
        measure_file(wide, None, Spacing(1.9, 1.9))
