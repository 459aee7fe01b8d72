"""Phantoms: reproducible, their truth consistent, their sound as physics has it, layouts as published."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.datasets.table import read_cases
from thyrosight.errors import ConfigError, InputError
from thyrosight.phantom.acoustics import Scanner, beam_sigma_mm, envelope
from thyrosight.phantom.anatomy import Tissue, received_db
from thyrosight.phantom.cohort import phantom_case, write_phantoms
from thyrosight.phantom.curves import Outline
from thyrosight.phantom.draw import diameters, polygon_area
from thyrosight.phantom.layouts import LAYOUTS, write_layout
from thyrosight.phantom.nodule import draw_descriptors, draw_malignancy, draw_outline, paint_nodule
from thyrosight.phantom.records import (
    DrawnDescriptors,
    Grid,
    Phantom,
    PhantomSettings,
    make_grid,
    tirads_level,
    tirads_points,
)
from thyrosight.types import FloatArray, Spacing

GRID = make_grid((300, 300), Spacing(0.13, 0.13))
PLAIN = Scanner(noise_db=-60, sidelobe_db=-45, far_loss_db_mm=0.0)
SOLID = DrawnDescriptors("solid", "isoechoic", "wider-than-tall", "smooth", ("none",))


def cohort(num: int, **changes: object) -> list[Phantom]:
    wanted = replace(PhantomSettings(), **changes)  # type: ignore[arg-type]
    return [phantom_case(5, index, wanted) for index in range(num)]


def even_tissue(grid: Grid) -> Tissue:
    zero_HW = np.zeros(grid.shape, np.float32)
    return Tissue(zero_HW, zero_HW.copy(), zero_HW.copy(), np.full(grid.shape, -9, np.float32))


def ball(radius_mm: float = 6.0, at: tuple[float, float] = (0.0, 16.0)) -> Outline:
    return Outline(at, (radius_mm, radius_mm * 0.8), 0.0)


def scanned(descriptors: DrawnDescriptors, seed: int = 0) -> FloatArray:
    """-> envelope of even tissue with one nodule."""
    rng = np.random.default_rng(seed)
    tissue = paint_nodule(rng, GRID, ball(), descriptors, even_tissue(GRID))
    return envelope(received_db(tissue, GRID, 99, 0), tissue.reflector_HW, GRID, PLAIN, rng)


def mean_db(envelope_HW: FloatArray, where_HW: np.ndarray) -> float:
    return float(10 * np.log10(np.square(envelope_HW[where_HW]).mean()))


def disc(x_mm: float, y_mm: float, radius_mm: float) -> np.ndarray:
    return np.hypot(GRID.x_HW - x_mm, GRID.y_HW - y_mm) < radius_mm


# The same for the same seed.


def test_a_case_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    few, many = write_phantoms(2, tmp_path / "few", 3), write_phantoms(3, tmp_path / "many", 3)
    for name in ("image/0001.png", "mask/0001.png", "gland/0001.png"):
        assert (few.parent / name).read_bytes() == (many.parent / name).read_bytes()
    other = phantom_case(4, 1)
    assert not np.array_equal(other.image_HW, cv2.imread(str(few.parent / "image/0001.png"), cv2.IMREAD_GRAYSCALE))
    assert np.array_equal(other.image_HW, phantom_case(4, 1).image_HW)


# The truth agrees with itself.


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return cohort(14) + cohort(4, pixel_aspect=1.4, screen=0.0, size_hw=(320, 300))


def test_mask_has_the_area_of_its_outlines(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        pixel_mm2 = phantom.spacing.row_mm * phantom.spacing.column_mm
        area_mm2 = sum(nodule.area_mm2 for nodule in phantom.nodules)
        assert phantom.mask_HW.sum() * pixel_mm2 == pytest.approx(area_mm2, rel=0.01)


def test_outline_encloses_exactly_the_pixel_centres_of_the_mask(phantoms: list[Phantom]) -> None:
    """Every centre further than 0.05 px from the curve is on the side that the mask says."""
    for phantom in phantoms[:6]:
        rows, columns = np.nonzero(cv2.dilate(phantom.mask_HW.astype(np.uint8), np.ones((7, 7))))
        far = np.full(len(rows), -np.inf)
        for nodule in phantom.nodules:
            curve = nodule.outline_xy.astype(np.float32)
            pixels = zip(columns.tolist(), rows.tolist(), strict=True)
            far = np.maximum(far, [cv2.pointPolygonTest(curve, point, True) for point in pixels])
        clear = np.abs(far) > 0.05
        assert np.array_equal(far[clear] > 0, phantom.mask_HW[rows, columns][clear])


def test_millimetres_follow_from_pixels_and_spacing(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        pixel_mm = np.array([phantom.spacing.column_mm, phantom.spacing.row_mm])
        for nodule in phantom.nodules:
            np.testing.assert_allclose(nodule.outline_mm_xy, nodule.outline_xy * pixel_mm)
            across, down = np.ptp(nodule.outline_mm_xy, axis=0)
            assert (nodule.transverse_mm, nodule.anteroposterior_mm) == pytest.approx((across, down))
            assert nodule.longest_mm >= max(across, down) - 1e-9
            assert nodule.perpendicular_mm <= nodule.longest_mm


def test_everything_lies_where_it_should(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        outside_HW = np.ones(phantom.image_HW.shape, np.bool_)
        outside_HW[phantom.field.slices] = False
        assert not phantom.mask_HW[outside_HW].any()
        assert not (phantom.mask_HW & ~phantom.gland_HW).any()
        assert sum(panel.width for panel in phantom.panels) == phantom.field.width
        for nodule in phantom.nodules:
            panel = phantom.panels[nodule.panel]
            assert nodule.outline_xy.min(axis=0)[0] > panel.x0
            assert nodule.outline_xy.max(axis=0)[0] < panel.x1 - 1
            assert nodule.outline_xy.max(axis=0)[1] < panel.y1 - 1
            taller = nodule.descriptors.shape == "taller-than-wide"
            assert taller == (nodule.anteroposterior_mm > nodule.transverse_mm)
        for box in phantom.text:
            assert phantom.image_HW[box.slices].max() > 150


def test_measurements_from_the_mask_agree_with_the_curve(phantoms: list[Phantom]) -> None:
    measure = pytest.importorskip("thyrosight.measurement.size").measure
    for phantom in phantoms:
        if len(phantom.nodules) == 1:
            nodule, found = phantom.nodules[0], measure(phantom.mask_HW, phantom.spacing)
            pixel = max(phantom.spacing)
            for name in ("longest_mm", "perpendicular_mm", "anteroposterior_mm", "transverse_mm"):
                assert getattr(found, name) == pytest.approx(getattr(nodule, name), abs=2 * pixel)


@given(half=st.tuples(st.floats(2, 12), st.floats(2, 12)), turn=st.floats(-1, 1), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_area_and_diameters_of_an_ellipse(half: tuple[float, float], turn: float, seed: int) -> None:
    at = tuple(np.random.default_rng(seed).uniform(-9, 9, 2).tolist())
    curve = Outline((at[0], at[1]), half, turn).vertices_mm()
    longest, perpendicular = diameters(curve)
    assert polygon_area(curve) == pytest.approx(np.pi * half[0] * half[1], rel=1e-4)
    assert longest == pytest.approx(2 * max(half), rel=1e-3)
    assert perpendicular == pytest.approx(2 * min(half), rel=0.02)


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(5, 30), view=st.sampled_from(["transverse", "longitudinal"]))
@settings(max_examples=60, deadline=None)
def test_outlines_are_simple_and_of_their_shape(seed: int, size: float, view: str) -> None:
    rng = np.random.default_rng(seed)
    descriptors = draw_descriptors(rng, PhantomSettings())
    outline = draw_outline(rng, descriptors, size, view)  # type: ignore[arg-type]
    width, height = np.ptp(outline.vertices_mm(), axis=0)
    assert (height > width) == (descriptors.shape == "taller-than-wide")
    assert outline.radius(np.linspace(0, 2 * np.pi, 400)).min() > 0.3


# TI-RADS.


@pytest.mark.parametrize(
    ("descriptors", "points", "level"),
    [
        (("cystic", "anechoic", "wider-than-tall", "smooth", ("none",)), 0, 1),
        (("spongiform", "isoechoic", "wider-than-tall", "smooth", ("none",)), 0, 1),
        (("mixed cystic and solid", "isoechoic", "wider-than-tall", "smooth", ("none",)), 2, 2),
        (("solid", "hyperechoic", "wider-than-tall", "ill-defined", ("none",)), 3, 3),
        (("solid", "hypoechoic", "wider-than-tall", "smooth", ("none",)), 4, 4),
        (("solid", "hypoechoic", "wider-than-tall", "smooth", ("peripheral calcifications",)), 6, 4),
        (("solid", "hypoechoic", "taller-than-wide", "smooth", ("none",)), 7, 5),
        (("solid", "very hypoechoic", "taller-than-wide", "extra-thyroidal extension",
          ("macrocalcifications", "punctate echogenic foci")), 15, 5),
    ],
)  # fmt: skip
def test_points_and_levels_of_the_chart(descriptors: tuple, points: int, level: int) -> None:  # type: ignore[type-arg]
    found = tirads_points(DrawnDescriptors(*descriptors))
    assert (found, tirads_level(found)) == (points, level)


def test_malignancy_by_published_risk_and_by_threshold() -> None:
    rng = np.random.default_rng(1)
    worst = DrawnDescriptors("solid", "very hypoechoic", "taller-than-wide", "smooth", ("none",))
    clinic = PhantomSettings(balanced=False)
    share = np.mean([draw_malignancy(rng, worst, clinic) for _ in range(4000)])
    assert share == pytest.approx(0.35, abs=0.03)
    assert np.mean([draw_malignancy(rng, SOLID, clinic) for _ in range(4000)]) == pytest.approx(0.048, abs=0.015)
    pure = PhantomSettings(label_noise=0.0)
    assert [draw_malignancy(rng, nodule, pure) for nodule in (worst, SOLID)] == [1, 0]
    drawn = [draw_descriptors(rng, pure) for _ in range(600)]
    assert np.mean([tirads_points(one) >= pure.malignant_points for one in drawn]) == pytest.approx(0.5, abs=0.08)


# The sound.


def test_speckle_is_fully_developed() -> None:
    """Rayleigh envelope: mean / standard deviation is sqrt(pi / (4 - pi)) = 1.913; mean power 1 at every depth."""
    rng = np.random.default_rng(2)
    zero_HW = np.zeros(GRID.shape, np.float32)
    looks = np.stack([envelope(zero_HW, zero_HW, GRID, PLAIN, rng) for _ in range(8)])
    assert looks.mean() / looks.std() == pytest.approx(1.913, rel=0.015)
    by_depth = np.square(looks).reshape(8, 10, 30, -1).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(by_depth, 1, rtol=0.1)


def test_compounding_smooths_speckle_by_the_root_of_the_looks() -> None:
    """Mean power of n independent looks: relative deviation 1 / sqrt(n)."""
    zero_HW = np.zeros(GRID.shape, np.float32)
    power_HW = np.square(envelope(zero_HW, zero_HW, GRID, replace(PLAIN, num_looks=4), np.random.default_rng(3)))
    assert power_HW.mean() / power_HW.std() == pytest.approx(2.0, rel=0.06)


def test_speckle_widens_away_from_the_focus() -> None:
    """Lateral correlation of the intensity at lag d is exp(-d^2 / (2 sigma^2)), sigma the beam's at that depth."""
    scanner = replace(PLAIN, focus_mm=8.0, focal_zone_mm=8.0)
    rng, zero_HW = np.random.default_rng(4), np.zeros(GRID.shape, np.float32)
    power = np.stack([np.square(envelope(zero_HW, zero_HW, GRID, scanner, rng)) for _ in range(12)]) - 1
    for depth_mm in (8.0, 30.0):
        rows = slice(int(depth_mm / 0.13) - 12, int(depth_mm / 0.13) + 12)
        found = (power[:, rows, 3:] * power[:, rows, :-3]).mean() / np.square(power[:, rows]).mean()
        sigma_px = float(beam_sigma_mm(np.array([depth_mm]), scanner)[0]) / 0.13
        assert found == pytest.approx(np.exp(-9 / (2 * sigma_px**2)), abs=0.06)


