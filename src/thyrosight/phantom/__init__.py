"""rng -> Phantom: synthetic thyroid ultrasound with known truth (outline, millimetres, descriptors)."""

from __future__ import annotations

from thyrosight.phantom.cohort import phantom_case, write_phantoms
from thyrosight.phantom.draw import draw_phantom
from thyrosight.phantom.layouts import LAYOUTS, write_layout
from thyrosight.phantom.records import (
    DrawnDescriptors,
    Phantom,
    PhantomNodule,
    PhantomSettings,
    tirads_level,
    tirads_points,
)

__all__ = [
    "LAYOUTS",
    "DrawnDescriptors",
    "Phantom",
    "PhantomNodule",
    "PhantomSettings",
    "draw_phantom",
    "phantom_case",
    "tirads_level",
    "tirads_points",
    "write_layout",
    "write_phantoms",
]
