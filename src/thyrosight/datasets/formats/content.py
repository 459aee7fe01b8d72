"""Image files -> whether they are masks, or pictures drawn over other images, by what is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from thyrosight.datasets.formats.names import MASK_WORDS, OVERLAY_WORDS, words_of
from thyrosight.datasets.formats.tree import images_below, stem_without_ending
from thyrosight.errors import InputError
from thyrosight.files import raise_disk_fault
from thyrosight.frames.mask_area import NestedLabelsError
from thyrosight.frames.mask_image import read_mask_image

MAX_OPENED = 6
"""Files of a folder that are opened to tell whether it holds masks."""


def is_mask(path: Path) -> bool:
    """Whether the file can be read as a mask; labels inside one another are one too."""
    try:
        read_mask_image(path)
    except InputError as error:
        raise_disk_fault(error)
        return isinstance(error, NestedLabelsError)
    return True


def holds_masks_alone(folder: Path) -> bool:
    """Whether the images of a folder, the first of them, are all masks: the images themselves are elsewhere."""
    files = images_below(folder) if folder.is_dir() else []
    return bool(files) and all(is_mask(path) for path in files[:MAX_OPENED])


def without_overlays(folder: Path, files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Images -> (the same without pictures that are drawn over another one of them, those pictures).

    overlays/a.png next to images/a.png, or a_overlay.png next to a.png; a file that is a mask stays.
    """
    drawn: dict[Path, str] = {}
    for path in files:
        stem = stem_without_ending(path).casefold()
        words = [word for word in re.split(r"[\W_]+", stem) if word not in OVERLAY_WORDS]
        above = [words_of(part) for part in path.relative_to(folder).parent.parts]
        if any(part & OVERLAY_WORDS and not part & MASK_WORDS for part in above) or words_of(stem) & OVERLAY_WORDS:
            drawn[path] = " ".join(words)
    plain = {" ".join(re.split(r"[\W_]+", stem_without_ending(path).casefold())) for path in files if path not in drawn}
    overlays = [path for path, name in drawn.items() if name in plain]
    if not overlays or any(is_mask(path) for path in overlays[:MAX_OPENED]):
        return list(files), []
    return [path for path in files if path not in set(overlays)], overlays
