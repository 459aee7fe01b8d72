"""RGB -> gray and RGB, or gray alone where all channels are equal. Gray is ITU-R BT.601 luma, as in Pillow's "L"."""

from __future__ import annotations

import numpy as np

from thyrosight.types import UInt8Array


def gray_and_rgb(rgb_HW3: UInt8Array) -> tuple[UInt8Array, UInt8Array | None]:
    """RGB _HW3 -> (gray _HW, RGB _HW3 or None where the picture has no colour)."""
    from PIL import Image

    red_HW = rgb_HW3[..., 0]
    if np.array_equal(red_HW, rgb_HW3[..., 1]) and np.array_equal(red_HW, rgb_HW3[..., 2]):
        return red_HW.copy(), None
    return np.array(Image.fromarray(rgb_HW3).convert("L")), rgb_HW3
