"""Closed curves and smooth random fields, with which anatomy and nodules are drawn. All lengths in mm."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thyrosight.phantom.records import Grid
from thyrosight.types import FloatArray

NUM_VERTICES = 720


@dataclass(frozen=True)
class Outline:
    """A star-shaped closed curve: an ellipse with waves.

    The ellipse has half axes half_mm and is turned by `turn` (radians). Its radius is multiplied by 1 + sum_k waves[k]
    cos(orders[k] t + phases[k]). Centre (x, y) in mm of the panel.
    """

    centre_mm: tuple[float, float]
    half_mm: tuple[float, float]
    turn: float
    orders: tuple[int, ...] = ()
    waves: tuple[float, ...] = ()
    phases: tuple[float, ...] = ()

    def radius(self, angle: NDArray[np.floating]) -> NDArray[np.floating]:
        """Angle before the ellipse is turned and scaled -> radius of the curve, relative to the ellipse."""
        radius = np.ones_like(angle)
        for order, wave, phase in zip(self.orders, self.waves, self.phases, strict=True):
            radius = radius + angle.dtype.type(wave) * np.cos(order * angle + angle.dtype.type(phase))
        return radius

    def vertices_mm(self) -> NDArray[np.float64]:
        """-> (720, 2) points (x, y) on the curve, in mm of the panel."""
        angle = np.linspace(0, 2 * np.pi, NUM_VERTICES, endpoint=False)
        radius = self.radius(angle)
        u = self.half_mm[0] * radius * np.cos(angle)
        v = self.half_mm[1] * radius * np.sin(angle)
        c, s = np.cos(self.turn), np.sin(self.turn)
        return np.stack([self.centre_mm[0] + c * u - s * v, self.centre_mm[1] + s * u + c * v], axis=1)

    def relative(self, grid: Grid) -> tuple[FloatArray, FloatArray]:
        """-> (distance from the centre / radius of the curve at that angle, angle), `_HW`; <= 1 is inside."""
        dx_HW = grid.x_HW - np.float32(self.centre_mm[0])
        dy_HW = grid.y_HW - np.float32(self.centre_mm[1])
        c, s = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        u_HW = (c * dx_HW + s * dy_HW) / np.float32(self.half_mm[0])
        v_HW = (c * dy_HW - s * dx_HW) / np.float32(self.half_mm[1])
        angle_HW = np.arctan2(v_HW, u_HW)
        relative_HW = np.hypot(u_HW, v_HW) / self.radius(angle_HW)
        return relative_HW.astype(np.float32), angle_HW.astype(np.float32)

    def distance_mm(self, grid: Grid) -> FloatArray:
        """-> approximate signed distance to the curve in mm, negative inside; exact to first order near the curve."""
        relative_HW, _ = self.relative(grid)
        return signed_distance(relative_HW - 1, grid)


def signed_distance(level_HW: FloatArray, grid: Grid) -> FloatArray:
    """A level function that is 0 on the curve -> approximate signed distance in mm (first order near the curve)."""
    down_HW, across_HW = np.gradient(level_HW)
    slope_HW = np.hypot(down_HW / grid.spacing.row_mm, across_HW / grid.spacing.column_mm)
    return np.asarray(level_HW / np.maximum(slope_HW, 1e-3), np.float32)


def ellipse_distance(grid: Grid, centre_mm: tuple[float, float], half_mm: tuple[float, float]) -> FloatArray:
    """-> approximate signed distance in mm to an upright ellipse, negative inside (first order, Quilez's bound)."""
    u_HW = (grid.x_HW - np.float32(centre_mm[0])) / np.float32(half_mm[0])
    v_HW = (grid.y_HW - np.float32(centre_mm[1])) / np.float32(half_mm[1])
    k0_HW = np.hypot(u_HW, v_HW)
    k1_HW = np.hypot(u_HW / np.float32(half_mm[0]), v_HW / np.float32(half_mm[1]))
    return np.asarray(k0_HW * (k0_HW - 1) / np.maximum(k1_HW, 1e-6), np.float32)


def smooth_union(a_HW: FloatArray, b_HW: FloatArray, blend_mm: float) -> FloatArray:
    """Two signed distances -> signed distance of the union, with a fillet of about blend_mm (smooth minimum)."""
    overlap_HW = np.maximum(blend_mm - np.abs(a_HW - b_HW), 0) / np.float32(blend_mm)
    return np.asarray(np.minimum(a_HW, b_HW) - np.square(overlap_HW) * np.float32(blend_mm / 4), np.float32)


def inside(distance_HW: FloatArray, soft_mm: float) -> FloatArray:
    """Signed distance -> 1 inside, 0 outside, with a smooth step on the curve, about soft_mm wide."""
    t_HW = np.clip(0.5 - distance_HW / np.float32(max(soft_mm, 1e-3)), 0, 1)
    return np.asarray(t_HW * t_HW * (3 - 2 * t_HW), np.float32)


def smooth_noise(rng: np.random.Generator, grid: Grid, row_mm: float, column_mm: float) -> FloatArray:
    """-> zero-mean unit-variance noise `_HW` with correlation lengths row_mm down and column_mm across."""
    height, width = grid.shape
    step_y = max(row_mm / grid.spacing.row_mm, 1.0)
    step_x = max(column_mm / grid.spacing.column_mm, 1.0)
    small_hw = (int(np.ceil(height / step_y)) + 3, int(np.ceil(width / step_x)) + 3)
    coarse = rng.standard_normal(small_hw, np.float32)
    size_wh = (int(np.ceil(small_hw[1] * step_x)), int(np.ceil(small_hw[0] * step_y)))
    fine = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)[:height, :width]
    return np.asarray((fine - fine.mean()) / max(float(fine.std()), 1e-6), np.float32)


def wander(rng: np.random.Generator, grid: Grid, amplitude_mm: float, wavelength_mm: float) -> FloatArray:
    """-> a smooth random curve over the columns `_W`: depth offsets in mm, about amplitude_mm high."""
    x_W = grid.x_HW[0]
    curve_W = np.zeros_like(x_W)
    for octave in range(3):
        wave = 2 * np.pi / (wavelength_mm / (octave + 1) * rng.uniform(0.8, 1.25))
        curve_W += np.float32(rng.normal() * amplitude_mm / (octave + 1) ** 2) * np.cos(
            wave * x_W + np.float32(rng.uniform(0, 2 * np.pi))
        )
    return np.asarray(curve_W, np.float32)


def bent(rng: np.random.Generator, grid: Grid, amplitude_mm: float, length_mm: float) -> Grid:
    """Grid -> the same with each point moved by smooth noise: about amplitude_mm far, over lengths of about length_mm.

    A shape that is drawn on it has an uneven border.
    """
    down_HW = smooth_noise(rng, grid, length_mm, length_mm) * np.float32(amplitude_mm)
    across_HW = smooth_noise(rng, grid, length_mm, length_mm) * np.float32(amplitude_mm)
    return Grid(grid.x_HW + across_HW, grid.y_HW + down_HW, grid.spacing)


def along(noise_HW: FloatArray, shift_mm_W: FloatArray, grid: Grid) -> FloatArray:
    """Noise -> the same with its rows bent along a curve of depth offsets (reflected at the border)."""
    height, width = grid.shape
    rows_HW = np.arange(height, dtype=np.float32)[:, None] - shift_mm_W[None] / np.float32(grid.spacing.row_mm)
    columns_HW = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    moved = cv2.remap(
        noise_HW, columns_HW.copy(), rows_HW.astype(np.float32), cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT
    )
    return np.asarray(moved, np.float32)
