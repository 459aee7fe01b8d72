"""A bundle -> the weights that a run begins with, unless it has seen what will be scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thyrosight.bundle import Bundle, TrainingSet, fold_bundles, load_bundle
from thyrosight.errors import BundleError, ConfigError
from thyrosight.types import Case

if TYPE_CHECKING:
    from torch import nn

SHIPPED = "shipped"
"""The name that stands for the bundle inside the package."""
BEFORE = "before, by "
"""How the split of a set begins that only the weights which a run began with have seen."""

AUXILIARY = ("gland.", "descriptors.")
"""How the weights of heads begin that only teach: one run may have them and the next not."""


def start_bundle(start_from: str, fold: int | None = None) -> Bundle:
    """`network.start_from` -> the bundle: the shipped one by its name, of a cross-validation the fold's, or a path."""
    if start_from == SHIPPED:
        return load_bundle(None)
    folds = fold_bundles(Path(start_from))
    if folds and fold not in folds:
        raise ConfigError(f"{start_from}: is a cross-validation; it has no finished fold {fold} to begin from")
    return load_bundle(folds[fold] if folds and fold is not None else Path(start_from))


def load_start_weights(network: nn.Module, bundle: Bundle) -> None:
    """Fill the network with a bundle's weights; BundleError where they don't fit.

    Auxiliary heads are filled where both have them: the bundle's others are left out, the network's others stay fresh.
    """
    from safetensors.torch import load

    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in load(bundle.weights_bytes).items()
    }
    own = network.state_dict()
    state = {name: value for name, value in state.items() if name in own or not name.startswith(AUXILIARY)}
    state |= {name: value for name, value in own.items() if name not in state and name.startswith(AUXILIARY)}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(
            f"{bundle.info.name}: its weights don't fit this network: {str(error).splitlines()[1].strip()}"
        ) from None


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