def test_echogenicity_comes_in_its_order() -> None:
    inside = disc(0, 16, 3)
    levels = {
        echo: mean_db(scanned(replace(SOLID, echogenicity=echo)), inside)
        for echo in ("very hypoechoic", "hypoechoic", "isoechoic", "hyperechoic")
    }
    cyst = mean_db(scanned(replace(SOLID, composition="cystic", echogenicity="anechoic")), inside)
    assert cyst < levels["very hypoechoic"] - 8
    assert levels["very hypoechoic"] < levels["hypoechoic"] - 3
    assert levels["hypoechoic"] < levels["isoechoic"] - 3
    assert levels["isoechoic"] < levels["hyperechoic"] - 1


def test_shadow_behind_calcium_and_enhancement_behind_a_cyst() -> None:
    behind, beside = disc(0, 27, 1.5), disc(12, 27, 3)
    cyst = scanned(replace(SOLID, composition="cystic", echogenicity="anechoic"))
    assert mean_db(cyst, behind) > mean_db(cyst, beside) + 2.5
    shell = [scanned(replace(SOLID, foci=("peripheral calcifications",)), seed) for seed in range(4)]
    assert np.mean([mean_db(one, disc(0, 27, 4)) - mean_db(one, beside) for one in shell]) < -4
    points = scanned(replace(SOLID, foci=("punctate echogenic foci",)))
    assert abs(mean_db(points, behind) - mean_db(points, beside)) < 2
    assert points[disc(0, 16, 5)].max() > 2 * scanned(SOLID)[disc(0, 16, 5)].max()


