"""cine: made-up tracks (crossing, gaps, noise), the assignment against brute force, a phantom nodule that is moved."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.errors import InputError
from thyrosight.measurement.cine import (
    FLICKER,
    NO_NODULE,
    NO_RISK,
    Clip,
    best_pairs,
    mean_risk,
    numbered_by_track,
    spread_of,
    summarise_clip,
    track_numbers,
)
from thyrosight.measurement.outlines import outlines
from thyrosight.measurement.size import measure
from thyrosight.prediction import Flag, ImageIdentity, ModelIdentity, Nodule, PixelBox, Prediction

HEIGHT, WIDTH = 120, 200


def nodule(number: int, x: float, y: float, rx: float, ry: float, risk: float | None = 0.5, panel: int = 0) -> Nodule:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return nodule_of((((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2) <= 1, number, risk, panel)


def nodule_of(mask_HW: np.ndarray, number: int = 1, risk: float | None = 0.5, panel: int = 0) -> Nodule:
    return Nodule(
        number=number,
        panel_index=panel,
        outline_xy=tuple((int(x), int(y)) for x, y in outlines(mask_HW)[0]),
        size=measure(mask_HW, None),
        mean_probability=0.9,
        risk=risk,
        risk_interval=None,
        risk_interval_reason="",
    )


def frame(index: int, *nodules: Nodule, name: str = "clip.dcm") -> Prediction:
    image = ImageIdentity(
        name=name,
        sha256="0" * 64,
        width_px=WIDTH,
        height_px=HEIGHT,
        frame_index=index,
        num_frames=100,
        spacing=None,
        spacing_reason="made up",
    )
    box = PixelBox(x0=0, y0=0, x1=WIDTH, y1=HEIGHT)
    return Prediction(
        image=image,
        field_of_view=box,
        panels=(box, box),
        nodules=nodules,
        risk=0.5,
        risk_meaning="",
        risk_reason=None,
        operating_points=(),
        flags=(),
        model=ModelIdentity(name="made-up", id="0"),
        with_tta=False,
        software_version="",
        seconds=0.0,
    )


def test_a_nodule_that_grows_and_shrinks_is_one_track():
    radii = [10, 12, 15, 18, 20, 17, 13]
    clip = summarise_clip([frame(i, nodule(1, 60 + i, 50, r, r * 0.7, risk=0.6)) for i, r in enumerate(radii)])
    (track,) = clip.tracks
    assert (clip.num_frames, track.frames, track.largest_frame, clip.representative_frame) == (7, tuple(range(7)), 4, 4)
    assert track.largest_size == nodule(1, 64, 50, 20, 14).size
    assert (track.coverage, track.is_steady, track.risk) == (1.0, True, pytest.approx(0.6))
    assert 0.5 < track.stability < 0.95
    assert (clip.risk, clip.risk_reason) == (track.risk, None)


def test_an_outline_that_stands_still_has_stability_one():
    clip = summarise_clip([frame(i, nodule(1, 60, 50, 15, 10)) for i in range(4)])
    assert clip.tracks[0].stability == 1.0


def test_two_that_cross_keep_their_tracks():
    """A large one moves right, a small one left, through each other's place and 22 pixels below."""
    frames = [
        frame(i, nodule(1, 40 + 6 * i, 40, 18, 14, risk=0.8), nodule(2, 160 - 6 * i, 62, 10, 8, risk=0.1))
        for i in range(21)
    ]
    clip = summarise_clip(frames)
    assert [track.frames for track in clip.tracks] == [tuple(range(21))] * 2
    assert [set(track.nodule_numbers) for track in clip.tracks] == [{1}, {2}]
    assert [track.risk for track in clip.tracks] == [pytest.approx(0.8), pytest.approx(0.1)]
    assert clip.risk == pytest.approx(0.8)


def test_overlapping_pairs_are_assigned_together_not_one_by_one():
    """The best single pair (old b with new a) would leave the others without partner; the best sum links both."""
    old = [nodule(1, 50, 50, 20, 15), nodule(2, 66, 50, 20, 15)]
    new = [nodule(1, 60, 50, 20, 15), nodule(2, 76, 50, 20, 15)]
    clip = summarise_clip([frame(0, *old), frame(1, *new), frame(2, *new)])
    assert [track.nodule_numbers for track in clip.tracks] == [(1, 1, 1), (2, 2, 2)]


