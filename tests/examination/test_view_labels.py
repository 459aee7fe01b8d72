"""Words on screens and in file names -> view, side, pole; what contradicts or is no word states nothing."""

from __future__ import annotations

import pytest

from thyrosight.examination.view_labels import labels_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RT TRV MID", ("transverse", "right", "middle")),
        ("LEFT LOBE SAG LOWER POLE", ("longitudinal", "left", "lower")),
        ("ISTHMUS_TRANS.png", ("transverse", "isthmus", None)),
        ("rightLongUpper", ("longitudinal", "right", "upper")),
        ("R TRV", ("transverse", "right", None)),
        ("long l", ("longitudinal", "left", None)),
        ("R2 image 17", (None, None, None)),
        ("left and right trans", ("transverse", None, None)),
        ("trans and long of the right lobe", (None, "right", None)),
        ("brighton longest transplant", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_what_the_words_state(text: str, found: tuple[str | None, str | None, str | None]) -> None:
    assert tuple(labels_in(text))[:3] == found


def test_the_first_text_decides_and_the_next_adds() -> None:
    labels = labels_in("trv.png", "LEFT SAG")
    assert tuple(labels)[:3] == ("transverse", "left", None)
    assert labels.words == ("trv", "left", "sag")
