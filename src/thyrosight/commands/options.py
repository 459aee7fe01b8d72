"""Definitions that lay in commands/training.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.types import Spacing


def fold_number(text: str | None) -> int | None:
    """--fold as given -> the fold left out, or None for all rows."""
    if text is None or text == "all":
        return None
    try:
        fold = int(text)
    except ValueError:
        fold = -1
    if fold < 0:
        raise ConfigError(f"--fold {text}: give a fold's number, 0 or more, or `all`")
    return fold


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="A model bundle; the shipped model where not given.", exists=True)
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; a few where not given.")]
Tta = Annotated[bool, typer.Option("--tta", help="Average over the image, its mirror image and a closer view: slower.")]


def spacing_given(text: str) -> Spacing:
    """--mm-per-pixel as given, one number or row,column -> Spacing; ConfigError where that can't be."""
    from thyrosight.frames.spacing import checked_spacing

    try:
        row_mm, column_mm = [float(part) for part in text.split(",")] * (1 if "," in text else 2)
    except ValueError:
        raise ConfigError(f"--mm-per-pixel {text}: give one number or row,column, e.g. 0.06 or 0.06,0.05") from None
    spacing, reason = checked_spacing(row_mm, column_mm, "--mm-per-pixel")
    if spacing is None:
        raise ConfigError(f"{reason}; give millimetres, e.g. 0.06")
    return spacing
