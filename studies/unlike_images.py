"""Pictures that are not ultrasound, and ultrasound that is not as it should be, by kind: photographs, pages, noise.

Real pictures come from other packages (unlike_packages.py). The rest is drawn from a seed. There are two halves: KINDS
were used while the statistics were made, ASIDE only afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from unlike_packages import (
    CR_FILES,
    CT_FILES,
    CT_WINDOWS_HU,
    MR_FILES,
    NM_FILES,
    OTHER_CAMERAS,
    PHOTOGRAPHS,
    PHOTOGRAPHS_ASIDE,
    SCANNED_PAGES,
    US_FILES,
    VIDEOS,
    Images,
    UInt8,
    at_most,
    dicom_files,
    mr_volumes,
    mri_of_matplotlib,
    photographs,
    videos,
)

WORDS = ["the", "of", "image", "is", "no", "scan", "and", "it", "has", "a", "table", "with", "words", "beside", "paper"]


# What is drawn


def _size(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(200, 600)), int(rng.integers(240, 800))


def gaussian_noise(rng: np.random.Generator) -> UInt8:
    """White noise of a random mean and spread, sometimes smoothed."""
    noise = rng.normal(0, 1, _size(rng))
    blur = rng.choice([0.0, 0.0, 1.0, 2.0, 4.0])
    noise = cv2.GaussianBlur(noise, (0, 0), blur) if blur else noise
    return np.clip(rng.uniform(40, 160) + rng.uniform(10, 60) * noise / noise.std(), 0, 255).astype(np.uint8)


def uniform_noise(rng: np.random.Generator) -> UInt8:
    """All gray levels equally often; or salt and pepper on gray."""
    size = _size(rng)
    if rng.random() < 0.5:
        return rng.integers(0, 256, size, dtype=np.uint8)
    return np.where(rng.random(size) < 0.1, rng.choice([0, 255], size), 120).astype(np.uint8)


def power_noise(rng: np.random.Generator) -> UInt8:
    """Random phases with the spectrum of natural images, amplitude 1/f^a (Field, J Opt Soc Am A 4:2379, 1987)."""
    height, width = _size(rng)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width)) ** rng.uniform(0.8, 1.6)
    phases = np.exp(2j * math.pi * rng.random(amplitude.shape))
    values = np.fft.irfft2(amplitude * phases, (height, width))
    return np.clip(rng.uniform(50, 130) + rng.uniform(25, 60) * values / values.std(), 0, 255).astype(np.uint8)


def value_noise(rng: np.random.Generator) -> UInt8:
    """Octaves of smooth noise, as in computer graphics (Perlin, SIGGRAPH 1985)."""
    height, width = _size(rng)
    total = np.zeros((height, width))
    for octave in range(int(rng.integers(3, 7))):
        coarse = rng.normal(size=(3 * 2**octave, 4 * 2**octave))
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return np.asarray(255 * (total - total.min()) / np.ptp(total), dtype=np.uint8)


def checkerboard(rng: np.random.Generator) -> UInt8:
    """Squares, stripes or bars of two grays."""
    height, width = _size(rng)
    step = int(rng.integers(4, 60))
    rows, columns = np.arange(height)[:, None] // step, np.arange(width)[None] // step
    pattern = [(rows + columns) % 2, rows % 2 + 0 * columns, columns % 2 + 0 * rows][int(rng.integers(3))]
    low, high = sorted(rng.integers(0, 256, 2))
    return np.asarray(np.where(pattern > 0, high, low), dtype=np.uint8)


def gradient(rng: np.random.Generator) -> UInt8:
    """A ramp in some direction, or a disc that fades."""
    height, width = _size(rng)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    angle = rng.uniform(0, 2 * math.pi)
    ramp = x * math.cos(angle) + y * math.sin(angle) if rng.random() < 0.5 else np.hypot(x - 0.5, y - 0.4)
    return np.asarray(255 * (ramp - ramp.min()) / np.ptp(ramp), dtype=np.uint8)


def shapes(rng: np.random.Generator) -> UInt8:
    """Flat discs, boxes and lines on flat ground."""
    height, width = _size(rng)
    canvas = np.full((height, width), int(rng.integers(0, 256)), np.uint8)
    for _ in range(int(rng.integers(5, 40))):
        x, y, r = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(5, 90))
        level = int(rng.integers(256))
        if rng.random() < 0.5:
            cv2.circle(canvas, (x, y), r, level, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(canvas, (x, y), (x + 2 * r, y + r), level, -1 if rng.random() < 0.7 else 2)
    return canvas


def _font(size: float):  # type: ignore[no-untyped-def]
    from PIL import ImageFont

    return ImageFont.load_default(size)


def text_page(rng: np.random.Generator) -> UInt8:
    """Lines of words, black on white or bright on dark as a terminal has them."""
    from PIL import Image, ImageDraw

    height, width = int(rng.integers(300, 1000)), int(rng.integers(300, 900))
    ground, ink = (250, 10) if rng.random() < 0.6 else (int(rng.integers(0, 40)), int(rng.integers(150, 255)))
    page = Image.new("L", (width, height), ground)
    draw, size = ImageDraw.Draw(page), float(rng.integers(9, 26))
    for top in range(int(rng.integers(5, 40)), height, int(size * rng.uniform(1.2, 1.7))):
        if rng.random() < 0.9:
            line = " ".join(rng.choice(WORDS, int(width * rng.uniform(0.6, 1.1) / size / 3)))
            draw.text((rng.integers(5, 40), top), line, fill=ink, font=_font(size))
    return np.asarray(page)


def plot(rng: np.random.Generator) -> UInt8:
    """A chart by matplotlib: curves, bars, points or an image with a colour bar."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(rng.uniform(3, 7), rng.uniform(2.5, 5)), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    kind = int(rng.integers(5))
    if kind == 0:
        axes.plot(np.cumsum(rng.normal(size=(200, 4)), axis=0))
    elif kind == 1:
        axes.bar(np.arange(12), rng.random(12))
    elif kind == 2:
        axes.scatter(*rng.normal(size=(2, 300)), s=8)
    elif kind == 3:
        axes.imshow(rng.random((12, 16)), cmap="gray")
    else:
        axes.hist(rng.normal(size=1000), 40)
    axes.set_title("a chart")
    axes.grid(bool(rng.random() < 0.5))
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def screenshot(rng: np.random.Generator) -> UInt8:
    """A desktop: wallpaper, windows with title bars, text, buttons, a task bar."""
    from PIL import Image, ImageDraw

    width, height = [(1280, 800), (1024, 768), (1440, 900)][int(rng.integers(3))]
    low, high = rng.integers(20, 200, (2, 3))
    ramp = np.linspace(0, 1, height)[:, None, None]
    screen = Image.fromarray(np.broadcast_to(low + (high - low) * ramp, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(screen)
    for _ in range(int(rng.integers(1, 5))):
        x, y = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
        w, h = int(rng.integers(300, 800)), int(rng.integers(200, 600))
        is_dark = rng.random() < 0.4
        draw.rectangle((x, y, x + w, y + h), fill=(30, 30, 34) if is_dark else (245, 245, 245), outline=(90, 90, 90))
        draw.rectangle((x, y, x + w, y + 24), fill=tuple(int(v) for v in rng.integers(60, 220, 3)))
        for row, top in enumerate(range(y + 34, y + h - 20, 18)):
            line = " ".join(rng.choice(WORDS, int(w / 60)))[: w // 8]
            draw.text(
                (x + 10 + 8 * (row % 3), top), line, fill=(210, 210, 210) if is_dark else (20, 20, 20), font=_font(13)
            )
    draw.rectangle((0, height - 36, width, height), fill=(40, 44, 52))
    for place in range(12):
        draw.rectangle(
            (10 + 44 * place, height - 32, 42 + 44 * place, height - 4), fill=tuple(rng.integers(0, 255, 3).tolist())
        )
    return np.asarray(screen)


def drawn(painter: Callable[[np.random.Generator], UInt8], count: int) -> Images:
    """A painter -> `count` pictures, the same ones every time."""
    for index in range(count):
        yield f"{painter.__name__} {index}", painter(np.random.default_rng([index, len(painter.__name__)]))


# Ultrasound that is not as it should be


def with_black_border(images: Images) -> Images:
    """Gray pictures on a black screen with some text, as a frame grabber would show a scan."""
    for name, pixels in images:
        gray = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        small = at_most(gray, 420)
        screen = np.zeros((small.shape[0] + 80, small.shape[1] + 160), np.uint8)
        screen[40:-40, 80:-80] = small
        cv2.putText(screen, "GN 62  DR 70  4.0 cm", (6, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 220, 1, cv2.LINE_AA)
        yield f"{name} framed", screen


DISTORTIONS: dict[str, Callable[[UInt8], UInt8]] = {
    "upside down": lambda field: np.ascontiguousarray(field[::-1]),
    "rotated 90 degrees": lambda field: np.ascontiguousarray(np.rot90(field)),
    "inverted": lambda field: 255 - field,
    "equalised": lambda field: np.asarray(cv2.equalizeHist(field)),
    "blurred, sigma 4": lambda field: np.asarray(cv2.GaussianBlur(field, (0, 0), 4)),
    "stretched to twice the width": lambda field: np.asarray(cv2.resize(field, None, fx=2, fy=1)),
    "half size": lambda field: np.asarray(cv2.resize(field, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
    "twice the size": lambda field: np.asarray(cv2.resize(field, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)),
    "JPEG, quality 30": lambda field: np.asarray(
        cv2.imdecode(cv2.imencode(".jpg", field, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_GRAYSCALE)
    ),
    "gamma 0.6": lambda field: np.asarray(255 * (field / 255.0) ** 0.6, dtype=np.uint8),
    "gamma 1.6": lambda field: np.asarray(255 * (field / 255.0) ** 1.6, dtype=np.uint8),
    "mirrored": lambda field: np.ascontiguousarray(field[:, ::-1]),
}
"""Name -> a change of a real frame's field; the first three are mistakes, the others ought to pass."""

KINDS: dict[str, Callable[[], Images]] = {
    "photographs, colour": lambda: photographs(PHOTOGRAPHS, gray=False),
    "photographs, gray": lambda: photographs(PHOTOGRAPHS, gray=True),
    "CT slices": lambda: dicom_files(CT_FILES, CT_WINDOWS_HU),
    "scanned pages": lambda: photographs(SCANNED_PAGES, gray=True),
    "text pages": lambda: drawn(text_page, 60),
    "Gaussian noise": lambda: drawn(gaussian_noise, 60),
    "uniform noise, salt and pepper": lambda: drawn(uniform_noise, 60),
    "checkerboards, stripes": lambda: drawn(checkerboard, 60),
    "ramps": lambda: drawn(gradient, 60),
}
ASIDE: dict[str, Callable[[], Images]] = {
    "photographs aside, colour": lambda: photographs(PHOTOGRAPHS_ASIDE, gray=False),
    "photographs aside, gray": lambda: photographs(PHOTOGRAPHS_ASIDE, gray=True),
    "photographs aside, on a black screen": lambda: with_black_border(photographs(PHOTOGRAPHS_ASIDE, gray=True)),
    "microscope, telescope, fundus": lambda: photographs(OTHER_CAMERAS, gray=True),
    "film frames": lambda: videos(VIDEOS),
    "MR slices, DICOM": lambda: dicom_files(MR_FILES),
    "MR slices, volumes": lambda: mr_volumes(),
    "MR slice of matplotlib": lambda: mri_of_matplotlib(),
    "radiographs": lambda: dicom_files(CR_FILES),
    "bone scans": lambda: dicom_files(NM_FILES),
    "1/f noise": lambda: drawn(power_noise, 60),
    "octave noise": lambda: drawn(value_noise, 60),
    "shapes": lambda: drawn(shapes, 60),
    "plots": lambda: drawn(plot, 40),
    "desktop screens": lambda: drawn(screenshot, 40),
}
"""Looked at only after the statistics were fixed."""
OTHER_ULTRASOUND: dict[str, Callable[[], Images]] = {"ultrasound of other organs": lambda: dicom_files(US_FILES)}
