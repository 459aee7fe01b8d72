"""A bundle -> the weights that a run begins with, unless it has seen what will be scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from thyrosight.bundle.records import TrainingSet
from thyrosight.bundle.store import Bundle
from thyrosight.errors import ConfigError
from thyrosight.types import Case

BEFORE = "before, by "
"""How the split of a set begins that only the weights which a run began with have seen."""


def split_in_words(fold: int | None) -> str:
    """Which rows a run learns from when it keeps this fold aside, as a bundle says it."""
    return "all rows but test and validation" if fold is None else f"folds other than {fold}, but validation"


def refuse_seen(bundle: Bundle, kept_out: Sequence[Case], fold: int | None) -> None:
    """ConfigError where the bundle has learnt from a set of which rows are kept out now, unless by the same split."""
    kept = {case.source for case in kept_out}
    for entry in bundle.info.training_sets:
        if entry.source in kept and (fold is None or entry.split != split_in_words(fold)):
            raise ConfigError(
                f"network.start_from: {bundle.info.name} has learnt from {entry.source} ({entry.split}), so the rows "
                f"of {entry.source} that are kept out now would not be unseen; start from another bundle, or from "
                'ImageNet by network.start_from=""'
            )


def start_record(bundle: Bundle) -> dict[str, Any]:
    """What a run remembers of the bundle that it starts from: name, hash and training sets."""
    return bundle.info.model_dump(mode="json", include={"name", "sha256", "training_sets"})


def pretraining_sets(start: Mapping[str, Any] | None) -> Iterator[TrainingSet]:
    """start_record (None: begun afresh) -> the sets behind the weights that a run began with, said to be that."""
    if start is None:
        return
    for entry in start["training_sets"]:
        known = TrainingSet.model_validate(entry)
        yield known.model_copy(update={"split": f"{BEFORE}{start['name']}: {known.split}"})
