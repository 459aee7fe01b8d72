"""Fingerprints find copies and only copies; whole groups land in one part; parts are balanced and repeatable."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.datasets.prepare import without_leaks
from thyrosight.datasets.prints import duplicates
from thyrosight.datasets.prints.duplicates import (
    MAX_BITS,
    Fingerprint,
    close_pairs,
    clusters,
    fingerprint,
    near_duplicates,
)
from thyrosight.datasets.split import assign_groups, with_folds, with_groups, with_hold_out
from thyrosight.errors import InputError
from thyrosight.types import Case


def speckled(seed: int, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(20, 230, (9, 12)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (coarse + rng.normal(0, 12, shape)).clip(0, 255).astype(np.uint8)


def case(name: str, group: str, malignancy: int | None = None, mask: bool = True, split: str = "") -> Case:
    return Case(name, Path(f"{name}.png"), Path(f"{name}_m.png") if mask else None, malignancy, group, "s", split=split)


# fingerprints -------------------------------------------------------------------------------------------------------


def test_copies_are_found_recompressed_rescaled_brightened_and_mirrored() -> None:
    first = speckled(1)
    _, coded = cv2.imencode(".jpg", first, [cv2.IMWRITE_JPEG_QUALITY, 40])
    images = [
        first,
        cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE),
        cv2.resize(first, (320, 240), interpolation=cv2.INTER_LINEAR),
        (first * 0.8 + 10).astype(np.uint8),
        np.ascontiguousarray(first[:, ::-1]),
        speckled(2),
        speckled(3),
    ]
    prints = [fingerprint(image) for image in images]
    assert near_duplicates(prints) == [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert near_duplicates(prints, mirrored=False) == [(i, j) for i in range(4) for j in range(i + 1, 4)]


def test_flat_pictures_are_nobodys_copy_and_few_pictures_no_trouble() -> None:
    flat = [fingerprint(np.full((50, 60), level, np.uint8)) for level in (0, 0, 200)]
    assert near_duplicates(flat) == []
    assert near_duplicates([]) == []
    assert near_duplicates(flat[:1]) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), num=st.integers(2, 60), num_rows=st.integers(1, 9), num_columns=st.integers(1, 70))
def test_the_blocks_of_the_search_miss_and_repeat_nothing(seed: int, num: int, num_rows: int, num_columns: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2, (num, 128), dtype=np.uint8)
    for row in range(1, num, 2):  # every second one is its neighbour with some bits turned
        hashes[row] = hashes[row - 1]
        hashes[row, rng.permutation(128)[: rng.integers(0, 50)]] ^= 1
    words = np.packbits(hashes, axis=1).view(np.uint64)
    distance = (hashes[:, None] != hashes[None]).sum(axis=2)
    expected = [[i, j] for i in range(num) for j in range(i + 1, num) if distance[i, j] <= MAX_BITS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "NUM_ROWS", num_rows)
        patch.setattr(duplicates, "NUM_COLUMNS", num_columns)
        assert sorted(close_pairs(words, words).tolist()) == expected


def test_clusters_join_chains() -> None:
    assert clusters(6, [(4, 5), (1, 2), (2, 4)]) == [0, 1, 1, 3, 1, 1]
    assert clusters(3, []) == [0, 1, 2]


# groups -------------------------------------------------------------------------------------------------------------


def test_groups_are_found_and_joined_with_those_there() -> None:
    prints: list[Fingerprint | None] = [fingerprint(speckled(seed)) for seed in (1, 1, 2, 3)]
    found = with_groups([case("a", ""), case("b", ""), case("c", "r"), case("d", "r")], prints)
    assert [one.group for one in found] == ["a", "a", "r", "r"]
    joined = with_groups([case("a", ""), case("b", "r"), case("c", "r"), case("d", "")], prints)
    assert len({one.group for one in joined[:3]}) == 1, "a copy of a run's image joins the run"
    assert joined[3].group == "d"
    unread = with_groups([case("a", ""), case("b", "")], [None, None])
    assert [one.group for one in unread] == ["a", "b"]


def test_a_name_that_is_anothers_group_does_not_join_it() -> None:
    """Case "x" alone and a given group "x" of others: different clusters must get different names."""
    prints: list[Fingerprint | None] = [fingerprint(speckled(seed)) for seed in (1, 2, 3)]
    groups = [one.group for one in with_groups([case("x", ""), case("b", "x"), case("c", "x")], prints)]
    assert groups[1] == groups[2] != groups[0]


# folds --------------------------------------------------------------------------------------------------------------


def random_cases(rng: np.random.Generator, num_groups: int) -> list[Case]:
    cases = []
    for group in range(num_groups):
        label = [0, 1, None][rng.choice(3, p=[0.6, 0.3, 0.1])]
        for image in range(int(rng.integers(1, 5))):
            cases.append(case(f"{group}_{image}", f"g{group}", label, mask=bool(rng.random() < 0.9)))
    return cases


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), num_groups=st.integers(10, 80), num_folds=st.integers(2, 6))
def test_groups_stay_whole_every_fold_is_filled_and_a_seed_repeats(seed: int, num_groups: int, num_folds: int) -> None:
    cases = random_cases(np.random.default_rng(seed), num_groups)
    folded = with_folds(cases, num_folds, seed)
    folds = defaultdict(set)
    for one in folded:
        folds[one.group].add(one.fold)
    assert all(len(parts) == 1 for parts in folds.values())
    assert {one.fold for one in folded} == set(range(num_folds))
    assert with_folds(cases, num_folds, seed) == folded
    shuffled = [cases[index] for index in np.random.default_rng(seed).permutation(len(cases))]
    assert {one.case_id: one.fold for one in with_folds(shuffled, num_folds, seed)} == {
        one.case_id: one.fold for one in folded
    }, "the order of the rows does not matter"


def test_folds_are_balanced_on_class_and_count() -> None:
    cases = random_cases(np.random.default_rng(5), 300)
    folded = with_folds(cases, 5, seed=1)
    for label in (0, 1, None):
        counts = Counter(one.fold for one in folded if one.malignancy == label)
        assert max(counts.values()) - min(counts.values()) <= 4, counts
    sizes = Counter(one.fold for one in folded)
    assert max(sizes.values()) - min(sizes.values()) <= 4, sizes
    assert [one.fold for one in folded] != [one.fold for one in with_folds(cases, 5, seed=2)], "a seed chooses"


def test_one_case_a_group_gives_even_folds_exactly() -> None:
    cases = [case(str(index), f"g{index}", index % 2) for index in range(20)]
    folded = with_folds(cases, 5, seed=0)
    assert Counter((one.fold, one.malignancy) for one in folded) == {
        (fold, label): 2 for fold in range(5) for label in (0, 1)
    }


def test_hold_out_takes_its_share_in_whole_groups() -> None:
    cases = random_cases(np.random.default_rng(7), 200)
    held = with_hold_out(cases, 0.2, seed=3)
    tested = [one for one in held if one.split == "test"]
    assert abs(len(tested) / len(cases) - 0.2) < 0.02
    high = sum(one.malignancy == 1 for one in cases)
    assert abs(sum(one.malignancy == 1 for one in tested) / high - 0.2) < 0.05
    assert not {one.group for one in tested} & {one.group for one in held if one.split == "train"}
    folded = with_folds(held, 4, seed=3)
    assert all((one.fold is None) == (one.split == "test") for one in folded)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 20])
def test_a_hold_out_that_is_no_fraction_is_told(fraction: float) -> None:
    with pytest.raises(InputError, match=r"between 0 and 1, e\.g\. 0\.2"):
        with_hold_out([case("a", "a"), case("b", "b")], fraction, 0)


def test_too_few_groups_or_folds_are_told() -> None:
    cases = [case("a", "p1"), case("b", "p1"), case("c", "p2")]
    with pytest.raises(InputError, match=r"2 groups can't fill 5 parts.*check the group column"):
        with_folds(cases, 5, 0)
    with pytest.raises(InputError, match="1 folds; 2 to"):
        with_folds(cases, 1, 0)


def test_the_rare_class_is_spread_first() -> None:
    """Three malignant singles among sixty benign: each of three folds must get one, whatever the seed."""
    cases = [case(f"b{index}", f"b{index}", 0) for index in range(60)] + [
        case(f"m{index}", f"m{index}", 1) for index in range(3)
    ]
    for seed in range(10):
        parts = assign_groups(cases, [1.0, 1.0, 1.0], seed)
        assert {parts[f"m{index}"] for index in range(3)} == {0, 1, 2}


def test_leaks_into_a_labelled_test_split_go_and_others_stay() -> None:
    cases = [
        case("a", "g1", 0, split="train"),
        case("b", "g1", 0, split="test"),
        case("c", "g2", 1, split="train"),
        case("d", "g2", None, mask=False, split="test"),
        case("e", "g3", 1, split="val"),
        case("f", "g3", 1, split="train"),
        case("g", "g1", 0, split="val"),
    ]
    kept, num_gone = without_leaks(cases)
    assert [one.case_id for one in kept] == ["b", "c", "d", "e"], "d is not labelled: nothing is scored on it"
    assert num_gone == 3
