"""Which rows a bundle may have seen: by its fields, and by the sentence of a bundle that was written before them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from thyrosight.bundle.records import BundleInfo, TrainingSet
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.store import Bundle, load_bundle
from thyrosight.bundle.training_sets import (
    has_left_out,
    has_seen_the_same,
    held_out_fold,
    inherited_from,
    inherited_sets,
    own_set,
    refuse_seen,
    seen_sets,
    start_record,
    without_record,
    without_repeats,
)
from thyrosight.errors import ConfigError
from thyrosight.types import Case

CASE = Case(case_id="1", image=Path("1.png"), mask=None, malignancy=None, group="1", source="ddti", fold=2)
ALL, BUT_2 = "all rows but test and validation", "folds other than 2, but validation"


def old_set(split: str, source: str = "ddti") -> TrainingSet:
    """As a bundle has it that was written before the two fields existed."""
    return TrainingSet.model_validate({"source": source, "num_images": 3, "sha256": "0" * 64, "split": split})


def bundle_with(*entries: TrainingSet) -> Bundle:
    """The shipped bundle with other sets and no record of its images."""
    known = replace(load_bundle(), seen=SeenImages.from_bytes(b""))
    return replace(known, info=known.info.model_copy(update={"training_sets": entries}))


def info_with(*entries: TrainingSet) -> BundleInfo:
    return bundle_with(*entries).info


@pytest.mark.parametrize(
    ("split", "fold", "origin"),
    [
        (ALL, None, ""),
        (BUT_2, 2, ""),
        ("folds other than 12, but validation", 12, ""),
        (f"before, by unet-busi: {ALL}", None, "unet-busi"),
        (f"before, by unet-ddti-fold2: {BUT_2}", 2, "unet-ddti-fold2"),
        (f"before, by b: before, by a: {BUT_2}", 2, "b"),
        ("all but folds other than 2", None, ""),
        ("train", None, ""),
        ("", None, ""),
    ],
)
def test_an_old_bundle_states_both_in_words(split: str, fold: int | None, origin: str) -> None:
    entry = old_set(split)
    assert (held_out_fold(entry), inherited_from(entry)) == (fold, origin)


def test_the_fields_count_whatever_the_words_are() -> None:
    entry = old_set("alle ausser Falte 4").model_copy(update={"held_out_fold": 4, "inherited_from": "x"})
    assert (held_out_fold(entry), inherited_from(entry)) == (4, "x")


def test_the_shipped_bundle_has_seen_every_fold_of_its_sets() -> None:
    info = load_bundle().info
    own = ["busbra", "busi", "ddti", "phantom", "tg3k", "tn5000"]
    assert [entry.source for entry in info.training_sets if not inherited_from(entry)] == own
    assert {inherited_from(entry) for entry in info.training_sets} == {"", info.name}, "its first round has that name"
    for fold in (0, None):
        assert {entry.source for entry in seen_sets(info, {"ddti", "tn5000", "own"}, fold)} == {"ddti", "tn5000"}
        assert not seen_sets(info, {"own"}, fold)


@pytest.mark.parametrize("fold", [0, 2, None])
def test_a_new_record_says_what_it_kept_aside(fold: int | None) -> None:
    entry = own_set("ddti", [CASE], "0" * 64, fold)
    assert (held_out_fold(entry), inherited_from(entry), entry.num_images) == (fold, "", 1)
    again = TrainingSet.model_validate_json(entry.model_dump_json())
    assert again == entry
    assert ("held_out_fold" in entry.model_dump()) == (fold is not None)
    assert old_set(entry.split) == entry.model_copy(
        update={"held_out_fold": None, "num_images": 3, "is_recorded": False}
    )


def test_sets_of_the_start_are_inherited_with_their_fold() -> None:
    start = start_record(bundle_with(old_set(BUT_2), own_set("busi", [CASE], "1" * 64, None)))
    ddti, busi = inherited_sets(start)
    assert (ddti.held_out_fold, ddti.inherited_from) == (2, start["name"])
    assert (busi.held_out_fold, busi.inherited_from) == (None, start["name"])
    assert ddti.split == f"before, by {start['name']}: {BUT_2}"
    assert not list(inherited_sets(None))
    (twice, _) = inherited_sets({"name": "later", "training_sets": [one.model_dump() for one in (ddti, busi)]})
    assert (held_out_fold(twice), inherited_from(twice)) == (2, "later")


@pytest.mark.parametrize(
    "entry",
    [
        old_set(ALL),
        old_set("folds other than 1, but validation"),
        old_set(f"before, by other: {ALL}"),
        old_set("unknown"),
        own_set("ddti", [CASE], "", None),
        own_set("ddti", [CASE], "", 1),
    ],
)
def test_a_start_that_may_have_seen_the_kept_rows_is_refused(entry: TrainingSet) -> None:
    with pytest.raises(ConfigError, match="has learned from ddti"):
        refuse_seen(bundle_with(entry), [CASE], 2)


def test_other_sets_and_the_same_fold_are_no_hindrance() -> None:
    refuse_seen(bundle_with(old_set(ALL, "busi")), [CASE], 2)
    refuse_seen(bundle_with(old_set(BUT_2)), [CASE], 2)
    refuse_seen(bundle_with(old_set(f"before, by other: {BUT_2}")), [CASE], 2)
    refuse_seen(bundle_with(own_set("ddti", [CASE], "", 2)), [CASE], 2)
    refuse_seen(bundle_with(old_set(ALL)), [], None)
    with pytest.raises(ConfigError, match="not be unseen"):
        refuse_seen(bundle_with(old_set(BUT_2)), [replace(CASE, split="test")], None)


def test_only_the_own_run_leaves_a_fold_out() -> None:
    assert has_left_out(info_with(old_set(BUT_2)), {1, 2})
    assert has_left_out(info_with(own_set("ddti", [CASE], "", 0)), {0})
    assert not has_left_out(info_with(old_set(BUT_2)), {0, 1})
    assert not has_left_out(info_with(old_set(ALL), old_set(f"before, by x: {BUT_2}")), {2})


@pytest.mark.parametrize(
    ("entry", "same"),
    [
        (old_set(BUT_2), True),
        (own_set("ddti", [CASE], "", 2), True),
        (old_set(f"before, by x: {BUT_2}"), True),
        (old_set("folds other than 3, but validation"), False),
        (old_set(f"before, by x: {ALL}"), False),
        (own_set("ddti", [CASE], "", None), False),
        (old_set(ALL, "busi"), True),
    ],
)
def test_two_bundles_have_seen_the_same_of_what_both_scores_ask(entry: TrainingSet, same: bool) -> None:
    first = info_with(own_set("ddti", [CASE], "", 2))
    assert has_seen_the_same(first, info_with(entry)) == same
    assert has_seen_the_same(info_with(entry), first) == same


def test_a_set_counts_once() -> None:
    entries = [own_set("ddti", [CASE], "a", 2), old_set(BUT_2), old_set(ALL), old_set(f"before, by x: {BUT_2}")]
    first = entries[0].model_copy(update={"is_recorded": False})  # the other record of the set has no images
    assert list(without_repeats(entries)) == [first, entries[2], entries[3]]


def test_a_set_of_the_start_that_the_run_learned_again_is_in_the_record() -> None:
    own = own_set("ddti", [CASE], "1" * 64, None)
    before, other = (old_set(f"before, by x: {ALL}").model_copy(update={"sha256": sha}) for sha in ("1" * 64, "2" * 64))
    assert without_record([own, before, other]) == (other,)
    assert not without_record(load_bundle().info.training_sets[:3])