@pytest.mark.parametrize(("missing", "num_tracks"), [(1, 1), (5, 1), (6, 2)])
def test_a_gap_is_bridged_up_to_five_frames(missing, num_tracks):
    frames = [
        frame(i, *([] if 4 <= i < 4 + missing else [nodule(1, 60 + 0.5 * i, 50, 15, 12)])) for i in range(8 + missing)
    ]
    clip = summarise_clip(frames)
    assert len(clip.tracks) == num_tracks
    if num_tracks == 1:
        assert clip.tracks[0].coverage == pytest.approx(8 / (8 + missing), abs=1e-4)


def test_noise_of_one_frame_neither_leads_nor_breaks_a_track():
    """A larger outline of high risk that shows in one frame alone does not stand for the clip."""
    frames = [frame(i, nodule(1, 60, 50, 12, 9, risk=0.2)) for i in range(8)]
    frames[3] = frame(3, nodule(1, 150, 60, 30, 25, risk=0.99), nodule(2, 60, 50, 12, 9, risk=0.2))
    clip = summarise_clip(frames)
    assert [(track.is_steady, track.frames) for track in clip.tracks] == [(True, tuple(range(8))), (False, (3,))]
    assert clip.tracks[0].nodule_numbers == (1, 1, 1, 2, 1, 1, 1, 1)
    assert (clip.risk, clip.risk_reason) == (pytest.approx(0.2), None)
    assert clip.representative_frame == 0


def test_only_noise_says_so():
    clip = summarise_clip([frame(i, *([nodule(1, 30 + 40 * i, 50, 12, 9)] if i < 3 else [])) for i in range(6)])
    assert [len(track.frames) for track in clip.tracks] == [1, 1, 1]
    assert clip.risk_reason == FLICKER
    assert [track.stability for track in clip.tracks] == [None] * 3


def test_flicker_at_one_place_is_not_steady():
    frames = [
        frame(i, nodule(1, 60, 50, 12, 9), *([nodule(2, 150, 80, 6, 5)] if i in (2, 5, 7) else [])) for i in range(9)
    ]
    clip = summarise_clip(frames)
    assert [(track.is_steady, track.coverage) for track in clip.tracks] == [(True, 1.0), (False, 0.5)]


