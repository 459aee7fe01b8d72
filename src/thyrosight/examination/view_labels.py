"""Words of a file name, a series or a screen -> the view, side and pole that they state; None where words contradict.

The words are those that sonographers write on the screen: RT TRV MID, LEFT LOBE SAG, LT LONG LOWER POLE, ISTHMUS.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

from thyrosight.examination.records import Pole, Side, View

VIEW_WORDS: dict[str, View] = {
    **dict.fromkeys(("trans", "transverse", "trv", "trx", "tv", "trav", "ax", "axial", "tra", "quer"), "transverse"),
    **dict.fromkeys(
        ("long", "longitudinal", "sag", "sagittal", "lng", "lg", "longit", "lon", "laengs", "längs"), "longitudinal"
    ),
}
SIDE_WORDS: dict[str, Side] = {
    **dict.fromkeys(("right", "rt", "rechts", "re", "droite"), "right"),
    **dict.fromkeys(("left", "lt", "links", "li", "gauche"), "left"),
    **dict.fromkeys(("isthmus", "isth", "isthm"), "isthmus"),
}
POLE_WORDS: dict[str, Pole] = {
    **dict.fromkeys(("upper", "sup", "superior", "up", "oben"), "upper"),
    **dict.fromkeys(("mid", "middle", "midpole", "interpolar", "mitte"), "middle"),
    **dict.fromkeys(("lower", "inf", "inferior", "low", "unten"), "lower"),
}
Word = TypeVar("Word", bound=str)
SHORT_SIDES: dict[str, Side] = {"r": "right", "l": "left"}
"""Single letters state a side only where a view is next to them: `R TRV`, `L LONG`."""


class Labels(NamedTuple):
    """View, side and pole.

    Each is None where no word states it or the words differ. words: the words that were used.
    """

    view: View | None
    side: Side | None
    pole: Pole | None
    words: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return self.view is None and self.side is None and self.pole is None


def labels_in(*texts: str) -> Labels:
    """Texts of one image, such as file name and series -> Labels. Words are compared whole and without case.

    View, side and pole are each taken from the first text that states them, so give the most specific text first.
    """
    view, side, pole, words = None, None, None, []
    for text in texts:
        found = _labels_of(text)
        words += [word for word in found.words if word not in words]
        view, side, pole = view or found.view, side or found.side, pole or found.pole
    return Labels(view, side, pole, tuple(words))


def _labels_of(text: str) -> Labels:
    tokens = [token for token in re.split(r"[^a-zäöü]+", re.sub(r"(?<=[a-zäöü])(?=[A-Z])", " ", text).lower()) if token]
    near = [
        token in SHORT_SIDES and any(other in VIEW_WORDS for other in tokens[max(0, i - 1) : i + 2])
        for i, token in enumerate(tokens)
    ]
    sides = {SIDE_WORDS[token] for token in tokens if token in SIDE_WORDS}
    sides |= {SHORT_SIDES[token] for token, is_near in zip(tokens, near, strict=True) if is_near}
    views = {VIEW_WORDS[token] for token in tokens if token in VIEW_WORDS}
    poles = {POLE_WORDS[token] for token in tokens if token in POLE_WORDS}
    counted = [
        token
        for token, is_near in zip(tokens, near, strict=True)
        if token in VIEW_WORDS or token in SIDE_WORDS or token in POLE_WORDS or is_near
    ]
    return Labels(
        _only(views),
        _only(sides),
        _only(poles),
        tuple(dict.fromkeys(counted)),
    )


def _only(found: set[Word]) -> Word | None:
    """-> the value that all words state; None where no word states one, or the words differ."""
    return next(iter(found)) if len(found) == 1 else None
