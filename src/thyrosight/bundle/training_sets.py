"""Training sets of a bundle -> which rows the bundle may have seen.

An evaluation asks this before it scores a bundle, and a run before it starts from the weights of a bundle.

held_out_fold of a training set: the fold that the bundle has not seen.
inherited_from: the bundle whose weights had seen the set before the run began; empty where the run itself saw it.
is_recorded: the images of the set are in seen_images.bin. Then datasets/pictures/seen_rows.py compares the images
themselves, and the name of the set is not used.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from thyrosight.bundle.records import BundleInfo, TrainingSet
from thyrosight.bundle.store import Bundle
from thyrosight.errors import ConfigError
from thyrosight.types import Case

DRAWN = "phantom"
"""The source of phantoms: each seed draws another set under this same name."""
_OLD_FOLD = re.compile(r"(?:^|: )folds other than (\d+), but validation$")
_OLD_ORIGIN = re.compile(r"before, by (.+?): ")
"""How an older bundle states held_out_fold and inherited_from in its text `split`."""


def held_out_fold(entry: TrainingSet) -> int | None:
    """The fold of this set that the bundle has not seen; None: no fold is known to be unseen."""
    if entry.held_out_fold is not None:
        return entry.held_out_fold
    stated = _OLD_FOLD.search(entry.split)
    return int(stated[1]) if stated else None


def inherited_from(entry: TrainingSet) -> str:
    """The bundle whose weights had seen this set before the run began; empty: the run was trained on it."""
    if entry.inherited_from:
        return entry.inherited_from
    stated = _OLD_ORIGIN.match(entry.split)
    return stated[1] if stated else ""


def seen_sets(info: BundleInfo, sources: Collection[str], fold: int | None) -> list[TrainingSet]:
    """The bundle's sets of these sources that may hold rows of `fold` (None: of any part of the source)."""
    return [
        entry
        for entry in info.training_sets
        if entry.source in sources and (fold is None or held_out_fold(entry) != fold)
    ]


def seen_by_name(entries: Sequence[TrainingSet], cases: Sequence[Case]) -> list[TrainingSet | None]:
    """Sets whose images are not recorded, rows -> for each row the set that has its source and fold, or None.

    None for a row of the test split, because no run learns from such rows.
    """
    return [
        next(
            (
                entry
                for entry in entries
                if entry.source == case.source
                and case.split != "test"
                and (held_out_fold(entry) is None or held_out_fold(entry) != case.fold)
            ),
            None,
        )
        for case in cases
    ]


def without_record(entries: Sequence[TrainingSet]) -> tuple[TrainingSet, ...]:
    """-> the sets of which the bundle recorded no images.

    A set that the starting weights had learned from counts as recorded where the run learned from the same rows again.
    """
    held = {(entry.source, entry.sha256) for entry in entries if entry.is_recorded}
    return tuple(entry for entry in entries if (entry.source, entry.sha256) not in held)


def names_a_set(entry: TrainingSet) -> bool:
    """Whether the source is the name of one published set; `folders` or `phantom` may be anybody's images."""
    return entry.source != DRAWN and entry.origin is not None and bool(entry.origin.citation)


def has_left_out(info: BundleInfo, folds: Collection[int]) -> bool:
    """Whether the bundle's own run left out one of these folds.

    The run that made its starting weights does not count.
    """
    return any(not inherited_from(entry) and held_out_fold(entry) in folds for entry in info.training_sets)


def has_seen_the_same(one: BundleInfo, other: BundleInfo) -> bool:
    """Whether both bundles have left out the same folds of the sets that either run was trained on."""
    return _has_seen_no_more(one, other) and _has_seen_no_more(other, one)


def _has_seen_no_more(one: BundleInfo, other: BundleInfo) -> bool:
    """Whether `other` too has each set of `one` that is a source of its own run, with the same fold left out."""
    own = {entry.source for entry in other.training_sets if not inherited_from(entry)}
    known = {(entry.source, held_out_fold(entry)) for entry in other.training_sets}
    return all((entry.source, held_out_fold(entry)) in known for entry in one.training_sets if entry.source in own)


def sets_to_ask_by_name(bundle: Bundle, sources: Collection[str], fold: int | None) -> list[TrainingSet]:
    """The bundle's sets of these sources that may hold rows of `fold` and whose images it did not record."""
    unknown = without_record(bundle.info.training_sets) if len(bundle.seen) else bundle.info.training_sets
    return [entry for entry in seen_sets(bundle.info, sources, fold) if entry in unknown]


def refuse_seen(bundle: Bundle, kept_out: Sequence[Case], fold: int | None) -> None:
    """ConfigError where the bundle may have seen a row that the run must not learn from (`kept_out`)."""
    seen = sets_to_ask_by_name(bundle, {case.source for case in kept_out}, fold)
    if seen:
        source, part = seen[0].source, seen[0].split
        raise ConfigError(
            f"network.start_from: {bundle.info.name} has learned from {source} ({part}), so the rows of {source} that "
            "are kept out now would not be unseen; start from another bundle, or from ImageNet by "
            "--recipe scratch or --set network.start_from="
        )


# What a bundle and a run record


def own_set(source: str, rows: Sequence[Case], sha256: str, fold: int | None) -> TrainingSet:
    """Fitted rows of one source, hash of their list, fold that the run leaves out -> the record of this set."""
    part = "all rows but test and validation" if fold is None else f"folds other than {fold}, but validation"
    return TrainingSet(
        source=source, num_images=len(rows), sha256=sha256, split=part, held_out_fold=fold, is_recorded=True
    )


def start_record(bundle: Bundle) -> dict[str, Any]:
    """Bundle that a run starts from -> what the run records of it: name, hash and training sets."""
    return bundle.info.model_dump(mode="json", include={"name", "sha256", "training_sets"})


def inherited_sets(start: Mapping[str, Any] | None) -> Iterator[TrainingSet]:
    """Record by `start_record` (None: no starting weights) -> the sets that the starting weights have seen."""
    if start is None:
        return
    for record in start["training_sets"]:
        entry = TrainingSet.model_validate(record)
        yield entry.model_copy(
            update={
                "split": f"before, by {start['name']}: {entry.split}",
                "held_out_fold": held_out_fold(entry),
                "inherited_from": start["name"],
            }
        )


def without_images(entry: TrainingSet) -> TrainingSet:
    """-> the set, without a claim that its images are recorded if only an earlier run saw it.

    The list of an earlier run's images is gone, so is_recorded becomes False.
    """
    return entry.model_copy(update={"is_recorded": False}) if inherited_from(entry) else entry


def without_repeats(entries: Sequence[TrainingSet]) -> tuple[TrainingSet, ...]:
    """Sets of several bundles -> each set once, as its first record states it.

    is_recorded only if all its records say so.
    """
    known: dict[tuple[str, int | None, str], TrainingSet] = {}
    for entry in entries:
        key = (entry.source, held_out_fold(entry), inherited_from(entry))
        first = known.setdefault(key, entry)
        if first.is_recorded and not entry.is_recorded:
            known[key] = first.model_copy(update={"is_recorded": False})
    return tuple(known.values())