def test_views_are_not_linked():
    clip = summarise_clip([frame(i, nodule(1, 60, 50, 12, 9, panel=i // 3)) for i in range(6)])
    assert sorted(track.frames for track in clip.tracks) == [(0, 1, 2), (3, 4, 5)]


def test_every_second_frame_and_any_order():
    frames = [frame(i, nodule(1, 60, 50, 12, 9)) for i in (4, 0, 2)]
    assert summarise_clip(frames).tracks[0].frames == (0, 2, 4)
    assert summarise_clip(frames) == summarise_clip(frames[::-1])


def test_a_clip_without_nodule_and_one_without_risk():
    empty = summarise_clip([frame(i) for i in range(5)])
    assert (empty.tracks, empty.risk, empty.risk_reason, empty.representative_frame) == ((), None, NO_NODULE, 2)
    unrated = summarise_clip([frame(i, nodule(1, 60, 50, 12, 9, risk=None)) for i in range(3)])
    assert (unrated.risk, unrated.risk_reason, unrated.tracks[0].risk_spread) == (None, NO_RISK, None)


def test_one_frame_is_a_clip():
    clip = summarise_clip([frame(7, nodule(1, 60, 50, 12, 9, risk=0.3))])
    assert (clip.risk, clip.risk_reason, clip.representative_frame) == (pytest.approx(0.3), None, 7)
    assert clip.tracks[0].risk_spread.sd is None
    assert Clip.model_validate_json(clip.model_dump_json()) == clip


def test_risk_is_the_weighted_mean_logit():
    assert mean_risk([0.9, 0.1], [100, 100]) == pytest.approx(0.5)
    logit = (3 * math.log(0.9 / 0.1) + 1 * math.log(0.2 / 0.8)) / 4
    assert mean_risk([0.9, 0.2], [300, 100]) == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-6)
    assert 0 < mean_risk([0.0], [5]) < mean_risk([1.0], [5]) <= 1


def test_spread_by_hand():
    spread = spread_of([0.1, 0.2, 0.6])
    assert (spread.minimum, spread.median, spread.maximum, spread.num_frames) == (0.1, 0.2, 0.6, 3)
    assert spread.sd == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2), abs=1e-6)


def test_what_is_no_clip_is_named():
    with pytest.raises(InputError, match="at least one frame"):
        summarise_clip([])
    with pytest.raises(InputError, match="frame 3 is given twice"):
        summarise_clip([frame(3), frame(3)])
    with pytest.raises(InputError, match="several files"):
        summarise_clip([frame(0), frame(1, name="other.dcm")])


@settings(max_examples=150)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_assignment_against_every_permutation(num_rows, num_columns, seed):
    rng = np.random.default_rng(seed)
    gain_RC = rng.random((num_rows, num_columns)) * (rng.random((num_rows, num_columns)) < 0.6)
    pairs = best_pairs(gain_RC)
    assert all(gain_RC[pair] > 0 for pair in pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    side = max(num_rows, num_columns)
    square = np.zeros((side, side))
    square[:num_rows, :num_columns] = gain_RC
    best = max(sum(square[i, p[i]] for i in range(side)) for p in itertools.permutations(range(side)))
    assert sum(gain_RC[pair] for pair in pairs) == pytest.approx(best)


def test_a_phantom_nodule_swept_through():
    """A probe swept along an ellipsoid with semi-axes 9 x 6 x 12 mm: the largest section and its size are known."""
    row_mm = 0.25
    frames = []
    for index in range(25):
        reach = 1 - ((index - 12) / 13.0) ** 2  # the section's semi-axes shrink by the root of it
        frames.append(frame(index, nodule(1, 100, 60, 9 / row_mm * math.sqrt(reach), 6 / row_mm * math.sqrt(reach))))
    clip = summarise_clip(frames)
    (track,) = clip.tracks
    assert clip.representative_frame == 12
    assert track.largest_size.longest_px * row_mm == pytest.approx(18, rel=0.01)
    assert track.largest_size.perpendicular_px * row_mm == pytest.approx(12, rel=0.01)
    assert track.stability > 0.8


def test_a_nodule_has_one_number_over_the_frames() -> None:
    """By area the two change places; by track they don't, neither in the frames nor in what the flags say."""
    flag = Flag(code="touches_border", message="nodules 1, 2 at the border of the view; the true size may be larger")
    frames = []
    for index in range(4):
        left, right = (40, 60, 20, 15), (140, 60, 12 + 5 * index, 12 + 3 * index)
        places = sorted((left, right), key=lambda place: -place[2] * place[3])
        nodules = [
            nodule(number, *place).model_copy(update={"uid": f"1.2.{index}.{place[0]}"})
            for number, place in enumerate(places, 1)
        ]
        frames.append(frame(index, *nodules).model_copy(update={"flags": (flag,)}))
    named = numbered_by_track(frames)
    for one in named:
        by_place = {min(x for x, _ in found.outline_xy) < 100: (found.number, found.uid) for found in one.nodules}
        assert by_place == {True: (2, "1.2.0.40"), False: (1, "1.2.0.140")}
        assert one.flags[0].message.startswith("nodules 2, 1 " if one.nodules[0].number == 2 else "nodules 1, 2 ")
    assert numbered_by_track(named) == named
    assert summarise_clip(named).tracks[0].uid == "1.2.0.140"
    assert track_numbers(summarise_clip(named).tracks) == {(k, n): n for k in range(4) for n in (1, 2)}


def test_a_new_nodule_never_gets_the_number_of_a_known_one_that_is_gone() -> None:
    """Once it did where no known nodule was left in the clip."""
    frames = [frame(index, nodule(1, 100, 100, 30, 20)) for index in range(3)]
    (first, *_) = numbered_by_track(frames, {"1.2.3": 1, "1.2.4": 2})
    assert [one.number for one in first.nodules] == [3]
