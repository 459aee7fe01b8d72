"""Scene, rng -> the scene as another setting, scanner or sonographer would give it: nine kinds at five strengths.

Legend: `_HW` arrays in pixels of the frame, field_HW the ultrasound field alone, `_xy` points, `_levels` gray levels.

Strengths 1 and 2 occur daily, 5 is extreme. A change makes the same random draws (a sign, a place, a grain) at every
strength, so only the strength differs. Only the field changes, not the screen around it. Gray levels are treated as
log-compressed over about 64 dB: a decibel is LEVELS_PER_DB levels, and gain adds levels.

training/augment.py has functions of the same names (add_speckle, blur, cast_shadow, change_gain, change_gamma,
draw_calipers) with other formulas, on images in [0, 1]. The two must stay separate, because a model must not be tested
with the formulas that it was trained with.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.measurement.outlines import components
from thyrosight.measurement.size import measure
from thyrosight.types import BoolArray, Box, FloatArray, UInt8Array
from thyrosight.views.calipers import INK_LEVEL, draw_cross, draw_dots, draw_number

Rng = np.random.Generator
Amount = TypeVar("Amount")

STRENGTHS = (1, 2, 3, 4, 5)
LEVELS_PER_DB = 4.0
BLACK_LEVELS = 24.0
"""Below this gray level a change fades out: without an echo there is nothing to amplify."""
MIN_MEASURED_PX = 25  # smaller parts of a reference are not measured


@dataclass(frozen=True)
class Scene:
    """Pixels of a frame, its reference mask (None: not known), its field, its views (empty: one view, the field)."""

    image_HW: UInt8Array
    reference_HW: BoolArray | None
    fov: Box
    panels: tuple[Box, ...] = ()

    @property
    def field_HW(self) -> FloatArray:
        """A copy of the field, in gray levels."""
        return self.image_HW[self.fov.slices].astype(np.float32)

    @property
    def views(self) -> tuple[Box, ...]:
        return self.panels or (self.fov,)

    def with_field(self, field_HW: NDArray[np.generic]) -> Scene:
        """The scene with these gray levels in the field, rounded and limited to 0 to 255."""
        image_HW = self.image_HW.copy()
        image_HW[self.fov.slices] = np.clip(np.rint(field_HW.astype(np.float32)), 0, 255).astype(np.uint8)
        return replace(self, image_HW=image_HW)


@dataclass(frozen=True)
class Strength:
    """One strength of one kind: its meaning in words; the change (it gives None where a scene does not allow it)."""

    meaning: str
    change: Callable[[Scene, Rng], Scene | None]


def perturb(scene: Scene, perturbation: str, strength: int, rng: Rng) -> Scene | None:
    """Scene, a key of PERTURBATIONS, strength 1 to 5 -> the changed scene; None: no outline for calipers."""
    return PERTURBATIONS[perturbation][strength - 1].change(scene, rng)


def rng_of(seed: int, case_id: str, perturbation: str) -> Rng:
    """-> the random stream of this perturbation of this case; it is the same at every strength."""
    return np.random.default_rng([seed, zlib.crc32(case_id.encode()), zlib.crc32(perturbation.encode())])


# What the scanner is set to


def change_gain(scene: Scene, rng: Rng, gain_db: float) -> Scene:
    """Makes the field brighter or darker, at random: an offset in log-compressed gray that fades out towards black."""
    field_HW = scene.field_HW
    return scene.with_field(field_HW + _sign(rng) * gain_db * LEVELS_PER_DB * _echo_share(field_HW))


def change_gamma(scene: Scene, rng: Rng, gamma: float) -> Scene:
    """Applies another gray map: each level, as a share of white, is raised to gamma or 1 / gamma (at random)."""
    power = gamma if _sign(rng) > 0 else 1 / gamma
    return scene.with_field(255.0 * (scene.field_HW / 255.0) ** np.float32(power))


def cut_depth(scene: Scene, rng: Rng, share: float) -> Scene:
    """Makes the lowest part of every view black and removes it from the field and from the reference."""
    image_HW = scene.image_HW.copy()
    reference_HW = None if scene.reference_HW is None else scene.reference_HW.copy()
    views = []
    for view in scene.views:
        cut_y = view.y1 - min(view.height - 1, round(share * view.height))
        gone = slice(cut_y, view.y1), slice(view.x0, view.x1)
        image_HW[gone] = 0
        if reference_HW is not None:
            reference_HW[gone] = False
        views.append(view._replace(y1=cut_y))
    fov = scene.fov._replace(y1=max(view.y1 for view in views))
    return Scene(image_HW, reference_HW, fov, tuple(views) if scene.panels else ())


# What happens to the echoes and to the file


def add_speckle(scene: Scene, rng: Rng, sd_db: float) -> Scene:
    """Adds speckle: the log amplitude of a complex Gaussian, with grains that are wider than deep.

    Log compression makes speckle additive; the standard deviation of fully developed speckle is 5.6 dB for every mean
    (Kaplan & Ma, J Acoust Soc Am 95:1396, 1994). Amplitudes below -3 standard deviations are set to that limit.
    """
    field_HW = scene.field_HW
    parts = (rng.standard_normal(field_HW.shape, dtype=np.float32) for _ in range(2))
    real_HW, imaginary_HW = (cv2.GaussianBlur(part_HW, (0, 0), sigmaX=1.2, sigmaY=0.8) for part_HW in parts)
    log_HW = np.log(np.hypot(real_HW, imaginary_HW) + np.float32(1e-6))
    speckle_HW = np.maximum((log_HW - log_HW.mean()) / max(float(log_HW.std()), 1e-6), -3.0)
    return scene.with_field(field_HW + sd_db * LEVELS_PER_DB * speckle_HW * _echo_share(field_HW))


def blur(scene: Scene, rng: Rng, sigma_share: float) -> Scene:
    """Blurs the field by a Gaussian; sigma is a share of the field's height."""
    sigma_px = sigma_share * scene.fov.height
    return scene.with_field(cv2.GaussianBlur(scene.field_HW, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE))


