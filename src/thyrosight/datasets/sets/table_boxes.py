"""Four columns of a table (two corners, or a corner or the centre with the size) -> the box of each row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from thyrosight.datasets.boxes import box_of
from thyrosight.datasets.csv_file import number_of
from thyrosight.errors import InputError
from thyrosight.folders.words import plain_name
from thyrosight.frames.load import load_frame
from thyrosight.types import Case

CORNERS, CORNER_AND_SIZE, CENTRE_AND_SIZE = "two corners", "the top left corner and the size", "the centre and the size"
_SIZES = ("w h", "width height")
_FORMS: dict[str, tuple[str, ...]] = {
    CORNERS: (
        "xmin ymin xmax ymax",
        "minx miny maxx maxy",
        "x0 y0 x1 y1",
        "x1 y1 x2 y2",
        "xtl ytl xbr ybr",
        "left top right bottom",
        "xstart ystart xend yend",
    ),
    CORNER_AND_SIZE: tuple(
        f"{corner} {size}" for corner in ("x y", "xmin ymin", "left top", "x0 y0", "x1 y1") for size in _SIZES
    ),
    CENTRE_AND_SIZE: tuple(
        f"{centre} {size}"
        for centre in ("cx cy", "xc yc", "xcenter ycenter", "xcentre ycentre", "centerx centery")
        for size in _SIZES
    ),
}
"""What four columns hold -> their names in the plain form of `plain_name`, without a word for box before them."""
_BEFORE = re.compile(r"^(bounding|nodule|lesion|roi)?_?(bbox|box|rect)?")


@dataclass(frozen=True)
class BoxColumns:
    """The four columns of a box. form: what they hold, a key of _FORMS."""

    form: str
    columns: tuple[str, str, str, str]

    @property
    def in_words(self) -> str:
        return f"boxes: {', '.join(self.columns)} are taken for {self.form}, in pixels; they are no outlines"

    def with_box(self, case: Case, row: Mapping[str, str], where: str) -> Case:
        """A case, its row -> the case with the row's box; the same case where the cells are empty or there is no image.

        InputError where the cells are no box in pixels of the image.
        """
        cells = [row[name] for name in self.columns]
        if not any(cells) or not case.image.is_file():
            return case
        try:
            a, b, c, d = map(number_of, cells)
        except ValueError:
            raise InputError(
                f"{where}: a box of {', '.join(cells)} in {', '.join(self.columns)}; write four numbers, or nothing"
            ) from None
        if max(a, b, c, d) <= 1:
            raise InputError(f"{where}: a box in shares of the image ({', '.join(cells)}); write it in pixels")
        if self.form == CENTRE_AND_SIZE:
            a, b = a - c / 2, b - d / 2
        corners = (a, b, c, d) if self.form == CORNERS else (a, b, a + c, b + d)
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            raise InputError(f"{where}: a box without an area ({', '.join(cells)}); correct it, or empty the cells")
        try:
            return replace(case, boxes=(box_of(*corners)(load_frame(case.image).size_hw),))
        except InputError as error:
            raise InputError(f"{where}: {error}; {', '.join(self.columns)} were taken for {self.form}") from None


def box_columns(header: Sequence[str], *named: Mapping[str, str]) -> BoxColumns | None:
    """Columns, {role: column} -> the four columns that hold a box and have no role; None where there are none.

    Also None where a role mask is given, be it "none".
    """
    if any("mask" in roles for roles in named):
        return None
    used = {plain_name(name) for roles in named for name in roles.values()}
    free = {_BEFORE.sub("", plain_name(name)): name for name in header if plain_name(name) not in used}
    for form, names in _FORMS.items():
        for four in names:
            if all(name in free for name in four.split()):
                a, b, c, d = (free[name] for name in four.split())
                return BoxColumns(form, (a, b, c, d))
    return None
