"""Valid bytes, a generator of random numbers -> the bytes with a fault."""

from __future__ import annotations

import numpy as np


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """-> the bytes with some changed, cut out, doubled, or cut off; more often in the first 256, where headers are."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        reach = len(changed) if rng.random() < 0.5 else min(len(changed), 256)
        at, length = int(rng.integers(0, max(1, reach))), int(rng.integers(1, 17))
        match int(rng.integers(0, 6)):
            case 0:
                changed[at : at + 1] = bytes([int(rng.integers(0, 256))])
            case 1:
                changed[at : at + length] = rng.bytes(length)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case 4:
                changed[at : at + 4] = bytes([[0x00, 0xFF, 0x7F, 0x80][int(rng.integers(0, 4))]]) * 4
            case _:
                changed[at : at + 1] = bytes([changed[at] ^ 1 << int(rng.integers(0, 8))]) if at < len(changed) else b""
    return bytes(changed[: int(rng.integers(1, len(changed) + 1))] if rng.random() < 0.1 else changed)
