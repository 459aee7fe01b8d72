"""Masks as people of the field bring them, a second round: read to the pixel, or refused in one line with the fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bad_inputs import raw_tiff
from thyrosight.datasets.prepare import PrepareOptions, prepare
from thyrosight.datasets.table import read_cases
from thyrosight.errors import InputError
from thyrosight.frames.mask_image import read_mask_image
from thyrosight.measurement.mask_file import read_nodules

SHAPE = (100, 140)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
LARGE_HW = (ROWS - 50) ** 2 + (COLUMNS - 45) ** 2 <= 25**2
SMALL_HW = (ROWS - 50) ** 2 + (COLUMNS - 105) ** 2 <= 12**2
BOTH_HW = LARGE_HW | SMALL_HW
GLAND_HW = (ROWS > 10) & (ROWS < 90) & (COLUMNS > 5) & (COLUMNS < 135)
WHITE_HW = BOTH_HW.astype(np.uint8) * 255
SOFT_HW = cv2.GaussianBlur(BOTH_HW.astype(np.float32), (0, 0), 2.0)
FEW_STEPS_HW = (np.rint(cv2.blur(BOTH_HW.astype(np.float32), (3, 3)) * 4) * 63.75).astype(np.uint8)
RNG = np.random.default_rng(0)
NOISE_HW = RNG.integers(0, 4, SHAPE).astype(np.uint8)
SPECKS_HW = RNG.random(SHAPE) < 0.1

DISC_HW = (ROWS - 50) ** 2 + (COLUMNS - 70) ** 2 <= 40**2
FIELD_HW = (ROWS > 8) & (ROWS < 92) & (COLUMNS > 10) & (COLUMNS < 130)


def soft_colours(*layers: tuple[np.ndarray, tuple[int, int, int]]) -> np.ndarray:
    """Masks with their colours, each blurred over the ones before it."""
    canvas_HW3 = np.zeros((*SHAPE, 3), np.float32)
    for mask_HW, colour in layers:
        share_HW1 = cv2.GaussianBlur(mask_HW.astype(np.float32), (0, 0), 2.0)[..., None]
        canvas_HW3 = canvas_HW3 * (1 - share_HW1) + share_HW1 * np.array(colour, np.float32)
    return canvas_HW3.astype(np.uint8)


Make = Callable[[], "np.ndarray | Image.Image"]


def coloured(background: tuple[int, int, int], nodule: tuple[int, int, int]) -> np.ndarray:
    return np.where(BOTH_HW[..., None], nodule, background).astype(np.uint8)


def palette(indices_HW: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(indices_HW.astype(np.uint8), mode="P")
    image.putpalette([part for colour in colours for part in colour])
    return image


def deep_colour(path: Path, values_HW: np.ndarray, *, with_alpha: bool = False) -> None:
    channels = [values_HW.astype(np.uint16)] * 3 + [np.full(SHAPE, 65535, np.uint16)] * with_alpha
    assert cv2.imwrite(str(path), np.dstack(channels))


def drawn(draw: Callable[[np.ndarray], object]) -> np.ndarray:
    canvas_HW = np.zeros(SHAPE, np.uint8)
    draw(canvas_HW)
    return canvas_HW


def circle(width: int) -> np.ndarray:
    return drawn(lambda canvas: cv2.circle(canvas, (60, 50), 30, 255, width))


def arc(width: int) -> np.ndarray:
    return drawn(lambda canvas: cv2.ellipse(canvas, (60, 50), (30, 30), 0, 20, 320, 255, width))


READ: dict[str, tuple[str, Make]] = {
    "noise of a JPEG, 0..3 and 252..255": ("m.png", lambda: np.where(BOTH_HW, 255 - NOISE_HW, NOISE_HW)),
    "254 with a rim of 255": (
        "m.png",
        lambda: np.where(cv2.erode(WHITE_HW, np.ones((9, 9))) > 0, 254, WHITE_HW).astype(np.uint8),
    ),
    "specks of 1 around 255": ("m.png", lambda: np.where(BOTH_HW, 255, SPECKS_HW).astype(np.uint8)),
    "1 around 255": ("m.png", lambda: np.where(BOTH_HW, 255, 1).astype(np.uint8)),
    "RGBA, all opaque": ("m.png", lambda: np.dstack([*[WHITE_HW] * 3, np.full(SHAPE, 255, np.uint8)])),
    "RGBA, all half clear": ("m.png", lambda: np.dstack([*[WHITE_HW] * 3, np.full(SHAPE, 128, np.uint8)])),
    "RGBA, red at 30 % on nothing": (
        "m.png",
        lambda: np.dstack([WHITE_HW * 0 + 255, WHITE_HW * 0, WHITE_HW * 0, (BOTH_HW * 76).astype(np.uint8)]),
    ),
    "RGBA, black nodule on clear": ("m.png", lambda: np.dstack([*[255 - WHITE_HW] * 3, WHITE_HW])),
    "LA, all opaque": ("m.png", lambda: np.dstack([WHITE_HW, np.full(SHAPE, 255, np.uint8)])),
    "LA, the mask in A": ("m.png", lambda: np.dstack([np.full(SHAPE, 255, np.uint8), WHITE_HW])),
    "palette whose index 0 is the nodule": ("m.png", lambda: palette(~BOTH_HW, (255, 0, 0), (0, 0, 0))),
    "palette, red on white": ("m.png", lambda: palette(BOTH_HW, (255, 255, 255), (255, 0, 0))),
    "palette, blue on red": ("m.gif", lambda: palette(BOTH_HW, (255, 0, 0), (0, 0, 255))),
    "red on white": ("m.png", lambda: coloured((255, 255, 255), (255, 0, 0))),
    "one-hot, green on red": ("m.png", lambda: coloured((255, 0, 0), (0, 255, 0))),
    "gray 100 on white": ("m.png", lambda: np.where(BOTH_HW, 100, 255).astype(np.uint8)),
    "white on gray 128": ("m.png", lambda: np.where(BOTH_HW, 255, 128).astype(np.uint8)),
    "16 bit, 0 and 257": ("m.png", lambda: BOTH_HW.astype(np.uint16) * 257),
    "16 bit, 0 and 65535": ("m.tif", lambda: BOTH_HW.astype(np.uint16) * 65535),
    "16 bit, soft, of 12 bits": ("m.png", lambda: (SOFT_HW * 4095).astype(np.uint16)),
    "32 bit, 0 and 1": ("m.tif", lambda: BOTH_HW.astype(np.int32)),
    "float, 0 and 255": ("m.tif", lambda: BOTH_HW.astype(np.float32) * 255),
    "float, a rounding above 1": ("m.tif", lambda: SOFT_HW * np.float32(1.0000005)),
    "float, a rounding below 0": ("m.tif", lambda: SOFT_HW - np.float32(1e-6)),
    "soft edge of few grays": ("m.png", lambda: FEW_STEPS_HW),
    "soft edge of few reds": ("m.png", lambda: np.dstack([FEW_STEPS_HW, FEW_STEPS_HW * 0, FEW_STEPS_HW * 0])),
    "CMYK": ("m.tif", lambda: Image.fromarray(np.dstack([WHITE_HW] * 3)).convert("CMYK")),
    "percent, 0 and 100": ("m.png", lambda: (BOTH_HW * 100).astype(np.uint8)),
    "16 bit, 0 is white": ("m.0white.tif", lambda: np.where(BOTH_HW, 0, 65535).astype(np.uint16)),
    "16 bit, labels, 0 is white": ("m.0white.tif", lambda: (65535 - LARGE_HW * 1 - SMALL_HW * 2).astype(np.uint16)),
    "soft edges of many reds": ("m.png", lambda: soft_colours((BOTH_HW, (255, 0, 0)))),
    "void of VOC in a palette": (
        "m.png",
        lambda: palette(
            np.where(BOTH_HW, 1, 2 * (cv2.dilate(WHITE_HW, np.ones((3, 3))) > 0)),
            (0, 0, 0),
            (128, 0, 0),
            (224, 224, 192),
        ),
    ),
    "instances 1001 and 1002": ("m.png", lambda: (LARGE_HW * 1001 + SMALL_HW * 1002).astype(np.uint16)),
}

REFUSED: dict[str, tuple[str, Make, str]] = {
    "a column short": ("m.png", lambda: WHITE_HW[:, :-1], "139 x 100 pixels, its image 140 x 100.*size of its image"),
    "half the size": ("m.png", lambda: WHITE_HW[::2, ::2], "70 x 50 pixels"),
    "transposed": ("m.png", lambda: np.ascontiguousarray(WHITE_HW.T), "turn the mask as its image is shown"),
    "black nodule on gray": ("m.png", lambda: np.where(BOTH_HW, 0, 128).astype(np.uint8), "invert the mask"),
    "palette, black on white": ("m.png", lambda: palette(BOTH_HW, (255, 255, 255), (0, 0, 0)), "invert the mask"),
    "not a number where no nodule is": (
        "m.tif",
        lambda: np.where(BOTH_HW, 1, np.nan).astype(np.float32),
        "not finite; save",
    ),
    "-1 for the nodule": ("m.tif", lambda: -BOTH_HW.astype(np.int32), "negative values; save"),
    "soft 0..255 in floats": ("m.tif", lambda: SOFT_HW * 255, "fractions above 1.*save"),
    "closed line, 3 px": ("m.png", lambda: circle(3), "fill the outline"),
    "closed line, 9 px": ("m.png", lambda: circle(9), "fill the outline"),
    "open line, 1 px": ("m.png", lambda: arc(1), "fill the outline"),
    "open line, 5 px": ("m.png", lambda: arc(5), "fill the outline"),
    "small outline with a gap": (
        "m.png",
        lambda: np.where(
            ROWS == 50, 0, drawn(lambda canvas: cv2.ellipse(canvas, (70, 50), (5, 8), 0, 90, 450, 255, 1))
        ),
        "holds a line, not an area; fill the outline",
    ),
    "caliper line": (
        "m.png",
        lambda: drawn(lambda canvas: cv2.line(canvas, (20, 30), (100, 60), 255, 2)),
        "fill the outline",
    ),
    "dotted outline": (
        "m.png",
        lambda: np.where((ROWS + COLUMNS) % 3 == 0, circle(1), 0).astype(np.uint8),
        "specks.*fill the outline",
    ),
    "hatching": ("m.png", lambda: np.where((ROWS + COLUMNS) % 6 < 2, WHITE_HW, 0).astype(np.uint8), "fill the outline"),
    "frame of a screenshot": (
        "m.png",
        lambda: cv2.rectangle(WHITE_HW.copy(), (0, 0), (139, 99), 255, 1),
        "erase the frame",
    ),
    "128 for uncertain around 255": (
        "m.png",
        lambda: np.where(BOTH_HW, 255, cv2.dilate(WHITE_HW, np.ones((9, 9))) // 2 + 1 & 128).astype(np.uint8),
        "--mask-label nodule=255",
    ),
    "nodule that looks out of its gland": (
        "m.png",
        lambda: np.where((ROWS - 85) ** 2 + (COLUMNS - 70) ** 2 <= 14**2, 2, GLAND_HW).astype(np.uint8),
        "--mask-label nodule=2",
    ),
    "two colours, smoothed": (
        "m.png",
        lambda: np.dstack([np.where(COLUMNS < 80, FEW_STEPS_HW, 0), ROWS * 0, np.where(COLUMNS < 80, 0, FEW_STEPS_HW)]),
        "without smoothing",
    ),
    "gland green, nodule red, JPEG": (
        "m.jpg",
        lambda: np.where(LARGE_HW[..., None], (255, 0, 0), DISC_HW[..., None] * np.array([0, 255, 0])).astype(np.uint8),
        "colours #.*, #.* with blurred edges.*save it as PNG",
    ),
    "gland and nodule in colour, softened": (
        "m.png",
        lambda: soft_colours((DISC_HW, (0, 255, 0)), (SMALL_HW, (255, 0, 0))),
        "with blurred edges.*save it as PNG",
    ),
    "red and blue nodules, softened": (
        "m.png",
        lambda: soft_colours((LARGE_HW, (255, 0, 0)), (SMALL_HW, (0, 0, 255))),
        "with blurred edges.*save it as PNG",
    ),
    "inverted inside the field": ("m.png", lambda: np.where(FIELD_HW & ~BOTH_HW, 255, 0), "invert the mask"),
    "one nodule filled, the other as a line": (
        "m.png",
        lambda: np.where(LARGE_HW, 255, drawn(lambda canvas: cv2.circle(canvas, (105, 50), 12, 255, 1))),
        "a line or a ring besides an area, at x = 93, y = 38; fill it or erase it",
    ),
    "text next to the nodule": (
        "m.png",
        lambda: cv2.putText(WHITE_HW.copy(), "ID 0123", (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.35, 255, 1),
        "holds text, at x = ., y = .; erase it",
    ),
    "a stripe at one border": ("m.png", lambda: np.where(COLUMNS < 2, 255, WHITE_HW), "besides an area.*erase it"),
    "SVG": ("m.svg", lambda: np.zeros(0), "save it again as PNG"),
}


def save(path: Path, content: np.ndarray | Image.Image) -> None:
    if path.suffix == ".svg":
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>')
    elif path.name.endswith(".0white.tif"):
        path.write_bytes(raw_tiff(content, photometric=0))
    elif isinstance(content, Image.Image):
        content.save(path)
    else:
        Image.fromarray(content if content.dtype != np.int64 else content.astype(np.uint8)).save(path)


@pytest.mark.parametrize("kind", READ)
def test_read(tmp_path: Path, kind: str) -> None:
    name, make = READ[kind]
    save(tmp_path / name, make())
    found_HW = read_mask_image(tmp_path / name, SHAPE).mask_HW
    slack = 70 if "soft" in kind or "rounding" in kind else 0  # cut at half, somewhere in the edge
    assert np.count_nonzero(found_HW ^ BOTH_HW) <= slack
    assert len(read_nodules(tmp_path / name, SHAPE)) == 2


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_the_fix(tmp_path: Path, kind: str) -> None:
    name, make, words = REFUSED[kind]
    save(tmp_path / name, make())
    with pytest.raises(InputError, match=words) as caught:
        read_mask_image(tmp_path / name, SHAPE)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [1, 257])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_colour_of_16_bits_keeps_its_small_numbers(tmp_path: Path, factor: int, with_alpha: bool) -> None:
    deep_colour(tmp_path / "m.png", BOTH_HW * factor, with_alpha=with_alpha)
    assert np.array_equal(read_mask_image(tmp_path / "m.png", SHAPE).mask_HW, BOTH_HW)


def test_a_gland_alone_is_no_nodule_where_other_masks_hold_both(tmp_path: Path) -> None:
    image_HW = RNG.integers(40, 120, (100, 140)).astype(np.uint8)
    masks = {"a": GLAND_HW.astype(np.uint8) + SMALL_HW, "b": GLAND_HW.astype(np.uint8)}
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name, mask_HW in masks.items():
        Image.fromarray(np.roll(image_HW, len(name) * 7, axis=1)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(mask_HW).save(tmp_path / "masks" / f"{name}.png")
    with pytest.raises(InputError, match=r"--mask-label nodule=2; 1 other masks hold label 1 alone, e\.g\. b\.png"):
        prepare(tmp_path, tmp_path / "cases")
    options = PrepareOptions(nodule_labels=("2",), folds=0)
    prepare(tmp_path, tmp_path / "cases", options)
    found = {case.image.stem: case.mask for case in read_cases(tmp_path / "cases")}
    assert found["a"] is not None
    assert found["b"] is not None
    assert np.array_equal(read_mask_image(found["a"], SHAPE).mask_HW, SMALL_HW)
    assert not read_mask_image(found["b"], SHAPE).mask_HW.any()


def test_what_counts_as_a_nodule_next_to_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "masks").mkdir()
    labels_HW, slips_HW = (LARGE_HW * 1 + SMALL_HW * 2).astype(np.uint8), WHITE_HW.copy()
    slips_HW[4:7, 70], slips_HW[5, 69:72] = 255, 255  # a caliper's cross
    for name, mask_HW in (("a", labels_HW), ("b", slips_HW), ("c", WHITE_HW)):
        save(tmp_path / "set" / "images" / f"{name}.png", RNG.integers(40, 200, SHAPE).astype(np.uint8))
        save(tmp_path / "set" / "masks" / f"{name}.png", mask_HW)
    notes = prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(folds=0), workers=1).notes
    assert any("1 masks hold several labels (1, 2): each counts as a nodule" in note for note in notes)
    assert any("1 masks hold small parts next to a nodule" in note and note.endswith("b.png") for note in notes)