def save_as_jpeg(scene: Scene, rng: Rng, quality: int) -> Scene:
    """Encodes the field as JPEG of this quality (libjpeg's scale, 100 is the best) and decodes it again."""
    field_HW = np.ascontiguousarray(scene.image_HW[scene.fov.slices])
    _, coded = cv2.imencode(".jpg", field_HW, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded_HW = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    assert decoded_HW is not None
    return scene.with_field(decoded_HW)


class Shadow(NamedTuple):
    """The shadow's width as a share of the view's width, and the loss inside it in dB."""

    width: float
    db: float


def cast_shadow(scene: Scene, rng: Rng, shadow: Shadow) -> Scene:
    """Adds an acoustic shadow to every view, as behind a calcification: from a random depth down, with soft sides."""
    image_HW = scene.image_HW.astype(np.float32)
    for view in scene.views:
        centre_px, begins_px = rng.uniform(0.15, 0.85) * view.width, rng.uniform(0.1, 0.5) * view.height
        half_px = shadow.width * view.width / 2
        across_W = _step(half_px - np.abs(np.arange(view.width) + 0.5 - centre_px), 0.15 * half_px + 0.5)
        down_H = _step(np.arange(view.height) - begins_px, 0.005 * view.height + 0.5)
        image_HW[view.slices] -= shadow.db * LEVELS_PER_DB * down_H[:, None] * across_W[None, :]
    return scene.with_field(image_HW[scene.fov.slices])


# What is written into the image


class Calipers(NamedTuple):
    """Width of a cross as a share of the field's height, number of diameters, and whether dots join the crosses."""

    cross: float
    num_diameters: int
    has_line: bool


def draw_calipers(scene: Scene, rng: Rng, calipers: Calipers) -> Scene | None:
    """Draws measurement crosses at the ends of the longest and the perpendicular diameter of every reference nodule.

    The pairs of crosses are numbered; from strength 2 on, a dotted line joins a pair. Whether crosses are open in the
    middle is random, because scanners draw both kinds. None where no nodule is outlined.
    """
    parts = _outlined(scene)
    if not parts:
        return None
    is_open = bool(rng.random() < 0.5)
    cross_px = max(7, round(calipers.cross * scene.fov.height)) | 1
    ink_HW = np.zeros(scene.image_HW.shape, np.uint8)
    for index, part_HW in enumerate(parts):
        size = measure(part_HW, None)
        diameters = (size.longest_ends_xy, size.perpendicular_ends_xy)[: calipers.num_diameters]
        for line, ends_xy in enumerate(diameters, start=1 + index * calipers.num_diameters):
            if calipers.has_line:
                draw_dots(ink_HW, ends_xy, cross_px)
            for end_xy in ends_xy:
                draw_cross(ink_HW, end_xy, cross_px, is_open)
            draw_number(ink_HW, str(line), ends_xy, cross_px)
    return _inked(scene, ink_HW[scene.fov.slices])


def _outlined(scene: Scene) -> list[BoolArray]:
    """-> the nodules of the reference, view by view, largest first; the border of a view divides a nodule."""
    if scene.reference_HW is None:
        return []
    found = []
    for view in scene.views:
        inside_HW = np.zeros_like(scene.reference_HW)
        inside_HW[view.slices] = scene.reference_HW[view.slices]
        found += components(inside_HW, MIN_MEASURED_PX)
    return found


class Annotation(NamedTuple):
    """Height of a capital letter as a share of the field's height, and the names of the BLOCKS to write."""

    capital: float
    blocks: tuple[str, ...]


BLOCKS = {
    "label": ("THYROID RT LOBE TRANS",),
    "measurements": ("1 D 12.4 mm", "2 D  8.1 mm", "Area 0.79 cm2"),
    "settings": ("FR 31Hz", "RS", "2D", "62%", "DR 65", "P Med", "HGen", "MI 0.9", "TIs 0.4"),
    "remark across the middle": ("ISTHMUS  LEVEL IV  MIDPOLE",),
    "rows all over": ("THYROID RT LOBE TRANS  ISTHMUS  LEVEL IV  MIDPOLE  RT LOBE LONG",),
}
"""Place in the field -> lines of text; no text states how suspicious a nodule is."""


def write_text(scene: Scene, rng: Rng, annotation: Annotation) -> Scene:
    """Writes text into the field, as sonographers and scanners do; at random, left and right are exchanged."""
    from PIL import Image, ImageDraw, ImageFont

    capital_px = max(8, round(annotation.capital * scene.fov.height))
    font = ImageFont.load_default(capital_px * 4 / 3)
    canvas = Image.new("L", (scene.fov.width, scene.fov.height))
    draw = ImageDraw.Draw(canvas)
    draw.fontmode = "1"  # scanners write without shades of gray
    on_left, offset = bool(rng.random() < 0.5), float(rng.random())
    for block in annotation.blocks:
        x, y, step = _place(block, canvas.size, capital_px, on_left, offset)
        num_rows = int(canvas.size[1] / step) if block == "rows all over" else 1
        for row, line in enumerate(BLOCKS[block] * num_rows):
            draw.text((x, y + row * step), line, fill=255, font=font, anchor="ls")
    return _inked(scene, np.asarray(canvas))


def _place(
    block: str, size_wh: tuple[int, int], capital_px: int, on_left: bool, offset: float
) -> tuple[float, float, float]:
    """-> (x of the left end, y of the first base line, step from line to line), in pixels of the field."""
    width, height = size_wh
    step = 1.7 * capital_px
    widest_px = max(map(len, BLOCKS[block])) * 0.8 * capital_px
    near, far = float(capital_px), max(float(capital_px), width - widest_px - capital_px)
    return {
        "label": (near if on_left else far, height - (1 + 2 * offset) * capital_px, step),
        "measurements": (far if on_left else near, height - 3 * step, step),
        "settings": (near if on_left else far, 3.0 * capital_px, step),
        "remark across the middle": ((0.25 + 0.15 * offset) * width, (0.35 + 0.3 * offset) * height, step),
        "rows all over": (near, 1.5 * step, 1.5 * step),
    }[block]


def _inked(scene: Scene, ink_HW: UInt8Array) -> Scene:
    """Ink (0 or 255 per pixel of the field) -> the scene with the ink in it."""
    return scene.with_field(np.where(ink_HW > 0, np.float32(INK_LEVEL), scene.field_HW))


def _sign(rng: Rng) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _echo_share(field_HW: FloatArray) -> FloatArray:
    return np.asarray(np.minimum(field_HW / BLACK_LEVELS, 1.0), np.float32)


def _step(distance_px: NDArray[np.floating], soft_px: float) -> FloatArray:
    """Signed distances from an edge -> 0 before the edge, 1 behind it, a soft step between."""
    return np.asarray(1 / (1 + np.exp(-np.clip(distance_px / soft_px, -50, 50))), np.float32)


def _strengths(
    change: Callable[[Scene, Rng, Amount], Scene | None], meaning: Callable[[Amount], str], amounts: Sequence[Amount]
) -> tuple[Strength, ...]:
    return tuple(Strength(meaning(amount), partial(_apply, change, amount)) for amount in amounts)


def _apply(
    change: Callable[[Scene, Rng, Amount], Scene | None], amount: Amount, scene: Scene, rng: Rng
) -> Scene | None:
    return change(scene, rng, amount)


def _calipers_in_words(calipers: Calipers) -> str:
    diameters = "longest diameter" if calipers.num_diameters == 1 else "both diameters"
    line = ", dotted line" if calipers.has_line else ""
    return f"{diameters}, crosses of {calipers.cross:.1%} of the field's height{line}"


def _text_in_words(annotation: Annotation) -> str:
    return f"{' + '.join(annotation.blocks)}, capitals of {annotation.capital:.1%} of the field's height"


WRITTEN = tuple(BLOCKS)

PERTURBATIONS: dict[str, tuple[Strength, ...]] = {
    "gain": _strengths(change_gain, lambda db: f"{db:g} dB up or down", (2.0, 4.0, 8.0, 12.0, 16.0)),
    "gamma": _strengths(
        change_gamma, lambda power: f"gray map to the power {power:g} or 1/{power:g}", (1.15, 1.3, 1.6, 2.0, 2.6)
    ),
    "speckle": _strengths(add_speckle, lambda sd: f"noise of {sd:g} dB standard deviation", (0.75, 1.5, 3.0, 4.5, 6.0)),
    "blur": _strengths(
        blur, lambda sigma: f"sigma {sigma:.2%} of the field's height", (0.002, 0.0035, 0.006, 0.01, 0.016)
    ),
    "jpeg": _strengths(save_as_jpeg, lambda quality: f"quality {quality}", (85, 70, 45, 25, 10)),
    "depth": _strengths(cut_depth, lambda share: f"lowest {share:.0%} cut away", (0.05, 0.1, 0.2, 0.3, 0.4)),
    "shadow": _strengths(
        cast_shadow,
        lambda shadow: f"{shadow.width:.0%} of the view's width, {shadow.db:g} dB",
        (Shadow(0.04, 3), Shadow(0.06, 6), Shadow(0.1, 12), Shadow(0.15, 20), Shadow(0.22, 40)),
    ),
    "calipers": _strengths(
        draw_calipers,
        _calipers_in_words,
        (
            Calipers(0.03, 1, False),
            Calipers(0.03, 2, True),
            Calipers(0.045, 2, True),
            Calipers(0.065, 2, True),
            Calipers(0.09, 2, True),
        ),
    ),
    "text": _strengths(
        write_text,
        _text_in_words,
        (
            Annotation(0.03, WRITTEN[:1]),
            Annotation(0.03, WRITTEN[:2]),
            Annotation(0.03, WRITTEN[:3]),
            Annotation(0.04, WRITTEN[:4]),
            Annotation(0.05, WRITTEN[4:]),
        ),
    ),
}
"""Kind -> its five strengths, from daily to extreme."""