def test_loss_adds_up_down_the_column() -> None:
    loss_HW = np.zeros(GRID.shape, np.float32)
    loss_HW[100:120] = 2.0
    tissue = replace(even_tissue(GRID), loss_db_mm_HW=loss_HW)
    found_HW = received_db(tissue, GRID, far_mm=99, far_loss_db_mm=0)
    assert found_HW[50, 150] == 0
    assert found_HW[200, 150] == pytest.approx(-20 * 0.13 * 2.0, rel=1e-4)


# Files.


def test_cases_csv_reads_back(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = write_phantoms(5, tmp_path / "set", 8, progress=lambda done, total: told.append((done, total)))
    cases, truth = read_cases(path), json.loads((path.parent / "truth.json").read_text())
    assert told == [(done, 5) for done in range(1, 6)]
    assert len(cases) == len(truth["phantoms"]) == 5
    for index, (case, known) in enumerate(zip(cases, truth["phantoms"], strict=True)):
        phantom = phantom_case(8, index)
        image_HW = cv2.imread(str(case.image), cv2.IMREAD_UNCHANGED)
        mask_HW = cv2.imread(str(case.mask), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(image_HW, phantom.image_HW)
        assert np.array_equal(mask_HW == 255, phantom.mask_HW)
        assert set(np.unique(mask_HW)) <= {0, 255}
        assert (case.row_mm, case.column_mm) == tuple(phantom.spacing)
        assert (case.fov, case.panels) == (phantom.field, phantom.panels)
        assert case.malignancy == phantom.malignancy == known["malignancy"]
        assert len(known["nodules"]) == len(phantom.nodules)
        assert bool(case.descriptors) == bool(phantom.nodules)
    assert not list(path.parent.rglob(".*"))


def test_descriptors_in_cases_csv_are_terms_of_the_chart() -> None:
    lexicon = pytest.importorskip("thyrosight.folders.words").LEXICON
    rng = np.random.default_rng(6)
    for _ in range(200):
        columns = draw_descriptors(rng, PhantomSettings()).as_chart(4)
        foci = columns.pop("foci").split("; ")
        assert columns.pop("tirads") == "4"
        assert all(focus in lexicon["foci"] for focus in foci)
        assert all(columns[name] in lexicon[name] for name in columns)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size_hw": (90, 200)}, "90 x 200"),
        ({"no_nodule": 1.5}, "no_nodule 1.5"),
        ({"depth_mm": (5, 9)}, "depth_mm"),
        ({"malignant_points": 0}, "malignant_points"),
        ({"pixel_aspect": 9}, "pixel_aspect"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PhantomSettings(**wrong)  # type: ignore[arg-type]


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="0 phantoms"):
        write_phantoms(0, tmp_path / "x")
    with pytest.raises(InputError, match="file"):
        write_phantoms(1, tmp_path / "file")
    with pytest.raises(InputError, match="known: tn_scui2020"):
        write_layout("tnscui", tmp_path / "x")
    with pytest.raises(InputError, match="4 or more"):
        write_layout("tn3k", tmp_path / "x", 2)


# Layouts of the public sets.


def test_layout_tn_scui2020(tmp_path: Path) -> None:
    out = write_layout("tn_scui2020", tmp_path, 8, 1)
    rows = list(csv.DictReader((out / "train.csv").open()))
    assert list(rows[0]) == ["ID", "CATE"]
    assert {row["ID"] for row in rows} == {path.name for path in (out / "image").iterdir()}
    assert {path.name for path in (out / "mask").iterdir()} == {row["ID"] for row in rows}
    labels = [row["CATE"] for row in sorted(rows, key=lambda row: int(row["ID"].removesuffix(".PNG")))]
    assert sum(a != b for a, b in pairwise(labels)) == 3, "class-pure runs: 0, 1, 0, 1"
    assert [path.suffix for path in (out / "test").iterdir()] == [".PNG", ".PNG"]
    mask_HW = cv2.imread(str(out / "mask" / rows[0]["ID"]), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask_HW)) == {0, 255}


def test_layout_tn3k(tmp_path: Path) -> None:
    out = write_layout("tn3k", tmp_path, 10, 1)
    names = sorted(path.name for path in (out / "trainval-image").iterdir())
    assert names == [f"{index:04d}.jpg" for index in range(10)]
    assert names == sorted(path.name for path in (out / "trainval-mask").iterdir())
    assert [line.split(",")[0] for line in (out / "label4trainval.csv").read_text().split()] == names
    val = [json.loads((out / f"tn3k-trainval-fold{fold}.json").read_text())["val"] for fold in range(5)]
    assert sorted(index for fold in val for index in fold) == list(range(10))
    assert len(list((out / "test-image").iterdir())) == len((out / "label4test.csv").read_text().split()) == 2
    assert len(np.unique(cv2.imread(str(out / "trainval-mask/0000.jpg"), cv2.IMREAD_UNCHANGED))) > 2


def test_layout_ddti_holds_its_traps(tmp_path: Path) -> None:
    out = write_layout("ddti", tmp_path, 8, 1) / "original"
    cases = {number: ET.parse(out / f"{number}.xml").getroot() for number in range(1, 9)}
    svg = {number: case.findtext("mark/svg") or "" for number, case in cases.items()}
    assert svg[1] == ""
    with pytest.raises(json.JSONDecodeError):
        json.loads(svg[2])
    assert len(svg[2]) == 2500
    assert svg[2].count('"regionType": "freehand"}') == 1, "one outline is whole before the cut"
    assert [shape["regionType"] for shape in json.loads(svg[3])][-1] == "arrow"
    assert cases[4].findtext("tirads") == ""
    assert [mark.findtext("image") for mark in cases[5].findall("mark")] == ["1", "2"]
    assert (out / "7_1.jpg").read_bytes() == (out / "8_1.jpg").read_bytes()
    rows = {row["image_id"]: row for row in csv.DictReader((out.parent / "groups.csv").open())}
    assert rows["7_1"]["group"] == rows["8_1"]["group"]
    points = json.loads(svg[6])[0]["points"]
    image_HW = cv2.imread(str(out / "6_1.jpg"), cv2.IMREAD_GRAYSCALE)
    assert image_HW.shape == (360, 560)
    assert all(0 <= point["x"] < 560 and 0 <= point["y"] < 360 for point in points)


def test_layout_busi(tmp_path: Path) -> None:
    root = write_layout("busi", tmp_path, 8, 1) / "Dataset_BUSI_with_GT"
    names = [path.relative_to(root).as_posix() for path in root.rglob("*.png")]
    assert {name.split("/")[0] for name in names} == {"benign", "malignant", "normal"}
    assert sum(name.endswith("_mask_1.png") for name in names) == 2
    assert not cv2.imread(str(root / "normal/normal (1)_mask.png"), cv2.IMREAD_GRAYSCALE).any()
    for name in names:
        if "_mask" not in name:
            assert f"{name.removesuffix('.png')}_mask.png" in names


@pytest.mark.parametrize("name", ["tg3k", "tg3k_published"])
def test_layouts_of_glands(tmp_path: Path, name: str) -> None:
    out = write_layout(name, tmp_path, 6, 1)
    images, masks = ("image", "mask") if name == "tg3k" else ("thyroid-image", "thyroid-mask")
    stems = [path.stem for path in sorted((out / images).iterdir())]
    assert stems == [path.stem for path in sorted((out / masks).iterdir())]
    for path in (out / masks).iterdir():
        mask_HW = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
        assert mask_HW.shape == (256, 256)
        assert 0.05 < mask_HW.mean() < 0.6
    assert set(LAYOUTS) == {"tn_scui2020", "tn3k", "ddti", "busi", "tg3k", "tg3k_published"}
