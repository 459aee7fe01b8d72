"""Options that several commands have: their types with help texts, and text as given -> checked values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thyrosight.errors import ConfigError

if TYPE_CHECKING:
    from thyrosight.types import Spacing

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, for programs.")]


def bundle_given(text: str) -> Path:
    """A bundle as given, `shipped` or a path -> its path. BadParameter where nothing is there."""
    from thyrosight.bundle.store import bundle_path

    path = bundle_path(text)
    if not path.exists():
        raise typer.BadParameter(f"Path {text!r} does not exist; `shipped` is the model inside the package.")
    return path


BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="A model bundle, or `shipped`, the default.", parser=bundle_given, metavar="PATH"),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; default: one per core.")]
Device = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda|openvino|coreml|directml", help="Where the network runs."),
]
Tta = Annotated[bool, typer.Option("--tta", help="Average over the image, its mirror image and a closer view: slower.")]
EvenIfSeen = Annotated[
    bool, typer.Option("--even-if-seen", help="Score images that the model has seen in training too; a note says so.")
]
Prevalence = Annotated[
    float | None,
    typer.Option("--prevalence", metavar="SHARE", help="Restate risks for this share of malignant nodules, e.g. 0.10."),
]
MmPerPixel = Annotated[
    str | None,
    typer.Option("--mm-per-pixel", metavar="ROW[,COLUMN]", help="Millimetres per pixel, instead of what files state."),
]


def refuse_without_effect(given: Mapping[str, object], where: str) -> None:
    """{option: its value, None where it was not given} -> ConfigError for one that was given: here it changes nothing.

    An option that is passed over in silence looks as if it had been used.
    """
    for option in (name for name, value in given.items() if value is not None):
        raise ConfigError(f"{option} has no effect {where}; leave it out")


def spacing_given(text: str) -> Spacing:
    """--mm-per-pixel as given, one number or row,column -> Spacing. ConfigError for anything else."""
    from thyrosight.frames.spacing import checked_spacing

    try:
        row_mm, column_mm = [float(part) for part in text.split(",")] * (1 if "," in text else 2)
    except ValueError:
        raise ConfigError(f"--mm-per-pixel {text}: give one number or row,column, e.g. 0.06 or 0.06,0.05") from None
    spacing, reason = checked_spacing(row_mm, column_mm, "--mm-per-pixel")
    if spacing is None:
        raise ConfigError(f"{reason}; give millimetres, e.g. 0.06")
    return spacing


def fold_number(text: str | None) -> int | None:
    """--fold as given -> the number of the fold to leave out; None for `all`, and where the option was not given."""
    if text is None or text == "all":
        return None
    try:
        fold = int(text)
    except ValueError:
        fold = -1
    if fold < 0:
        raise ConfigError(f"--fold {text}: give a fold's number, 0 or more, or `all`")
    return fold
