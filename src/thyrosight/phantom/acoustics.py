"""Echogenicity and reflectors -> B-mode gray: scatterers, depth-varying point spread function, envelope, compression.

Everything is at base band: a scatterer has a complex amplitude, and the point spread function is real (the demodulated
pulse times the beam). The envelope is therefore the modulus. Levels in dB are relative to normal thyroid tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.phantom.records import Grid
from thyrosight.types import FloatArray, UInt8Array

NUM_BEAM_KNOTS = 12


@dataclass(frozen=True)
class Scanner:
    """The machine and its settings. Widths are the sigma of the amplitude point spread function, in mm.

    num_looks: views averaged by spatial compounding. contrast_db: the range that is mapped to the whole gray scale;
    gland_level (0..1) is the level of thyroid tissue before gamma. far_loss_db_mm: the loss below far_mm that time gain
    does not correct.
    """

    axial_mm: float = 0.11
    lateral_mm: float = 0.27
    focus_mm: float = 18.0
    focal_zone_mm: float = 16.0
    num_looks: int = 1
    sidelobe_db: float = -30.0
    noise_db: float = -40.0
    contrast_db: float = 72.0
    gland_level: float = 0.5
    gamma: float = 1.6
    far_mm: float = 26.0
    far_loss_db_mm: float = 0.35
    smooth_px: float = 0.0


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """rng -> one scanner. Some scanners have one look and grainy images.

    Others average several looks and have smooth images.
    """
    looks = int(rng.choice([1, 2, 2, 3, 4]))
    return Scanner(
        axial_mm=rng.uniform(0.07, 0.12),
        lateral_mm=rng.uniform(0.18, 0.3),
        focus_mm=rng.uniform(12, 24),
        focal_zone_mm=rng.uniform(16, 30),
        num_looks=looks,
        sidelobe_db=rng.uniform(-32, -23),
        noise_db=rng.uniform(-42, -26),
        contrast_db=rng.uniform(*{1: (84, 100), 4: (46, 58)}.get(looks, (64, 82))),
        gland_level=rng.uniform(0.59, 0.69),
        gamma=rng.uniform(1.9, 2.4),
        far_mm=rng.uniform(18, 30),
        far_loss_db_mm=rng.uniform(0.2, 0.95),
        smooth_px=rng.uniform(0, 0.4) if looks < 3 else rng.uniform(0.3, 0.8),
    )


def envelope(
    echo_db_HW: FloatArray, reflector_HW: FloatArray, grid: Grid, scanner: Scanner, rng: np.random.Generator
) -> FloatArray:
    """Echogenicity in dB, coherent reflector amplitude -> envelope (root mean square 1 in thyroid tissue).

    Speckle is fully developed where nothing reflects coherently. The envelope of one look is then Rayleigh distributed,
    with mean / standard deviation 1.91 (Wagner et al., IEEE Trans. Sonics Ultrasonics 30 (1983) 156-163).
    """
    amplitude_HW = np.exp(echo_db_HW * np.float32(np.log(10) / 20))
    power_HW = np.zeros(grid.shape, np.float32)
    for _ in range(scanner.num_looks):
        field_HW2 = _scatterers(amplitude_HW, reflector_HW, grid, rng)
        field_HW2 = _through_beam(field_HW2, grid, scanner)
        field_HW2 += _electronic_noise(grid, scanner, rng)
        power_HW += np.square(field_HW2).sum(axis=2)
    return np.sqrt(power_HW / scanner.num_looks)


def compress(envelope_HW: FloatArray, scanner: Scanner) -> UInt8Array:
    """Envelope -> uint8 gray: logarithm, gray map, mild vendor smoothing."""
    level_db_HW = 20 * np.log10(envelope_HW + np.float32(1e-4))
    level_HW = np.clip(level_db_HW / scanner.contrast_db + scanner.gland_level, 0, 1) ** scanner.gamma
    if scanner.smooth_px > 0.2:
        level_HW = cv2.GaussianBlur(level_HW, (0, 0), scanner.smooth_px)
    return np.asarray(np.clip(level_HW * 255 + 0.5, 0, 255), np.uint8)


def beam_sigma_mm(depth_mm: NDArray[np.floating], scanner: Scanner) -> NDArray[np.float64]:
    """Depth -> lateral sigma: a Gaussian beam, sigma0 sqrt(1 + ((z - focus) / zone)^2) (Siegman, Lasers, 17.1)."""
    away = (np.asarray(depth_mm, np.float64) - scanner.focus_mm) / scanner.focal_zone_mm
    return np.asarray(scanner.lateral_mm * np.sqrt(1 + np.square(away)), np.float64)


def _scatterers(
    amplitude_HW: FloatArray, reflector_HW: FloatArray, grid: Grid, rng: np.random.Generator
) -> NDArray[np.float32]:
    """-> complex scatterer amplitudes as two channels; the phase of a reflector changes slowly along it."""
    height, width = grid.shape
    field_HW2 = rng.standard_normal((height, width, 2), np.float32) * np.float32(np.sqrt(0.5))
    field_HW2 *= amplitude_HW[..., None]
    coarse = rng.standard_normal((max(2, height // 10), max(2, width // 14)), np.float32)
    phase_HW = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(1.3)
    field_HW2[..., 0] += reflector_HW * np.cos(phase_HW)
    field_HW2[..., 1] += reflector_HW * np.sin(phase_HW)
    return field_HW2


def _through_beam(field_HW2: NDArray[np.float32], grid: Grid, scanner: Scanner) -> NDArray[np.float32]:
    """Convolves with the pulse (along depth) and the beam (across). The beam changes with depth; the power stays 1."""
    pulse = _unit_power(scanner.axial_mm / grid.spacing.row_mm)
    unit = np.ones(1, np.float32)
    pulsed = cv2.sepFilter2D(field_HW2, cv2.CV_32F, unit, pulse, borderType=cv2.BORDER_REFLECT_101)
    field_HW2 = np.asarray(pulsed, np.float32)
    knot_rows = np.linspace(0, grid.shape[0] - 1, NUM_BEAM_KNOTS)
    sigmas_px = beam_sigma_mm((knot_rows + 0.5) * grid.spacing.row_mm, scanner) / grid.spacing.column_mm
    out_HW2 = np.empty_like(field_HW2)
    for i in range(NUM_BEAM_KNOTS - 1):
        first = int(np.ceil(knot_rows[i]))
        last = grid.shape[0] if i == NUM_BEAM_KNOTS - 2 else int(np.ceil(knot_rows[i + 1]))
        rows = np.arange(first, last)
        share = ((rows - knot_rows[i]) / (knot_rows[i + 1] - knot_rows[i])).astype(np.float32)
        out_HW2[first:last] = _blended(field_HW2[first:last], share, sigmas_px[i], sigmas_px[i + 1])
    wide_px = max(3, int(10 * sigmas_px.mean())) | 1
    side_HW2 = cv2.blur(cv2.blur(field_HW2, (wide_px, 1)), (wide_px, 5))
    gain = np.float32(10 ** (scanner.sidelobe_db / 20) * wide_px * 1.5)
    return np.asarray(out_HW2 + gain * side_HW2, np.float32)


def _blended(
    rows_HW2: NDArray[np.float32], share_H: NDArray[np.float32], near_px: float, far_px: float
) -> NDArray[np.float32]:
    """Rows between two depth knots -> both beams blended by `share`, scaled so that the power of the blend is 1."""
    near, far = _unit_power(near_px), _unit_power(far_px)
    unit = np.ones(1, np.float32)
    near_HW2 = cv2.sepFilter2D(rows_HW2, cv2.CV_32F, near, unit, borderType=cv2.BORDER_REFLECT_101)
    far_HW2 = cv2.sepFilter2D(rows_HW2, cv2.CV_32F, far, unit, borderType=cv2.BORDER_REFLECT_101)
    pad = (len(far) - len(near)) // 2
    longer, shorter = (far, near) if pad >= 0 else (near, far)
    alike = float(np.dot(longer, np.pad(shorter, abs(pad))))
    power_H = np.square(1 - share_H) + np.square(share_H) + 2 * share_H * (1 - share_H) * np.float32(alike)
    weight_H = share_H / np.sqrt(power_H)
    rest_H = (1 - share_H) / np.sqrt(power_H)
    return np.asarray(near_HW2 * rest_H[:, None, None] + far_HW2 * weight_H[:, None, None], np.float32)


def _unit_power(sigma_px: float) -> NDArray[np.float32]:
    """Sigma in pixels -> Gaussian kernel of odd length whose squares sum to 1 (white noise keeps its power)."""
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * max(sigma_px, 0.3))) + 1, max(sigma_px, 0.3), cv2.CV_32F)[:, 0]
    return np.asarray(kernel / np.sqrt(np.square(kernel).sum()), np.float32)


def _electronic_noise(grid: Grid, scanner: Scanner, rng: np.random.Generator) -> NDArray[np.float32]:
    """White noise that time gain amplifies with depth: noise_db at the bottom of the field, 14 dB less at the skin."""
    height, width = grid.shape
    depth_H = np.linspace(0, 1, height, dtype=np.float32)
    level_H = np.power(10, (scanner.noise_db - 14 * (1 - depth_H)) / 20).astype(np.float32)
    noise_HW2 = rng.standard_normal((height, width, 2), np.float32)
    return np.asarray(cv2.blur(noise_HW2, (2, 1)) * level_H[:, None, None], np.float32)
