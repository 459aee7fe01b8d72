"""Image files -> ImageFacts: size, ultrasound field, panels, fingerprint. A file that can't be read is a fault."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from thyrosight.datasets.duplicates import Fingerprint, fingerprint
from thyrosight.errors import ThyrosightError
from thyrosight.types import Box, Frame, Progress, UInt8Array

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class ImageFacts:
    """What one image file showed. fault is None where it could be read; then all others but the spacing are there."""

    path: Path
    fault: str | None
    sha256: str = ""
    size_hw: tuple[int, int] = (0, 0)
    fov: Box | None = None
    panels: tuple[Box, ...] = ()
    row_mm: float | None = None
    column_mm: float | None = None
    print: Fingerprint | None = None


def scan_image(path: Path, fov: Box | None = None, panels: tuple[Box, ...] = ()) -> ImageFacts:
    """Image file, field and panels where they are known already -> ImageFacts."""
    from thyrosight.frames.load import load_frame
    from thyrosight.views.field import field_of_view, find_panels

    try:
        frame = load_frame(path)
    except (ThyrosightError, OSError) as error:
        return ImageFacts(path, fault=str(error))
    field = fov or field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
    return ImageFacts(
        path=path,
        fault=None,
        sha256=frame.sha256,
        size_hw=frame.size_hw,
        fov=field,
        panels=panels or tuple(find_panels(frame.image_HW, field)),
        row_mm=frame.spacing.row_mm if frame.spacing else None,
        column_mm=frame.spacing.column_mm if frame.spacing else None,
        print=fingerprint(crop(frame, field)),
    )


def crop(frame: Frame, field: Box) -> UInt8Array:
    """Frame, field -> the gray pixels of the field."""
    return frame.image_HW[field.slices]


def in_order(work: Callable[[T], U], items: Sequence[T], workers: int, progress: Progress | None = None) -> Iterator[U]:
    """work(item) for each item, in order, `workers` at a time; few results wait in memory.

    Threads: decoding and filtering release the interpreter lock, and threads work from any script and notebook.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = [pool.submit(work, item) for item in islice(waiting, 4 * max(1, workers))]
        for done in range(1, len(items) + 1):
            result = running.pop(0).result()
            running += [pool.submit(work, item) for item in islice(waiting, 1)]
            if progress is not None:
                progress(done, len(items))
            yield result


def list_sha256(lines: Iterable[str]) -> str:
    """Lines -> the SHA-256 of the sorted lines, each ended by a line feed: the name of a whole list of files."""
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode("utf-8")).hexdigest()
